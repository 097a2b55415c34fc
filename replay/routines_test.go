package replay

import (
	"bytes"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// fromWord is a thread that reads an address from a word and then what is there.
type fromWord struct{ at *uint64 }

func (f fromWord) Next(results []uint64) (scenario.Call, bool, error) {
	load := func(addr uint64) scenario.Call {
		return scenario.Call{Func: "emurace.load64", Args: []scenario.Arg{scenario.Int(addr)}}
	}
	switch len(results) {
	case 0:
		return load(*f.at), true, nil
	case 1:
		return load(results[0]), true, nil
	}
	return scenario.Call{}, false, nil
}

// TestRoutinesShown: a thread reads a pointer that another one spoils, each by the
// program's own functions, and what is shown of the crash names them.
func TestRoutinesShown(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		var word uint64
		s, err := scenario.Start(system(t, "bookworm", arch), &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				if word, err = u.Call("main", "calloc", scenario.Int(1), scenario.Int(64)); err != nil {
					return err
				}
				_, err = u.Call("main", "emurace.store64", scenario.Int(word), scenario.Int(word))
				return err
			},
			Threads: []scenario.Thread{{Name: "main", Body: fromWord{&word}}, {Name: "worker", Body: late(func() scenario.Calls {
				return scenario.Calls{{Func: "emurace.store64", Args: []scenario.Arg{scenario.Int(word), scenario.Int(0x220)}}}
			})}},
		}, 1)
		must(t, err)
		t.Cleanup(s.Close)
		h, err := NewHistory(s, scenario.Schedule{{Thread: 1}, {Thread: 0}})
		must(t, err)
		x := explain(t, h)
		if x.At.Location.Function != "emurace.load64" || x.At.Location.Offset != 0 {
			t.Errorf("it fails at %v", x.At)
		}
		var out bytes.Buffer
		p := NewPrinter(&out, false)
		x.Tell(p)
		must(t, Dump(p, h, x, DumpOptions{}))
		for _, want := range []string{"main dies in emurace.load64", "emurace.load64+0x0", "emurace.load64(544)", "emurace.store64("} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, &out)
			}
		}
	})
}
