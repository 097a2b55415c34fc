package replay

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// TestHistory: the events are the instructions of the run, every one, in their
// order, each with what the access log has of it.
func TestHistory(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		h := f.history(t)
		if _, over := f.Outcome(); !over || h.Session() != f.Session {
			t.Error("the session is not at the end of the run")
		}
		log := f.Process().Log().From(f.StartLog()).List()
		if uint64(len(h.Events())) != f.Steps() || len(log) == 0 {
			t.Fatalf("%d events of %d instructions, %d accesses", len(h.Events()), f.Steps(), len(log))
		}
		seen, switches := 0, scenario.Schedule{}
		for i, e := range h.Events() {
			if e.Step != f.Base()+uint64(i)+1 {
				t.Fatalf("event %d is step %d after a base of %d", i, e.Step, f.Base())
			}
			accesses := h.Accesses(e.Step)
			if !slices.Equal(accesses, log[seen:seen+len(accesses)]) {
				t.Fatalf("event %d: accesses %v, in the log %v", i, accesses, log[seen:seen+len(accesses)])
			}
			seen += len(accesses)
			for _, a := range accesses {
				// What the kernel does in a system call is logged with it.
				if int(a.Thread) != f.MachineThread(e.Thread) || a.PC != e.PC && !isSyscall(h, e.PC) {
					t.Fatalf("event %d, thread %d at %#x: access by thread %d at %#x", i, e.Thread, e.PC, a.Thread, a.PC)
				}
			}
			switches = switches.Add(e.Thread, 1)
		}
		if seen != len(log) {
			t.Errorf("the events have %d of %d accesses", seen, len(log))
		}
		for i, sl := range f.schedule[:len(f.schedule)-1] {
			if switches[i] != sl {
				t.Errorf("slice %d: %v, in the schedule %v", i, switches[i], sl)
			}
		}
	})
}

func isSyscall(h *History, pc uint64) bool {
	op := h.Inst(pc).Op
	return op == "svc" || op == "syscall"
}

// TestHistoryForms: a schedule says when a thread stops by itself with a number
// or without; the history is the same.
func TestHistoryForms(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	worker := f.schedule[1].N // both of its calls
	want := f.history(t).Events()
	open := scenario.Schedule{{Thread: 0, N: f.schedule[0].N}, {Thread: 1}, {Thread: 0}}
	split := scenario.Schedule{{Thread: 0, N: 1}, {Thread: 0, N: f.schedule[0].N - 1}, {Thread: 1, N: worker - 1}, {Thread: 1, N: 1}, {Thread: 0, N: 1 << 40}}
	for _, schedule := range []scenario.Schedule{open, split} {
		h, err := NewHistory(f.Session, schedule)
		must(t, err)
		if !slices.Equal(h.Events(), want) {
			t.Errorf("%v: %d events, want %d", schedule.Texts(f.Names()), len(h.Events()), len(want))
		}
	}
}

// TestSeek: a sought moment is the one that a machine which never looked back
// comes to.
func TestSeek(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		h := f.history(t)
		other := bootRace(t, system(t, "bookworm", arch), f.recipe)
		seek := func(n uint64) string {
			must(t, h.SeekTo(n))
			if f.Steps() != n {
				t.Fatalf("sought %d, came to %d", n, f.Steps())
			}
			d, err := f.Digest()
			must(t, err)
			return d
		}
		end := uint64(len(h.Events()))
		for _, n := range []uint64{0, 1, f.schedule[0].N, f.schedule[0].N + 1, end - 1, end} {
			if got, want := seek(n), walkTo(t, other, f.schedule, n, 1); got != want {
				t.Errorf("moment %d: digest %s, want %s", n, got, want)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			n := rapid.Uint64Range(0, end).Draw(rt, "n")
			chunk := rapid.Uint64Range(1, end).Draw(rt, "chunk")
			if got, want := seek(n), walkTo(t, other, f.schedule, n, chunk); got != want {
				rt.Fatalf("moment %d: digest %s, want %s", n, got, want)
			}
		})
		must(t, h.SeekTo(1<<60))
		if o, over := f.Outcome(); !over || o.Kind != scenario.Segv {
			t.Errorf("beyond the end: %v, %v", o, over)
		}
		must(t, h.SeekEnd())
		if d, err := f.Digest(); err != nil || d != f.record(t).Digest {
			t.Errorf("at the end: digest %s, %v", d, err)
		}
	})
}

// walkTo takes a session to the moment after n instructions in steps of at most
// so many, and returns its digest.
func walkTo(t *testing.T, s *scenario.Session, schedule scenario.Schedule, n, chunk uint64) string {
	t.Helper()
	must(t, s.Restart())
	for _, sl := range schedule {
		for left := sl.N; s.Steps() < n && (sl.N == 0 || left > 0); {
			step := min(chunk, n-s.Steps())
			if sl.N != 0 {
				step = min(step, left)
			}
			ran, err := s.Run(sl.Thread, step)
			must(t, err)
			if ran != step {
				t.Fatalf("ran %d of %d instructions", ran, step)
			}
			left -= ran
		}
	}
	d, err := s.Digest()
	must(t, err)
	return d
}

// TestLongHistory: of a run that is too long to keep, the end is kept.
func TestLongHistory(t *testing.T) {
	if testing.Short() {
		t.Skip("steps through a million instructions")
	}
	const extra = 12345
	g := runGuest(t, guestCase{name: "endless", main: "endless", worker: "nothing"}, loader.ARM64)
	g.Limit = maxHistory + extra
	h, err := NewHistory(g.Session, scenario.Schedule{{Thread: 1}, {Thread: 0}})
	must(t, err)
	events := h.Events()
	if len(events) != maxHistory || events[0].Step != g.Base()+extra+1 || events[len(events)-1].Step != g.Base()+g.Limit {
		t.Errorf("%d events, the first of them step %d, the last %d", len(events), events[0].Step-g.Base(), events[len(events)-1].Step-g.Base())
	}
	x := explain(t, h)
	if x.Outcome.Kind != scenario.Livelock || x.Headline() != "no end is reached within the instruction limit, though every thread has its turns: a livelock" || x.Steps != g.Limit {
		t.Errorf("%v, %q after %d", x.Outcome, x.Headline(), x.Steps)
	}
	if x.At != nil || len(x.Threads) != 2 || x.Threads[0].Status != "running" || x.Threads[1].Status != "done" {
		t.Errorf("at %v, threads %+v", x.At, x.Threads)
	}
}

// TestAccessesOf: an instruction with no access, and steps out of range.
func TestAccessesOf(t *testing.T) {
	h := &History{log: []emu.LogEntry{{Step: 3, Addr: 1}, {Step: 3, Addr: 2}, {Step: 9, Addr: 3}}}
	for step, want := range map[uint64]int{0: 0, 2: 0, 3: 2, 4: 0, 9: 1, 10: 0, ^uint64(0): 0} {
		if got := h.Accesses(step); len(got) != want {
			t.Errorf("step %d: %v, want %d", step, got, want)
		}
	}
}
