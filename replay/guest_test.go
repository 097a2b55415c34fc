package replay

import (
	enchex "encoding/hex"
	"strings"
	"testing"

	"emurace/disasm"
	"emurace/loader"
	"emurace/scenario"
)

// Pieces of guest code. Each gets the address of the data that both threads
// share as its first argument and a number as its second. A line is the bytes
// of an instruction in the order of memory, and the instruction as the
// disassembler writes it, which is checked before the code is run.
var guestCode = map[loader.Arch]map[string]string{
	loader.ARM64: {
		"nothing":      `c0035fd6 ret`,
		"endless":      `00000014 b .`,
		"undefined":    `00000000 udf #0`,
		"store":        `01cc80d2 mov x1, #0x660; 010800f9 str x1, [x0, #16]; c0035fd6 ret`,
		"store a byte": `c1008052 mov w1, #0x6; 01440039 strb w1, [x0, #17]; c0035fd6 ret`,
		"store a pair": `01cc80d2 mov x1, #0x660; 1f8400a9 stp xzr, x1, [x0, #8]; c0035fd6 ret`,
		"store large":  `0100aad2 mov x1, #0x50000000; 010800f9 str x1, [x0, #16]; c0035fd6 ret`,
		"store twice":  `01cc80d2 mov x1, #0x660; 010800f9 str x1, [x0, #16]; 03400091 add x3, x0, #0x10; 627ca2c8 cas x2, x2, [x3]; c0035fd6 ret`,
		"store return": `010c40f9 ldr x1, [x0, #24]; 02cc80d2 mov x2, #0x660; 220000f9 str x2, [x1]; c0035fd6 ret`,

		"load":     `020840f9 ldr x2, [x0, #16]; 430040f9 ldr x3, [x2]; c0035fd6 ret`,
		"copy":     `020840f9 ldr x2, [x0, #16]; e30302aa mov x3, x2; e40303aa mov x4, x3; 850440f9 ldr x5, [x4, #8]; c0035fd6 ret`,
		"spill":    `020840f9 ldr x2, [x0, #16]; e20f1ff8 str x2, [sp, #-16]!; 020080d2 mov x2, #0x0; e60741f8 ldr x6, [sp], #16; c70040f9 ldr x7, [x6]; c0035fd6 ret`,
		"pair":     `090840f9 ldr x9, [x0, #16]; e827bfa9 stp x8, x9, [sp, #-16]!; 090080d2 mov x9, #0x0; ea2fc1a8 ldp x10, x11, [sp], #16; 670140f9 ldr x7, [x11]; c0035fd6 ret`,
		"constant": `028880d2 mov x2, #0x440; 430040f9 ldr x3, [x2]; c0035fd6 ret`,
		"compute":  `020840f9 ldr x2, [x0, #16]; 42200091 add x2, x2, #0x8; 430040f9 ldr x3, [x2]; c0035fd6 ret`,
		"part":     `020840f9 ldr x2, [x0, #16]; 2200c0f2 movk x2, #0x1, lsl #32; 430040f9 ldr x3, [x2]; c0035fd6 ret`,
		"argument": `230040f9 ldr x3, [x1]; c0035fd6 ret`,
		"jump":     `020840f9 ldr x2, [x0, #16]; 40001fd6 br x2`,
		"call":     `020840f9 ldr x2, [x0, #16]; 40003fd6 blr x2; c0035fd6 ret`,
		"return":   `fe0f1ff8 str x30, [sp, #-16]!; e1030091 mov x1, sp; 010c00f9 str x1, [x0, #24]; fe0741f8 ldr x30, [sp], #16; c0035fd6 ret`,
		"write":    `020840f9 ldr x2, [x0, #16]; 410000f9 str x1, [x2]; c0035fd6 ret`,
		"index":    `020840f9 ldr x2, [x0, #16]; 036862f8 ldr x3, [x0, x2]; c0035fd6 ret`,
		"base":     `020840f9 ldr x2, [x0, #16]; 436861f8 ldr x3, [x2, x1]; c0035fd6 ret`,
		"own":      `01cc80d2 mov x1, #0x660; 010800f9 str x1, [x0, #16]; 020840f9 ldr x2, [x0, #16]; 430040f9 ldr x3, [x2]; c0035fd6 ret`,
	},
	loader.AMD64: {
		"nothing":      `c3 ret`,
		"endless":      `ebfe jmp .`,
		"undefined":    `0f0b ud2`,
		"store":        `48c7471060060000 mov qword ptr [rdi+0x10], 0x660; c3 ret`,
		"store a byte": `c6471106 mov byte ptr [rdi+0x11], 0x6; c3 ret`,
		"store a pair": `b860060000 mov eax, 0x660; 66480f6ec0 movq xmm0, rax; 660f73f808 pslldq xmm0, 0x8; 0f114708 movups xmmword ptr [rdi+0x8], xmm0; c3 ret`,
		"store large":  `48c7471000000050 mov qword ptr [rdi+0x10], 0x50000000; c3 ret`,
		"store twice":  `48c7471060060000 mov qword ptr [rdi+0x10], 0x660; 31c0 xor eax, eax; f0480fb14f10 lock cmpxchg qword ptr [rdi+0x10], rcx; c3 ret`,
		"store return": `488b4718 mov rax, qword ptr [rdi+0x18]; 48c70060060000 mov qword ptr [rax], 0x660; c3 ret`,

		"load":     `488b4710 mov rax, qword ptr [rdi+0x10]; 488b08 mov rcx, qword ptr [rax]; c3 ret`,
		"copy":     `488b4710 mov rax, qword ptr [rdi+0x10]; 4889c2 mov rdx, rax; 4889d6 mov rsi, rdx; 488b4e08 mov rcx, qword ptr [rsi+0x8]; c3 ret`,
		"spill":    `488b4710 mov rax, qword ptr [rdi+0x10]; 50 push rax; 31c0 xor eax, eax; 59 pop rcx; 488b11 mov rdx, qword ptr [rcx]; c3 ret`,
		"pair":     `488b4710 mov rax, qword ptr [rdi+0x10]; 48894424f8 mov qword ptr [rsp-0x8], rax; 31c0 xor eax, eax; 488b4c24f8 mov rcx, qword ptr [rsp-0x8]; 488b11 mov rdx, qword ptr [rcx]; c3 ret`,
		"constant": `b840040000 mov eax, 0x440; 488b08 mov rcx, qword ptr [rax]; c3 ret`,
		"compute":  `488b4710 mov rax, qword ptr [rdi+0x10]; 4883c008 add rax, 0x8; 488b08 mov rcx, qword ptr [rax]; c3 ret`,
		"part":     `488b4710 mov rax, qword ptr [rdi+0x10]; b010 mov al, 0x10; 488b08 mov rcx, qword ptr [rax]; c3 ret`,
		"argument": `488b06 mov rax, qword ptr [rsi]; c3 ret`,
		"jump":     `488b4710 mov rax, qword ptr [rdi+0x10]; ffe0 jmp rax`,
		"call":     `ff5710 call qword ptr [rdi+0x10]; c3 ret`,
		"return":   `48896718 mov qword ptr [rdi+0x18], rsp; 6690 xchg ax, ax; 90 nop; c3 ret`,
		"write":    `488b4710 mov rax, qword ptr [rdi+0x10]; 488908 mov qword ptr [rax], rcx; c3 ret`,
		"index":    `488b4710 mov rax, qword ptr [rdi+0x10]; 488b0c07 mov rcx, qword ptr [rdi+rax*1]; c3 ret`,
		"base":     `488b4710 mov rax, qword ptr [rdi+0x10]; 488b0c30 mov rcx, qword ptr [rax+rsi*1]; c3 ret`,
		"own":      `48c7471060060000 mov qword ptr [rdi+0x10], 0x660; 488b4710 mov rax, qword ptr [rdi+0x10]; 488b08 mov rcx, qword ptr [rax]; c3 ret`,
	},
}

// assemble returns the bytes of a piece of code and the text of each
// instruction, the disassembler's own.
func assemble(t testing.TB, arch loader.Arch, name string) (code []byte, texts []string) {
	t.Helper()
	listing, ok := guestCode[arch][name]
	if !ok {
		t.Fatalf("no code %q for %v", name, arch)
	}
	for _, line := range strings.Split(listing, "; ") {
		digits, text, _ := strings.Cut(line, " ")
		b, err := enchex.DecodeString(digits)
		must(t, err)
		in, err := disasm.Decode(arch, b, 0, nil)
		must(t, err)
		want := strings.TrimSuffix(text, " .") // a jump to itself, wherever it lies
		if got := in.Text; in.Len != len(b) || got != want && !strings.HasPrefix(got, want+" ") {
			t.Fatalf("%v code %q: %s is %q, not %q", arch, name, digits, got, text)
		}
		code = append(code, b...)
		texts = append(texts, text)
	}
	return code, texts
}

// Where the pieces of a guest case lie in its memory.
const (
	workerCode = 1024
	sharedData = 4096
	guestSize  = 8192
)

// guestCase is a race of two pieces of code over shared data.
type guestCase struct {
	name         string
	main, worker string
	argument     uint64   // the second one of main's
	before       []uint64 // the shared data when the race begins
	schedule     string   // slices of scenario.Slice.Text, with commas
}

// guest is the session of a case.
type guest struct {
	*scenario.Session
	code, data uint64
}

// late is a Body whose calls are known only when Setup has run.
type late func() scenario.Calls

func (l late) Next(results []uint64) (scenario.Call, bool, error) { return l().Next(results) }

func runGuest(t testing.TB, c guestCase, arch loader.Arch) guest {
	t.Helper()
	mainCode, _ := assemble(t, arch, c.main)
	otherCode, _ := assemble(t, arch, c.worker)
	image := make([]byte, guestSize)
	copy(image, mainCode)
	copy(image[workerCode:], otherCode)
	for i, v := range c.before {
		for k := range 8 {
			image[sharedData+8*i+k] = byte(v >> (8 * k))
		}
	}
	var g guest
	call := func(name string, at uint64) late {
		return func() scenario.Calls {
			return scenario.Calls{{Func: name, Addr: g.code + at, Args: []scenario.Arg{scenario.Int(g.data), scenario.Int(c.argument)}}}
		}
	}
	s, err := scenario.Start(system(t, "bookworm", arch), &scenario.Plan{
		Setup: func(u *scenario.Setup) (err error) {
			g.code, err = u.Code(image, guestSize)
			g.data = g.code + sharedData
			return err
		},
		Threads: []scenario.Thread{{Name: scenario.Main, Body: call(c.main, 0)}, {Name: "worker", Body: call(c.worker, workerCode)}},
	}, 1)
	must(t, err)
	t.Cleanup(s.Close)
	g.Session = s
	return g
}

// explainGuest plays a case and explains it.
func explainGuest(t testing.TB, c guestCase, arch loader.Arch) (guest, *Explanation) {
	t.Helper()
	g := runGuest(t, c, arch)
	schedule, err := scenario.ParseSchedule(strings.Split(c.schedule, ", "), g.Names())
	must(t, err)
	h, err := NewHistory(g.Session, schedule)
	must(t, err)
	return g, explain(t, h)
}

// TestListings: every piece of code is what it says, for both architectures.
func TestListings(t *testing.T) {
	for name := range guestCode[loader.ARM64] {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			if code, _ := assemble(t, arch, name); len(code) > workerCode {
				t.Errorf("%v code %q takes %d bytes", arch, name, len(code))
			}
		}
	}
	if a, b := len(guestCode[loader.ARM64]), len(guestCode[loader.AMD64]); a != b {
		t.Errorf("%d pieces for arm64, %d for amd64", a, b)
	}
}
