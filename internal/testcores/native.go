package testcores

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// Writer is who writes a core.
type Writer string

// The writers. Each has a dialect of its own.
const (
	// Kernel is that of this machine, fs/binfmt_elf.c. A process that nobody ends gets a SIGQUIT.
	// Where it writes none, see [KernelCores], GCore does.
	Kernel Writer = "kernel"
	// GCore is gdb's, of a process that has been stopped: gcore_elf_make_tdep_notes in gdb's
	// gcore-elf.c. It leaves out nothing that can be read, has no signal of a process that was
	// attached to, and begins with the thread that gdb looks at.
	GCore Writer = "gcore"
	// Qemu is qemu's user emulation, elf_core_dump in linux-user/elfload.c. As seen with Debian's 7.2:
	//   - The notes are NT_PRSTATUS of the thread that died, NT_PRPSINFO, NT_AUXV, and NT_PRSTATUS of the
	//     other threads. There is no NT_FILE, NT_SIGINFO or NT_FPREGSET: no path, no address that
	//     faulted, no vector register. Only the first thread has a signal, in pr_cursig and pr_info.
	//   - A PT_LOAD stands for each range with equal rights. What ld.so has reserved between the
	//     parts of a library is one without rights, and has no bytes.
	//   - A mapping that may be executed and begins with an ELF header has no bytes, not even the first
	//     page. So no ELF header, program header, symbol, unwind table or build-id of a module is there, and
	//     nothing at AT_PHDR. What may be written is, and what was made read-only later (RELRO):
	//     .dynamic, .got, r_debug, the link_maps and the paths in them.
	//   - Files mapped without the right to execute, as those of a locale, are complete. Stacks are whole.
	//   - There is no vDSO and no AT_SYSINFO_EHDR, but a page of code for the return from signals.
	//   - The file is called qemu_PROGRAM_DATE-TIME_PID.core. Process numbers are the host's, times are 0, p_align of
	//     the notes is 0. AT_BASE is the interpreter's as it should be, AT_EXECFN and AT_RANDOM lead into the stack.
	Qemu Writer = "qemu"
)

// NativeArch is that of this machine, whose kernel runs programs of it; 0 for none that emurace knows.
func NativeArch() loader.Arch {
	a, err := loader.ParseArch(runtime.GOARCH)
	if err != nil {
		return 0
	}
	return a
}

// Native is the core of the cause's program on this machine's own kernel and libc, by Kernel or GCore.
// It skips the test where the machine's architecture is none of emurace's.
func (c *Cause) Native(t testing.TB, w Writer) *Core {
	t.Helper()
	return build(t, w, recipe{file: c.File, flags: c.Flags, alive: c.Truth.Signal == 0})
}

// Qemu is the core of the cause's program for arm64 under qemu, with Debian bookworm's libc. The test
// fails without qemu.
func (c *Cause) Qemu(t testing.TB) *Core {
	t.Helper()
	return build(t, Qemu, recipe{file: c.File, flags: c.Flags, alive: c.Truth.Signal == 0})
}

// recipe is a program, and how it is run.
type recipe struct {
	file    string
	flags   []string
	args    []string
	env     []string
	alive   bool
	handled int // signals that the program handles
	filter  uint
}

func (m recipe) hash() string {
	return hash(fmt.Sprint(m.alive, m.filter), slices.Concat(m.flags, []string{""}, m.args, []string{""}, m.env))
}

// build makes a core of a program outside of the emulator.
func build(t testing.TB, w Writer, m recipe) *Core {
	t.Helper()
	if isScenario(m.file) {
		t.Fatalf("%s is a scenario: only the emulator runs it", m.file)
	}
	arch := NativeArch()
	if w == Qemu {
		arch = loader.ARM64
	}
	if arch == 0 {
		t.Skipf("no programs for %s", runtime.GOARCH)
	}
	if w == Kernel {
		if err := KernelCores(); err != nil {
			t.Logf("%v: gcore writes it", err)
			w = GCore
		}
	}
	key := fmt.Sprintf("%s-%s-%s", w, m.file, m.hash())
	sysroot := "/"
	if w == Qemu {
		sysroot = testroot.Dir(t, "debian:bookworm", arch.String())
	}
	return once(t, key, func(dir string) (*Core, error) { return m.make(dir, w, arch, sysroot) })
}

func (m recipe) make(dir string, w Writer, arch loader.Arch, sysroot string) (*Core, error) {
	file, err := compile(arch, m.file, m.flags...)
	if err != nil {
		return nil, err
	}
	c := &Core{Arch: arch, Sysroot: sysroot, Spec: "host", Path: filepath.Join(dir, "core"), Program: filepath.Join(dir, strings.TrimSuffix(m.file, filepath.Ext(m.file)))}
	if err := os.WriteFile(c.Program, file, 0o755); err != nil {
		return nil, err
	}
	p := &process{dir: dir, argv: append([]string{c.Program}, m.args...), env: m.env, alive: m.alive, filter: m.filter}
	switch w {
	case Kernel:
		c.Path, err = p.die("core*")
	case GCore:
		err = p.gcore(c.Path, m.handled)
	case Qemu:
		var qemu string
		if qemu, err = exec.LookPath("qemu-aarch64"); err != nil {
			return nil, fmt.Errorf("%w; run: make packages-test", err)
		}
		c.Spec = "debian:bookworm"
		p.argv = append([]string{qemu, "-L", sysroot}, p.argv...)
		c.Path, err = p.die("qemu_*.core")
	}
	return c, err
}
