package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ended is how a run of a program ended.
type ended struct {
	code   int            // exit code
	signal syscall.Signal // that has ended it, 0 if none
	late   bool           // it was still running when its time was up, and was ended
	wall   time.Duration
	report string // what the tool has written to its report
	said   string // the end of what was printed
}

// mostRead bounds what is read of a report and of what a program prints: neither is to be
// trusted with this process's memory.
const mostRead = 1 << 20

// run runs a command in a folder, with nothing of this process's environment but the path, and
// reads the files whose names begin with report.
func run(dir, report string, argv, env []string, limit time.Duration) (e ended, err error) {
	report = filepath.Join(dir, report)
	if err := removeAll(report); err != nil {
		return e, err
	}
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}, env...)
	// A tool may have started others, which are to end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		e.late = true
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	start := time.Now()
	err = cmd.Run()
	e.wall = time.Since(start)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
	case err != nil && !e.late:
		return e, fmt.Errorf("%s: %w", argv[0], err)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && !e.late {
		e.signal = status.Signal()
	} else if !e.late {
		e.code = status.ExitStatus()
	}
	if e.said, err = end(out.Name()); err != nil {
		return e, err
	}
	files, err := filepath.Glob(report + "*")
	if err != nil {
		return e, err
	}
	for _, f := range files {
		text, err := end(f)
		if err != nil {
			return e, err
		}
		e.report += text
	}
	return e, nil
}

// removeAll removes the files whose names begin so.
func removeAll(name string) error {
	old, err := filepath.Glob(name + "*")
	for _, f := range old {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// end is the end of a file.
func end(name string) (text string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	size := min(info.Size(), mostRead)
	b := make([]byte, size)
	n, err := f.ReadAt(b, info.Size()-size)
	if int64(n) < size {
		return "", err
	}
	return string(b), nil
}
