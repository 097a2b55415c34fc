package replay

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// halved is a counter that loses an addition between the read and the write of one
// instruction, or behind the first word of a pair.
const halved = `
#ifdef __aarch64__
static volatile long counters[2] __attribute__((aligned(16)));
int add(void) {
	long a, b;
	asm volatile("ldp %0, %1, [%2]\n\tadd %1, %1, #1\n\tstr %1, [%2, #8]" : "=&r"(a), "=&r"(b) : "r"(counters) : "memory");
	return counters[1];
}
#else
static volatile int counter;
int add(void) { asm volatile("addl $1, %0" : "+m"(counter) : : "cc"); return counter; }
#endif
`

// halvedRun is a session of two threads that add, and how many instructions they have up to
// the addition and in all.
func halvedRun(t *testing.T, arch loader.Arch) (s *scenario.Session, before, all uint64) {
	t.Helper()
	plan := testrace.Guest(t, arch, halved, scenario.Call{Func: "add"}, scenario.Call{Func: "add"})
	plan.Check = func(v *scenario.View) error {
		if v.Results(0)[0] != 2 && v.Results(1)[0] != 2 {
			return &scenario.Failure{Message: "an addition is lost"}
		}
		return nil
	}
	s = testrace.Start(t, system(t, "bookworm", arch), plan)
	all, err := s.Run(0, 0)
	must(t, err)
	for before = 1; ; before++ {
		must(t, s.Restart())
		if _, err := s.RunSlice(scenario.Slice{Thread: 0, N: before, Half: true}); err != nil || before > all {
			t.Fatalf("no instruction has a middle: %v", err)
		}
		if s.Holds(0) {
			return s, before, all
		}
	}
}

// A run in which instructions end in their middle can be repeated, gone through and told.
func TestHalves(t *testing.T) {
	t.Run("amd64", func(t *testing.T) { replayHalved(t, loader.AMD64, "read (add ", "write (add ") })
	t.Run("arm64", func(t *testing.T) {
		replayHalved(t, loader.ARM64, "first register (ldp ", "second register (ldp ")
	})
}

// replayHalved expects of the two steps to be told so.
func replayHalved(t *testing.T, arch loader.Arch, one, two string) {
	s, before, all := halvedRun(t, arch)
	rest := all - before
	schedule := scenario.Schedule{{Thread: 0, N: before, Half: true}, {Thread: 1, N: before, Half: true}, {Thread: 0, N: 1}, {Thread: 1, N: 1 + rest}, {Thread: 0}}
	scene := &scenario.Scenario{Name: "halved"}
	trace, err := Record(s, Recipe{Scenario: scene, Arch: arch, Source: "debian:bookworm", Seed: 1}, schedule)
	must(t, err)
	if trace.Outcome.Kind != scenario.Check || trace.Steps != 2*all+2 {
		t.Fatalf("%+v after %d steps, each thread has %d instructions", trace.Outcome, trace.Steps, all)
	}
	var file bytes.Buffer
	must(t, trace.Encode(&file))
	again, err := Decode(&file)
	must(t, err)
	v, err := Verify(s, again)
	must(t, err)
	if !v.Match || !slices.Equal(v.Schedule, schedule) {
		t.Fatalf("%+v", v)
	}
	// Without the halves it is another run.
	again.Schedule = []string{"main", "worker"}
	if v, err = Verify(s, again); err != nil || v.Match {
		t.Errorf("%+v, %v", v, err)
	}

	line, err := timeline.New(s, schedule)
	must(t, err)
	defer line.Close()
	pc, _ := line.PC(before - 1)
	for n, want := range map[uint64]struct {
		thread int
		half   bool
		writes bool
	}{before - 1: {0, true, false}, 2*before - 1: {1, true, false}, 2 * before: {0, false, true}, 2*before + 1: {1, false, true}} {
		list := line.Accesses(n)
		got, _ := line.PC(n)
		if got != pc || line.Thread(n) != want.thread || line.Half(n) != want.half || len(list) != 1 || (list[0].Kind != 0) != (want.writes && arch == loader.AMD64) {
			t.Errorf("instruction %d: pc %#x (%#x), thread %d, half %v, %+v", n, got, pc, line.Thread(n), line.Half(n), list)
		}
	}
	for _, n := range []uint64{line.Len(), before, 0, 2*before + 1, 2 * before, before - 1, before + 1} {
		must(t, line.Seek(n))
		if holds := n >= before && n <= 2*before; s.Holds(0) != holds {
			t.Errorf("at %d it holds %v", n, s.Holds(0))
		}
	}
	if got := line.Schedule(); !slices.Equal(got, schedule) {
		t.Errorf("the timeline's schedule is %v, want %v", got, schedule)
	}
	// Whoever goes on from the middle with the same thread has the instruction whole.
	must(t, line.Seek(before))
	if _, err := line.StepThread(0, 1); err != nil || s.Holds(0) {
		t.Fatal(err)
	}
	must(t, line.RunOut(0))
	if o, over := line.Outcome(); !over || o.Kind != scenario.OK {
		t.Errorf("%+v", o)
	}
	if got := line.Schedule(); got.Texts(s.Names())[0] != schedule.Texts(s.Names())[0] {
		t.Errorf("%v", got)
	}

	h, err := NewHistory(s, schedule)
	must(t, err)
	races, err := h.Races([][2]Point{{{Thread: 0, Step: before}, {Thread: 1, Step: 2*before + 2}}})
	must(t, err)
	first, second := races[0].First.tell(), races[0].Second.tell()
	if !strings.Contains(first.String(), ", its "+one) || !strings.Contains(second.String(), ", its "+two) {
		t.Errorf("%v; %v", first, second)
	}
}

// A slice that is to end in the middle of an instruction which has none is refused.
func TestNoHalf(t *testing.T) {
	t.Run("amd64", func(t *testing.T) { noHalf(t, loader.AMD64, "one that reads memory and then writes to it") })
	t.Run("arm64", func(t *testing.T) { noHalf(t, loader.ARM64, "a load or store of a pair") })
}

func noHalf(t *testing.T, arch loader.Arch, words string) {
	s, before, _ := halvedRun(t, arch)
	err := func() error {
		must(t, s.Restart())
		return s.Play(scenario.Schedule{{Thread: 0, N: before + 1, Half: true}})
	}()
	if err == nil || !strings.Contains(err.Error(), "the last instruction is not "+words) {
		t.Errorf("%v", err)
	}
	if _, err := timeline.New(s, scenario.Schedule{{Thread: 0, N: before + 1, Half: true}}); err == nil || !strings.Contains(err.Error(), "the last instruction is not "+words) {
		t.Errorf("%v", err)
	}
}
