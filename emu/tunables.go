package emu

import "strings"

// TunablesVariable is the variable of the environment that sets glibc's tunables, NAME=VALUE with
// colons between them (manual/tunables.texi of glibc).
const TunablesVariable = "GLIBC_TUNABLES"

// Tunables are the settings of a process's GLIBC_TUNABLES, in their order; the first such variable
// is the one that ld.so reads.
func Tunables(env []string) []string {
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, TunablesVariable+"="); ok {
			return strings.FieldsFunc(text, func(c rune) bool { return c == ':' })
		}
	}
	return nil
}

// KnowsTunable tells whether the process's dynamic linker has a tunable of that name, which is in
// its list of them (elf/dl-tunables.list of glibc). One that has not passes over it in silence.
func (p *Process) KnowsTunable(name string) bool {
	linker, ok := p.Linker()
	return ok && name != "" && linker.Image.HasText(name)
}
