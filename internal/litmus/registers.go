package litmus

import (
	"slices"
	"strconv"
	"strings"
)

// Zero is the number of AArch64's register that is always zero, XZR and WZR. Number 31 in an encoding may also
// be SP, which no litmus test uses.
const Zero = 31

// RegisterARM is the number of AArch64's register X0 ... X30, W0 ... W30, XZR or WZR, in upper case.
func RegisterARM(name string) (int, bool) {
	if name == "XZR" || name == "WZR" {
		return Zero, true
	}
	if len(name) < 2 || len(name) > 3 || name[0] != 'X' && name[0] != 'W' {
		return 0, false
	}
	n, err := strconv.ParseUint(name[1:], 10, 8)
	return int(n), err == nil && n < Zero && strconv.Itoa(int(n)) == name[1:]
}

// namesX86 are the registers of x86 that litmus tests use.
var namesX86 = []string{"EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP"}

// RegisterX86 is a number of the register of x86 of a name in upper case, -1 where it is none.
func RegisterX86(name string) int { return slices.Index(namesX86, name) }

// symbolX86 is the location that an instruction of x86 accesses, "" where it accesses none.
func symbolX86(text string) string {
	_, text, _ = strings.Cut(text, "[")
	text, _, ok := strings.Cut(text, "]")
	if text = strings.TrimSpace(text); !ok || !identifier(text) {
		return ""
	}
	return text
}
