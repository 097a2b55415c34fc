package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
)

// function is a place: the first instruction of a function of any module.
type function string

func (p function) String() string { return string(p) }

func (p function) Find(s *Session, _ bool) (list []uint64, err error) {
	for _, mod := range s.Process().Modules() {
		for _, sym := range mod.Image.Symbols() {
			if sym.Name == string(p) && sym.Function() && !slices.Contains(list, mod.Base+sym.Addr) {
				list = append(list, mod.Base+sym.Addr)
			}
		}
	}
	if list == nil {
		err = fmt.Errorf("no %s", string(p))
	}
	return list, err
}

func bound(thread, place string) *Bound { return &Bound{Thread: thread, Place: function(place)} }

const phases = `
#include <pthread.h>
#include <stdio.h>
#include <time.h>
static pthread_barrier_t gate;
static volatile int turns;
__attribute__((noinline)) void before(void) { turns++; }
__attribute__((noinline)) void within(void) { turns++; }
__attribute__((noinline)) void behind(void) { turns++; }
static void *work(void *a) {
	before();
	pthread_barrier_wait(&gate);
	within();
	for (volatile int i = 0; i < 100; i++) {}
	behind();
	for (volatile int i = 0; i < SPINS; i++) {}
	return a;
}
static void *sleeps(void *a) {
	struct timespec t = {0, 1000000};
	nanosleep(&t, 0);
	return a;
}
int main(void) {
	pthread_t t, other, gone;
	pthread_barrier_init(&gate, 0, 2);
	pthread_create(&gone, 0, sleeps, 0);
	pthread_join(gone, 0);
	pthread_create(&t, 0, work, 0);
	pthread_create(&other, 0, sleeps, 0);
	work(0);
	pthread_join(t, 0);
	pthread_join(other, 0);
	printf("%d turns\n", turns);
	return 0;
}`

// position is where a session's thread stands.
func position(t *testing.T, s *Session, i int) string {
	t.Helper()
	pc, err := s.Process().PC(s.MachineThread(i))
	must(t, err)
	name, off, _ := s.Process().Symbol(pc)
	return fmt.Sprintf("%s+%d", name, off)
}

// A window begins where the first thread comes to the place, or the one that is named does, with
// the threads that are alive then: unlogged, the same each time, and with what was printed before.
func TestWindowBegins(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			from  *Bound
			who   string // stands there
			alive []string
		}{
			{bound("", "before"), Main, []string{Main, "main.2", "main.3"}},
			{bound("main.2", "before"), "main.2", []string{Main, "main.2", "main.3"}},
			{bound("", "within"), "", []string{Main, "main.2", "main.3"}},
			{bound(Main, "behind"), Main, []string{Main, "main.2", "main.3"}},
			{bound("", "main"), Main, []string{Main}}, // before there is a second thread
			{bound("", "__libc_start_main"), Main, []string{Main}},
			{bound("", "printf"), Main, []string{Main}},
		} {
			plan := programOf(t, sys, phases, "-DSPINS=10")
			plan.Program.From = c.from
			var first string
			for range 2 {
				s, err := Start(sys, plan, 1)
				if err != nil {
					t.Fatalf("from %v: %v", c.from, err)
				}
				digest, err := s.Digest()
				must(t, err)
				if first != "" && digest != first {
					t.Errorf("from %v: %s, and then %s", c.from, first, digest)
				}
				first = digest
				there := ""
				for i, name := range s.Names() {
					if s.MachineThread(i) >= 0 && s.Process().Alive(s.MachineThread(i)) && position(t, s, i) == c.from.Place.String()+"+0" && (c.who == "" || name == c.who) {
						there = name
					}
				}
				var alive []string
				for _, name := range s.Names() {
					if i := slices.Index(s.Names(), name); s.MachineThread(i) >= 0 && s.Process().Alive(s.MachineThread(i)) {
						alive = append(alive, name)
					}
				}
				if there == "" || !(slices.Equal(alive, c.alive) || len(alive) < len(c.alive) && c.from.Place.String() != "main") || s.Process().LogLen() != 0 || s.Steps() != 0 {
					t.Errorf("from %v: %q stands there of %v, %d accesses logged", c.from, there, alive, s.Process().LogLen())
				}
				must(t, s.SetMade(s.Found()))
				runOutAll(t, s)
				if o, over := s.Outcome(); !over || o.Failed() && o.Kind != Exit || !strings.Contains(string(s.output(1)), "6 turns") && !s.Strange() {
					t.Errorf("from %v: %v, printed %q", c.from, o, s.output(1))
				}
				s.Close()
			}
		}
	})
}

// runOutAll runs the threads to the end of the race, and again when it makes unknown ones.
func runOutAll(t *testing.T, s *Session) {
	t.Helper()
	for {
		for _, over := s.Outcome(); !over; _, over = s.Outcome() {
			for i := range s.Schedulable() {
				if s.Runnable(i) {
					_, err := s.Run(i, 0)
					must(t, err)
					break
				}
			}
		}
		if !s.Strange() {
			return
		}
		must(t, s.SetMade(s.Found()))
	}
}

// A window that cannot be is an error that says why.
func TestWindowErrors(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) { testWindowErrors(t, sys) })
}

func testWindowErrors(t *testing.T, sys *emu.System) {
	for _, c := range []struct {
		from, to *Bound
		source   string
		says     string
	}{
		{bound("", "nowhere"), nil, phases, "the window cannot begin at nowhere: no nowhere"},
		{bound("main.9", "before"), nil, phases, "the window cannot begin at main.9:before: main.9 never comes there before the process ends: exit with status 0"},
		{bound("", "unused"), nil, "void unused(void) {}\nint main(void) { return 3; }", "begin at unused: no thread comes there before the process ends: exit with status 3"},
		{nil, bound("", "nowhere"), phases, "the window cannot end at nowhere: no nowhere"},
		{bound("", "unused"), nil, "#include <pthread.h>\nvoid unused(void) {}\nint main(void) { pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&m); pthread_mutex_lock(&m); return 0; }",
			"begin at unused: no thread comes there before all threads wait for ever"},
	} {
		plan := programOf(t, sys, c.source, "-DSPINS=10")
		plan.Program.From, plan.Program.To = c.from, c.to
		_, err := Start(sys, plan, 1)
		var bad *BoundError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.says) || bad.Hint() == "" {
			t.Errorf("from %v to %v: %v", c.from, c.to, err)
		}
	}
}

// A place may be of a library that the program loads itself, on its way there.
func TestWindowOfLoaded(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan := programOf(t, sys, `
#include <dlfcn.h>
int main(void) {
	void *l = dlopen("/lib/libplug.so", RTLD_NOW);
	int (*f)(int) = l ? (int (*)(int))dlsym(l, "plugged") : 0;
	return f ? f(3) : 9;
}`)
		plan.Files["/lib/libplug.so"] = guestcode.Library(t, sys.Arch, "libplug.so", "int plugged(int n) { return n - 3; }")
		plan.Program.From = bound("", "plugged")
		s, err := Start(sys, plan, 1)
		must(t, err)
		defer s.Close()
		if at := position(t, s, 0); at != "plugged+0" {
			t.Errorf("it begins at %s", at)
		}
		runOutAll(t, s)
		if o, _ := s.Outcome(); o.Failed() {
			t.Errorf("%v", o)
		}
	})
}

// Behind a window one thread can run at each moment, in one order, however it is run: in one go,
// event by event, or an instruction at a time.
func TestWindowEnds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan := programOf(t, sys, phases, "-DSPINS=70000") // several turns
		plan.Program.From, plan.Program.To = bound("", "within"), bound("", "behind")
		s, err := Start(sys, plan, 1)
		must(t, err)
		defer s.Close()
		var schedule Schedule
		s.WantEvents(true)
		must(t, s.Restart())
		// Up to the place, from where the thread has not gone on yet.
		for !s.Closed() {
			e, err := s.RunEvent(0)
			must(t, err)
			if e.Closes != s.Closed() || e.Closes && !e.Ends {
				t.Fatalf("%+v, closed: %v", e, s.Closed())
			}
			schedule = schedule.AddEvent(e)
			if !s.Runnable(0) && !s.Closed() {
				t.Fatal("main comes to no end of the window")
			}
		}
		tail, err := s.RunEvent(0)
		must(t, err)
		if !tail.Ends || tail.Ran != 0 || s.Length(&tail) < 140_000 {
			t.Errorf("behind it: %+v", tail)
		}
		schedule = schedule.AddEvent(tail)
		o, over := s.Outcome()
		if !over || o.Failed() {
			t.Fatalf("it ends as %v, %v: %v", o, over, schedule.Texts(s.ScheduleNames()))
		}
		if schedule.Switches() < 3 {
			t.Errorf("behind it there are few turns: %v", schedule.Texts(s.ScheduleNames()))
		}
		want, err := s.Digest()
		must(t, err)
		same := func(how string) {
			t.Helper()
			if got, err := s.Digest(); err != nil || got != want {
				t.Errorf("%s: %s, not %s", how, got, want)
			}
		}
		s.WantEvents(false)
		must(t, s.Restart())
		must(t, s.Play(schedule.ToEnd()))
		same("played")
		// In pieces, each of which the only thread that can run runs.
		must(t, s.Restart())
		for _, sl := range schedule {
			for done := uint64(0); done < sl.N; {
				if s.Closed() {
					for i := range s.Schedulable() {
						if s.Runnable(i) != (i == sl.Thread) {
							t.Fatalf("behind the window %s can run: %v", s.ScheduleNames()[i], s.Runnable(i))
						}
					}
				}
				ran, err := s.Run(sl.Thread, min(sl.N-done, 3333))
				must(t, err)
				if done += ran; ran == 0 {
					break
				}
			}
		}
		same("in pieces")
		s.WantEvents(true)
		must(t, s.Restart())
		for _, sl := range schedule {
			_, err := s.RunEvents(sl)
			must(t, err)
		}
		same("with its events told")
		s.WantEvents(false)
		p, err := NewPlayback(s, schedule)
		must(t, err)
		for _, n := range []uint64{s.Steps() / 2, 5, s.Steps() - 1} {
			must(t, p.SeekTo(n))
			if s.Steps() != n {
				t.Errorf("%d instructions are %d", n, s.Steps())
			}
		}
		must(t, p.SeekEnd())
		same("seeked")
	})
}

// Where a thread stands when the window begins does not end it: from a place to the same one is
// from there to the next time.
func TestWindowStands(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan := programOf(t, sys, "static volatile int n;\n__attribute__((noinline)) void step(void) { n++; }\nint main(void) { step(); step(); step(); return n - 3; }")
		plan.Program.From, plan.Program.To = bound("", "step"), bound("", "step")
		s, err := Start(sys, plan, 1)
		must(t, err)
		defer s.Close()
		for range 2 {
			must(t, s.Restart())
			steps := uint64(0)
			for !s.Closed() {
				_, err := s.Run(0, 1)
				must(t, err)
				steps = s.Steps()
			}
			if steps < 4 || steps > 20 {
				t.Errorf("the window has %d instructions", steps)
			}
			_, err := s.RunTail()
			must(t, err)
			if o, over := s.Outcome(); !over || o.Failed() {
				t.Errorf("%v", o)
			}
		}
	})
}
