package testalone

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// variable names the test that a process is for.
const variable = "EMURACE_TEST_ALONE"

// Run runs the test that calls it once more, in a process of its own. It is true in the first
// process, where the test is over then and has failed if that one has; false in the second.
func Run(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		return false
	}
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", strings.Join(parts, "/"), "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return true
}

// FileSize runs f while no file can grow beyond a size. The test must run alone.
func FileSize(t *testing.T, size uint64, f func() error) error {
	t.Helper()
	if os.Getenv(variable) != t.Name() {
		t.Fatal("the limit would hold for all of Go's tool's files: see Run")
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	set := func(l *unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, l); err != nil {
			t.Fatal(err)
		}
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	set(&unix.Rlimit{Cur: size, Max: old.Max})
	defer set(&old)
	return f()
}
