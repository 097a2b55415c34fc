package flow

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// written are small functions, and what is known at the label here. The function f begins the
// code; g, where it is, is another one. The stack pointer at f's entry is madeStack+0x80, where
// the words on the stack are their own distances from there, plus 0x1000.
var written = []struct {
	name string
	arch loader.Arch
	code string
	regs map[string]uint64

	register string // for Origin
	kind     Kind
	certain  bool
	addr     uint64 // of Loaded; the number of Constant
	how      string // part of it

	argument int // for Arguments, when register is ""
	want     Value
}{
	{name: "one of two constants", arch: loader.ARM64, code: "cbz x0, 1f; mov x19, #1; b 2f; 1: mov x19, #2; 2: here: nop; ret",
		regs: map[string]uint64{"x19": 2}, register: "x19", kind: Constant, certain: true, addr: 2},
	{name: "two constants, and it is neither", arch: loader.ARM64, code: "cbz x0, 1f; mov x19, #1; b 2f; 1: mov x19, #2; 2: here: nop; ret",
		regs: map[string]uint64{"x19": 3}, register: "x19", kind: Unknown},
	{name: "a chosen constant", arch: loader.ARM64, code: "mov x1, #5; mov x2, #6; cmp x0, #1; csel x19, x1, x2, eq; here: nop; ret",
		regs: map[string]uint64{"x19": 6}, register: "x19", kind: Constant, certain: true, addr: 6},
	{name: "a load, or a constant that it is not", arch: loader.ARM64, code: "mov x20, x1; mov x19, #0; cbz x0, 1f; ldr x19, [x20, #8]; 1: here: nop; ret",
		regs: map[string]uint64{"x19": 7, "x20": madeStack + 0x10}, register: "x19", kind: Loaded, certain: true, addr: madeStack + 0x18, how: "[x20+0x8]"},
	{name: "the article's loop", arch: loader.ARM64, code: "ldr x20, [x0]; ldr x19, [x20]; cbz x19, 2f; 1: here: ldrh w2, [x19]; cmp w2, w22; b.ne 3f; 2: ret; 3: ldr x19, [x20, #8]!; cbnz x19, 1b; ret",
		regs: map[string]uint64{"x19": 0x220, "x20": madeStack + 0x20}, register: "x19", kind: Loaded, certain: true, addr: madeStack + 0x20, how: "[x20]"},
	{name: "its address is gone", arch: loader.ARM64, code: "ldr x20, [x0]; ldr x19, [x20]; mov x20, #0; here: nop; ret",
		regs: map[string]uint64{"x19": 0x220, "x20": 0}, register: "x19", kind: Unknown, how: "no longer known"},
	{name: "two ways, and memory speaks for one", arch: loader.ARM64, code: "mov x20, x1; cbz x0, 1f; ldr x19, [x20]; b 2f; 1: ldr x19, [x20, #8]; 2: here: nop; ret",
		regs: map[string]uint64{"x19": 0x1010, "x20": madeStack + 0x88}, register: "x19", kind: Loaded, addr: madeStack + 0x90},
	{name: "the caller's register", arch: loader.ARM64, code: "here: nop; ret", regs: map[string]uint64{"x19": 1}, register: "x19", kind: Unknown, how: "caller"},
	{name: "a result", arch: loader.ARM64, code: "stp x29, x30, [sp, #-16]!; bl g; mov x19, x0; here: nop; ldp x29, x30, [sp], #16; ret; g: nop; ret",
		regs: map[string]uint64{"x19": 1}, register: "x19", kind: Returned, certain: true, how: "f1 returned"},
	{name: "an argument plus a constant", arch: loader.ARM64, code: "add x19, x1, #0x20; bl g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"x19": 0x1020}, argument: 1, want: Value{Value: 0x1000, Known: true, Certain: true, Bits: 64}},
	{name: "half of an argument", arch: loader.ARM64, code: "mov w19, w1; bl g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"x19": 0x1020}, argument: 1, want: Value{Value: 0x1020, Known: true, Certain: true, Bits: 32}},
	{name: "an argument in the frame", arch: loader.ARM64, code: "str x0, [sp, #-32]!; bl g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"sp": madeStack + 0x60}, argument: 0, want: Value{Value: 0x1000 - 32, Known: true, Certain: true, Bits: 64}},
	{name: "an argument in a frame whose address others have", arch: loader.ARM64, code: "str x0, [sp, #-32]!; add x0, sp, #8; bl g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"sp": madeStack + 0x60}, argument: 0, want: Value{Value: 0x1000 - 32, Known: true, Bits: 64}},
	{name: "an argument that was overwritten in part", arch: loader.ARM64, code: "str x0, [sp, #-32]!; strb w1, [sp, #3]; bl g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"sp": madeStack + 0x60}, argument: 0},
	{name: "an argument that is gone on one way", arch: loader.ARM64, code: "cbz x1, 1f; mov x0, #0; 1: here: nop; ret", regs: map[string]uint64{"x0": 4}, argument: 0},
	{name: "a jump to anywhere", arch: loader.ARM64, code: "mov x19, x0; adr x1, f; add x1, x1, x2, lsl #2; br x1; here: nop; ret", register: "x19", kind: Unknown, how: "where a jump"},
	{name: "a landing pad leads into it", arch: loader.ARM64, code: "mov x19, x0; b 1f; mov x19, #1; 1: here: nop; ret", register: "x19", kind: Unknown, how: "other code"},
	{name: "what is between does not", arch: loader.ARM64, code: "mov x19, x0; b 1f; mov x19, #1; ret; nop; 1: here: nop; ret", regs: map[string]uint64{"x19": 9}, register: "x19", kind: Argument, certain: true},
	{name: "a landing pad leads into it", arch: loader.AMD64, code: "mov rbx, rdi; jmp 1f; mov ebx, 5; 1: here: nop; ret", register: "rbx", kind: Unknown, how: "other code"},
	{name: "what is between does not", arch: loader.AMD64, code: "mov rbx, rdi; jmp 1f; mov ebx, 5; ret; nopw [rax+rax]; 1: here: nop; ret", regs: map[string]uint64{"rbx": 9}, register: "rbx", kind: Argument, certain: true},
	{name: "others jump into it", arch: loader.ARM64, code: "mov x19, x0; 1: here: nop; ret; g: b 1b", register: "x19", kind: Unknown, how: "other code"},

	{name: "the article's loop", arch: loader.AMD64, code: "mov rbp, [rdi]; mov rbx, [rbp]; jmp 2f; 1: here: cmp word ptr [rbx], ax; je 3f; add rbp, 8; mov rbx, [rbp]; 2: test rbx, rbx; jne 1b; 3: ret",
		regs: map[string]uint64{"rbx": 0x220, "rbp": madeStack + 0x20}, register: "rbx", kind: Loaded, certain: true, addr: madeStack + 0x20, how: "[rbp]"},
	{name: "the article's loop, loaded before", arch: loader.AMD64, code: "mov r12, [rdi]; mov rbp, [r12]; 1: here: cmp word ptr [rbp], ax; je 3f; mov rbp, [r12+8]; add r12, 8; test rbp, rbp; jne 1b; 3: ret",
		regs: map[string]uint64{"rbp": 0x220, "r12": madeStack + 0x20}, register: "rbp", kind: Loaded, certain: true, addr: madeStack + 0x20, how: "[r12]"},
	{name: "an argument pushed", arch: loader.AMD64, code: "push rdi; push rsi; sub rsp, 8; call g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"rsp": madeStack + 0x68}, argument: 1, want: Value{Value: 0x1000 - 16, Known: true, Certain: true, Bits: 64}},
	{name: "an argument whose place was popped", arch: loader.AMD64, code: "push rdi; pop rax; call g; here: nop; ret; g: nop; ret", regs: map[string]uint64{"rsp": madeStack + 0x80}, argument: 0},
	{name: "half of an argument, in the frame", arch: loader.AMD64, code: "push rbp; mov rbp, rsp; sub rsp, 16; mov [rbp-12], edi; call g; here: nop; ret; g: nop; ret",
		regs: map[string]uint64{"rbp": madeStack + 0x78}, argument: 0, want: Value{Known: true, Certain: true, Bits: 32}},
	{name: "a conditional move", arch: loader.AMD64, code: "mov ebx, 5; mov ecx, 6; cmp rdi, 1; cmove rbx, rcx; here: nop; ret",
		regs: map[string]uint64{"rbx": 6}, register: "rbx", kind: Constant, certain: true, addr: 6},
	{name: "a register of which a part was written", arch: loader.AMD64, code: "mov rbx, rdi; mov bl, 1; here: nop; ret", regs: map[string]uint64{"rbx": 6}, register: "rbx", kind: Computed},
}

// assembled are the functions of one architecture, one compilation for all.
func assembled(t *testing.T, arch loader.Arch) guestcode.Code {
	t.Helper()
	var text strings.Builder
	for i, c := range written {
		if c.arch != arch {
			continue
		}
		line := " f: " + c.code + "; f_end: nop; "
		for _, name := range []string{"f", "g", "here", "f_end"} {
			label := fmt.Sprintf("%s%d", name, i)
			line = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(line, label)
			line = strings.Replace(line, " "+label+":", fmt.Sprintf(" .globl %s; .hidden %s; .type %s, STT_FUNC; %s:", label, label, label, label), 1)
		}
		fmt.Fprintf(&text, "asm(\"%s\");\n", line)
	}
	source := text.String()
	if arch == loader.AMD64 {
		source = "asm(\".intel_syntax noprefix\");\n" + source + "asm(\".att_syntax\");\n"
	}
	return guestcode.Build(t, arch, source)
}

// TestWritten: what is said of small functions is what their code says.
func TestWritten(t *testing.T) {
	for i, c := range written {
		t.Run(c.arch.String()+"/"+c.name, func(t *testing.T) {
			built := assembled(t, c.arch)
			of := func(name string) uint64 { return built.Symbols[fmt.Sprintf("%s%d", name, i)] }
			parts := []uint64{0}
			if of("g") != 0 {
				parts = append(parts, of("g")-of("f"))
			}
			m := process(t, c.arch, built.Bytes[of("f"):of("f_end")], parts...)
			m.stack = make([]byte, 256)
			for i := range 32 {
				binary.LittleEndian.PutUint64(m.stack[8*i:], uint64(0x1000+8*i-0x80))
			}
			fl, err := New(m)
			if err != nil {
				t.Fatal(err)
			}
			f := Frame{PC: m.start(t, "f0") + of("here") - of("f"), Register: func(name string) (uint64, bool) { v, ok := c.regs[name]; return v, ok }}
			if c.register == "" {
				v := fl.Arguments([]Frame{f}, 0, c.argument+1)[c.argument]
				if v.How == "" || v.Value != c.want.Value || v.Known != c.want.Known || v.Certain != c.want.Certain || v.Bits != c.want.Bits {
					t.Errorf("argument %d is %+v, not %+v", c.argument, v, c.want)
				}
				return
			}
			o := fl.Origin(f, c.register)
			if o.Kind != c.kind || o.Certain != c.certain || !strings.Contains(o.How, c.how) || o.Kind == Loaded && o.Addr != c.addr || o.Kind == Constant && o.Value != c.addr {
				t.Errorf("%+v", o)
			}
		})
	}
}
