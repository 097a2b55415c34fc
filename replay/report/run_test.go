package report

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// moment is the state of a run as its differences tell it: what the page's script
// computes, written down a second time.
type moment struct {
	registers []int // of all threads, as values
	words     []int // value, text
	calls     []int
}

// played follows the differences of a window to its instruction i.
func played(w *Window, i int) moment {
	m := moment{slices.Concat(w.Registers...), slices.Clone(w.Words), slices.Clone(w.Calls)}
	changes, stores, calls := groups(w.Changes, 2), groups(w.Stores, 3), groups(w.NewCalls, 2)
	for k := range i {
		for _, c := range changes[k] {
			m.registers[c[0]] = c[1]
		}
		for _, s := range stores[k] {
			m.words[2*s[0]], m.words[2*s[0]+1] = s[1], s[2]
		}
		for _, c := range calls[k] {
			m.calls[c[0]] = c[1]
		}
	}
	return m
}

func (r *Run) number(t *testing.T, value int) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(r.Values[value], 16, 64)
	must(t, err)
	return n
}

// compare holds a moment of a window against the machine that stands there.
func compare(t *testing.T, r *Run, w *Window, i int, line *timeline.Timeline) {
	t.Helper()
	n := w.From + uint64(i)
	must(t, line.Seek(n))
	s, m := line.Session(), played(w, i)
	for thread := range r.Threads {
		regs, err := s.Process().Registers(s.MachineThread(thread))
		must(t, err)
		for k, name := range r.Registers {
			v := m.registers[thread*len(r.Registers)+k]
			if regs[k].Name != name || r.number(t, v) != regs[k].Uint64() {
				t.Fatalf("moment %d: %s of %s is %q, not %#x", n, name, r.Threads[thread], r.Values[v], regs[k].Uint64())
			}
		}
		call := ""
		if th := s.MachineThread(thread); !s.Process().Idle(th) {
			call = s.Process().Threads()[th].Call
		}
		if got := r.Texts[m.calls[thread]]; got != call {
			t.Fatalf("moment %d: %s is in %q, not %q", n, r.Threads[thread], got, call)
		}
	}
	for k, addr := range r.Words {
		v, mapped := s.Process().Read64(r.number(t, addr))
		if got := m.words[2*k]; mapped != (got != 0) || mapped && r.number(t, got) != v {
			t.Fatalf("moment %d: the word at %s is %q, not %#x (%v)", n, r.Values[addr], r.Values[got], v, mapped)
		}
	}
	if i == len(w.Places) {
		return
	}
	if pc, _ := line.PC(n); r.number(t, r.Places[w.Places[i]].PC) != pc || w.threadOf(i) != line.Thread(n) {
		t.Fatalf("instruction %d is %+v of thread %d, not %#x of %d", n, r.Places[w.Places[i]], w.threadOf(i), pc, line.Thread(n))
	}
	var got []emu.LogEntry
	for _, a := range groups(w.Accesses, 5)[i] {
		got = append(got, emu.LogEntry{Addr: r.number(t, a[1]), Size: uint8(a[2]), Value: r.number(t, a[3]), Old: r.number(t, a[4])})
	}
	var want []emu.LogEntry
	for _, a := range line.Accesses(n) {
		want = append(want, emu.LogEntry{Addr: a.Addr, Size: a.Size, Value: a.Value, Old: a.Old})
	}
	if !slices.Equal(got, want) {
		t.Fatalf("instruction %d accesses %+v, not %+v", n, got, want)
	}
}

// TestArticle: what is recorded of the article's crash, and the page about it.
func TestArticle(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		in := article(t, arch)
		t.Run("record", func(t *testing.T) { testRecord(t, in) })
		t.Run("windows", func(t *testing.T) { testLongRun(t, in) })
		t.Run("heap", func(t *testing.T) { testHeap(t, in) })
		t.Run("page", func(t *testing.T) { testPage(t, in, arch) })
	})
}

// At any moment the differences lead to what the machine has there.
func testRecord(t *testing.T, in Input) {
	r := testrace.Randomness(t)
	run, err := Record(in.Line, in.Explanation, in.Lesson, in.Heap)
	must(t, err)
	if len(run.Windows) != 1 || run.Length != in.Line.Len() || in.Line.At() != in.Line.Len() {
		t.Fatalf("%d windows of %d instructions", len(run.Windows), run.Length)
	}
	w := &run.Windows[0]
	for range 60 {
		compare(t, run, w, r.IntN(len(w.Places)+1), in.Line)
	}
	compare(t, run, w, len(w.Places), in.Line)
	// What the story is about is there: the word, both arrays, the chunks.
	if run.Registers[run.PC] != in.Line.Session().Process().PCName() || run.Fault != 0 {
		t.Errorf("pc is %s, thread %d fails", run.Registers[run.PC], run.Fault)
	}
	if len(run.Tables) != 3 || run.Heap == nil || len(run.Heap.Areas) != 2 || len(run.Marks) != len(in.Lesson.Moments) {
		t.Fatalf("%d tables, heap %v, %d marks", len(run.Tables), run.Heap, len(run.Marks))
	}
	for i, want := range []int{9, 68, 67} { // the picture's rows; environ and its 66 entries and NULL; the new array's
		if got := len(run.Tables[i].Rows); got != want {
			t.Errorf("table %q has %d rows, want %d", run.Tables[i].Title, got, want)
		}
	}
	end := played(w, len(w.Places))
	for _, row := range run.Tables[1].Rows {
		if text := run.Texts[end.words[2*row.Word+1]]; row.Focus != (text == "the size of the free chunk") {
			t.Errorf("%s: %s", row.Label, text)
		}
	}
}

// The chunks around the block are what malloc makes of them in the call that frees it.
func testHeap(t *testing.T, in Input) {
	run, err := Record(in.Line, in.Explanation, in.Lesson, in.Heap)
	must(t, err)
	states := func(n timeline.Moment, area int) (list []string, focus Chunk) {
		view := -1
		for i := 0; i < len(run.Heap.Shown) && run.Heap.Shown[i] <= n; i += 2 {
			view = int(run.Heap.Shown[i+1])
		}
		for _, c := range run.Heap.Views[view][area] {
			list = append(list, c.State)
			if c.Focus {
				focus = c
			}
		}
		return list, focus
	}
	freeing, written := lessonMoment(t, in.Lesson, replay.FactFreeing), lessonMoment(t, in.Lesson, replay.FactWritten)
	for _, c := range []struct {
		at          timeline.Moment
		area        int
		size, state string
	}{
		{0, 0, "220", "used"}, {freeing.At - 1, 0, "220", "used"}, {freeing.At, 0, "220", "freeing"}, {written.After, 0, "220", "freeing"}, {run.Length, 0, "220", "free"},
		{0, 1, "", "top"}, {written.At, 1, "230", "used"},
	} {
		list, focus := states(c.at, c.area)
		if len(list) < 3 || focus.State != c.state || c.size != "" && focus.Size != c.size {
			t.Errorf("moment %d, %s: %v, the chunk %+v", c.at, run.Heap.Areas[c.area], list, focus)
		}
	}
}

func TestWindows(t *testing.T) {
	r := testrace.Randomness(t)
	for range 500 {
		length, most := r.Uint64N(5000), 1+r.Uint64N(2000)
		var moments []timeline.Moment
		for range r.IntN(20) {
			moments = append(moments, r.Uint64N(length+1))
		}
		list := windows(length, moments, most)
		kept, last := uint64(0), int64(-1)
		for _, s := range list {
			if s.from > s.to || int64(s.from) <= last || s.to > length {
				t.Fatalf("%v of %d", list, length)
			}
			kept += s.to - s.from
			last = int64(s.to)
		}
		// A few instructions around each moment are kept however small the room is.
		if room := max(most, 2*uint64(len(moments)+1)); kept > room || length <= most && kept != length {
			t.Fatalf("%d of %d instructions are kept, at most %d", kept, length, most)
		}
		for _, m := range append(moments, length) {
			if !slices.ContainsFunc(list, func(s span) bool { return m >= s.from && m <= s.to && (s.from < m || m == 0) }) {
				t.Fatalf("moment %d is not in %v", m, list)
			}
		}
	}
}

// Of a long run there are windows around the lesson's moments, which are as true as
// the whole.
func testLongRun(t *testing.T, in Input) {
	r := testrace.Randomness(t)
	run, err := record(in.Line, in.Explanation, in.Lesson, in.Heap, 400)
	must(t, err)
	if len(run.Windows) < 3 {
		t.Fatalf("%d windows", len(run.Windows))
	}
	kept := 0
	for i := range run.Windows {
		w := &run.Windows[i]
		kept += len(w.Places)
		for range 8 {
			compare(t, run, w, r.IntN(len(w.Places)+1), in.Line)
		}
	}
	if kept > 400 || partial(run) == "" {
		t.Errorf("%d instructions are kept: %q", kept, partial(run))
	}
	for _, m := range in.Lesson.Moments {
		if !slices.ContainsFunc(run.Windows, func(w Window) bool { return m.At >= w.From && m.At <= w.From+uint64(len(w.Places)) }) {
			t.Errorf("%s, moment %d, is in no window", m.Title, m.At)
		}
	}
}

// counting is a race of two threads that add numbers up, each in memory of its own,
// and that ends well.
func counting(t *testing.T, arch loader.Arch, n uint64) Input {
	t.Helper()
	const source = `
		volatile unsigned long sums[2];
		unsigned long count(unsigned long who, unsigned long n)
		{
			for (unsigned long i = 0; i < n; i++)
				sums[who] += i * 0x9e3779b97f4a7c15;
			return sums[who];
		}`
	count := func(who uint64) scenario.Call {
		return scenario.Call{Func: "count", Args: []scenario.Arg{scenario.Int(who), scenario.Int(n)}}
	}
	sc := &scenario.Scenario{Name: "counting", Summary: "two threads count", Build: func(scenario.Values) (*scenario.Plan, error) {
		return testrace.Guest(t, arch, source, count(0), count(1)), nil
	}}
	return input(t, replay.Recipe{Scenario: sc, Arch: arch, Source: "debian:bookworm", Seed: 1}, func(testing.TB, *scenario.Session) scenario.Schedule {
		var schedule scenario.Schedule
		for i := range 40 {
			schedule = append(schedule, scenario.Slice{Thread: i % 2, N: 100})
		}
		return append(schedule, scenario.Slice{Thread: 0}, scenario.Slice{Thread: 1})
	})
}

// A deadlock shows what the threads wait for.
func TestDeadlock(t *testing.T) {
	in := input(t, replay.Recipe{Scenario: testrace.Locks(), Arch: loader.ARM64, Source: "debian:bookworm", Seed: 1}, testrace.Deadlock)
	run, err := Record(in.Line, in.Explanation, in.Lesson, in.Heap)
	must(t, err)
	if run.Fault != -1 || !slices.Equal(run.Ends, []string{"waits for ever", "waits for ever"}) || run.Heap != nil {
		t.Errorf("thread %d fails, the ends are %q", run.Fault, run.Ends)
	}
	waits := run.Tables[0]
	if len(run.Tables) < 1 || len(waits.Rows) != 4 || waits.Rows[0].Word == waits.Rows[2].Word || waits.Rows[1].Label != "its owner" {
		t.Fatalf("%+v", waits)
	}
	w := &run.Windows[0]
	end := played(w, len(w.Places))
	for _, row := range waits.Rows {
		if start, now := w.Words[2*row.Word], end.words[2*row.Word]; run.number(t, start) != 0 || run.number(t, now) == 0 {
			t.Errorf("%s: %s, then %s", row.Label, run.Values[start], run.Values[now])
		}
	}
	compare(t, run, w, len(w.Places), in.Line)
	if page := write(t, in); !strings.Contains(page, "Deadlock: ") || !strings.Contains(page, "Nobody can go on.") {
		t.Error("the page does not say that it is a deadlock")
	}
}
