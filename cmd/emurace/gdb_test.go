package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// served is a running `emurace gdb`, with the address that it prints.
type served struct {
	addr   string
	signal func(os.Signal)
	wait   func() (code int, stderr string)
}

// serveTrace serves a trace, in the environment of the command that made it.
func serveTrace(t *testing.T, find *exec.Cmd, args ...string) served {
	t.Helper()
	cmd := subprocess(t, append([]string{"gdb"}, args...)...)
	cmd.Dir, cmd.Env = find.Dir, find.Env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	var text strings.Builder
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q: %v", err, &text, &stderr)
		}
		text.WriteString(line)
	}
	m := regexp.MustCompile(`^gdb can connect to (127\.0\.0\.1:\d+) until Ctrl-C:\n  gdb-multiarch -ex 'set sysroot target:' -ex 'set debug-file-directory .*/usr/lib/debug' -ex 'target remote (127\.0\.0\.1:\d+)'\n$`).FindStringSubmatch(text.String())
	if m == nil || m[1] != m[2] {
		t.Fatalf("it prints %q", &text)
	}
	return served{addr: m[1], signal: func(s os.Signal) {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}, wait: func() (int, string) {
		rest, err := io.ReadAll(lines)
		if err != nil || len(rest) > 0 {
			t.Errorf("it prints also %q, %v", rest, err)
		}
		_ = cmd.Wait() // the exit code tells
		return cmd.ProcessState.ExitCode(), stderr.String()
	}}
}

// talk sends bytes to a server, reads what comes back, and leaves.
func talk(t *testing.T, addr, send string, n int) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatalf("%q: %v", send, err)
	}
	return string(b)
}

// TestGDBServer: the server says how to connect, serves one client after the
// other, takes its port alone, and ends with Ctrl-C in good order.
func TestGDBServer(t *testing.T) {
	find := subprocess(t, "explore")
	if out, err := find.CombinedOutput(); find.ProcessState.ExitCode() != exitFound {
		t.Fatalf("%v: %s", err, out)
	}
	s := serveTrace(t, find)
	const question, answer = "$?#3f", "+$T0bthread:1;#04"
	for _, c := range [][2]string{{question, answer}, {"$g#00", "-"}, {"\x00junk$" + question, answer}, {question, answer}} {
		if got := talk(t, s.addr, c[0], len(c[1])); got != c[1] {
			t.Errorf("%q is answered %q, want %q", c[0], got, c[1])
		}
	}

	other := subprocess(t, "gdb", "--listen", s.addr)
	other.Dir, other.Env = find.Dir, find.Env
	var stderr bytes.Buffer
	other.Stderr = &stderr
	if err := other.Run(); other.ProcessState.ExitCode() != exitEnvironment || !errorForm.Match(stderr.Bytes()) ||
		!strings.Contains(stderr.String(), s.addr+": the port is in use\nhint: name another port") {
		t.Errorf("a second server: %v, %q", err, &stderr)
	}

	s.signal(os.Interrupt)
	code, notes := s.wait()
	if want := strings.Repeat("gdb is connected\ngdb has left\n", 4); code != exitOK || notes != want {
		t.Errorf("exit code %d, standard error %q, want %q", code, notes, want)
	}

	s = serveTrace(t, find, "--once", "--listen", "localhost:0", "getenv-setenv-arm64-2.36.trace")
	if got := talk(t, s.addr, question, len(answer)); got != answer {
		t.Errorf("%q", got)
	}
	if code, notes := s.wait(); code != exitOK || notes != "gdb is connected\ngdb has left\n" {
		t.Errorf("exit code %d, standard error %q", code, notes)
	}
}

// TestGDBLaunchInterrupted: Ctrl-C, which the terminal sends to gdb and emurace
// alike, is for gdb.
func TestGDBLaunchInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts gdb once more")
	}
	find := subprocess(t, "explore")
	if out, err := find.CombinedOutput(); find.ProcessState.ExitCode() != exitFound {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := subprocess(t, "gdb", "--launch")
	cmd.Dir, cmd.Env = find.Dir, find.Env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	ask := func(command, want string) {
		t.Helper()
		if _, err := io.WriteString(stdin, command+"\n"); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			if strings.Contains(line, want) {
				return
			}
		}
	}
	ask("p/x $x19", "= 0x220")
	for range 3 {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	ask("reverse-stepi", "getenv.c")
	ask("p 2 * 21", "= 42")
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
