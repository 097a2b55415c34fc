package emu

import (
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// With BindNow ld.so does not look for functions when they are first called, so that
// this takes no longer than later. The environment is the given one, to
// the last variable, and what is behind it on the stack is in its place.
func TestBindNow(t *testing.T) {
	env := []string{"A=1", "NAME=de"}
	eachSystem(t, func(t *testing.T, p *process) {
		suite := strings.Split(t.Name(), "/")[1]
		calls := func(p *process, name string, args ...uint64) uint64 {
			before := p.Steps()
			p.call(0, name, args...)
			return p.Steps() - before
		}
		lazy, bound := bootWith(t, suite, p.Arch(), Options{Env: env}), bootWith(t, suite, p.Arch(), Options{Env: env, BindNow: true})
		first, second := map[*process]uint64{}, map[*process]uint64{}
		for _, p := range []*process{lazy, bound} {
			args := map[string][]uint64{"strerror": {1234}, "setenv": {p.str("NAME"), p.str("value"), 1}, "qsort": {p.str("cba"), 3, 1, p.fn("strcmp")}}
			for name, args := range args {
				first[p] += calls(p, name, args...)
				second[p] += calls(p, name, args...)
			}
		}
		// Elsewhere nothing that libc calls is bound late.
		if p.Arch() == loader.ARM64 && (suite == "bullseye" || suite == "bookworm") && (first[lazy] <= first[bound] || second[lazy] != second[bound]) {
			t.Errorf("first calls take %d instructions, and %d bound; second ones %d and %d", first[lazy], first[bound], second[lazy], second[bound])
		}
		for _, p := range []*process{lazy, bound} {
			var got []string
			array := p.word(p.fn("environ"))
			for at := array; p.word(at) != 0; at += 8 {
				got = append(got, p.text(p.word(at)))
			}
			if !slices.Equal(got, []string{"A=1", "NAME=value"}) {
				t.Errorf("the environment is %q", got)
			}
			if v := p.call(0, "getauxval", 6); v != 4096 { // AT_PAGESZ
				t.Errorf("a page has %d bytes", v)
			}
		}
	})
}
