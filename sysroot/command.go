package sysroot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stderrLimit bounds what is kept of a command's messages, in bytes.
const stderrLimit = 64 << 10

// command runs a program of the system in dir and returns its standard output.
// An error tells the program's own first complaint. When ctx ends, or this
// process dies, the program and all that it started end too, so that nothing
// goes on writing into a folder that is being removed.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	// The kernel sends Pdeathsig when the thread that started the child ends,
	// and Go may end a thread at any time unless a goroutine is locked to it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C") // messages are parsed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stdout bytes.Buffer
	stderr := &headBuffer{limit: stderrLimit}
	cmd.Stdout, cmd.Stderr = &stdout, stderr

	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, &Error{
			what: name,
			why:  "not found; Debian packages are fetched and unpacked with apt and dpkg",
			hint: "install apt and dpkg, or use --sysroot host or --sysroot DIR",
		}
	}
	if complaint := firstComplaint(stderr.String()); complaint != "" {
		return nil, fmt.Errorf("%s: %s", name, complaint)
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// headBuffer is a writer that keeps the first limit bytes and drops the rest.
type headBuffer struct {
	bytes.Buffer
	limit int
}

// Write keeps what fits. It never fails, so that the writer is not stopped.
func (b *headBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.limit-b.Len())])
	return len(p), nil
}

// firstComplaint picks the line that says what went wrong from a program's
// standard error: apt marks errors with "E:" and what may have led to them with
// "W:" or "Err:"; other programs just print.
func firstComplaint(text string) string {
	first, firstE := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		e, isE := strings.CutPrefix(line, "E: ")
		if firstE == "" && isE {
			firstE = e
		}
		if first == "" && line != "" && !strings.HasPrefix(line, "W: ") {
			first = line
		}
	}
	if firstE != "" {
		return firstE
	}
	return first
}
