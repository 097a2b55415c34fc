package core

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// The structures of a core as C has them, written down a second time: with every
// field and every gap, so that a wrong offset in the writer cannot hide.

type prstatus[R any] struct {
	SiSigno, SiCode, SiErrno   int32
	Cursig                     int16
	_                          [2]byte
	Sigpend, Sighold           uint64
	PID, PPID, PGRP, SID       int32
	Utime, Stime, Cutime, Csti [2]int64
	Reg                        R
	Fpvalid                    int32
	_                          [4]byte
}

type arm64Regs struct {
	X              [31]uint64
	SP, PC, Pstate uint64
}

type amd64Regs struct {
	R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI, OrigRAX, RIP, CS, Eflags, RSP, SS,
	FSBase, GSBase, DS, ES, FS, GS uint64
}

type arm64Simd struct {
	V          [32][16]byte
	FPSR, FPCR uint32
	_          [2]uint32
}

type amd64Fxsave struct {
	CWD, SWD, TWD, FOP uint16
	RIP, RDP           uint64
	MXCSR, MXCSRMask   uint32
	ST                 [8]struct {
		Value [10]byte
		_     [6]byte
	}
	XMM [16][16]byte
	_   [24]uint32
}

type prpsinfo struct {
	State, Sname, Zomb, Nice int8
	_                        [4]byte
	Flag                     uint64
	UID, GID                 uint32
	PID, PPID, PGRP, SID     int32
	Fname                    [16]byte
	Psargs                   [80]byte
}

type siginfo struct {
	Signo, Errno, Code, _ int32
	Addr                  uint64 // or pid and uid
	_                     [104]byte
}

// note is one note of a core.
type note struct {
	name string
	kind uint32
	desc []byte
}

// readNotes takes the only PT_NOTE apart and checks its form.
func readNotes(t testing.TB, f parsed) []note {
	t.Helper()
	var list []note
	for i, g := range f.Progs {
		if (g.Type == elf.PT_NOTE) != (i == 0) {
			t.Fatalf("program header %d is %v", i, g.Type)
		}
	}
	g := f.Progs[0]
	if g.Align != 4 || g.Off%4 != 0 || g.Memsz != 0 || g.Flags != 0 {
		t.Errorf("PT_NOTE: %+v", g.ProgHeader)
	}
	for b := f.data[g.Off : g.Off+g.Filesz]; len(b) > 0; {
		nameSize, descSize := le.Uint32(b), le.Uint32(b[4:])
		n := note{kind: le.Uint32(b[8:])}
		b = b[12:]
		name := b[:nameSize]
		if name[nameSize-1] != 0 {
			t.Fatalf("the owner %q does not end in NUL", name)
		}
		n.name = string(name[:nameSize-1])
		b = b[(nameSize+3)&^3:]
		n.desc = b[:descSize]
		if pad := b[descSize : (descSize+3)&^3]; bytes.Count(pad, []byte{0}) != len(pad) {
			t.Errorf("note %#x: %x behind it", n.kind, pad)
		}
		b = b[(descSize+3)&^3:]
		list = append(list, n)
	}
	return list
}

// take removes the first note, which must be the given one, and decodes it whole.
func take(t testing.TB, list *[]note, name string, kind uint32, into any) {
	t.Helper()
	if len(*list) == 0 || (*list)[0].name != name || (*list)[0].kind != kind {
		t.Fatalf("no note %s %#x here: %v", name, kind, *list)
	}
	desc := (*list)[0].desc
	*list = (*list)[1:]
	if b, ok := into.(*[]byte); ok {
		*b = desc
		return
	}
	if size := binary.Size(into); size != len(desc) {
		t.Fatalf("note %#x: %d bytes, the structure has %d", kind, len(desc), size)
	}
	must(t, binary.Read(bytes.NewReader(desc), le, into))
	// Encoding it again shows whether there was something in the gaps.
	if again, err := binary.Append(nil, le, into); err != nil || !bytes.Equal(again, desc) {
		t.Errorf("note %#x: its gaps are not zero (%v): %x", kind, err, desc)
	}
}

// values reads a machine's registers of up to eight bytes.
func values(t testing.TB, m *emu.Process, thread int) func(string) uint64 {
	return func(name string) uint64 {
		v, ok := m.Register(thread, name)
		if !ok {
			t.Errorf("no register %s", name)
		}
		return v
	}
}

func wide(t testing.TB, m *emu.Process, thread int, name string, size int) []byte {
	t.Helper()
	regs, err := m.Registers(thread)
	must(t, err)
	i := slices.IndexFunc(regs, func(r emu.Register) bool { return r.Name == name })
	if i < 0 || len(regs[i].Value) != size {
		t.Fatalf("register %s: %v", name, regs)
	}
	return regs[i].Value
}

// same compares a decoded structure.
func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// checkThread compares a thread's notes with the machine. The notes of the process
// stand behind the first thread's first one, and are put off to between.
func checkThread(t *testing.T, s *scenario.Session, list *[]note, thread int, sig int32, call uint64, between func()) {
	t.Helper()
	m := s.Process()
	reg := values(t, m, thread)
	tid, alive := m.TID(thread)
	if !alive {
		t.Fatalf("thread %d has ended", thread)
	}
	if m.Arch() == loader.ARM64 {
		want := prstatus[arm64Regs]{SiSigno: sig, Cursig: int16(sig), Sighold: m.SignalMask(thread),
			PID: int32(tid), PPID: 1, PGRP: 1000, SID: 1000, Fpvalid: 1}
		for i := range want.Reg.X {
			want.Reg.X[i] = reg(fmt.Sprintf("x%d", i))
		}
		want.Reg.SP, want.Reg.PC, want.Reg.Pstate = reg("sp"), reg("pc"), reg("nzcv")
		var got prstatus[arm64Regs]
		take(t, list, "CORE", 1, &got)
		same(t, "NT_PRSTATUS", want, got)
		between()
		float := arm64Simd{FPSR: uint32(reg("fpsr")), FPCR: uint32(reg("fpcr"))}
		for i := range float.V {
			float.V[i] = [16]byte(wide(t, m, thread, fmt.Sprintf("v%d", i), 16))
		}
		var gotFloat arm64Simd
		take(t, list, "CORE", 2, &gotFloat)
		same(t, "NT_FPREGSET", float, gotFloat)
		var tls uint64
		take(t, list, "LINUX", 0x401, &tls)
		if tls != reg("tpidr_el0") || tls == 0 {
			t.Errorf("NT_ARM_TLS %#x", tls)
		}
		return
	}
	want := prstatus[amd64Regs]{SiSigno: sig, Cursig: int16(sig), Sighold: m.SignalMask(thread),
		PID: int32(tid), PPID: 1, PGRP: 1000, SID: 1000, Fpvalid: 1}
	want.Reg = amd64Regs{
		R15: reg("r15"), R14: reg("r14"), R13: reg("r13"), R12: reg("r12"), RBP: reg("rbp"), RBX: reg("rbx"),
		R11: reg("r11"), R10: reg("r10"), R9: reg("r9"), R8: reg("r8"), RAX: reg("rax"), RCX: reg("rcx"), RDX: reg("rdx"),
		RSI: reg("rsi"), RDI: reg("rdi"), OrigRAX: call, RIP: reg("rip"), CS: 0x33, Eflags: reg("eflags"), RSP: reg("rsp"),
		SS: 0x2b, FSBase: reg("fs_base"), GSBase: reg("gs_base"),
	}
	if want.Reg.FSBase == 0 {
		t.Error("fs_base is 0")
	}
	var got prstatus[amd64Regs]
	take(t, list, "CORE", 1, &got)
	same(t, "NT_PRSTATUS", want, got)
	between()
	float := amd64Fxsave{CWD: uint16(reg("fctrl")), SWD: uint16(reg("fstat")), MXCSR: uint32(reg("mxcsr")), MXCSRMask: 0xffff}
	for i := range 8 {
		if reg("ftag")>>(2*i)&3 != 3 {
			float.TWD |= 1 << i
		}
		float.ST[i].Value = [10]byte(wide(t, m, thread, fmt.Sprintf("st%d", i), 10))
	}
	for i := range float.XMM {
		float.XMM[i] = [16]byte(wide(t, m, thread, fmt.Sprintf("xmm%d", i), 16))
	}
	var gotFloat amd64Fxsave
	take(t, list, "CORE", 2, &gotFloat)
	same(t, "NT_FPREGSET", float, gotFloat)
}

// checkProcess compares the notes of the process.
func checkProcess(t *testing.T, s *scenario.Session, list *[]note, info *siginfo) {
	t.Helper()
	var ps prpsinfo
	take(t, list, "CORE", 3, &ps)
	want := prpsinfo{Sname: 'R', UID: 1000, GID: 1000, PID: 1000, PPID: 1, PGRP: 1000, SID: 1000}
	copy(want.Fname[:], "emurace-program")
	copy(want.Psargs[:], "/emurace-program")
	same(t, "NT_PRPSINFO", want, ps)
	if info != nil {
		var si siginfo
		take(t, list, "CORE", 0x53494749, &si)
		same(t, "NT_SIGINFO", *info, si)
	}
	var auxv, files, id []byte
	var zeros uint32
	take(t, list, "CORE", 6, &auxv)
	checkAuxv(t, s.Process(), auxv)
	take(t, list, "CORE", 0x46494c45, &files)
	if got, want := strings.Join(readFiles(t, files), "\n"), strings.Join(mapped(s.Process()), "\n"); got != want || got == "" {
		t.Errorf("NT_FILE:\n%s\nmapped:\n%s", got, want)
	}
	if take(t, list, "EMURACE", 1, &zeros); zeros != 1 {
		t.Errorf("the note EMURACE says %d", zeros)
	}
	take(t, list, "GNU", 3, &id)
	if sum := sha256.Sum256(s.Process().Program().Image.Data()); !bytes.Equal(id, sum[:20]) {
		t.Errorf("NT_GNU_BUILD_ID %x", id)
	}
}

// checkAuxv: the vector is the one on the process's stack, and what a debugger goes
// by leads to the program.
func checkAuxv(t *testing.T, m *emu.Process, auxv []byte) {
	t.Helper()
	v := map[uint64]uint64{}
	for i := 0; i+16 <= len(auxv); i += 16 {
		v[le.Uint64(auxv[i:])] = le.Uint64(auxv[i+8:])
	}
	if name, ok := m.CString(v[loader.AT_EXECFN], 100); !ok || name != "/emurace-program" {
		t.Errorf("AT_EXECFN: %q", name)
	}
	head, ok := m.Read(v[loader.AT_PHDR]-64, 64)
	if !ok || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) || le.Uint64(head[24:]) != v[loader.AT_ENTRY]-(v[loader.AT_PHDR]-64) {
		t.Errorf("AT_PHDR %#x, AT_ENTRY %#x", v[loader.AT_PHDR], v[loader.AT_ENTRY])
	}
	var stack emu.Mapping
	for _, g := range m.Mappings() {
		if g.Path == "[stack]" {
			stack = g
		}
	}
	b, ok := m.Read(stack.Start, stack.End-stack.Start)
	if !ok || !bytes.Contains(b, auxv) || !bytes.HasSuffix(auxv, make([]byte, 16)) {
		t.Error("NT_AUXV is not what is on the stack")
	}
}

// readFiles takes NT_FILE apart.
func readFiles(t testing.TB, b []byte) []string {
	t.Helper()
	n, size := le.Uint64(b), le.Uint64(b[8:])
	names := strings.Split(string(b[16+24*n:]), "\x00")
	if uint64(len(names)) != n+1 || names[n] != "" || size != 4096 {
		t.Fatalf("NT_FILE: %d mappings, %q, pages of %d", n, names, size)
	}
	var out []string
	for i := range n {
		at := b[16+24*i:]
		out = append(out, fmt.Sprintf("%#x-%#x %#x %s", le.Uint64(at), le.Uint64(at[8:]), le.Uint64(at[16:])*size, names[i]))
	}
	return out
}

// mapped are the machine's mappings of files that exist.
func mapped(m *emu.Process) (out []string) {
	for _, g := range m.Mappings() {
		if _, err := m.System().File(g.Path); err == nil {
			out = append(out, fmt.Sprintf("%#x-%#x %#x %s", g.Start, g.End, g.Offset, g.Path))
		}
	}
	return out
}

// none is orig_rax outside of system calls.
const none = ^uint64(0)

// TestNotesOfACrash: every note, in the kernel's order, byte for byte.
func TestNotesOfACrash(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s, _ := crash(t, arch)
		f := written(t, of(t, s, -1))
		if f.Type != elf.ET_CORE || f.Machine != arch.Machine() || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.OSABI != elf.ELFOSABI_NONE {
			t.Errorf("%+v", f.FileHeader)
		}
		list := readNotes(t, f)
		checkThread(t, s, &list, 0, 11, none, func() {
			checkProcess(t, s, &list, &siginfo{Signo: 11, Code: 1, Addr: 0x220}) // SEGV_MAPERR
		})
		checkThread(t, s, &list, 1, 11, none, func() {})
		if len(list) > 0 {
			t.Errorf("more notes: %v", list)
		}
	})
}

// TestNotesOfADeadlock: nobody died, and all threads are in a system call.
func TestNotesOfADeadlock(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := deadlock(t, arch)
		const futex = 202
		for _, first := range []int{-1, 0, 2} {
			order := []int{0, 1, 2}
			if first == 2 {
				order = []int{2, 0, 1}
			}
			list := readNotes(t, written(t, of(t, s, first)))
			for i, thread := range order {
				between := func() {}
				if i == 0 {
					between = func() { checkProcess(t, s, &list, nil) }
				}
				checkThread(t, s, &list, thread, 0, futex, between)
			}
			if len(list) > 0 {
				t.Errorf("more notes: %v", list)
			}
		}
	})
}
