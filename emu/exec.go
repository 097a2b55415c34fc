package emu

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"emurace/emu/internal/linux"
	"emurace/loader"
)

// programPath is what the made-up program is called in the guest.
const programPath = "/emurace-program"

// trapSize is the distance of the program's traps from each other, and what its
// routines are aligned to.
const trapSize = 16

// exec does the kernel's part of execve: it maps the program and its
// interpreter and lays out the first stack. ld.so does the rest.
func (m *Machine) exec(o Options) error {
	libs, err := m.neededLibs(o.Libs)
	if err != nil {
		return err
	}
	m.libs = libs
	code, names := programCode(m.arch)
	data, layout, err := loader.Stub(loader.StubSpec{Arch: m.arch.id, Interp: m.sys.interp, Needed: libs, RPath: strings.Join(o.LibDirs, ":"), Code: code, DataSize: StaticData, Symbols: names})
	if err != nil {
		return err
	}
	program, err := loader.Parse(programPath, data)
	if err != nil {
		return err
	}
	m.entry = programBase + layout.CodeVaddr
	m.ret = m.entry + trapSize
	m.start = m.ret + trapSize
	m.main = m.start + trapSize
	m.eng.SetTrap(m.entry, m.main+trapSize)
	m.routines = &Module{
		Path: programPath, Image: program, Base: programBase,
		Lo: m.entry + names[0].Off, Hi: m.entry + uint64(len(code)),
	}
	m.dataStart = programBase + layout.DataVaddr
	m.dataEnd = m.dataStart + StaticData
	m.st.data = m.dataStart

	env := o.Env
	if o.bindsNow() {
		env = append(slices.Clip(env), bindNow)
	}
	return m.execve(launch{program: program, path: programPath, base: programBase, argv: []string{programPath}, env: env, seed: o.Seed})
}

// launch is a program that is about to begin.
type launch struct {
	program *loader.Image
	path    string // in the guest
	base    uint64 // load bias
	argv    []string
	env     []string
	seed    uint64 // of AT_RANDOM
}

// execve does the kernel's part of it (fs/binfmt_elf.c, load_elf_binary): it maps the program
// and its interpreter, if it has one, and lays out the first stack.
func (m *Machine) execve(l launch) error {
	m.program = &Module{Path: l.path, Image: l.program, Base: l.base}
	m.kernel.Argv, m.kernel.Env = l.argv, l.env
	lo, hi := l.program.Span()
	m.program.Lo, m.program.Hi = l.base+lo, l.base+hi
	if err := m.mapImage(l.program, l.base, l.path); err != nil {
		return err
	}
	m.kernel.SetBrk(m.program.Hi, m.program.Hi+brkRoom)
	if l.program.Interp == "" {
		return m.startStack(l, l.base+l.program.Entry, 0)
	}
	interp, err := m.interpreter(l.program.Interp)
	if err != nil {
		return err
	}
	m.linker = interp.Name
	lo, hi = interp.Span()
	base := uint64(mmapTop) - (hi - lo) - lo
	if err := m.mapImage(interp, base, interp.Name); err != nil {
		return err
	}
	return m.startStack(l, base+interp.Entry, base)
}

// interpreter is the dynamic linker that a program names. Where the system's own is in another
// folder, since the sysroot lacks the links that a whole system has, it is that.
func (m *Machine) interpreter(name string) (*loader.Image, error) {
	im, err := m.files.Image(name)
	if errors.Is(err, fs.ErrNotExist) && path.Base(name) == path.Base(m.sys.interp) {
		if other, failed := m.files.Image(m.sys.interp); failed == nil {
			return other, nil
		}
	}
	return im, err
}

// neededLibs is libc and, where it does not hold the threads itself (before
// glibc 2.34), libpthread; then what was asked for. With musl it is the dynamic
// linker that will be found under libc's name.
func (m *Machine) neededLibs(more []string) ([]string, error) {
	libs := []string{m.sys.Libc.Soname()}
	if m.sys.Libc == loader.Glibc {
		// A missing one is named by its place on a Debian system.
		at, ok := m.sys.find(loader.Glibc.Soname())
		if !ok {
			at = path.Join(libraryFolders(m.arch.id)[0], loader.Glibc.Soname())
		}
		libc, err := m.files.Image(at)
		if err != nil {
			return nil, err
		}
		if _, ok := libc.Symbol("pthread_create"); !ok {
			libs = append(libs, "libpthread.so.0")
		}
	}
	for _, l := range more {
		if !slices.Contains(libs, l) {
			libs = append(libs, l)
		}
	}
	return libs, nil
}

func (m *Machine) mapImage(im *loader.Image, base uint64, path string) error {
	plan, err := im.Plan(base)
	if err != nil {
		return err
	}
	for _, p := range plan {
		v := linux.VMA{Start: p.Addr, End: p.Addr + p.Size, Prot: p.Prot}
		var content []byte
		if p.FileSize > 0 {
			v.Path, v.Offset = path, p.FileOffset
			content = im.Data()[p.FileOffset : p.FileOffset+p.FileSize]
		}
		if err := m.kernel.Map(0, v, content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// bindsNow tells whether the environment is to have bindNow in it until the process
// has booted.
func (o *Options) bindsNow() bool { return o.BindNow && o.System.Libc == loader.Glibc }

// bindNow is what makes glibc's ld.so bind at once (elf/rtld.c, process_envvars).
const bindNow = "LD_BIND_NOW=1"

// hideLastVariable ends the array of the environment in front of its last entry.
func (m *Machine) hideLastVariable(o Options) error {
	const argcAndArgv = 8 + 8 + 8 // argc, the program's name, the end of argv
	return m.eng.Store(0, m.stack+argcAndArgv+8*uint64(len(o.Env)), make([]byte, 8))
}

// startStack lays out the first stack, and has the first thread stand at start. interpBase is
// the interpreter's load bias, 0 without one.
func (m *Machine) startStack(l launch, start, interpBase uint64) error {
	spec := loader.StackSpec{
		Arch: m.arch.id, Argv: l.argv, Envp: l.env, ExecFn: l.path, Top: stackTop - 16,
		Aux: []loader.AuxEntry{
			{Type: loader.AT_HWCAP, Value: m.arch.hwcap},
			{Type: loader.AT_PAGESZ, Value: loader.PageSize},
			{Type: loader.AT_CLKTCK, Value: 100},
			{Type: loader.AT_PHDR, Value: l.base + l.program.PhdrVaddr},
			{Type: loader.AT_PHENT, Value: uint64(l.program.Phentsize)},
			{Type: loader.AT_PHNUM, Value: uint64(l.program.Phnum)},
			{Type: loader.AT_BASE, Value: interpBase},
			{Type: loader.AT_FLAGS, Value: 0},
			{Type: loader.AT_ENTRY, Value: l.base + l.program.Entry},
			{Type: loader.AT_UID, Value: linux.UserID},
			{Type: loader.AT_EUID, Value: linux.UserID},
			{Type: loader.AT_GID, Value: linux.UserID},
			{Type: loader.AT_EGID, Value: linux.UserID},
			{Type: loader.AT_SECURE, Value: 0},
			{Type: loader.AT_HWCAP2, Value: 0},
		},
	}
	sum := sha256.Sum256(le.AppendUint64([]byte("AT_RANDOM"), l.seed))
	spec.Random = [16]byte(sum[:16])
	image, sp, err := loader.BuildStack(spec)
	if err != nil {
		return err
	}
	m.auxv, m.stack = auxvOf(image), sp
	stack := linux.VMA{Start: stackTop - stackSize, End: stackTop, Prot: loader.ProtRead | loader.ProtWrite, Path: "[stack]"}
	if err := m.kernel.Map(0, stack, nil); err != nil {
		return err
	}
	if err := m.eng.Store(0, sp, image); err != nil {
		return err
	}
	for _, r := range append(slices.Clip(m.arch.initial), regValue{m.arch.sp, sp}, regValue{m.arch.pc, start}) {
		if err := m.eng.WriteReg(0, r.reg, r.value); err != nil {
			return err
		}
	}
	return nil
}
