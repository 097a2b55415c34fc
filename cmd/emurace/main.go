// Command emurace finds, replays and explains crashes that depend on how
// threads are interleaved. See the package README for what it is for.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"emurace/internal/guard"
)

func main() {
	// A file that would get larger than a limit allows (ulimit -f) is an error
	// of the write, as a full disk is, and no reason to die.
	signal.Ignore(syscall.SIGXFSZ)
	e, err := guard.Inherited()
	switch {
	case err != nil:
		os.Exit(finish(err, os.Stderr))
	case e != nil:
		os.Exit(engine(e, os.Args))
	case runsGuest(os.Args):
		os.Exit(supervise(os.Args, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C asks for an orderly end; the second one kills.
	context.AfterFunc(ctx, stop)
	code := doMain(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// doMain is the whole program, for tests to run it in their own process too. It
// returns the exit code.
func doMain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if err := dropEmpty(os.Environ()); err != nil {
		return finish(err, stderr)
	}
	app := newApp(stdout, stderr)
	helpError = nil
	noteProgram(app, args)
	err := app.RunContext(ctx, flagsFirst(app, args))
	if err == nil {
		err = helpError
	}
	return finish(err, stderr)
}

// dropEmpty unsets the variables of emurace that are empty: they count as if
// they were not there, as NO_COLOR does.
func dropEmpty(environ []string) error {
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "EMURACE_") || value != "" {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return nil
}
