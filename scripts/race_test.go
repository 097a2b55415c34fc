package scripts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"emurace/emu"
	"emurace/explore"
	"emurace/scenario"
	"emurace/sysroot"
)

// The answer, which only tests may know: the size of the chunk of an environ
// block of 66 entries, read as if it were a string's address.
const answer = 0x220

func search(t testing.TB, sys *emu.System, o explore.Options, settings ...string) *explore.Result {
	t.Helper()
	r, err := explore.Bounded(t.Context(), starter(t, sys, settings...), o)
	must(t, err)
	return r
}

// found checks that the first failure is one of main's in getenv, also when its
// schedule is played from boot, and returns the address that it read.
func found(t testing.TB, sys *emu.System, r *explore.Result, settings ...string) uint64 {
	t.Helper()
	if r.Verdict != explore.Failing || r.Failing != 1 || len(r.Findings) != 1 || r.Preemptions != 0 {
		t.Fatalf("%q: %+v", settings, r)
	}
	f := r.Findings[0]
	if f.Preemptions != 1 || f.Schedule.Switches() != 2 || f.Number != r.Schedules {
		t.Errorf("%q: %+v", settings, f)
	}
	s := start(t, sys, settings...)
	must(t, s.Play(f.Schedule))
	o, over := s.Outcome()
	if !over || o.Kind != scenario.Segv || *o.End != *f.Outcome.End || s.Names()[o.Thread] != scenario.Main {
		t.Fatalf("%q: played, %v ends as %v, not %v", settings, f.Schedule.Texts(s.Names()), o, f.Outcome)
	}
	if name, _, _ := s.Process().Symbol(o.End.PC); name != "getenv" {
		t.Errorf("%q: it died in %s", settings, name)
	}
	if o.End.Access != emu.AccessRead || o.End.Mapped {
		t.Errorf("%q: it died of %v", settings, o)
	}
	return o.End.Addr
}

// The article's crash, with the fewest preemptions, in every libc that frees
// the block that environ has left.
func TestArticle(t *testing.T) {
	eachSystem(t, []string{"bookworm", "bullseye"}, func(t *testing.T, sys *emu.System) {
		r := search(t, sys, explore.Options{Preemptions: 1, Jobs: 2})
		if addr := found(t, sys, r); addr != answer {
			t.Errorf("main reads %#x, want %#x", addr, answer)
		}
	})
}

// With the thread cache the block's last word is left alone, and its first ones
// are overwritten: other addresses. With the cache full, or a block too large
// for it, the crash is the article's again.
func TestThreadCache(t *testing.T) {
	eachSystem(t, []string{"bookworm"}, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			settings []string
			addr     uint64 // 0: any but the answer
		}{
			{[]string{"tcache=on"}, 0},
			{[]string{"tcache=full"}, answer},
			{[]string{"tcache=full", "setenvs=1"}, answer},
			{[]string{"entries=130", "tcache=on"}, 0x420},
			{[]string{"entries=64"}, 0x210},
		} {
			if testing.Short() && i%3 != 0 {
				continue
			}
			r := search(t, sys, explore.Options{Preemptions: 1, Jobs: 2}, c.settings...)
			addr := found(t, sys, r, c.settings...)
			if c.addr != 0 && addr != c.addr || c.addr == 0 && addr == answer {
				t.Errorf("%q: main reads %#x", c.settings, addr)
			}
		}
	})
}

// clean searches all schedules of one preemption and expects no failure. There
// is one schedule for every place of every thread to be preempted at: between any two
// instructions, and in the middle of those that read memory and then write it.
func clean(t *testing.T, sys *emu.System, settings ...string) {
	t.Helper()
	r := search(t, sys, explore.Options{Preemptions: 1, KeepGoing: true, Jobs: 2}, settings...)
	if r.Verdict != explore.Clean || !r.Complete || r.Unbounded || r.Preemptions != 1 || r.Failing != 0 {
		t.Errorf("%+v", r)
	}
	s := start(t, sys, settings...)
	want := uint64(2)
	for i := range s.Names() {
		n, err := s.Run(i, 0)
		must(t, err)
		want += n - 1
		must(t, s.Restart())
		for s.Runnable(i) {
			_, err := s.RunSlice(scenario.Slice{Thread: i, N: 1, Half: true})
			must(t, err)
			if s.Holds(i) {
				want++
				_, err := s.Run(i, 1) // its other half
				must(t, err)
			}
		}
		must(t, s.Restart())
	}
	if r.Schedules != want {
		t.Errorf("%d schedules, want %d", r.Schedules, want)
	}
}

// An odd number of entries leaves the block a word to spare: it grows in place,
// nothing is freed.
func TestRoomToGrow(t *testing.T) {
	eachSystem(t, []string{"bookworm", "bullseye"}, func(t *testing.T, sys *emu.System) {
		clean(t, sys, "entries=65", "setenvs=1")
	})
}

// From glibc 2.41 on environ's blocks are never freed.
func TestMended(t *testing.T) {
	suites := sysroot.Suites()
	eachSystem(t, suites[len(suites)-2:], func(t *testing.T, sys *emu.System) { clean(t, sys) })
}

// All schedules with one preemption, failures counted: the result is the same
// whether one or two share the work, and every way to fail is main's in getenv.
func TestAllFailures(t *testing.T) {
	eachSystem(t, []string{"bookworm"}, func(t *testing.T, sys *emu.System) {
		r := search(t, sys, explore.Options{Preemptions: 1, KeepGoing: true, Jobs: 2}, "setenvs=1")
		if r.Verdict != explore.Failing || !r.Complete || r.Failing < 2 || r.Failing >= r.Schedules {
			t.Fatalf("%+v", r)
		}
		alone := search(t, sys, explore.Options{Preemptions: 1, KeepGoing: true, Jobs: 1}, "setenvs=1")
		if diff := cmp.Diff(alone, r, cmpopts.IgnoreUnexported(explore.Result{})); diff != "" {
			t.Errorf("-1 job, +2:\n%s", diff)
		}
		s := start(t, sys, "setenvs=1")
		for _, f := range r.Findings {
			must(t, s.Restart())
			must(t, s.Play(f.Schedule))
			o, over := s.Outcome()
			if name, _, _ := s.Process().Symbol(f.Outcome.End.PC); !over || *o.End != *f.Outcome.End || o.Thread != 0 || name != "getenv" {
				t.Errorf("%v: %v in %s, found as %v", f.Schedule.Texts(s.Names()), o, name, f.Outcome)
			}
		}
	})
}

// BenchmarkExplore measures schedules a second on one core, from the start of
// the race on. Booting is left out. 2.41 does not fail, so that nothing but the
// search itself is measured.
func BenchmarkExplore(b *testing.B) {
	for _, arch := range sysroot.Arches() {
		b.Run(arch, func(b *testing.B) {
			sys := system(b, "trixie", arch)
			boot := starter(b, sys)
			schedules := uint64(0)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				s, err := boot()
				must(b, err)
				b.StartTimer()
				r, err := explore.Bounded(b.Context(), func() (*scenario.Session, error) { return s, nil },
					explore.Options{Preemptions: 1, KeepGoing: true, Jobs: 1})
				must(b, err)
				schedules += r.Schedules
			}
			b.ReportMetric(float64(schedules)/b.Elapsed().Seconds(), "schedules/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
