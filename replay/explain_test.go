package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// cause is what an explanation of a guest case is to say. Registers are named
// arm64/amd64; an instruction is one of the code's own, by its number.
type cause struct {
	register string
	value    uint64
	hops     []hopKind
	at       int    // main's instruction that fails; -1 for a place without code
	load     int    // main's instruction that loaded, -1 for none
	offset   uint64 // of what was loaded, in the shared data; onStack for the stack
	writer   string // thread, or "" for older than the race
	store    int    // the writer's instruction
	written  uint64
}

const onStack = ^uint64(0)

// bad is the address that the workers put into the shared data at offset 16.
const bad = 0x660

func TestExplainGuest(t *testing.T) {
	load := []hopKind{hopLoad}
	// Words 0, 1, 2 of the shared data; the third is what main goes by.
	harmless := []uint64{0, 0, 0}
	for _, c := range []struct {
		guestCase
		want  cause
		amd64 func(*cause) // what is otherwise there
		tell  []string
	}{
		{guestCase{"loaded", "load", "store", 0, harmless, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 },
			[]string{"REG = 0x660, and nothing is mapped there", "main loaded REG at ", "worker had written 0x660 there last, in its call of store("}},
		{guestCase{"part of it written", "load", "store a byte", 0, []uint64{0, 0, 0x50}, "worker, main"},
			cause{"x2/rax", 0x650, load, 1, 0, 16, "worker", 1, 6},
			func(c *cause) { c.store = 0 },
			[]string{"worker had written a part of it there last, 0x6 at 0x", "The other 7 bytes are older than the race."}},
		{guestCase{"one half of a pair", "load", "store a pair", 0, harmless, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 3 }, nil},
		{guestCase{"kept by a compare-and-swap that fails", "load", "store twice", 0, harmless, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 }, nil},
		{guestCase{"copied", "copy", "store", 0, harmless, "worker, main"},
			cause{"x4/rsi", bad, []hopKind{hopCopy, hopCopy, hopLoad}, 3, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 },
			[]string{"REG = 0x660 gives address 0x668, and nothing", "loaded REG, through 2 copies, at "}},
		{guestCase{"spilled", "spill", "store", 0, harmless, "worker, main"},
			cause{"x6/rcx", bad, []hopKind{hopLoad, hopLoad}, 4, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 },
			[]string{"loaded REG, through 1 copy, at "}},
		{guestCase{"spilled otherwise", "pair", "store", 0, harmless, "worker, main"},
			cause{"x11/rcx", bad, []hopKind{hopLoad, hopLoad}, 4, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 }, nil},
		{guestCase{"constant", "constant", "nothing", 0, harmless, "main"},
			cause{"x2/rax", 0x440, []hopKind{hopConst}, 1, -1, 0, "", 0, 0}, nil,
			[]string{"main set it at "}},
		{guestCase{"computed", "compute", "store", 0, harmless, "worker, main"},
			cause{"x2/rax", bad + 8, []hopKind{hopComputed}, 2, -1, 0, "", 0, 0}, nil,
			[]string{"main computed it at "}},
		{guestCase{"set in part", "part", "store", 0, harmless, "worker, main"},
			cause{"x2/rax", 1<<32 + bad, []hopKind{hopComputed}, 2, -1, 0, "", 0, 0},
			func(c *cause) { c.value = 0x610 }, nil},
		{guestCase{"argument", "argument", "nothing", bad, harmless, "main"},
			cause{"x1/rsi", bad, nil, 0, -1, 0, "", 0, 0}, nil,
			[]string{"main has had that value in REG since before the race or as an argument of its call."}},
		{guestCase{"jump by a register", "jump", "store", 0, harmless, "worker, main"},
			cause{"x2/rax", bad, load, -1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 },
			[]string{"main dies of SIGSEGV at 0x660\n", "0x660  (no code there)      REG = 0x660, and nothing is mapped there"}},
		{guestCase{"call of a bad address", "call", "store", 0, harmless, "worker, main"},
			cause{"x2/rip", bad, load, -1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 }, nil},
		{guestCase{"return to a bad address", "return", "store return", 0, harmless, "main 3, worker, main"},
			cause{"x30/rip", bad, load, -1, 3, onStack, "worker", 2, bad},
			func(c *cause) { c.load, c.store = 3, 1 }, nil},
		{guestCase{"write", "write", "store", 0, harmless, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 }, nil},
		{guestCase{"index", "index", "store large", 0, harmless, "worker, main"},
			cause{"x2/rax", 0x50000000, load, 1, 0, 16, "worker", 1, 0x50000000},
			func(c *cause) { c.store = 0 },
			[]string{"REG = 0x50000000 gives address 0x80"}},
		{guestCase{"base", "base", "store", 8, harmless, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "worker", 1, bad},
			func(c *cause) { c.store = 0 }, nil},
		{guestCase{"its own doing", "own", "nothing", 0, harmless, "main"},
			cause{"x2/rax", bad, load, 3, 2, 16, "main", 1, bad},
			func(c *cause) { c.at, c.load, c.store = 2, 1, 0 },
			[]string{"main had written 0x660 there last, in its call of own("}},
		{guestCase{"older than the race", "load", "nothing", 0, []uint64{0, 0, bad}, "worker, main"},
			cause{"x2/rax", bad, load, 1, 0, 16, "", 0, 0}, nil,
			[]string{"Nothing has written there since the race began: the value is older."}},
	} {
		for _, arch := range arches() {
			t.Run(c.name+"/"+arch.String(), func(t *testing.T) {
				want := c.want
				want.register, _, _ = strings.Cut(c.want.register, "/")
				if arch == loader.AMD64 {
					_, want.register, _ = strings.Cut(c.want.register, "/")
					if c.amd64 != nil {
						c.amd64(&want)
					}
				}
				g, x := explainGuest(t, c.guestCase, arch)
				checkCause(t, c.guestCase, g, x, want)
				text := told(x)
				for _, line := range c.tell {
					if line = strings.ReplaceAll(line, "REG", want.register); !strings.Contains(text, line) {
						t.Errorf("it does not say %q but\n%s", line, text)
					}
				}
			})
		}
	}
}

// told is the explanation as a reader without colours gets it.
func told(x *Explanation) string {
	return x.Headline() + "\n" + x.String() + "schedule  " + x.Switching() + "\n"
}

func checkCause(t *testing.T, c guestCase, g guest, x *Explanation, want cause) {
	t.Helper()
	if x.Outcome.Kind != scenario.Segv || x.At == nil || x.At.Thread != scenario.Main {
		t.Fatalf("%v, at %+v", x.Outcome, x.At)
	}
	if x.Register != want.register || x.Value != want.value {
		t.Errorf("%s = %#x, want %s = %#x", x.Register, x.Value, want.register, want.value)
	}
	var kinds []hopKind
	for _, hop := range x.hops {
		kinds = append(kinds, hop.Kind)
	}
	if !slices.Equal(kinds, want.hops) {
		t.Errorf("hops %v, want %v: %+v", kinds, want.hops, x.hops)
	}
	pcs := func(name string, base uint64) []uint64 {
		var list []uint64
		listing := strings.Split(guestCode[g.Process().Arch()][name], "; ")
		for _, line := range listing {
			list = append(list, base)
			digits, _, _ := strings.Cut(line, " ")
			base += uint64(len(digits) / 2)
		}
		return list
	}
	mainPCs := pcs(c.main, g.code)
	at := uint64(bad)
	if want.at >= 0 {
		at = mainPCs[want.at]
	}
	if x.At.Location.PC != at {
		t.Errorf("fails at %v, want %#x", x.At.Location, at)
	}
	if (x.Load != nil) != (want.load >= 0) || (x.Writer != nil) != (want.writer != "") {
		t.Fatalf("load %+v, writer %+v", x.Load, x.Writer)
	}
	if x.Load == nil {
		return
	}
	if x.Load.Location.PC != mainPCs[want.load] || x.Load.Thread != scenario.Main || x.loadSize != 8 {
		t.Errorf("%d bytes loaded by %+v, want main at %#x", x.loadSize, x.Load, mainPCs[want.load])
	}
	switch sp, _ := g.Process().StackPointer(0); {
	case want.offset == onStack && x.LoadAddr-sp+64 > 128:
		t.Errorf("loaded from %#x, but the stack is at %#x", x.LoadAddr, sp)
	case want.offset != onStack && x.LoadAddr != g.data+want.offset:
		t.Errorf("loaded from %#x, want %#x", x.LoadAddr, g.data+want.offset)
	}
	if x.Writer == nil {
		return
	}
	writerPC := mainPCs
	if want.writer != scenario.Main {
		writerPC = pcs(c.worker, g.code+workerCode)
	}
	if w := x.Writer; w.Thread != want.writer || w.Location.PC != writerPC[want.store] || x.Written != want.written {
		t.Errorf("%#x written by %+v, want %#x by %s at %#x", x.Written, w, want.written, want.writer, writerPC[want.store])
	}
	if x.Writer.Step >= x.Load.Step || x.Load.Step > x.At.Step {
		t.Errorf("steps: written at %d, loaded at %d, failed at %d", x.Writer.Step, x.Load.Step, x.At.Step)
	}
}

// TestExplainOutcomes: the ends that are no fault.
func TestExplainOutcomes(t *testing.T) {
	call := func(fn string, args ...scenario.Arg) scenario.Call { return scenario.Call{Func: fn, Args: args} }
	for _, c := range []struct {
		name     string
		calls    scenario.Calls
		kind     scenario.Kind
		headline string
		says     []string
		outcome  Outcome // what the trace has of it
	}{
		{"fine", scenario.Calls{call("getenv", scenario.Str("A"))}, scenario.OK, "nothing failed", nil, Outcome{}},
		{"abort", scenario.Calls{call("abort")}, scenario.Abort, "main aborts in ", []string{"killed by SIGABRT"}, Outcome{Thread: "main", Signal: 6}},
		{"malloc complains", scenario.Calls{call("free", scenario.Int(0x10008))}, scenario.Segv, "main dies of SIGSEGV in ", nil, Outcome{Thread: "main", Access: "read"}},
		{"a failed assertion", scenario.Calls{call("__assert_fail", scenario.Str("a < b"), scenario.Str("x.c"), scenario.Int(7), scenario.Str("f"))},
			scenario.Abort, "main aborts in ", []string{"it said: ", "x.c:7: f: Assertion `a < b' failed."}, Outcome{Thread: "main", Signal: 6}},
		{"exit", scenario.Calls{call("_exit", scenario.Int(3))}, scenario.Exit, "main exits with status 3", []string{"exit with status 3"}, Outcome{Thread: "main", Code: new(int)}},
		{"exit with a word", scenario.Calls{call("puts", scenario.Str("no room")), call("exit", scenario.Int(3))}, scenario.Exit, "main exits with status 3", []string{"it said: no room"}, Outcome{Thread: "main", Code: new(int)}},
		{"deadlock", scenario.Calls{call("sem_init", scenario.Int(0), scenario.Int(0), scenario.Int(0)), call("sem_wait", scenario.Int(0))},
			scenario.Deadlock, "deadlock: main waits, and nobody is left to wake it", []string{"main waits in sem_wait("}, Outcome{}},
	} {
		for _, arch := range arches() {
			t.Run(c.name+"/"+arch.String(), func(t *testing.T) {
				var sem uint64
				body := late(func() scenario.Calls {
					calls := slices.Clone(c.calls)
					for i := range calls {
						if strings.HasPrefix(calls[i].Func, "sem_") {
							calls[i].Args = slices.Clone(calls[i].Args)
							calls[i].Args[0] = scenario.Int(sem)
						}
					}
					return calls
				})
				s, err := scenario.Start(system(t, "bookworm", arch), &scenario.Plan{
					Setup: func(u *scenario.Setup) (err error) {
						sem, err = u.Call(scenario.Main, "malloc", scenario.Int(64))
						return err
					},
					Threads: []scenario.Thread{{Name: scenario.Main, Body: body}},
				}, 1)
				must(t, err)
				defer s.Close()
				h, err := NewHistory(s, scenario.Schedule{{Thread: 0}})
				must(t, err)
				x := explain(t, h)
				text := told(x)
				if x.Outcome.Kind != c.kind || !strings.HasPrefix(text, c.headline) {
					t.Errorf("%v\n%s", x.Outcome, text)
				}
				for _, line := range c.says {
					if !strings.Contains(text, line) {
						t.Errorf("it does not say %q but\n%s", line, text)
					}
				}
				got := outcomeText(x.Outcome, s.Names())
				if got.Thread != c.outcome.Thread || got.Signal != c.outcome.Signal || got.Access != c.outcome.Access || (got.Code == nil) != (c.outcome.Code == nil) {
					t.Errorf("in a trace: %+v", got)
				}
			})
		}
	}
}

// TestExplainEarly: a run that is not over has nothing to explain.
func TestExplainEarly(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	h := f.history(t)
	must(t, h.SeekTo(10))
	if x, err := Explain(h); err == nil || err.Error() != "explain: the run is not over" {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := NewHistory(f.Session, f.schedule[:2]); err == nil || !strings.Contains(err.Error(), "before the race is over") {
		t.Errorf("half a schedule: %v", err)
	}
}

// TestExplainUndefined: an instruction that no processor has.
func TestExplainUndefined(t *testing.T) {
	for _, arch := range arches() {
		_, x := explainGuest(t, guestCase{"undefined", "undefined", "nothing", 0, nil, "main"}, arch)
		if x.Outcome.Kind != scenario.Illegal || x.At == nil || x.Outcome.End.Kind != emu.EndIllegal || x.Register != "" {
			t.Errorf("%v: %v, %+v", arch, x.Outcome, x.At)
		}
		if text := told(x); !strings.Contains(text, fmt.Sprintf("illegal instruction at %#x", x.At.Location.PC)) {
			t.Errorf("%v: %s", arch, text)
		}
	}
}
