package wall

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// walled is the name under which the test's own program goes behind the walls.
const walled = "walled"

func TestMain(m *testing.M) {
	if os.Args[0] == walled {
		inside()
		return
	}
	os.Exit(m.Run())
}

// order is what the program inside is told.
type order struct {
	Grant   Grant
	Secret  string // a file outside of what is granted
	Inside  string // a folder granted for reading, with a file in it
	Folder  string // a folder granted for writing, with a file in it
	Port    string // address at which somebody listens
	Program string // to be run
}

// answer is what came of what it has tried: the error of each attempt, "" for none.
type answer struct {
	Standing Standing
	Tried    map[string]string
}

// ask runs the program behind the walls.
func ask(t *testing.T, o order) answer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = []string{walled}
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return a
}

// TestWalled: a program behind the walls can reach what it was granted, and nothing
// else. Where the kernel lacks one of them, that is said, and the other one is tested.
func TestWalled(t *testing.T) {
	o := orders(t)
	a := ask(t, o)
	if a.Standing != Available() {
		t.Errorf("the walls are %v, and %v were said to be there", a.Standing, Available())
	}
	t.Log(a.Standing)
	for name, got := range a.Tried {
		wall, forbidden, _ := strings.Cut(name, ": ")
		stands := map[string]bool{"landlock": a.Standing.Landlock > 0, "seccomp": a.Standing.Seccomp, "either": a.Standing.Landlock > 0 || a.Standing.Seccomp}
		switch {
		case wall == "granted":
			if got != "" {
				t.Errorf("%s, which is granted: %s", forbidden, got)
			}
		case !stands[wall]:
			t.Logf("not tested, for want of %s: %s", wall, forbidden)
		case got == "":
			t.Errorf("it could %s", forbidden)
		case !strings.Contains(got, "permission denied") && !strings.Contains(got, "not permitted") && !strings.Contains(got, "not implemented"):
			t.Errorf("%s was not refused but failed: %s", forbidden, got)
		}
	}
	if len(a.Tried) < 40 {
		t.Errorf("only %d things were tried: %v", len(a.Tried), a.Tried)
	}
	if left, err := os.ReadFile(o.Secret); err != nil || string(left) != "secret" {
		t.Errorf("the file outside is %q now (%v)", left, err)
	}
}

// TestUnwalled: without the walls, all of it works but what only a privileged process
// may do, so that the refusals of TestWalled are the walls'.
func TestUnwalled(t *testing.T) {
	o := orders(t)
	for name, err := range attempts(o) {
		if err != nil && !strings.Contains(name, "privileged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAccept: connections to a socket that was listened at before can be taken when that
// is granted, and no other way.
func TestAccept(t *testing.T) {
	for _, accept := range []bool{false, true} {
		o := orders(t)
		o.Grant.Accept = accept
		a := ask(t, o)
		got, ok := a.Tried["seccomp: take a connection"]
		if !ok || a.Standing.Seccomp && (got == "") != accept {
			t.Errorf("granted %v: %q", accept, got)
		}
	}
}

// TestNothingThere: what is granted need not exist.
func TestNothingThere(t *testing.T) {
	o := orders(t)
	o.Grant.Read = append(o.Grant.Read, filepath.Join(t.TempDir(), "no", "such"))
	o.Grant.Write = append(o.Grant.Write, filepath.Join(o.Secret, "below", "a", "file"), "/dev/stdout")
	if got := ask(t, o).Tried["granted: read a file of the folder"]; got != "" {
		t.Error(got)
	}
}

// TestString: what is missing is said with the reason.
func TestString(t *testing.T) {
	for want, s := range map[string]Standing{
		"files, TCP and signals by Landlock (interface 7); system calls by seccomp":        {Landlock: 7, Seccomp: true},
		"files and TCP by Landlock (interface 4); system calls by seccomp":                 {Landlock: 4, Seccomp: true},
		"files by Landlock (interface 1); system calls not at all (not made for riscv64)":  {Landlock: 1, NoSeccomp: "not made for riscv64"},
		"files not at all (this kernel has no Landlock); system calls by seccomp":          {Seccomp: true, NoLandlock: "this kernel has no Landlock"},
		"files not at all (Landlock needs /proc/self/task); system calls not at all (why)": {NoLandlock: "Landlock needs /proc/self/task", NoSeccomp: "why"},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
