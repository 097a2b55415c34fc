package disasm

import (
	"fmt"
	"strings"
	"testing"

	"emurace/loader"
)

// TestOperands compares registers, memory and moves with the reviewed tables.
func TestOperands(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, g := range readGolden(t, arch) {
			in, err := Decode(arch, g.code, g.addr, nil)
			if got := describe(in); err != nil || got != g.what {
				t.Errorf("%s: %v\n\tgot  %s\n\twant %s", g.text, err, got, g.what)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	regs := func(name string) (uint64, bool) {
		v, ok := map[string]uint64{"x1": 0x1000, "x2": 0xffffffff_fffffff0, "fs_base": 0x7000, "rax": 0x1_0000_0123, "rbx": 0x2000, "xmm1": 1}[name]
		return v, ok
	}
	for _, tc := range []struct {
		name string
		m    MemOperand
		want uint64
		ok   bool
	}{
		{"base", MemOperand{Base: "x1"}, 0x1000, true},
		{"offset", MemOperand{Base: "x1", Disp: -8}, 0xff8, true},
		{"pre-index", MemOperand{Base: "x1", Disp: 8, PreIndex: true}, 0x1008, true},
		{"post-index", MemOperand{Base: "x1", Disp: 8, PostIndex: true}, 0x1000, true},
		{"post-index by register", MemOperand{Base: "x1", Index: "x2", Scale: 1, IndexBits: 64, PostIndex: true}, 0x1000, true},
		{"index", MemOperand{Base: "x1", Index: "x2", Scale: 8, IndexBits: 64}, 0x1000 - 0x80, true},
		{"unsigned half", MemOperand{Base: "x1", Index: "x2", Scale: 1, IndexBits: 32}, 0x1000 + 0xfffffff0, true},
		{"signed half", MemOperand{Base: "x1", Index: "x2", Scale: 4, IndexBits: 32, IndexSigned: true}, 0x1000 - 0x40, true},
		{"byte", MemOperand{Base: "rbx", Index: "rax", Scale: 1, IndexBits: 8}, 0x2023, true},
		{"absolute", MemOperand{Disp: 0x1234}, 0x1234, true},
		{"segment", MemOperand{Segment: "fs", Disp: 0x28}, 0x7028, true},
		{"segment, below", MemOperand{Segment: "fs", Disp: -8}, 0x6ff8, true},
		{"32-bit addresses", MemOperand{Base: "rax", Disp: 8, Addr32: true}, 0x12b, true},
		{"32-bit addresses in a segment", MemOperand{Base: "rax", Segment: "fs", Addr32: true}, 0x7123, true},
		{"unknown base", MemOperand{Base: "x9"}, 0, false},
		{"unknown index", MemOperand{Base: "x1", Index: "x9", Scale: 1}, 0, false},
		{"unknown segment", MemOperand{Base: "x1", Segment: "gs"}, 0, false},
		{"vector of addresses", MemOperand{Base: "rbx", Index: "xmm1", Scale: 4}, 0, false},
	} {
		if got, ok := tc.m.Address(regs); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %#x, %v, want %#x, %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, tc := range []struct {
		arch        loader.Arch
		names, want string
	}{
		{loader.ARM64, "x3 w3", "x3"},
		{loader.ARM64, "x29 w29 fp", "x29"},
		{loader.ARM64, "x30 lr", "x30"},
		{loader.ARM64, "sp wsp", "sp"},
		{loader.ARM64, "v31 q31 d31 s31 h31 b31", "v31"},
		{loader.ARM64, "nzcv cpsr", "nzcv"},
		{loader.ARM64, "xzr wzr x31 w31 v32 x03 x rax q X1 x-1", ""},
		{loader.AMD64, "rax eax ax al ah", "rax"},
		{loader.AMD64, "rsi esi si sil", "rsi"},
		{loader.AMD64, "r8 r8d r8w r8b", "r8"},
		{loader.AMD64, "xmm31 ymm31 zmm31", "xmm31"},
		{loader.AMD64, "rip eip", "rip"},
		{loader.AMD64, "eflags rflags", "eflags"},
		{loader.AMD64, "x0 xmm32 xmm r16 rzx RAX mm", ""},
		{0, "x0 rax", ""},
	} {
		for _, name := range append(strings.Fields(tc.names), "") {
			want := tc.want
			if name == "" {
				want = ""
			}
			if got := Canonical(tc.arch, name); got != want {
				t.Errorf("%v: Canonical(%q) = %q, want %q", tc.arch, name, got, want)
			}
		}
	}
}

func TestMoveKindString(t *testing.T) {
	for kind, want := range map[MoveKind]string{Copy: "copy", Load: "load", Store: "store", Const: "const", 9: "MoveKind(9)"} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}

// describe puts what is known of an instruction into a line, such as
//
//	dst x19 x20; src x20; r8 [x20+8]!; x19 = mem
func describe(in Inst) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if len(in.Dst) > 0 {
		add("dst %s", strings.Join(in.Dst, " "))
	}
	if len(in.Partial) > 0 {
		add("part %s", strings.Join(in.Partial, " "))
	}
	if len(in.Src) > 0 {
		add("src %s", strings.Join(in.Src, " "))
	}
	for _, m := range in.Mem {
		add("%s", describeMemory(m))
	}
	for _, m := range in.Moves {
		add("%s", describeMove(m))
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{in.Call, "call"}, {in.Ret, "return"}, {in.Branch && !in.Call && !in.Ret && !in.CondBranch, "jump"}, {in.CondBranch, "branch"}, {in.Repeat, "repeat"}} {
		if flag.set {
			add("%s", flag.name)
		}
	}
	if in.Target != 0 {
		add("to %+d", int64(in.Target-in.Addr))
	}
	return strings.Join(parts, "; ")
}

func describeMemory(m MemOperand) string {
	var s strings.Builder
	if m.Read {
		s.WriteString("r")
	}
	if m.Write {
		s.WriteString("w")
	}
	fmt.Fprintf(&s, "%d ", m.Size)
	if m.Segment != "" {
		s.WriteString(m.Segment + ":")
	}
	s.WriteString("[" + m.Base)
	if m.Index != "" {
		fmt.Fprintf(&s, "+%s*%d", m.Index, m.Scale)
		if m.IndexBits == 8 {
			s.WriteString(" u8")
		}
		if m.IndexBits == 32 {
			s.WriteString(map[bool]string{false: " u32", true: " s32"}[m.IndexSigned])
		}
	}
	if m.Disp != 0 || m.Base == "" {
		fmt.Fprintf(&s, "%+d", m.Disp)
	}
	s.WriteString("]")
	if m.PreIndex {
		s.WriteString(" pre")
	}
	if m.PostIndex {
		s.WriteString(" post")
	}
	if m.Addr32 {
		s.WriteString(" addr32")
	}
	return s.String()
}

func describeMove(m Move) string {
	memory := fmt.Sprintf("mem%d", m.Mem)
	if m.Offset != 0 {
		memory += fmt.Sprintf("+%d", m.Offset)
	}
	s := ""
	switch {
	case m.Kind == Copy:
		s = m.Dst + " = " + m.Src
	case m.Kind == Load:
		s = m.Dst + " = " + memory
	case m.Kind == Const:
		return fmt.Sprintf("%s = %#x", m.Dst, m.Value)
	case m.Src != "":
		s = memory + " = " + m.Src
	default:
		s = fmt.Sprintf("%s = %#x", memory, m.Value)
	}
	s += fmt.Sprintf(":%d", m.Size)
	if m.Signed {
		s += " signed"
	}
	return s
}
