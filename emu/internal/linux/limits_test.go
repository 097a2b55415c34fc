package linux

import "testing"

// last is the result of a call made beside the fixture's do, which looks at the value alone.
func (f *fixture) last(t *testing.T, name string, args ...uint64) Result {
	t.Helper()
	c := Call{Number: f.number(t, name)}
	copy(c.Args[:], args)
	r, err := f.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f *fixture) number(t *testing.T, name string) uint64 {
	t.Helper()
	for n, e := range f.table {
		if e.name == name {
			return n
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// The write that takes the last of the output, in bytes or in pieces, ends the process;
// those before it do not, and a state from before has what it had.
func TestOutputLimits(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		const size = 1 << 12
		if r := k.last(t, "write", 1, area, 0); r.Effect != Returns {
			t.Fatalf("nothing: %+v", r)
		}
		begin := k.Snapshot()
		for _, c := range []struct {
			size uint64
			want int
		}{{size, MaxOutput / size}, {1, MaxWrites}} {
			for n := 1; ; n++ {
				r := k.last(t, "write", 2, area, c.size)
				if r.Effect != Returns {
					if n != c.want || r.Effect != Exceeds || r.Limit != OutputLimit {
						t.Errorf("writes of %d bytes: after %d %+v", c.size, n, r)
					}
					break
				}
			}
			if got := len(k.State().Output()); got == 0 || got > k.Limits.Output {
				t.Errorf("%d chunks are kept", got)
			}
			k.Restore(begin)
			if bytes, writes := k.State().written(); bytes != 0 || writes != 0 || len(k.State().Output()) != 0 {
				t.Errorf("%d bytes in %d writes", bytes, writes)
			}
		}
	})
}
