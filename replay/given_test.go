package replay

import (
	"testing"

	"emurace/scenario"
)

// chosen is a thread whose calls hang on what those before have returned.
type chosen func(results []uint64) (scenario.Call, bool)

func (c chosen) Next(results []uint64) (scenario.Call, bool, error) {
	call, ok := c(results)
	return call, ok, nil
}

// TestHandedOn: a fatal argument is traced back through the thread's own code to the call that
// returned it, also where another one has returned the same value since, and NULL too; and to no
// call where the thread has it from elsewhere.
func TestHandedOn(t *testing.T) {
	load := func(at uint64) scenario.Call {
		return scenario.Call{Func: "emurace.load64", Args: []scenario.Arg{scenario.Int(at)}}
	}
	strlen := func(at uint64) scenario.Call {
		return scenario.Call{Func: "strlen", Args: []scenario.Arg{scenario.Int(at)}}
	}
	for _, c := range []struct {
		name  string
		value uint64 // of both words
		pass  func(results []uint64) uint64
		from  uint64 // offset of the word that the value is said to be loaded from
		found bool
	}{
		{"the first of two alike", 0x220, func(r []uint64) uint64 { return r[0] }, 0, true},
		{"the second", 0x220, func(r []uint64) uint64 { return r[1] }, 8, true},
		{"NULL", 0, func(r []uint64) uint64 { return r[0] }, 0, true},
		{"the same by chance", 0x220, func([]uint64) uint64 { return 0x220 }, 0, false},
		{"NULL by chance", 0, func([]uint64) uint64 { return 0 }, 0, false},
		{"by way of a choice", 0x220, func(r []uint64) uint64 { return 0x220 * (r[0] / 0x220) }, 0, false},
	} {
		for _, arch := range arches() {
			t.Run(c.name+"/"+arch.String(), func(t *testing.T) {
				var at uint64
				s, err := scenario.Start(system(t, "bookworm", arch), &scenario.Plan{
					Setup: func(u *scenario.Setup) (err error) {
						if at, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(16)); err != nil {
							return err
						}
						for _, word := range []uint64{at, at + 8} {
							if _, err := u.Call(scenario.Main, "emurace.store64", scenario.Int(word), scenario.Int(c.value)); err != nil {
								return err
							}
						}
						return nil
					},
					Threads: []scenario.Thread{{Name: scenario.Main, Body: chosen(func(r []uint64) (scenario.Call, bool) {
						switch len(r) {
						case 0:
							return load(at), true
						case 1:
							return load(at + 8), true
						}
						return strlen(c.pass(r)), len(r) == 2
					})}},
				}, 1)
				must(t, err)
				defer s.Close()
				h, err := NewHistory(s, scenario.Schedule{{Thread: 0}})
				must(t, err)
				x := explain(t, h)
				if found := x.Load != nil; x.Outcome.Kind != scenario.Segv || found != c.found || found && x.LoadAddr != at+c.from {
					t.Errorf("%v: loaded by %+v from %#x, the words are at %#x", x.Outcome, x.Load, x.LoadAddr, at)
				}
			})
		}
	}
}
