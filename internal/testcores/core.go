package testcores

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
)

// Core is a core file, and what is known of the process beside it.
type Core struct {
	Path    string // of the core
	Program string // the program's file, which is not in the core
	Arch    loader.Arch
	Sysroot string // the folder that its libraries are from, "/" for the machine's own
	Spec    string // the same as --sysroot has it

	// What only an emulated run has: the outcome, why it failed, and the schedule.
	Outcome  scenario.Outcome
	Why      *replay.Explanation
	Schedule scenario.Schedule
	Threads  []Thread // those in the core, in its order
}

// Thread is one of a core's.
type Thread struct {
	Name string // as the emulator calls it: main, worker, main.1
	ID   uint32
	PC   uint64
}

// Bytes are the core's.
func (c *Core) Bytes(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// folder is where everything is made, "" before that.
var folder = struct {
	sync.Mutex
	path string
}{}

// Main runs the tests of a package that makes cores, and removes those: func TestMain(m
// *testing.M) { testcores.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

// Clean removes all cores that were made.
func Clean() {
	folder.Lock()
	defer folder.Unlock()
	if folder.path != "" {
		if err := os.RemoveAll(folder.path); err != nil {
			fmt.Fprintln(os.Stderr, "testcores:", err)
		}
	}
	folder.path = ""
}

// newFolder makes a folder of the name that lasts as long as the cores.
func newFolder(name string) (string, error) {
	folder.Lock()
	defer folder.Unlock()
	if folder.path == "" {
		var err error
		if folder.path, err = os.MkdirTemp("", "testcores-"); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(folder.path, strings.NewReplacer("/", "-", "*", "-").Replace(name)+"-")
}

// made has a func() (*Core, error) for each core.
var made sync.Map

// once makes a core when it is wanted first.
func once(t testing.TB, key string, build func(dir string) (*Core, error)) *Core {
	t.Helper()
	make, _ := made.LoadOrStore(key, sync.OnceValues(func() (*Core, error) {
		dir, err := newFolder(key)
		if err != nil {
			return nil, err
		}
		return build(dir)
	}))
	core, err := make.(func() (*Core, error))()
	if err != nil {
		t.Fatalf("core %s: %v", key, err)
	}
	return core
}

// Source is the text of a file of testdata/diagnose.
func Source(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("testcores: not in a folder of the module")
		}
		dir = up
	}
	b, err := os.ReadFile(filepath.Join(dir, "testdata", "diagnose", name))
	return string(b), err
}

func isScenario(name string) bool { return strings.HasSuffix(name, ".star") }

// compiled has a func() ([]byte, error) for each program.
var compiled sync.Map

// compile compiles a program of testdata/diagnose, once.
func compile(arch loader.Arch, name string, flags ...string) ([]byte, error) {
	make, _ := compiled.LoadOrStore(fmt.Sprint(arch, name, flags), sync.OnceValues(func() ([]byte, error) {
		source, err := Source(name)
		if err != nil {
			return nil, err
		}
		return guestcode.Compile(arch, name, source, flags...)
	}))
	return make.(func() ([]byte, error))()
}

// hash tells cores apart whose sources or settings differ.
func hash(text string, more []string) string {
	h := fnv.New64a()
	for _, s := range append([]string{text}, more...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash takes everything
	}
	return fmt.Sprintf("%x", h.Sum64())
}
