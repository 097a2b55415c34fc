package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/internal/wall"
)

// testWalled has the engine process look around, instead of what it was to do. It holds
// what to try, as no file is sure to be within the walls.
const testWalled = "EMURACE_TEST_WALLED"

// look is what to try: files to be read, and folders to make a file in.
type look struct{ Read, Write []string }

// lookAround tries it behind the walls, prints an object with the error of each attempt,
// and ends the process.
func lookAround(orders string) {
	var l look
	if err := json.Unmarshal([]byte(orders), &l); err != nil {
		panic(err)
	}
	tried := map[string]string{}
	note := func(name string, err error) {
		tried[name] = ""
		if err != nil {
			tried[name] = err.Error()
		}
	}
	for _, name := range l.Read {
		_, err := os.ReadFile(name)
		note("read "+name, err)
	}
	for _, name := range l.Write {
		f, err := os.CreateTemp(name, "look-*")
		if err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
		note("write "+name, err)
	}
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err == nil {
		err = c.Close()
	}
	note("socket", err)
	note("exec", exec.Command("/bin/true").Run())
	if err := json.NewEncoder(os.Stdout).Encode(tried); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// TestWalledCommands: what commands leave themselves is their sysroot and the folder of
// their result, and no more.
func TestWalledCommands(t *testing.T) {
	walls := wall.Available()
	t.Log(walls)
	if walls.Landlock == 0 || !walls.Seccomp {
		t.Log("what is not there is not tested")
	}
	root := testroot.Dir(t, "debian:bookworm", "arm64")
	libc := filepath.Join(root, "lib", "aarch64-linux-gnu", "libc.so.6")
	dir := t.TempDir()
	trace := filepath.Join(dir, "x.trace")
	runFor(t, exitFound, "explore", "-o", trace)
	for _, sub := range []string{"out", "home", "other"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, "out", name) }
	for _, c := range []struct {
		args []string
		out  bool // the folder out may be written
		here bool // the present one may
	}{
		{args: []string{"explore"}, here: true},
		{args: []string{"explore", "-o", in("y.trace")}, out: true},
		{args: []string{"explore", "--resume", in("y.state")}, out: true, here: true},
		{args: []string{"replay", trace}},
		{args: []string{"report", trace, "-o", in("y.html")}, out: true},
		{args: []string{"report", trace}, here: true},
		{args: []string{"core", trace, "-o", in("y.core")}, out: true},
		{args: []string{"gdb", "--stdio", trace}},
		{args: []string{"gdb", trace}},
		{args: []string{"step", "--lesson", trace}, here: true},
	} {
		t.Run(strings.Join(c.args[:1], " "), func(t *testing.T) {
			cmd := subprocess(t, c.args...)
			here := cmd.Dir
			orders, err := json.Marshal(look{
				Read:  []string{libc, secret, trace, "/etc/passwd"},
				Write: []string{here, filepath.Join(dir, "out"), filepath.Join(dir, "home"), root},
			})
			if err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(cmd.Env, testWalled+"="+string(orders))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			var tried map[string]string
			if err := json.Unmarshal(out, &tried); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for what, allowed := range map[string]bool{
				"read " + libc: true, "read " + secret: false, "read " + trace: false, "read /etc/passwd": false,
				"write " + here: c.here, "write " + filepath.Join(dir, "out"): c.out, "write " + filepath.Join(dir, "home"): false, "write " + root: false,
			} {
				got, ok := tried[what]
				if !ok || walls.Landlock > 0 && (got == "") != allowed || allowed && got != "" {
					t.Errorf("%q: %s: %q", c.args, what, got)
				}
			}
			if walls.Seccomp && (tried["socket"] == "" || tried["exec"] == "") {
				t.Errorf("%q: %v", c.args, tried)
			}
		})
	}
}
