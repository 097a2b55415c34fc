package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
)

// fromWord is a thread that reads an address from a word and then what is there, or at
// a distance from there.
type fromWord struct {
	at       *uint64
	distance uint64
}

func (f fromWord) Next(results []uint64) (scenario.Call, bool, error) {
	load := func(addr uint64) scenario.Call {
		return scenario.Call{Func: "emurace.load64", Args: []scenario.Arg{scenario.Int(addr)}}
	}
	switch len(results) {
	case 0:
		return load(*f.at), true, nil
	case 1:
		return load(results[0] + f.distance), true, nil
	}
	return scenario.Call{}, false, nil
}

// TestRoutinesShown: a thread reads a pointer that another one spoils, each by the
// program's own functions, and what is shown of the crash names them.
func TestRoutinesShown(t *testing.T) {
	register := map[loader.Arch]string{loader.ARM64: "x0", loader.AMD64: "rdi"}
	for _, c := range []struct {
		distance uint64
		want     []string
	}{
		{0, []string{"main loaded REG at emurace.load64+0x0 (", "from WORD, in its call of emurace.load64(WORD)",
			"worker had written 0x220 there last, in its call of emurace.store64(WORD, 544)", "emurace.load64(544)"}},
		// The sum is the script's own, so no instruction is to be named for it.
		{8, []string{"main has had that value in REG since before the race or as an argument of its call", "emurace.load64(552)"}},
	} {
		t.Run(fmt.Sprint(c.distance), func(t *testing.T) {
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
					Threads: []scenario.Thread{{Name: "main", Body: fromWord{&word, c.distance}}, {Name: "worker", Body: late(func() scenario.Calls {
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
				must(t, Dump(p, h, x, DumpOptions{Full: true}))
				for _, want := range append(c.want, "main dies of SIGSEGV in emurace.load64", "emurace.load64+0x0  ", "emurace.store64(") {
					want = strings.NewReplacer("REG", register[arch], "WORD", words.Hex(word)).Replace(want)
					if !strings.Contains(out.String(), want) {
						t.Errorf("no %q in\n%s", want, &out)
					}
				}
			})
		})
	}
}
