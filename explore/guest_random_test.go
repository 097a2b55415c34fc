package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"emurace/loader"
)

// randomPrelude is what the random programs share. All they touch is one small
// piece of memory, so that accesses of different sizes meet, and a lock.
const randomPrelude = lll + `
union { u8 b[32]; u64 d[4]; } m __attribute__((aligned(16)));
#define AT(type, i) (*(volatile type *)(m.b + (i)))
void idle(void) {}
// A store where nothing is mapped, which the compiler does not see through.
static inline void crash(void) {
	volatile u8 *p;
	asm volatile("" : "=r"(p) : "0"(16));
	*p = 0;
}
`

// coder writes the functions of random programs. In a function, r mixes all
// that was read so far and v is what was read last.
type coder struct {
	*rand.Rand
	arch   loader.Arch
	text   *strings.Builder
	events int  // roughly, what the function may still do
	locks  bool // a function may have a section under the lock
	loaded int  // offset of the last load exclusive
	apart  bool // in place of instructions that are two steps there are two
}

// function writes a function of a few operations.
func (g *coder) function(name string, events int) {
	fmt.Fprintf(g.text, "u64 %s(void) {\n\tu64 r = 0, v = 0;\n", name)
	for g.events = events; g.events > 0; {
		g.statement(true)
	}
	g.text.WriteString("\treturn r + v;\n}\n")
}

// statement writes an operation, or a condition or a lock around some.
func (g *coder) statement(nest bool) {
	switch n := g.IntN(16); {
	case !nest || n < 10:
		g.operation()
	case n < 13:
		fmt.Fprintf(g.text, "\tif (v == %d) {\n", g.IntN(3))
		g.statement(false)
		if g.IntN(2) == 0 {
			g.text.WriteString("\t} else {\n")
			g.statement(false)
		}
		g.text.WriteString("\t}\n")
	case n < 14:
		fmt.Fprintf(g.text, "\tif (v == %d) crash();\n", 1+g.IntN(2))
	case g.locks && n < 15:
		g.events -= 4
		g.text.WriteString("\ttake();\n")
		g.statement(false)
		g.text.WriteString("\tleave();\n")
	default:
		g.operation()
	}
}

// place is a size of an access, in bytes, and where it is: mostly at its own
// alignment, which atomic ones need, in the first eight bytes of two.
func (g *coder) place(aligned bool) (size, at int) {
	size = 1 << g.IntN(4)
	at = g.IntN(8)
	if g.IntN(4) == 0 {
		at += 8
	}
	if aligned || g.IntN(3) > 0 {
		at &^= size - 1
	}
	return size, at
}

// operation writes one access or a sequence that belongs together. What is
// stored is small, so that it is often what was there before.
func (g *coder) operation() {
	type op struct {
		aligned bool
		events  int
		text    string // arguments: type, offset, value, value
	}
	ops := []op{
		{false, 1, "v = AT(%[1]s, %[2]d);"},
		{false, 1, "AT(%[1]s, %[2]d) = %[3]d;"},
		{true, 1, "v = __atomic_fetch_add((%[1]s *)(m.b + %[2]d), %[3]d, __ATOMIC_SEQ_CST);"},
		{true, 1, "v = __atomic_exchange_n((%[1]s *)(m.b + %[2]d), %[3]d, __ATOMIC_SEQ_CST);"},
		{true, 1, "{ %[1]s e = %[4]d; r += __atomic_compare_exchange_n((%[1]s *)(m.b + %[2]d), &e, %[3]d, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); v = e; }"},
	}
	size, at := g.place(true)
	if g.arch == loader.ARM64 && g.IntN(2) == 0 {
		g.exclusive(size, at)
		return
	}
	if g.arch == loader.AMD64 && g.IntN(3) == 0 {
		g.divisible()
		return
	}
	if g.arch == loader.ARM64 && g.IntN(3) == 0 {
		g.pair()
		return
	}
	o := ops[g.IntN(len(ops))]
	if !o.aligned {
		size, at = g.place(false)
	}
	g.events -= o.events
	fmt.Fprintf(g.text, "\t"+o.text+" r = 5 * r + v;\n", fmt.Sprintf("u%d", 8*size), at, g.IntN(3), g.IntN(3))
}

// exclusive writes arm64's exclusives: a load, a store, or both, in a loop or
// without, or the end of the monitor. A store that stands alone belongs to a
// load anywhere before it, perhaps of another size, or to none.
func (g *coder) exclusive(size, at int) {
	suffix, reg := map[int]string{1: "b", 2: "h"}[size], "w"
	if size == 8 {
		reg = "x"
	}
	load := fmt.Sprintf("ld%sxr%s %%%s[v], [%%[p]]", []string{"", "a"}[g.IntN(2)], suffix, reg)
	store := fmt.Sprintf("st%sxr%s %%w[f], %%%s[n], [%%[p]]", []string{"", "l"}[g.IntN(2)], suffix, reg)
	pair := g.IntN(6) == 0
	if pair {
		at &^= 15
		load = "ldxp %x[v], %x[n], [%[p]]"
		store = "stxp %w[f], %x[n], %x[v], [%[p]]"
	}
	mov := fmt.Sprintf("mov %%x[n], #%d", g.IntN(3))
	if g.IntN(2) == 0 {
		mov = fmt.Sprintf("add %%x[n], %%x[v], #%d", g.IntN(3))
	}
	var code []string
	switch n := g.IntN(12); {
	case n < 3:
		code = []string{load}
		g.loaded = at
	case n < 6:
		code = []string{mov, store}
		if g.IntN(4) > 0 && g.loaded%size == 0 && !pair {
			at = g.loaded
		}
	case n < 9:
		code = []string{load, mov, store}
		g.events--
	case n < 11:
		code = []string{"0: " + load, mov, store, "cbnz %w[f], 0b"}
		g.events--
	default:
		code = []string{"clrex"}
	}
	g.events--
	fmt.Fprintf(g.text, "\t{ u64 n = 0, f = 0; asm volatile(%q : [v] \"+&r\"(v), [n] \"+&r\"(n), [f] \"+&r\"(f) : [p] \"r\"(m.b + %d) : \"memory\"); r = 5 * r + 3 * v + f; }\n",
		strings.Join(code, "\n"), at)
}

// divisible writes an instruction of amd64 that reads and writes memory without a lock, or a
// load and a store that do the same.
func (g *coder) divisible() {
	ops := []struct{ one, two string }{ // arguments: type, offset, value, value, suffix, another offset
		{"{ %[1]s x = %[3]d; asm volatile(\"add%[5]s %%1, %%0\" : \"+m\"(AT(%[1]s, %[2]d)) : \"r\"(x) : \"cc\"); v = x; }",
			"{ %[1]s x = AT(%[1]s, %[2]d); asm volatile(\"\" : \"+r\"(x)); AT(%[1]s, %[2]d) = x + %[3]d; v = %[3]d; }"},
		{"{ %[1]s x = %[3]d; asm volatile(\"xadd%[5]s %%1, %%0\" : \"+m\"(AT(%[1]s, %[2]d)), \"+r\"(x) : : \"cc\"); v = x; }",
			"{ %[1]s x = AT(%[1]s, %[2]d); asm volatile(\"\" : \"+r\"(x)); AT(%[1]s, %[2]d) = x + %[3]d; v = x; }"},
		{"{ %[1]s e = %[4]d, x = %[3]d; asm volatile(\"cmpxchg%[5]s %%2, %%0\" : \"+m\"(AT(%[1]s, %[2]d)), \"+a\"(e) : \"r\"(x) : \"cc\"); v = e; }",
			"{ %[1]s x = AT(%[1]s, %[2]d); asm volatile(\"\" : \"+r\"(x)); AT(%[1]s, %[2]d) = x == %[4]d ? %[3]d : x; v = x; }"},
		{"asm volatile(\"or%[5]s $0, %%0\" : \"+m\"(AT(%[1]s, %[2]d)) : : \"cc\");",
			"{ %[1]s x = AT(%[1]s, %[2]d); asm volatile(\"\" : \"+r\"(x)); AT(%[1]s, %[2]d) = x; }"},
		{"{ void *to = m.b + %[2]d, *from = m.b + %[6]d; asm volatile(\"movs%[5]s\" : \"+D\"(to), \"+S\"(from) : : \"memory\"); }",
			"{ %[1]s x = AT(%[1]s, %[6]d); asm volatile(\"\" : \"+r\"(x)); AT(%[1]s, %[2]d) = x; }"},
	}
	size, at := g.place(false)
	_, from := g.place(false)
	o := ops[g.IntN(len(ops))]
	text := o.one
	if g.apart {
		text = o.two
	}
	g.events -= 2
	fmt.Fprintf(g.text, "\t"+strings.ReplaceAll(text, "%%[5]", "%[5]")+" r = 5 * r + v;\n", fmt.Sprintf("u%d", 8*size), at, g.IntN(3), g.IntN(3),
		map[int]string{1: "b", 2: "w", 4: "l", 8: "q"}[size], from)
}

// pair writes a load or store of a pair of registers of arm64, or two of one register each that
// do the same.
func (g *coder) pair() {
	ops := []struct{ one, two string }{ // arguments: registers' prefix, bytes of each, v's register, n's, the base
		{"ldp %[1]s%[3]s, %[1]s%[4]s, [%[5]s]", "ldr %[1]s%[3]s, [%[5]s]\nldr %[1]s%[4]s, [%[5]s, #%[2]d]"},
		{"stp %[1]s%[3]s, %[1]s%[4]s, [%[5]s]", "str %[1]s%[3]s, [%[5]s]\nstr %[1]s%[4]s, [%[5]s, #%[2]d]"},
		{"stp %[1]szr, %[1]s%[4]s, [%[5]s], #%[2]d", "str %[1]szr, [%[5]s]\nstr %[1]s%[4]s, [%[5]s, #%[2]d]\nadd %[5]s, %[5]s, #%[2]d"},
		{"sub %[5]s, %[5]s, #%[2]d\nldp %[1]s%[3]s, %[1]s%[4]s, [%[5]s, #%[2]d]!", "ldr %[1]s%[3]s, [%[5]s]\nldr %[1]s%[4]s, [%[5]s, #%[2]d]"},
		{"ldp %[1]s%[3]s, %[1]szr, [%[5]s]", "ldr %[1]s%[3]s, [%[5]s]\nldr %[1]szr, [%[5]s, #%[2]d]"},
		{"ldpsw x%[3]s, x%[4]s, [%[5]s]", "ldrsw x%[3]s, [%[5]s]\nldrsw x%[4]s, [%[5]s, #4]"},
		{"fmov d0, x%[3]s\nfmov d1, x%[4]s\nstp d0, d1, [%[5]s]", "str x%[3]s, [%[5]s]\nstr x%[4]s, [%[5]s, #8]"},
		{"ldnp s0, s1, [%[5]s]\nfmov w%[3]s, s0\nfmov w%[4]s, s1", "ldr w%[3]s, [%[5]s]\nldr w%[4]s, [%[5]s, #4]"},
	}
	_, at := g.place(false)
	o := ops[g.IntN(len(ops))]
	text := o.one
	if g.apart {
		text = o.two
	}
	prefix, size := "x", 8
	if g.IntN(2) == 0 {
		prefix, size = "w", 4
	}
	g.events -= 2
	fmt.Fprintf(g.text, "\t{ u64 n = %d; u8 *p = m.b + %d; asm volatile(%q : [v] \"+&r\"(v), [n] \"+&r\"(n), [p] \"+&r\"(p) : : \"memory\", \"v0\", \"v1\"); r = 5 * r + 3 * v + n; }\n",
		g.IntN(3), at, strings.NewReplacer("x$v", "%x[v]", "w$v", "%w[v]", "x$n", "%x[n]", "w$n", "%w[n]").Replace(fmt.Sprintf(text, prefix, size, "$v", "$n", "%[p]")))
}
