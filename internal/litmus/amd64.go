package litmus

import (
	"fmt"
	"regexp"
	"strings"
)

var operandX86 = regexp.MustCompile(`\[ *(\w+) *\]`)

// amd64 writes a function for x86-64 of a test for x86: [x] is the location's 32 bits, $1 the number 1.
func (f *function) amd64() error {
	// RBX and RBP are kept for the caller by the procedure call standard.
	f.write("push %%rbx")
	f.write("push %%rbp")
	f.write(".intel_syntax noprefix")
	for _, name := range namesX86 {
		r := strings.ToLower(name)
		switch v := f.Initial(Place{f.thread, name}); {
		case v.At != "":
			return fmt.Errorf("%s is to have an address, for which it is too small", name)
		case v.Number == 0:
			f.write("xor %s, %s", r, r)
		default:
			f.write("mov %s, %d", r, int32(v.Number))
		}
	}
	f.body(func(text string) string {
		memory := fmt.Sprintf("dword ptr t%d_%s[rip]", f.n, symbolX86(text))
		return operandX86.ReplaceAllLiteralString(strings.ToLower(strings.ReplaceAll(text, "$", "")), memory)
	})
	for i, name := range f.Registers(f.thread) {
		f.write("mov dword ptr t%d_r%d[rip+%d], %s", f.n, f.thread, 8*i, strings.ToLower(name))
	}
	f.write(".att_syntax prefix")
	f.write("pop %%rbp")
	f.write("pop %%rbx")
	f.write("xor %%eax, %%eax")
	f.write("ret")
	return nil
}
