package step

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/replay"
	"emurace/scenario"
)

// Free stepping leads to another run, which is explained, told and saved, and its
// trace is run again bit for bit; then the recorded run is there as it was.
func TestFree(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, l *lab) {
		recorded := fmt.Sprint(m.o.Line.Schedule())
		told := m.lesson()
		press(t, m, "1")
		if !m.said.bad {
			t.Errorf("a number without x: %+v", m.said)
		}
		// Before main has found the block: what it then does it does alone.
		press(t, m, "home", "m")
		if m.lesson().Moments[1].Kind != replay.FactFound {
			t.Fatalf("the second moment: %s", m.lesson().Moments[1].Title)
		}
		fork := m.now.at
		press(t, m, "x")
		if !m.free || m.left {
			t.Fatal("x does not begin, or has left the record at once")
		}
		// main is the one that runs in the record: that is followed.
		press(t, m, "1", "s", "S", "S")
		at(t, m, fork)
		if m.left || m.o.Line.Len() < fork+100 {
			t.Fatal("following the record has left it")
		}
		press(t, m, "2")
		at(t, m, fork+1)
		if !m.left || m.o.Line.Len() != fork+1 || m.lesson() != nil {
			t.Fatalf("%d instructions, left: %v", m.o.Line.Len(), m.left)
		}
		press(t, m, "+", "1", "-")
		at(t, m, fork+11)
		press(t, m, "@")
		at(t, m, fork+21)
		if got := m.o.Line.Schedule(); fmt.Sprint(got) != fmt.Sprint(scenario.Schedule{{Thread: 0, N: fork}, {Thread: 1, N: 1}, {Thread: 0, N: 10}, {Thread: 1, N: 10}}) {
			t.Errorf("the schedule is %v", got)
		}
		press(t, m, "9")
		if !m.said.bad {
			t.Errorf("thread 9: %+v", m.said)
		}
		press(t, m, "W")
		if m.prompt != nil || !m.said.bad {
			t.Errorf("a run that is not over is saved: %+v", m.said)
		}
		press(t, m, "o")
		if !m.now.over {
			t.Fatalf("not over: %+v", m.said)
		}
		saveAndReplay(t, m, l, "first.trace")

		// Going back in it and on again stays in it.
		press(t, m, "S", "S", "S", "s", "end")
		if !m.now.over || !m.left {
			t.Error("the run of one's own is gone")
		}
		press(t, m, "r")
		at(t, m, fork)
		if m.free || m.left || fmt.Sprint(m.o.Line.Schedule()) != recorded || m.lesson() != told {
			t.Errorf("back in the record: %v", m.o.Line.Schedule())
		}

		// Another failing run of one's own has a lesson of its own: the same switch, one
		// instruction later.
		press(t, m, "m")
		for m.now.thread == 0 {
			press(t, m, "s")
		}
		press(t, m, "x", "1", "o")
		if m.now.over && m.now.outcome.Kind == scenario.Segv {
			if m.lesson() == nil || m.lesson() == told {
				t.Error("the failing run of one's own is not told")
			}
			if !strings.Contains(strings.Join(m.infoText(200), "\n"), "dies in getenv") {
				t.Error("it is not explained")
			}
		}
		saveAndReplay(t, m, l, "second.trace")
		press(t, m, "r")
		if fmt.Sprint(m.o.Line.Schedule()) != recorded {
			t.Errorf("back in the record again: %v", m.o.Line.Schedule())
		}
	})
}

// saveAndReplay saves the present run and runs the trace on a new machine.
func saveAndReplay(t *testing.T, m *Model, l *lab, name string) {
	t.Helper()
	outcome, _ := m.o.Line.Outcome()
	digest, err := m.s.Digest()
	must(t, err)
	press(t, m, "W", "ctrl+u")
	typed(t, m, name)
	if m.said.bad {
		t.Fatalf("saving: %+v", m.said)
	}
	trace, err := replay.Read(filepath.Join(l.dir, name))
	must(t, err)
	if trace.Outcome.Kind != outcome.Kind || trace.Digest != digest || trace.Steps != m.o.Line.Len() {
		t.Errorf("the trace is of %s after %d steps, the run %s after %d; digests %s and %s", trace.Outcome.Kind, trace.Steps, outcome.Kind, m.o.Line.Len(), trace.Digest, digest)
	}
	v, err := replay.Verify(l.session(t), trace)
	must(t, err)
	if !v.Match {
		t.Errorf("%s: %s", name, v.Difference)
	}
}

// The recorded run can be saved as well.
func TestSaveRecorded(t *testing.T) {
	m, l := article(t, testsystem.Arches()[0])
	saveAndReplay(t, m, l, "recorded.trace")
}

// A deadlock is shown too: who waits, and that nobody can be run any more.
func TestDeadlock(t *testing.T) {
	l := newLab(t, testsystem.Arches()[0], testrace.Locks())
	t.Cleanup(l.close)
	l.open(t, testrace.Deadlock(t, l.spare))
	m := l.model(t)
	says(t, m, `end   Deadlock: main and worker each wait for a mutex that the other holds`, `1 main: waits`, `2 worker: waits`)
	press(t, m, "x")
	if m.free {
		t.Error("free stepping begins where nothing can run")
	}
	// When main is not interrupted it has both locks, and only the worker waits.
	press(t, m, "home", "x", "o")
	says(t, m, `YOUR OWN RUN`, `1 main: done`, `2 worker: waits`)
	saveAndReplay(t, m, l, "other.trace")
	press(t, m, "r", "end")
	says(t, m, `Deadlock: `)
	// Of the waiting thread nothing can be run, and that is said.
	press(t, m, "T", "x")
	for i := range m.now.threads {
		if m.now.threads[i].status == "waits" {
			press(t, m, fmt.Sprint(i+1))
			if !m.said.bad || !strings.Contains(m.said.result, "waits in the kernel") {
				t.Errorf("%+v", m.said)
			}
		}
	}
}
