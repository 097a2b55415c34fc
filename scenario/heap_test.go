package scenario

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
)

// freed is a race of a thread that copies a block's string and one that frees
// the block and takes another one.
func freed() *Plan {
	var block uint64
	return &Plan{
		Setup: func(u *Setup) (err error) {
			if block, err = u.Call(Main, "calloc", Int(1), Int(100)); err != nil {
				return err
			}
			_, err = u.Call(Main, "strcpy", Int(block), Str("a string of some length, to be read"))
			return err
		},
		Threads: []Thread{
			{Main, known(func() Calls { return Calls{call("strlen", Int(block+16))} })},
			{"worker", known(func() Calls { return Calls{call("free", Int(block)), call("malloc", Int(100))} })},
		},
	}
}

func beginHeap(t testing.TB, sys *emu.System, plan *Plan) *Session {
	t.Helper()
	s, err := StartHeap(sys, plan, 1, true, nil)
	must(t, err)
	t.Cleanup(s.Close)
	s.m.WantEvents(true)
	return s
}

// eventsOf runs the threads to their ends, one after the other.
func eventsOf(t testing.TB, s *Session, threads ...int) []Event {
	t.Helper()
	must(t, s.Restart())
	var list []Event
	for _, i := range threads {
		events, err := s.RunEvents(Slice{Thread: i, N: 0})
		must(t, err)
		list = append(list, events...)
	}
	return list
}

// learnShared runs two threads in both orders until no more bytes turn out to be shared,
// and returns how often some did.
func learnShared(t testing.TB, s *Session) uint64 {
	t.Helper()
	for {
		known := s.Grown()
		eventsOf(t, s, 0, 1)
		eventsOf(t, s, 1, 0)
		if s.Grown() == known {
			return known
		}
	}
}

// A block that is freed is written before the call's first instruction, one that
// is handed out when the call has returned; only that which threads share makes
// it an event.
func TestHeapEvents(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := beginHeap(t, sys, freed())
		known := learnShared(t, s)
		events := eventsOf(t, s, 1, 0)
		if s.Grown() != known || known == 0 {
			t.Fatalf("what is known grows from %d to %d", known, s.Grown())
		}
		var blocks []Event
		for _, e := range events {
			if e.Thread == 1 && slices.ContainsFunc(e.Accesses, func(a Access) bool { return a.Size > 8 && a.Write }) {
				blocks = append(blocks, e)
			}
		}
		if len(blocks) != 2 || blocks[0].Ran != 1 {
			t.Fatalf("the worker's events are %+v", events)
		}
		if free, malloc := blocks[0].Accesses, blocks[1].Accesses; !cmp.Equal(free[len(free)-1], malloc[len(malloc)-1]) {
			t.Errorf("freed is %+v, handed out %+v", free, malloc)
		}
		reads := 0
		for _, e := range events {
			if e.Thread == 0 && e.Dependent(&blocks[0]) && e.Dependent(&blocks[1]) {
				reads++
			}
		}
		if reads == 0 {
			t.Errorf("no read depends on the block: %+v", events)
		}

		// Neither is an event of a session that was not asked, or of one where no
		// other thread has been seen to touch the block.
		plain := begin(t, sys, freed())
		plain.m.WantEvents(true)
		eventsOf(t, plain, 0, 1)
		alone := beginHeap(t, sys, freed())
		for _, e := range append(eventsOf(t, plain, 1, 0), eventsOf(t, alone, 1)...) {
			if slices.ContainsFunc(e.Accesses, func(a Access) bool { return a.Size > 8 }) {
				t.Errorf("%+v", e)
			}
		}
	})
}

// After a rewind the same events come again, and a run is the same, bit for bit,
// with them and without.
func TestHeapEventsRewind(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := beginHeap(t, sys, freed())
		learnShared(t, s)
		first := eventsOf(t, s, 1, 0)
		must(t, s.Restart())
		var schedule Schedule
		next := func(thread int) (Event, error) {
			s.playing = true // as eventsOf has it: an instruction is one event
			defer func() { s.playing = false }()
			return s.RunEvent(thread)
		}
		for n, want := range first {
			mark, err := s.Mark()
			must(t, err)
			for range 2 {
				e, err := next(want.Thread)
				must(t, err)
				if diff := cmp.Diff(want, e, cmp.AllowUnexported(Event{})); diff != "" {
					t.Fatalf("event %d (-first +again):\n%s", n, diff)
				}
				for other := range s.threads { // also what follows is taken back
					if s.Runnable(other) {
						_, err = s.RunEvents(Slice{Thread: other, N: 0})
						must(t, err)
					}
				}
				must(t, mark.Rewind())
			}
			mark.Drop()
			_, err = next(want.Thread)
			must(t, err)
			schedule = schedule.Add(want.Thread, want.Ran)
		}
		plain := begin(t, sys, freed())
		must(t, plain.Play(schedule))
		if digest(t, plain) != digest(t, s) {
			t.Errorf("%q ends differently with events of the heap", schedule.Texts(s.Names()))
		}
	})
}
