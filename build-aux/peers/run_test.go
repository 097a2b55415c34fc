package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRun: how commands end, what they write, and what they get.
func TestRun(t *testing.T) {
	t.Setenv("SECRET", "1")
	for _, c := range []struct {
		name, script string
		want         ended
	}{
		{"well", "exit 0", ended{}},
		{"a code", "exit 7", ended{code: 7}},
		{"a signal", "kill -ABRT $$", ended{signal: syscall.SIGABRT}},
		{"a hang, with a child", "sleep 60 & echo $! >child; wait", ended{late: true}},
		{"output", "echo one; echo two >&2", ended{said: "one\ntwo\n"}},
		{"a report", "echo a >report; echo b >report.77; echo c >other", ended{report: "a\nb\n"}},
		{"environment", "echo $SECRET$GIVEN$LC_ALL", ended{said: "xC\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			// Of an earlier run.
			if err := os.WriteFile(filepath.Join(dir, "report.1"), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			limit := time.Minute
			if c.want.late {
				limit = 300 * time.Millisecond
			}
			e, err := run(dir, "report", []string{"sh", "-c", c.script}, []string{"GIVEN=x"}, limit)
			if err != nil {
				t.Fatal(err)
			}
			if e.wall <= 0 || e.wall > 30*time.Second {
				t.Errorf("it took %v", e.wall)
			}
			if e.wall = 0; e != c.want {
				t.Errorf("%+v, want %+v", e, c.want)
			}
			if pid, err := os.ReadFile(filepath.Join(dir, "child")); err == nil {
				gone(t, strings.TrimSpace(string(pid)))
			}
		})
	}
	if _, err := run(t.TempDir(), "report", []string{"/nowhere/at/all"}, nil, time.Minute); err == nil {
		t.Error("a command that is not there runs")
	}
}

// gone waits until a process is no more, or only left to be waited for.
func gone(t *testing.T, pid string) {
	t.Helper()
	for range 100 {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %s, which the command had started, goes on", pid)
}

// TestEnd: of much that was printed the end is kept.
func TestEnd(t *testing.T) {
	dir := t.TempDir()
	e, err := run(dir, "report", []string{"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end"}, nil, time.Minute)
	if err != nil || len(e.said) != mostRead || !strings.HasSuffix(e.said, "xend\n") {
		t.Errorf("%d bytes, %v", len(e.said), err)
	}
}
