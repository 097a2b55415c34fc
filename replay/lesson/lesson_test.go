package lesson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// text is all that a lesson says.
func text(l *Lesson) string {
	var b strings.Builder
	asides := func(list []scenario.Note) {
		for _, a := range list {
			fmt.Fprintf(&b, "  | %s: %s\n", a.Title, strings.Join(a.Text, " "))
		}
	}
	fmt.Fprintf(&b, "%s\n%s\n", l.Title, strings.Join(l.Summary, " "))
	for i, m := range l.Moments {
		fmt.Fprintf(&b, "%d. [%d-%d] %s\n   %s\n", i+1, m.At, m.After, m.Title, strings.Join(m.Long, "\n   "))
		asides(m.Notes)
		if m.Is == nil {
			continue
		}
		for _, r := range m.Is.Rows {
			fmt.Fprintf(&b, "     %v %v %#x %-10s %#x %s\n", r.Changed, r.Focus, r.Addr, r.Label, r.Value, r.Text)
		}
	}
	asides(l.Asides)
	return b.String()
}

func kinds(l *Lesson) []replay.FactKind {
	var list []replay.FactKind
	for _, m := range l.Moments {
		list = append(list, m.Kind)
	}
	return list
}

// moment is the moment of a kind, which is there once.
func moment(t *testing.T, l *Lesson, k replay.FactKind) Moment {
	t.Helper()
	i := slices.Index(kinds(l), k)
	if i < 0 {
		t.Fatalf("no moment %d: %v", k, kinds(l))
	}
	return l.Moments[i]
}

// check is what holds of every lesson.
func check(t *testing.T, l *Lesson) {
	t.Helper()
	if l.Title == "" || len(l.Summary) == 0 || len(l.Moments) == 0 || l.Moments[len(l.Moments)-1].Kind != replay.FactEnd {
		t.Errorf("title %q, %d sentences, moments %v", l.Title, len(l.Summary), kinds(l))
	}
	at := timeline.Moment(0)
	var last *Picture
	for _, m := range l.Moments {
		if m.At < at || m.After < m.At || m.Title == "" || len(m.Long) == 0 {
			t.Errorf("moment %+v after one at %d", m, at)
		}
		at = m.At
		for _, p := range []*Picture{m.Was, m.Is} {
			if p == nil {
				continue
			}
			if last != nil && len(p.Rows) != len(last.Rows) {
				t.Errorf("%s: %d rows, before %d", m.Title, len(p.Rows), len(last.Rows))
			}
			for i, r := range p.Rows {
				if last != nil && p != last && r.Gap == 0 && r.Changed != (r.Value != last.Rows[i].Value || r.Mapped != last.Rows[i].Mapped) {
					t.Errorf("%s: row %d was %#x, is %#x, changed: %v", m.Title, i, last.Rows[i].Value, r.Value, r.Changed)
				}
			}
			last = p
		}
	}
	for _, s := range append(l.Summary, strings.Split(text(l), "\n")...) {
		if strings.Contains(s, "%!") {
			t.Errorf("badly formatted: %s", s)
		}
	}
}

// focus is the row of the word that the story is about.
func focus(t *testing.T, p *Picture) Row {
	t.Helper()
	i := slices.IndexFunc(p.Rows, func(r Row) bool { return r.Focus })
	if i < 0 {
		t.Fatal("no row is the one that matters")
	}
	return p.Rows[i]
}

// Whoever reads the lesson of the article's crash can say what 0x220 is, who wrote
// it, why there, why an even number of entries, and what avoids it. The order of
// the moments is that of the run.
func TestArticle(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		t.Run(arch.String(), func(t *testing.T) {
			mainFirst := tell(t, arch, true, nil)
			check(t, mainFirst)
			if got, want := kinds(mainFirst), []replay.FactKind{replay.FactAllocated, replay.FactFound, replay.FactFreeing, replay.FactCopied, replay.FactWritten, replay.FactMoved, replay.FactLoaded, replay.FactEnd}; !slices.Equal(got, want) {
				t.Errorf("main first: %v, want %v", got, want)
			}
			workerFirst := tell(t, arch, false, nil)
			check(t, workerFirst)
			if got, want := kinds(workerFirst), []replay.FactKind{replay.FactAllocated, replay.FactFreeing, replay.FactCopied, replay.FactWritten, replay.FactFound, replay.FactLoaded, replay.FactEnd}; !slices.Equal(got, want) {
				t.Errorf("worker first: %v, want %v", got, want)
			}
			for _, l := range []*Lesson{mainFirst, workerFirst} {
				w := moment(t, l, replay.FactWritten)
				if was, is := focus(t, w.Was), focus(t, w.Is); was.Value != 0 || is.Value != 0x220 || !is.Changed || is.Label != "word 66" {
					t.Errorf("the write: %+v, then %+v", was, is)
				}
				all := text(l)
				for _, want := range []string{
					"0x220 was never meant as an address. It is a length",
					"0x220 (544) is the size of the chunk that is being freed",
					"Worker runs _int_free+0x",
					"Words 0 and 1 have been overwritten just before, with what malloc keeps in the first words of a free chunk: its links, for free chunks are in lists. They lead to main_arena, the variable",
					"Until the block was given up, this word held 0 (NULL).",
					"67 words make 536 bytes, and with the size 544",
					"The one word more that is asked for here then fits: realloc leaves the block where it is, and frees nothing.",
					"an even number of entries before it, here 66",
					"This was before the race, when no other thread ran.",
					"malloc's source calls the word that chunk's prev_size",
					"From then on its address is in environ, where everybody looks for it.",
					"Main reads environ: 0x",
					"worker was giving back to malloc, while main was still using it",
					"66 words to the new block",
					"this is word 66 of the block, and it held 0 (NULL) until the block was given up.",
					"wants to read at 0x220, and nothing is mapped there: the process has no memory at that address",
					"no matter of the memory model",
					"glibc 2.41 and newer never free",
				} {
					if !strings.Contains(all, want) {
						t.Errorf("the lesson does not say %q:\n%s", want, all)
					}
				}
				if arm := strings.Contains(all, "The exclamation mark"); arm != (arch == loader.ARM64) {
					t.Errorf("%v: the exclamation mark is explained: %v", arch, arm)
				}
			}
			if !strings.Contains(text(mainFirst), "For main that is too late: it has read environ before") {
				t.Error("it is not said that environ changed too late")
			}
			if !strings.Contains(text(workerFirst), "In environ there is still the address of the old block") {
				t.Error("it is not said that environ was not changed yet")
			}
		})
	}
}

// With the thread cache it is another of malloc's words, and another story.
func TestThreadCache(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		l := tell(t, arch, true, []string{"tcache=on"})
		check(t, l)
		all := text(l)
		if strings.Contains(all, "an even number of entries before") || !strings.Contains(all, "It is a link") && !strings.Contains(all, "It is the key") {
			t.Errorf("%v:\n%s", arch, all)
		}
	}
}

// guest makes sessions of a race of two functions of a C source.
func guest(t *testing.T, arch loader.Arch, source, main, worker string) replay.Starter {
	t.Helper()
	sc := &scenario.Scenario{Name: "guest", Build: func(scenario.Values) (*scenario.Plan, error) {
		return testrace.Guest(t, arch, source, scenario.Call{Func: main}, scenario.Call{Func: worker}), nil
	}}
	return testrace.Starter(testsystem.Of(t, "bookworm", arch), sc, nil, 1)
}

// A crash that has nothing to do with malloc: who wrote, who read.
func TestPlainData(t *testing.T) {
	const source = `
		int cell, *volatile shared = 0;
		void use(void) { shared = &cell; *shared = 1; }
		void spoil(void) { shared = (int *)0x40; }`
	for _, arch := range testsystem.Arches() {
		start := guest(t, arch, source, "use", "spoil")
		s, err := start(nil)
		must(t, err)
		defer s.Close()
		l := lessonOf(t, s, start, crashEarly(t, s), nil)
		check(t, l)
		if got := kinds(l); !slices.Equal(got, []replay.FactKind{replay.FactWritten, replay.FactLoaded, replay.FactEnd}) {
			t.Errorf("%v: %v", arch, got)
		}
		if all := text(l); !strings.Contains(all, "Worker runs ") || !strings.Contains(all, "stores 0x40 at") {
			t.Errorf("%v:\n%s", arch, all)
		}
	}
}

// crashEarly is crash for a race of a few instructions.
func crashEarly(t *testing.T, s *scenario.Session) scenario.Schedule {
	t.Helper()
	for n := uint64(1); n < 20; n++ {
		schedule := scenario.Schedule{{Thread: 0, N: n}, {Thread: 1}, {Thread: 0}}
		must(t, s.Restart())
		if s.Play(schedule) != nil {
			continue
		}
		if o, over := s.Outcome(); over && o.Failed() {
			return schedule
		}
	}
	t.Fatal("no schedule fails")
	return nil
}

// A deadlock is told too, and an abort.
func TestOtherEnds(t *testing.T) {
	arch := loader.ARM64
	start := testrace.Starter(testsystem.Of(t, "bookworm", arch), testrace.Locks(), nil, 1)
	s, err := start(nil)
	must(t, err)
	defer s.Close()
	l := lessonOf(t, s, start, testrace.Deadlock(t, s), nil)
	check(t, l)
	if got := kinds(l); !slices.Equal(got, []replay.FactKind{replay.FactTaken, replay.FactTaken, replay.FactEnd}) {
		t.Errorf("%v\n%s", got, text(l))
	}
	if all := text(l); !strings.Contains(all, "Nobody can go on.") || !strings.Contains(all, "takes the mutex") {
		t.Errorf("%s", all)
	}

	abort := &scenario.Scenario{Name: "abort", Build: func(scenario.Values) (*scenario.Plan, error) {
		return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{{Func: "abort"}}}}}, nil
	}}
	start = testrace.Starter(testsystem.Of(t, "bookworm", arch), abort, nil, 1)
	s, err = start(nil)
	must(t, err)
	defer s.Close()
	l = lessonOf(t, s, start, scenario.Schedule{{Thread: 0}}, nil)
	check(t, l)
	if got := kinds(l); !slices.Equal(got, []replay.FactKind{replay.FactEnd}) {
		t.Errorf("%v", got)
	}

	// A run in which time passes says so.
	late := &scenario.Scenario{Name: "late", Build: func(scenario.Values) (*scenario.Plan, error) {
		return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{
			{Func: "usleep", Args: []scenario.Arg{scenario.Int(10)}}, {Func: "abort"},
		}}}}, nil
	}}
	start = testrace.Starter(testsystem.Of(t, "bookworm", arch), late, nil, 1)
	s, err = start(nil)
	must(t, err)
	defer s.Close()
	const clock = 1
	l = lessonOf(t, s, start, scenario.Schedule{{Thread: 0}, {Thread: clock, N: 1}, {Thread: 0}}, nil)
	check(t, l)
	if all := strings.Join(l.Summary, " "); !strings.Contains(all, " instructions the deadline of main's usleep passes.") {
		t.Errorf("%s", all)
	}

	// And a run that ends well has no lesson.
	fine := &scenario.Scenario{Name: "fine", Build: func(scenario.Values) (*scenario.Plan, error) {
		return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{{Func: "getpid"}}}}}, nil
	}}
	start = testrace.Starter(testsystem.Of(t, "bookworm", arch), fine, nil, 1)
	s, err = start(nil)
	must(t, err)
	defer s.Close()
	h, err := replay.NewHistory(s, scenario.Schedule{{Thread: 0}})
	must(t, err)
	x, err := replay.Explain(h)
	must(t, err)
	line, err := timeline.New(s, scenario.Schedule{{Thread: 0}})
	must(t, err)
	defer line.Close()
	if _, err := New(line, x, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("%v", err)
	}
}
