package testcores

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
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
	//   - There are NT_PRSTATUS, that of the thread that died first, then NT_PRPSINFO, NT_AUXV, and
	//     NT_PRSTATUS of the other threads. There is no NT_FILE, NT_SIGINFO or NT_FPREGSET: neither
	//     paths nor the address that faulted, and no vector registers.
	//   - A PT_LOAD stands for each range of the guest's with equal rights; what is reserved by ld.so between the
	//     parts of a library is one without rights (flags 0) and without bytes.
	//   - A mapping that may be executed and begins with an ELF header has no bytes, not even its first
	//     page: no ELF header, program header or build-id of any module is in the core, and none at
	//     AT_PHDR. What may be written is there, .dynamic, r_debug and the link_maps too.
	//   - Read-only data of a library's that is in the mapping of its text is missing too; what has a
	//     mapping without the right to execute, as the locale's file, is complete.
	//   - AT_SYSINFO_EHDR is missing; a page with sigreturn's code, without an ELF header, is there.
	//   - The file is called qemu_PROGRAM_DATE-TIME_PID.core. e_machine is the guest's. p_align of the
	//     note is 0, and names of notes are padded as Linux does.
	//   - pr_cursig and pr_info are in all threads; pr_ppid, pr_sid are the host's; pr_utime and so on 0.
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
}

func (m recipe) hash() string {
	return hash(strconv.FormatBool(m.alive), slices.Concat(m.flags, []string{""}, m.args, []string{""}, m.env))
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
	p := &process{dir: dir, argv: append([]string{c.Program}, m.args...), env: m.env, alive: m.alive}
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
