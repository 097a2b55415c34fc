package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/diagnose/process"
	"emurace/internal/testcores"
	"emurace/loader"
	"emurace/loader/corefile"
	"emurace/unwind"
)

// open is the process of a core with these files.
func open(t testing.TB, path string, f *process.Files) *process.Process {
	t.Helper()
	core, err := corefile.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() }) // it is only read
	p, err := process.New(core, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// source is a folder as one.
func source(t testing.TB, dir string, given bool) process.Source {
	t.Helper()
	root, err := loader.OpenSysroot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() }) // it is only read
	return process.Source{Name: dir, Root: root, Given: given}
}

// whole is the process of a core with the program and the libraries that it ran with.
func whole(t testing.TB, c *testcores.Core) *process.Process {
	t.Helper()
	return open(t, c.Path, &process.Files{Program: c.Program, Sources: []process.Source{source(t, c.Sysroot, true)}})
}

// script has gdb tell each thread's frames, but those that have none of their own on the stack, inlined and tail calls: TID, PC, name.
const script = `
import gdb
for t in gdb.selected_inferior().threads():
    t.switch()
    f = gdb.newest_frame()
    while f is not None:
        if f.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            print("frame", t.ptid[1], hex(f.pc()), f.name() or "?")
        try:
            f = f.older()
        except gdb.error:
            f = None
`

type frame struct {
	pc   uint64
	name string
}

// gdbStacks are the stacks as gdb sees them, innermost first, by the thread's number.
func gdbStacks(t *testing.T, c *testcores.Core) map[uint32][]frame {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frames.py")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gdb-multiarch", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set sysroot "+c.Sysroot,
		"-iex", "set debug-file-directory "+filepath.Join(c.Sysroot, "usr/lib/debug"), "-iex", "set backtrace past-main on", "-iex", "set backtrace past-entry on",
		c.Program, c.Path, "-ex", "source "+file)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v; run: make packages-test\n%s", err, out)
	}
	stacks := map[uint32][]frame{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "frame" {
			continue
		}
		tid, err := strconv.ParseUint(f[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		pc, err := strconv.ParseUint(f[2], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		stacks[uint32(tid)] = append(stacks[uint32(tid)], frame{pc, f[3]})
	}
	if len(stacks) == 0 {
		t.Fatalf("gdb has no frames: %s", out)
	}
	return stacks
}

// plain is a function's name without what glibc adds for copies of its own, and for a set of instructions.
func plain(name string) string {
	name, _, _ = strings.Cut(name, "@")
	name = strings.TrimSuffix(strings.TrimPrefix(name, "__GI_"), "_impl")
	name, _, _ = strings.Cut(name, ".cold")
	return strings.TrimPrefix(strings.TrimLeft(name, "_"), "libc_")
}

// TestStacks: in each dialect, each thread's frames are gdb's, by address and by name.
func TestStacks(t *testing.T) {
	for _, c := range []struct {
		name string
		core func(t *testing.T) *testcores.Core
	}{
		{"kernel", func(t *testing.T) *testcores.Core { return testcores.Find("null-member").Native(t, testcores.Kernel) }},
		{"kernel assertion", func(t *testing.T) *testcores.Core { return testcores.Find("assertion").Native(t, testcores.Kernel) }},
		{"gcore", func(t *testing.T) *testcores.Core {
			return testcores.Find("stuck-condition").Native(t, testcores.GCore)
		}},
		{"emulated arm64", func(t *testing.T) *testcores.Core {
			return testcores.Find("stuck-condition").Emulated(t, "bookworm", loader.ARM64)
		}},
		{"emulated amd64", func(t *testing.T) *testcores.Core {
			return testcores.Find("double-free").Emulated(t, "bookworm", loader.AMD64)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "kernel" {
				t.Skip("one will do")
			}
			t.Parallel()
			core := c.core(t)
			p, stacks := whole(t, core), gdbStacks(t, core)
			if len(stacks) != len(p.Threads) {
				t.Errorf("%d threads, gdb has %d", len(p.Threads), len(stacks))
			}
			for _, th := range p.Threads {
				frames, end := th.Frames()
				checkStack(t, fmt.Sprintf("thread %d, which ends as %v", th.TID, end), frames, end, stacks[th.TID])
			}
		})
	}
}

// checkStack compares a stack with gdb's. It may end before gdb's does where it says that there is no unwind
// information, as in clone3 behind its system call, where gdb reads the code to go on.
func checkStack(t *testing.T, title string, frames []process.Frame, end unwind.End, want []frame) {
	t.Helper()
	var text []string
	wrong, given := false, end.Reason == unwind.NoInformation || end.Reason == unwind.NoModule
	for i := range max(len(frames), len(want)) {
		switch {
		case i >= len(want):
			text = append(text, fmt.Sprintf("%#x %s, and gdb has none", frames[i].PC, frames[i].At.Function))
		case i >= len(frames):
			text = append(text, fmt.Sprintf("none, and gdb has %#x %s", want[i].pc, want[i].name))
			wrong = wrong || want[i].pc != 0 && !given
		default:
			f, w := frames[i], want[i]
			text = append(text, fmt.Sprintf("%#x %s, gdb has %#x %s", f.PC, f.At.Function, w.pc, w.name))
			wrong = wrong || f.PC != w.pc || w.name != "?" && f.At.Function != "" && plain(f.At.Function) != plain(w.name)
		}
	}
	if wrong || len(frames) < 3 && !given || len(frames) > len(want)+1 {
		t.Errorf("%s:\n%s", title, strings.Join(text, "\n"))
	}
}

// TestQemuStacks: qemu's cores have no list of files and no header of a module in them, and gdb sees
// nothing; with the sysroot the stack is what the cause says.
func TestQemuStacks(t *testing.T) {
	for _, name := range []string{"null-member", "double-free"} {
		if testing.Short() && name != "null-member" {
			continue
		}
		cause := testcores.Find(name)
		p := whole(t, cause.Qemu(t))
		frames, _ := p.Threads[0].Frames()
		var names []string
		for _, f := range frames {
			names = append(names, plain(f.At.Function))
		}
		at := 0
		for _, want := range cause.Truth.Stack {
			k := slices.Index(names[at:], plain(want))
			if k < 0 {
				t.Errorf("%s: no %s in %q", name, want, names)
				break
			}
			at += k
		}
	}
}
