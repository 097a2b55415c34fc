package gdb

import (
	"fmt"
	"strings"

	"emurace/loader"
)

// register is one register as gdb knows it.
type register struct {
	name  string
	bits  int
	kind  string // its type in the description
	group string // "" for gdb's own choice
	from  string // the machine's name for it; "" when the machine has none
}

// size is how many bytes the register takes in a packet.
func (r register) size() int { return r.bits / 8 }

// feature is a group of registers that gdb looks for by name.
type feature struct {
	name  string
	types string // XML that defines types for the registers
	regs  []register
}

// target is what gdb is told of an architecture.
type target struct {
	arch     string // BFD's name
	features []feature
	regs     []register // of all features; a register's number is its index
	// stepsOverWatch: gdb expects that a watchpoint stops on the near side of the
	// access, and steps over it by itself (gdbarch_have_nonsteppable_watchpoint
	// in gdb's aarch64-tdep.c).
	stepsOverWatch bool
}

// targetOf describes an architecture. The features and their registers are those of
// the gdb manual, appendix G.5.
func targetOf(a loader.Arch) *target {
	t := &target{arch: "i386:x86-64", features: amd64Features()}
	if a == loader.ARM64 {
		t = &target{arch: "aarch64", features: arm64Features(), stepsOverWatch: true}
	}
	for _, f := range t.features {
		t.regs = append(t.regs, f.regs...)
	}
	return t
}

// Architecture is what gdb calls an architecture.
func Architecture(a loader.Arch) string { return targetOf(a).arch }

// xml is the target description.
func (t *target) xml() string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n")
	fmt.Fprintf(&b, "<architecture>%s</architecture>\n<osabi>GNU/Linux</osabi>\n", t.arch)
	n := 0
	for _, f := range t.features {
		fmt.Fprintf(&b, "<feature name=\"%s\">\n%s", f.name, f.types)
		for _, r := range f.regs {
			group := ""
			if r.group != "" {
				group = fmt.Sprintf(" group=\"%s\"", r.group)
			}
			fmt.Fprintf(&b, "<reg name=\"%s\" bitsize=\"%d\" type=\"%s\" regnum=\"%d\"%s/>\n", r.name, r.bits, r.kind, n, group)
			n++
		}
		b.WriteString("</feature>\n")
	}
	b.WriteString("</target>\n")
	return b.String()
}

func arm64Features() []feature {
	core := feature{name: "org.gnu.gdb.aarch64.core", types: flags("cpsr_flags", []flag{
		{"V", 28}, {"C", 29}, {"Z", 30}, {"N", 31},
	})}
	for i := range 31 {
		name := fmt.Sprintf("x%d", i)
		core.regs = append(core.regs, register{name, 64, "int", "", name})
	}
	core.regs = append(core.regs,
		register{"sp", 64, "data_ptr", "", "sp"},
		register{"pc", 64, "code_ptr", "", "pc"},
		register{"cpsr", 32, "cpsr_flags", "", "nzcv"})
	fpu := feature{name: "org.gnu.gdb.aarch64.fpu", types: vectors}
	for i := range 32 {
		name := fmt.Sprintf("v%d", i)
		fpu.regs = append(fpu.regs, register{name, 128, "vec128", "vector", name})
	}
	fpu.regs = append(fpu.regs,
		register{"fpsr", 32, "int", "float", "fpsr"},
		register{"fpcr", 32, "int", "float", "fpcr"})
	tls := feature{name: "org.gnu.gdb.aarch64.tls", regs: []register{{"tpidr", 64, "data_ptr", "system", "tpidr_el0"}}}
	return []feature{core, fpu, tls}
}

func amd64Features() []feature {
	core := feature{name: "org.gnu.gdb.i386.core", types: flags("i386_eflags", []flag{
		{"CF", 0}, {"PF", 2}, {"AF", 4}, {"ZF", 6}, {"SF", 7}, {"TF", 8}, {"IF", 9}, {"DF", 10}, {"OF", 11},
		{"NT", 14}, {"RF", 16}, {"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21},
	})}
	for _, name := range strings.Fields("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15") {
		kind := "int64"
		if name == "rbp" || name == "rsp" {
			kind = "data_ptr"
		}
		core.regs = append(core.regs, register{name, 64, kind, "", name})
	}
	core.regs = append(core.regs,
		register{"rip", 64, "code_ptr", "", "rip"},
		register{"eflags", 32, "i386_eflags", "", "eflags"})
	// User programs cannot change the segment registers, and the machine has none.
	for _, name := range strings.Fields("cs ss ds es fs gs") {
		core.regs = append(core.regs, register{name, 32, "int32", "", ""})
	}
	for i := range 8 {
		name := fmt.Sprintf("st%d", i)
		core.regs = append(core.regs, register{name, 80, "i387_ext", "", name})
	}
	for _, name := range strings.Fields("fctrl fstat ftag fiseg fioff foseg fooff fop") {
		from := ""
		if name == "fctrl" || name == "fstat" || name == "ftag" {
			from = name
		}
		core.regs = append(core.regs, register{name, 32, "int", "float", from})
	}
	sse := feature{name: "org.gnu.gdb.i386.sse", types: vectors}
	for i := range 16 {
		name := fmt.Sprintf("xmm%d", i)
		sse.regs = append(sse.regs, register{name, 128, "vec128", "vector", name})
	}
	sse.regs = append(sse.regs, register{"mxcsr", 32, "int", "vector", "mxcsr"})
	// Without this feature gdb does not take the process for one of Linux.
	linux := feature{name: "org.gnu.gdb.i386.linux", regs: []register{{"orig_rax", 64, "int", "system", ""}}}
	segments := feature{name: "org.gnu.gdb.i386.segments", regs: []register{
		{"fs_base", 64, "int", "", "fs_base"}, {"gs_base", 64, "int", "", "gs_base"},
	}}
	return []feature{core, sse, linux, segments}
}

// flag is a bit with a name.
type flag struct {
	name string
	bit  int
}

func flags(id string, list []flag) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<flags id=\"%s\" size=\"4\">\n", id)
	for _, f := range list {
		fmt.Fprintf(&b, "<field name=\"%s\" start=\"%d\" end=\"%d\"/>\n", f.name, f.bit, f.bit)
	}
	b.WriteString("</flags>\n")
	return b.String()
}

// vectors defines what the bytes of a vector register can be seen as.
const vectors = `<vector id="v2d" type="ieee_double" count="2"/>
<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2u" type="uint64" count="2"/>
<vector id="v4u" type="uint32" count="4"/>
<vector id="v8u" type="uint16" count="8"/>
<vector id="v16u" type="uint8" count="16"/>
<union id="vec128">
<field name="double" type="v2d"/>
<field name="float" type="v4f"/>
<field name="u64" type="v2u"/>
<field name="u32" type="v4u"/>
<field name="u16" type="v8u"/>
<field name="u8" type="v16u"/>
<field name="uint128" type="uint128"/>
</union>
`
