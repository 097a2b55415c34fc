package thorough

import (
	"flag"
	"testing"
)

// arch is one as loader has it, which stands above this package.
type arch string

func (a arch) String() string { return string(a) }

var arches = []arch{"arm64", "amd64"}

// short has -short be given, or not, for a test.
func short(t *testing.T, given string) {
	t.Helper()
	old := flag.Lookup("test.short").Value.String()
	t.Cleanup(func() {
		if err := flag.Set("test.short", old); err != nil {
			t.Error(err)
		}
	})
	if err := flag.Set("test.short", given); err != nil {
		t.Fatal(err)
	}
}

// Each case and each seed is run on one architecture, or on both.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		short, variable string
		want            int // architectures
		number          int // of what Of is asked for
	}{
		{"false", "", 1, 3}, {"false", "1", 2, 9}, {"true", "", 2, 3}, {"true", "1", 2, 3},
	} {
		short(t, c.short)
		t.Setenv(Variable, c.variable)
		if got := Of(3, 9); got != c.number || On() != (got == 9) {
			t.Errorf("%+v: %d, %v", c, got, On())
		}
		for i := range 5 {
			n := 0
			for _, arch := range arches {
				if Turn(i, arch) {
					n++
				}
			}
			if n != c.want {
				t.Errorf("%+v: case %d runs on %d architectures", c, i, n)
			}
		}
		for count := range uint64(8) {
			times := map[uint64]int{}
			for _, arch := range arches {
				from, n := Seeds(100, count, arch)
				for s := from; s < from+n; s++ {
					times[s]++
				}
			}
			for s := uint64(100); s < 100+count; s++ {
				if times[s] != c.want {
					t.Errorf("%+v: of %d seeds, %d runs on %d architectures", c, count, s, times[s])
				}
			}
			if uint64(len(times)) != count {
				t.Errorf("%+v: of %d seeds %v are run", c, count, times)
			}
		}
	}
}
