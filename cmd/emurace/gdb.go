package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/guard"
	"emurace/internal/shell"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/gdb"
	"emurace/sysroot"
)

func gdbCommand() *cli.Command {
	return &cli.Command{
		Name:      "gdb",
		Usage:     "serve a trace to gdb, with reverse execution",
		ArgsUsage: "[TRACE]",
		Description: `The trace is run again and shown to gdb, which can go through it forwards and
backwards. Without a name the trace that was written last is used. gdb begins at
the run's end; its command "monitor help" lists what emurace adds.

Examples:
  emurace gdb --launch
  emurace gdb --listen 127.0.0.1:4444 crash.trace
  gdb-multiarch -ex 'set remotetimeout 60' -ex 'target remote | emurace gdb --stdio crash.trace'`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "launch", Usage: "start gdb, already connected"},
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0", Usage: "serve at `ADDRESS:PORT` of this machine; port 0 takes a free one", EnvVars: []string{"EMURACE_LISTEN"}},
			&cli.BoolFlag{Name: "once", Usage: "end when the first client has left"},
			&cli.BoolFlag{Name: "stdio", Usage: "serve one client over standard input and output"},
			traceSysrootFlag(), memoryFlag("the trace's, at most " + usualMemory), cacheFlag(), logFlag(),
		},
		Action: gdbAction,
	}
}

func gdbAction(c *cli.Context) error {
	address, err := gdbAddress(c)
	if err != nil {
		return err
	}
	// The port is opened, and gdb found, before the walls stand.
	var program string
	var args []string
	var l net.Listener
	g := grants{before: func(r replay.Recipe, sys *emu.System) (err error) {
		if c.Bool("launch") {
			if program, err = findGDB(r.Arch); err != nil {
				return err
			}
		}
		if c.Bool("stdio") {
			return nil
		}
		if l, err = listen(address); err != nil {
			return err
		}
		if args, err = gdbArguments(sys, l.Addr().String()); err == nil && program != "" {
			err = guard.From(c.Context).Launch(guard.Launch{Program: program, Args: append([]string{"-q"}, args...)})
		}
		if err != nil {
			err = errors.Join(err, l.Close())
		}
		return err
	}}
	g.Accept = !c.Bool("stdio")
	r, err := openRun(c, g)
	if err != nil {
		return err
	}
	defer r.close()
	if l != nil {
		defer l.Close() // again, when it was served
	}
	if err := r.mustMatch(); err != nil {
		return err
	}
	server, err := gdbServer(c, r)
	if err != nil {
		return err
	}
	r.sys.Interrupt(nil) // to be interrupted is how it ends
	if c.Bool("stdio") {
		return server.Serve(c.Context, stdio{c.App.Reader, c.App.Writer})
	}
	if program != "" {
		return launch(c, server, l, program, args)
	}
	if _, err := fmt.Fprintf(c.App.Writer, "gdb can connect to %s until Ctrl-C:\n  %s\n", l.Addr(), shell.Line(append([]string{"gdb-multiarch"}, args...)...)); err != nil {
		return err
	}
	return server.Listen(c.Context, l, c.Bool("once"))
}

// listen opens the port that gdb connects to.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, environmentError(fmt.Errorf("--listen %s: the port is in use", address), "name another port, or 0 for a free one")
	}
	if err != nil {
		return nil, environmentError(fmt.Errorf("--listen %s: %w", address, listenCause(err)), "name a port of 127.0.0.1, or 0 for a free one")
	}
	return l, nil
}

// gdbAddress checks the flags about where to serve.
func gdbAddress(c *cli.Context) (string, error) {
	address := c.String("listen")
	if c.Bool("stdio") && c.Bool("launch") {
		return "", usage(errors.New("--stdio does not go with --launch"), "choose one way to connect")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", usage(fmt.Errorf("--listen %q: not an address with a port", address), "for example --listen 127.0.0.1:4444")
	}
	if host == "localhost" { // whatever the name stands for elsewhere
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", usage(fmt.Errorf("--listen %q: not an address of this machine alone", address),
			"use 127.0.0.1 and, from elsewhere, an ssh tunnel: the protocol knows no passwords")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", usage(fmt.Errorf("--listen %q: not a port", address), "a number from 0 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

// listenCause is what the system says, without the address that is named already.
func listenCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func gdbServer(c *cli.Context, r *run) (*gdb.Server, error) {
	x, _, err := r.explain()
	if err != nil {
		return nil, err
	}
	t, err := r.timeline()
	if err != nil {
		return nil, err
	}
	var blocks *heap.History
	return gdb.New(gdb.Options{
		Timeline: t, Root: r.sys.Root, Headline: x.Headline(), Why: x.Headline() + "\n" + x.String(),
		Heap: func() (*heap.History, error) {
			if blocks == nil {
				h, err := r.heaps.run(r.session.Made(), r.verification.Schedule)
				if err != nil {
					return nil, err
				}
				blocks = h
			}
			return blocks, nil
		},
		Note: func(text string) {
			if !c.Bool("launch") {
				_, _ = fmt.Fprintln(c.App.ErrWriter, text) // a note more or less
			}
		},
	}), nil
}

// stdio is standard input and output as a connection.
type stdio struct {
	io.Reader
	io.Writer
}

// Close leaves both open: they belong to the program.
func (stdio) Close() error { return nil }

// gdbArguments make gdb find the sysroot's files and connect.
func gdbArguments(sys *emu.System, address string) ([]string, error) {
	root, err := lastingRoot(sys)
	if err != nil {
		return nil, err
	}
	commands := []string{"set sysroot target:", "set debug-file-directory " + filepath.Join(root, "usr/lib/debug")}
	if source := sysroot.SourceDir(root); source != "" {
		commands = append(commands, "directory "+source)
	}
	var args []string
	for _, command := range append(commands, "target remote "+address) {
		args = append(args, "-ex", command)
	}
	return args, nil
}

// lastingRoot is the folder of the sysroot as it is named to who uses it later.
func lastingRoot(sys *emu.System) (string, error) {
	dir, err := filepath.Abs(sys.Root.Dir())
	return sysroot.Lasting(dir), err
}

// findGDB finds a gdb that knows the architecture.
func findGDB(arch loader.Arch) (string, error) {
	for _, name := range []string{"gdb-multiarch", "gdb"} {
		file, err := exec.LookPath(name)
		if err == nil && knows(file, arch) {
			return file, nil
		}
	}
	return "", environmentError(fmt.Errorf("--launch: no gdb for %v is installed", arch), "apt-get install gdb-multiarch")
}

// knows asks gdb for the architecture.
func knows(file string, arch loader.Arch) bool {
	return exec.Command(file, "-nx", "-batch", "-ex", "set architecture "+gdb.Architecture(arch)).Run() == nil
}

// launch runs gdb while serving it. Ctrl-C is for gdb. Behind walls it is the supervisor
// that runs gdb, and orders an end after that.
func launch(c *cli.Context, server *gdb.Server, l net.Listener, program string, args []string) error {
	if e := guard.From(c.Context); e != nil {
		if err := e.Start(); err != nil {
			return err
		}
		return server.Listen(c.Context, l, false)
	}
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context), syscall.SIGTERM)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Listen(ctx, l, false) }()
	cmd := exec.CommandContext(ctx, program, append([]string{"-q"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, c.App.Writer, c.App.ErrWriter
	err := cmd.Run()
	stop()
	err = errors.Join(err, <-served)
	var status *exec.ExitError
	if errors.As(err, &status) {
		return environmentError(fmt.Errorf("%s: %w", program, err), "")
	}
	return err
}
