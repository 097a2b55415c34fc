package unwind

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/disasm"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/sysroot"
)

// realLibc loads the C library of a Debian suite.
func realLibc(t testing.TB, suite, arch string) *loader.Image {
	t.Helper()
	root, err := loader.OpenSysroot(testroot.Dir(t, "debian:"+suite, arch))
	if err != nil {
		t.Fatal(err)
	}
	a, err := loader.ParseArch(arch)
	if err != nil {
		t.Fatal(err)
	}
	im, err := loader.LoadImage(root, "/lib/"+a.Triplet()+"/libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := im.LoadDebug(root); err != nil || !found {
		t.Fatalf("debug file of %s: %v, %v; run: make setup", im.Name, found, err)
	}
	return im
}

// eachLibc runs a test on the C library of every suite, with -short on one.
func eachLibc(t *testing.T, test func(t *testing.T, im *loader.Image)) {
	for _, suite := range sysroot.Suites() {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		for _, arch := range sysroot.Arches() {
			t.Run(suite+"/"+arch, func(t *testing.T) { test(t, realLibc(t, suite, arch)) })
		}
	}
}

// code returns the bytes of an image from an address of the file on.
func code(im *loader.Image, vaddr uint64) []byte {
	for _, s := range im.Load {
		if vaddr >= s.Vaddr && vaddr-s.Vaddr < s.Filesz {
			return im.Data()[s.Offset+vaddr-s.Vaddr : s.Offset+s.Filesz]
		}
	}
	return nil
}

// boundaries calls visit with every instruction of a function.
func boundaries(t *testing.T, im *loader.Image, f *fde, visit func(disasm.Inst) bool) {
	for at := f.begin; at < f.end; {
		in, err := disasm.Decode(im.Arch, code(im, at), at, nil)
		if err != nil {
			t.Fatalf("%#x: %v", at, err)
		}
		if !visit(in) {
			return
		}
		at += uint64(in.Len)
	}
}

// At every instruction of every function the table has a row, and one that a
// frame can have: the CFA is a bit above some register.
func TestRealRows(t *testing.T) {
	eachLibc(t, func(t *testing.T, im *loader.Image) {
		data, vaddr, _ := im.EHFrame()
		table := parseTable(data, vaddr)
		if table.problem != nil || len(table.fdes) < 2500 {
			t.Fatalf("%d functions, problem %v", len(table.fdes), table.problem)
		}
		ar := archOf(im.Arch)
		rows := 0
		for i := range table.fdes {
			f := &table.fdes[i]
			// glibc 2.31 has one function on arm64 with x15 as the column.
			if c := f.cie.returnColumn; c != ar.returnAddress && c != 15 {
				t.Errorf("%#x: return address column %d", f.begin, c)
			}
			boundaries(t, im, f, func(in disasm.Inst) bool {
				rows++
				r, err := f.rowAt(in.Addr, im.Arch == loader.ARM64)
				switch {
				case err != nil:
					t.Errorf("%#x: %v", in.Addr, err)
					return false
				case r.cfaExpression != nil:
				case r.cfaRegister >= ar.general || r.cfaOffset < 0 || r.cfaOffset > 1<<20 || r.cfaOffset%8 != 0:
					t.Errorf("%#x: CFA is register %d %+d", in.Addr, r.cfaRegister, r.cfaOffset)
				}
				return true
			})
		}
		t.Logf("%d rows of %d functions", rows, len(table.fdes))
	})
}

// exceptions are the functions of glibc whose information is not that of their
// caller: those that change to another stack, where it describes the one
// changed to, and those where it is wrong (two do not mention what they push,
// one says that it has saved its return address before it does so).
var exceptions = map[string]bool{
	"__longjmp": true, "__longjmp_cancel": true, "____longjmp_chk": true,
	"setcontext": true, "swapcontext": true, "__start_context": true, "__startcontext": true,
	"__mpn_addmul_1": true, "__mpn_submul_1": true, "rawmemchr": true,
}

// TestRealFrames runs every function of a C library from its entry, along the
// branches not taken, as far as its first call or jump or to its return, and
// unwinds it before each instruction. The only oracle is what the instructions
// do: whatever they have pushed or saved, the caller found must be the one that
// the function was entered from, with its stack pointer and its callee-saved
// registers.
func TestRealFrames(t *testing.T) {
	eachLibc(t, func(t *testing.T, im *loader.Image) {
		u, err := New(im.Arch, []Module{{Lo: base, Hi: base + 1<<30, Base: base, Image: im}})
		if err != nil {
			t.Fatal(err)
		}
		table := u.table(im)
		total, saved := 0, 0
		for i := range table.fdes {
			f := &table.fdes[i]
			if unusual(f, im.Arch) {
				continue
			}
			run := newRun(im.Arch)
			boundaries(t, im, f, func(in disasm.Inst) bool {
				total++
				if err := run.check(u, in.Addr+base); err != nil {
					sym, off, _ := im.SymbolAt(in.Addr)
					if exceptions[sym.Name] {
						return false
					}
					t.Errorf("%#x (%s+%d) before %s: %v", in.Addr, sym.Name, off, in.Text, err)
					return false
				}
				more := run.step(in)
				if len(run.memory) > 1 {
					saved++
				}
				return more
			})
		}
		t.Logf("%d frames in %d functions, %d with something saved", total, len(table.fdes), saved)
		if total < 20000 || saved < total/4 {
			t.Errorf("only %d frames were checked, %d of them with something saved", total, saved)
		}
	})
}

// unusual says whether code is not entered by a call: the parts of functions
// that the compiler has moved away, linkage table entries, signal trampolines,
// and functions that never return.
func unusual(f *fde, a loader.Arch) bool {
	r, err := f.rowAt(f.begin, a == loader.ARM64)
	ar := archOf(a)
	entry := int64(0)
	if !ar.link {
		entry = 8
	}
	return err != nil || f.cie.signal || r.cfaExpression != nil || r.cfaRegister != ar.sp || r.cfaOffset != entry ||
		r.regs[ar.returnAddress].kind == undefined
}

// run is a little interpreter. Registers and memory that it does not know are
// not in its maps.
type run struct {
	arch      loader.Arch
	registers map[string]uint64
	memory    words
	entry     map[string]uint64 // registers at entry
}

const (
	entrySP  = 0x7fff0000
	returnTo = 0x123450
)

func newRun(a loader.Arch) *run {
	r := &run{arch: a, registers: map[string]uint64{}, memory: words{}, entry: map[string]uint64{}}
	ar := archOf(a)
	for n := range ar.general {
		r.registers[RegisterName(a, n)] = 0x1111000 + n<<32
	}
	r.registers[RegisterName(a, ar.sp)] = entrySP
	if ar.link {
		r.registers["x30"] = returnTo
	} else {
		r.memory[entrySP] = returnTo
	}
	for name, v := range r.registers {
		r.entry[name] = v
	}
	return r
}

func (r *run) Get(n uint64) (uint64, bool) {
	v, ok := r.registers[RegisterName(r.arch, n)]
	return v, ok
}

// check unwinds from pc and compares the caller with what it is.
func (r *run) check(u *Unwinder, pc uint64) error {
	frames, end := u.Stack(pc, r, r.memory, 2)
	if len(frames) != 2 || frames[1].PC != returnTo || frames[1].How != CFI {
		where := ""
		for _, f := range frames {
			where += fmt.Sprintf("; %#x, CFA %#x, by %v", f.PC, f.CFA, f.How)
		}
		return fmt.Errorf("%d frames, %v%s", len(frames), end, where)
	}
	caller := &frames[1]
	ar := archOf(r.arch)
	sp := uint64(entrySP)
	if !ar.link {
		sp += 8
	}
	if got, ok := caller.Get(ar.sp); !ok || got != sp || frames[0].CFA != sp {
		return fmt.Errorf("the caller's stack pointer is %#x, %v, not %#x", got, ok, sp)
	}
	for _, n := range ar.preserved {
		name := RegisterName(r.arch, n)
		if got, ok := caller.Get(n); !ok || got != r.entry[name] {
			return fmt.Errorf("the caller's %s is %#x, %v, not %#x", name, got, ok, r.entry[name])
		}
	}
	return nil
}

// step executes an instruction as far as it can, and says whether the next one
// is known and can be unwound by what is known.
func (r *run) step(in disasm.Inst) bool {
	if in.Branch && !in.CondBranch || in.Undecoded {
		return false
	}
	if in.CondBranch && in.Target < in.Addr {
		return false // leaving a loop after one turn may not be possible
	}
	value := func(name string) (uint64, bool) {
		v, ok := r.registers[name]
		return v, ok
	}
	addresses := make([]uint64, len(in.Mem))
	for i, m := range in.Mem {
		a, ok := m.Address(value)
		if !ok && m.Write && (m.Base == "sp" || m.Base == "rsp") {
			return false
		}
		addresses[i] = a
	}
	result := map[string]uint64{}
	for _, m := range in.Moves {
		switch v, ok := r.registers[m.Src]; {
		case m.Kind == disasm.Const:
			result[m.Dst] = m.Value
		case m.Kind == disasm.Copy && ok && m.Size == 8:
			result[m.Dst] = v
		case m.Kind == disasm.Load && m.Size == 8:
			if v, ok := r.memory[addresses[m.Mem]+uint64(m.Offset)]; ok {
				result[m.Dst] = v
			}
		}
	}
	r.arithmetic(in, result)
	for i, m := range in.Mem {
		// A stack is probed by or-ing zero to it.
		if m.Write && !(in.Op == "or" && strings.HasSuffix(in.Text, ", 0x0")) {
			r.forget(addresses[i], m.Size)
		}
	}
	for _, m := range in.Moves {
		if m.Kind == disasm.Store && m.Size == 8 {
			if v, ok := r.registers[m.Src]; ok || m.Src == "" {
				r.memory[addresses[m.Mem]+uint64(m.Offset)] = v + m.Value
			}
		}
	}
	for _, m := range in.Mem {
		if old, ok := r.registers[m.Base]; ok && (m.PreIndex || m.PostIndex) {
			result[m.Base] = old + uint64(m.Disp)
		}
	}
	for _, name := range in.Dst {
		delete(r.registers, name)
	}
	for name, v := range result {
		r.registers[name] = v
	}
	_, ok := r.Get(archOf(r.arch).sp)
	return ok
}

// forget drops the words that a store of size bytes touches.
func (r *run) forget(addr uint64, size int) {
	for a := addr &^ 7; a < addr+uint64(size); a += 8 {
		delete(r.memory, a)
	}
}

// arithmetic computes what prologues and epilogues do to stack and frame
// pointers: adding constants, aligning, push, pop and leave.
func (r *run) arithmetic(in disasm.Inst, result map[string]uint64) {
	sp := r.registers["rsp"]
	switch in.Op {
	case "paciasp": // signed as far as an unwinder can see
		result["x30"] = r.registers["x30"] | 0x1234<<48
		return
	case "autiasp":
		result["x30"] = r.registers["x30"] & (1<<48 - 1)
		return
	case "push":
		result["rsp"] = sp - 8
		return
	case "pop":
		if !slices.Contains(in.Dst, "rsp") || len(in.Dst) == 2 {
			result["rsp"] = sp + 8
		}
		return
	case "leave":
		if fp, ok := r.registers["rbp"]; ok {
			result["rsp"] = fp + 8
		}
		return
	}
	// sub sp, sp, #0x10[, lsl #12]; sub rsp, 0x10; lea rbp, [rsp+0x10]
	words := strings.FieldsFunc(in.Text, func(c rune) bool { return strings.ContainsRune(" ,[]#", c) })
	if len(words) < 3 || len(in.Dst) == 0 || in.Dst[0] != words[1] {
		return
	}
	from, amount := words[1], words[2]
	if r.arch == loader.ARM64 {
		if len(words) < 4 {
			return
		}
		from, amount = words[2], words[3]
	}
	shift := 0
	if len(words) == 6 && words[4] == "lsl" {
		shift = 12
	}
	if in.Op == "lea" {
		i := strings.IndexAny(amount, "+-")
		if i < 0 {
			return
		}
		from, amount = amount[:i], strings.TrimPrefix(amount[i:], "+")
	}
	old, ok := r.registers[from]
	n, err := strconv.ParseInt(amount, 0, 64)
	if u, unsigned := strconv.ParseUint(amount, 0, 64); err != nil && unsigned == nil {
		n, err = int64(u), nil
	}
	if !ok || err != nil {
		return
	}
	switch in.Op {
	case "add", "lea":
		result[words[1]] = old + uint64(n<<shift)
	case "sub":
		result[words[1]] = old - uint64(n<<shift)
	case "and":
		if r.arch == loader.AMD64 {
			result[words[1]] = old & uint64(n)
		}
	}
}

// BenchmarkIndex measures what the first unwinding in an image costs more.
func BenchmarkIndex(b *testing.B) {
	data, vaddr, _ := realLibc(b, "bookworm", "arm64").EHFrame()
	for b.Loop() {
		parseTable(data, vaddr)
	}
}

// BenchmarkStack measures a stack of two frames in a C library.
func BenchmarkStack(b *testing.B) {
	im := realLibc(b, "bookworm", "arm64")
	u, err := New(im.Arch, []Module{{Lo: base, Hi: base + 1<<30, Base: base, Image: im}})
	if err != nil {
		b.Fatal(err)
	}
	sym, ok := im.Symbol("getenv")
	if !ok {
		b.Fatal("no getenv")
	}
	r := newRun(im.Arch)
	for b.Loop() {
		if frames, _ := u.Stack(base+sym.Addr, r, r.memory, 2); len(frames) != 2 {
			b.Fatal(frames)
		}
	}
}
