package testcores

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"emurace/internal/shell"
)

// process is a program that is to leave a core.
type process struct {
	dir   string // where it runs, and where its core is
	argv  []string
	env   []string
	alive bool // nothing ends it: it is to be ended once all of its threads wait
	// filter is its coredump_filter, core(5); 0 for that of this process.
	filter uint
}

// starting is held while this process has what a child is to inherit.
var starting sync.Mutex

const filterFile = "/proc/self/coredump_filter"

// start starts a command that inherits the filter.
func (p *process) start(cmd *exec.Cmd) (err error) {
	starting.Lock()
	defer starting.Unlock()
	if p.filter != 0 {
		old, err := os.ReadFile(filterFile)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filterFile, fmt.Appendf(nil, "%#x", p.filter), 0); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, os.WriteFile(filterFile, append([]byte("0x"), bytes.TrimSpace(old)...), 0))
		}()
	}
	return cmd.Start()
}

// deadline is how long a program may take, in all.
const deadline = 60 * time.Second

// command prepares a command line of the process's.
func (p *process) command(argv ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = p.dir, append([]string{}, p.env...)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	return cmd, &words
}

// limit lets the children of this process leave cores.
var limit = sync.OnceValue(func() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &l); err != nil {
		return err
	}
	if l.Max == 0 {
		return errNoCores
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &l)
})

// errNoCores is that the kernel writes no core here that a test could find.
var errNoCores = errors.New("the kernel writes no cores into the folder of a process here")

// KernelCores is nil where the kernel writes cores into the folder of the process that dies, and else an
// error: where it hands them to a program, as systemd-coredump, or they are forbidden.
func KernelCores() error {
	b, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		return err
	}
	if pattern := strings.TrimSpace(string(b)); pattern == "" || strings.ContainsAny(pattern, "|/%") || !strings.HasPrefix(pattern, "core") {
		return fmt.Errorf("%w: core_pattern is %q", errNoCores, pattern)
	}
	return limit()
}

// die runs the program to its death, by SIGQUIT where nothing else ends it, and finds the core that
// matches the pattern in its folder.
func (p *process) die(pattern string) (string, error) {
	if err := limit(); err != nil {
		return "", err
	}
	cmd, words := p.command(p.argv...)
	if err := p.start(cmd); err != nil {
		return "", err
	}
	late := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() }) // it may be gone
	defer late.Stop()
	if p.alive {
		if err := p.settle(cmd.Process.Pid); err != nil {
			return "", errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			return "", err
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() <= 0 {
		return "", fmt.Errorf("%s: did not die of a signal: %w\n%s", p.argv[0], err, words)
	}
	return p.find(pattern)
}

// find is the file of the pattern in the process's folder.
func (p *process) find(pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d files are %s: %v", len(found), pattern, found)
	}
	return found[0], nil
}

// settle waits until all threads of a process wait, and go on doing so.
func (p *process) settle(pid int) error {
	const looks, pause = 10, 10 * time.Millisecond
	last, same := "", 0
	for end := time.Now().Add(deadline / 2); same < looks; time.Sleep(pause) {
		now, asleep, err := threads(pid)
		if err != nil {
			return err
		}
		if same++; !asleep || now != last {
			last, same = now, 0
		}
		if time.Now().After(end) {
			return errors.New("the process does not come to rest")
		}
	}
	return nil
}

// threads are the threads of a process and how long each has run; whether all of at least two
// sleep.
func threads(pid int) (text string, asleep bool, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "task")
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return "", false, err
	}
	asleep = len(tasks) >= 2
	for _, task := range tasks {
		b, err := os.ReadFile(filepath.Join(dir, task.Name(), "stat"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return "", false, nil // it has just ended
		}
		if err != nil {
			return "", false, err
		}
		// pid (comm) state ..., utime and stime as the 14th and 15th field; proc(5).
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 {
			return "", false, fmt.Errorf("%s: %q", dir, b)
		}
		asleep = asleep && f[0] == "S"
		text += task.Name() + " " + f[11] + " " + f[12] + "\n"
	}
	return text, asleep, nil
}

// gcore has gdb run the program to its death and write the core then, or attach to it once
// all of its threads wait. Handled is how many signals the program handles before the one that it dies of.
func (p *process) gcore(core string, handled int) error {
	gdb, err := exec.LookPath("gdb")
	if err != nil {
		if gdb, err = exec.LookPath("gdb-multiarch"); err != nil {
			return fmt.Errorf("%w; run: make packages-test", err)
		}
	}
	args := []string{gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no"}
	if p.alive {
		cmd, words := p.command(p.argv...)
		if err := cmd.Start(); err != nil {
			return err
		}
		err := p.settle(cmd.Process.Pid)
		if err == nil {
			err = p.debug(append(args, "-p", strconv.Itoa(cmd.Process.Pid), "-ex", "gcore "+core))
		}
		err = errors.Join(err, cmd.Process.Kill())
		if cmd.Wait() == nil {
			err = errors.Join(err, fmt.Errorf("%s: has ended\n%s", p.argv[0], words))
		}
		return err
	}
	args = append(args, "-ex", "set exec-wrapper env -i "+shell.Line(p.env...), "-ex", "run")
	for range handled {
		args = append(args, "-ex", "continue")
	}
	args = append(args, "-ex", "gcore "+core, "-ex", "kill", "--args")
	return p.debug(append(args, p.argv...))
}

// debug runs gdb, which must have written a core.
func (p *process) debug(argv []string) error {
	cmd, words := p.command(argv...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SHELL=/bin/sh")
	if err := cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() }) // it may be gone
	defer late.Stop()
	if err := cmd.Wait(); err != nil || !strings.Contains(words.String(), "Saved corefile ") {
		return fmt.Errorf("gdb: no core: %w\n%s", err, words)
	}
	return nil
}
