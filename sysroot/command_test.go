package sysroot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	out, err := command(t.Context(), dir, "sh", "-c", `pwd; echo "$LC_ALL"; echo noise >&2`)
	if err != nil || string(out) != dir+"\nC\n" {
		t.Errorf("%q, %v", out, err)
	}
	for script, want := range map[string]string{
		"exit 3":                   "sh: exit status 3",
		"echo 'oh no' >&2; exit 1": "sh: oh no",
		"echo 'W: a' >&2; echo 'Err:1 b' >&2; echo 'E: c' >&2; echo 'E: d' >&2; exit 100": "sh: c",
		"head -c 10000000 /dev/zero | tr '\\0' '\\n' >&2; exit 1":                         "sh: exit status 1",
		"kill -9 $$": "sh: signal: killed",
	} {
		if _, err := command(t.Context(), dir, "sh", "-c", script); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
	var known *Error
	if _, err := command(t.Context(), dir, "no-such-program-here"); !errors.As(err, &known) || known.Hint() == "" {
		t.Errorf("no program: %v", err)
	}
}

// TestCommandCancelled ends a program together with what it has started.
func TestCommandCancelled(t *testing.T) {
	dir := t.TempDir()
	if out, err := command(t.Context(), dir, "mkfifo", "pipe"); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error)
	go func() {
		// The inner sleep holds the pipe open for as long as it lives.
		_, err := command(ctx, dir, "sh", "-c", "sleep 600 >pipe & wait")
		result <- err
	}()
	pipe, err := os.Open(filepath.Join(dir, "pipe")) // Blocks until sleep has it.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipe.Close() }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := pipe.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := pipe.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("sleep is still there: %d, %v", n, err)
	}
}
