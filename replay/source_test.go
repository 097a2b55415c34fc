package replay

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/scenario"
	"emurace/symbolize"
)

// What the kernel writes as a signal comes, and what the scenario puts there for a call, is told as
// what it is, and as the doing of the thread whose signal or call it is.
func TestSignalsAndTexts(t *testing.T) {
	const source = faultCode + `
#ifdef __aarch64__
asm(".global info\n.type info, %function\ninfo: ldr x0, [sp]\n\tldr x0, [x0]\n\tret");
#else
asm(".global info\n.type info, %function\ninfo: mov 312(%rsp), %rax\n\tmov (%rax), %rax\n\tret");
#endif
`
	for _, arch := range arches() {
		code := guestcode.Build(t, arch, source)
		var base uint64
		guest := func(name string, args ...scenario.Arg) scenario.Call {
			return scenario.Call{Func: name, Addr: base + code.Symbols[name], Args: args}
		}
		for _, c := range []struct {
			how   How
			calls func() scenario.Calls
			says  []string
		}{
			{HowSignal, func() scenario.Calls { return scenario.Calls{guest("signal_", scenario.Int(12))} },
				[]string{"the kernel had written 0xc there last, as a signal came for main in its call of signal_(12):"}},
			{HowPlaced, func() scenario.Calls {
				return scenario.Calls{guest("store64", scenario.Int(base+code.Symbols["cell"]), scenario.Int(1)), guest("plain", scenario.Str("a text of the call"))}
			}, []string{"the scenario had put 0x6f20747865742061", " there last, for a call of main: plain(\"a text of the call\")"}},
		} {
			s, err := starter(system(t, "bookworm", arch), &scenario.Plan{
				Setup: func(u *scenario.Setup) (err error) {
					if base, err = u.Code(code.Bytes, uint64(len(code.Bytes))); err == nil {
						_, err = u.Call(scenario.Main, "signal", scenario.Int(12), scenario.Int(base+code.Symbols["info"]))
					}
					return err
				},
				Threads: []scenario.Thread{
					{Name: scenario.Main, Body: late(c.calls)},
					{Name: "second", Body: late(func() scenario.Calls { return scenario.Calls{{Func: "getpid"}} })},
				},
			})(func(*emu.Process) error { return nil })
			must(t, err)
			// Another thread's instruction is the last one before it.
			n := uint64(1)
			for ; ; n++ {
				must(t, s.Restart())
				if _, err := s.Run(0, n); err != nil || n > 1000 {
					t.Fatalf("%v: the run does not end: %v", arch, err)
				}
				if _, over := s.Outcome(); over {
					break
				}
			}
			h, err := NewHistory(s, scenario.Schedule{{Thread: 0, N: n - 3}, {Thread: 1}, {Thread: 0}})
			must(t, err)
			x := explain(t, h)
			if len(x.Sources.Writers) != 1 || x.Sources.Writers[0].How != c.how || x.Sources.Writers[0].Thread != scenario.Main {
				t.Errorf("%v: %+v\n%s", arch, x.Sources, x)
			} else if err := faultIsTrue(h, x, base+code.Symbols["info"]); err != nil {
				t.Errorf("%v: %v\n%s", arch, err, x)
			}
			for _, line := range c.says {
				if !strings.Contains(x.String(), line) {
					t.Errorf("%v: it does not say %q but\n%s", arch, line, x)
				}
			}
			s.Close()
		}
	}
}

// Where it is not known who has written bytes, or some of them, or there is more than is told, that
// is said.
func TestSourcesTell(t *testing.T) {
	act := symbolize.Act{Thread: "main", Step: 5, Call: "f()", Instruction: "str x0, [x1]"}
	eight := make([]byte, 8)
	for _, c := range []struct {
		s    Sources
		want []string
	}{
		{Sources{}, []string{"Who has written there last is not known."}},
		{Sources{size: 8, Unknown: 8}, []string{"Who has written there last is not known."}},
		{Sources{size: 8, Older: 8}, []string{"Nothing has written there since the race began: the value is older."}},
		{Sources{size: 8, Older: 3, Unknown: 5}, []string{"The other 3 bytes are older than the race.", "Who has written 5 bytes of it last is not known."}},
		{Sources{size: 2, Older: 1, Writers: []Wrote{{Act: act, How: HowStored, Addr: 0x10, Place: "cache", Data: []byte{7}}}},
			[]string{"main had written a part of it there last, 0x7 at 0x10 (cache), in its call of f():", "The other byte is older than the race."}},
		{Sources{size: 8, Writers: []Wrote{{Act: act, How: HowKernel, Data: eight}}}, []string{"main had written 0x0 there last, in its call of f(), by a system call:"}},
		{Sources{size: 8, Writers: []Wrote{{Act: act, How: HowZeroed, Data: eight}}}, []string{"in its call of f(), by a system call that empties the page:"}},
		{Sources{size: 8, Writers: []Wrote{{Act: act, How: HowMapped, Data: eight}}}, []string{"by a system call that maps the page, which begins empty:"}},
		{Sources{size: 64, More: 4, Writers: []Wrote{{Act: act, How: HowStored, Data: eight}}}, []string{"4 instructions before that had written other parts of it."}},
	} {
		var text []string
		for _, line := range c.s.tell() {
			text = append(text, line.String())
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(text, "\n"), want) {
				t.Errorf("%+v: it does not say %q but\n%s", c.s, want, strings.Join(text, "\n"))
			}
		}
	}
}

// Only what can have come of loaded bytes by copies is taken for that.
func TestHandsOn(t *testing.T) {
	data := []byte{0x10, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff}
	for _, c := range []struct {
		value uint64
		size  int
		want  bool
	}{
		{0xffffffff80000010, 8, true}, {0x80000010, 8, true}, {0xffffffff80000010, 4, true}, {0x80000010, 4, true},
		{0x10, 1, true}, {0x10, 8, false}, {0x80000011, 4, false}, {0, 1, false}, {0, 8, false},
	} {
		if got := handsOn(c.value, data[:c.size]); got != c.want {
			t.Errorf("%#x of %d bytes: %v", c.value, c.size, got)
		}
	}
}
