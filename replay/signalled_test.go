package replay

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/internal/words"
	"emurace/scenario"
)

// scripted is a thread's work as a function that makes calls.
type scripted func(call func(name string, args ...uint64) uint64)

func (f scripted) Next(results []uint64) (next scenario.Call, more bool, err error) {
	type stop struct{}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stop); !ok {
				panic(r)
			}
		}
	}()
	n := 0
	f(func(name string, args ...uint64) uint64 {
		if n++; n <= len(results) {
			return results[n-1]
		}
		next, more = callOf(name, args...), true
		panic(stop{})
	})
	return next, more, nil
}

// The objects of a race about signals, by their places in a block.
const (
	raceMutex  = 0
	raceCond   = 64
	raceSem    = 128
	raceTokens = 192
	raceLate   = 200 // a time long from now
	raceSize   = 256
)

// take takes a token as programs do, put puts one there.
func take(b uint64, call func(string, ...uint64) uint64) {
	call("pthread_mutex_lock", b+raceMutex)
	for call(emu.RoutinePrefix+"load64", b+raceTokens) == 0 {
		call("pthread_cond_wait", b+raceCond, b+raceMutex)
	}
	call(emu.RoutinePrefix+"store64", b+raceTokens, call(emu.RoutinePrefix+"load64", b+raceTokens)-1)
	call("pthread_mutex_unlock", b+raceMutex)
}

func put(b uint64, wake string, call func(string, ...uint64) uint64) {
	call("pthread_mutex_lock", b+raceMutex)
	call(emu.RoutinePrefix+"store64", b+raceTokens, call(emu.RoutinePrefix+"load64", b+raceTokens)+1)
	call("pthread_mutex_unlock", b+raceMutex)
	call(wake, b+raceCond)
}

// signalRace is threads with work to do with a block's address, and where the block is.
func signalRace(block *uint64, work map[string]func(b uint64, call func(string, ...uint64) uint64), names ...string) *scenario.Plan {
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if *block, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(raceSize)); err == nil {
			err = u.Write(*block+raceLate, []byte{0, 0, 0, 0, 1}) // seconds
		}
		return err
	}}
	for _, name := range names {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: scripted(func(call func(string, ...uint64) uint64) { work[name](*block, call) })})
	}
	return plan
}

// TestLostWakeUp plays how glibc before 2.41 loses a wake-up (its bug 25847). Whoever reads what is said
// of it knows whom each signal woke, and where the one went that woke nobody.
func TestLostWakeUp(t *testing.T) {
	for _, arch := range arches() {
		t.Run(arch.String(), func(t *testing.T) {
			var block uint64
			takes := func(n int) func(uint64, func(string, ...uint64) uint64) {
				return func(b uint64, call func(string, ...uint64) uint64) {
					for range n {
						take(b, call)
					}
				}
			}
			plan := signalRace(&block, map[string]func(uint64, func(string, ...uint64) uint64){
				scenario.Main: func(b uint64, call func(string, ...uint64) uint64) {
					for range 5 {
						put(b, "pthread_cond_signal", call)
					}
				},
				"A": takes(1), "W2": takes(3), "W3": takes(1),
			}, scenario.Main, "A", "W2", "W3")
			s, err := starter(system(t, "bookworm", arch), plan)(nil)
			must(t, err)
			defer s.Close()
			const main, a, w2, w3 = 0, 1, 2, 3
			var schedule scenario.Schedule
			run := func(i int, until func() bool) {
				n := uint64(0)
				for ; s.Runnable(i) && !until(); n++ {
					_, err := s.Run(i, 1)
					must(t, err)
				}
				schedule = schedule.Add(i, n)
			}
			signals := 0
			signal := func() {
				signals++
				// Its calls are lock, load, store, unlock and signal; see put.
				run(main, func() bool { return len(s.Results(main)) == 5*signals })
			}
			never := func() bool { return false }
			read := func() uint64 { b, _ := s.Process().Read(block+raceCond+40, 4); return number64(b) }
			run(a, never)
			signal()
			for was := read(); was == 2 && read() == 2; {
				run(a, func() bool { return read() != 2 })
			}
			for _, i := range []int{w2, main, w2, w3, main, w2, a, w3} {
				if i == main {
					signal()
				} else {
					run(i, never)
				}
			}
			run(main, never)
			run(a, never)
			h, err := NewHistory(s, schedule)
			must(t, err)
			x := explain(t, h)
			text := x.String()
			var order []string
			for i := range x.Waits[0].Signals {
				sig := &x.Waits[0].Signals[i]
				line := sig.Thread
				for _, w := range sig.Woke {
					line += " " + w.Thread
				}
				order = append(order, line)
			}
			if want := []string{"main A", "main W2", "main W2", "A W3", "main", "main A"}; !slices.Equal(order, want) || x.Waits[0].Thread != "W3" {
				t.Errorf("%q\n%s", order, text)
			}
			for _, want := range []string{
				"deadlock: W3 waits, and nobody is left to wake it",
				"main signalled it at instruction ", "that woke A, which had waited since instruction ", ": it took the signal, and waited again from instruction ",
				"A put a signal back at instruction ", ", in pthread_cond_wait(" + words.Hex(block+raceCond) + "): that woke W3, which had waited since instruction ", ": it took the signal, and waits again since instruction ",
				"that woke nobody, though A and W3 waited.", "It put the signal at ", ", and they waited at other words of the condition variable.",
				"Nobody took it: main took it away again at instruction ", ", in pthread_cond_signal(",
			} {
				if !strings.Contains(x.Headline()+text, want) {
					t.Errorf("it does not say %q but\n%s", want, text)
				}
			}
			if err := signalsAreTrue(t, s, schedule, x, block, map[string]int{}); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			for _, lost := range x.Finding().Waits[0].Signals {
				if (lost.Dropped != nil) != (len(lost.Woke) == 0) || lost.Dropped != nil && (lost.Dropped.Thread != scenario.Main || !lost.Apart || !slices.Equal(lost.Asleep, []string{"A", "W3"})) {
					t.Errorf("%+v", lost)
				}
			}
		})
	}
}

// randomSignals is a race of a few threads that wait, signal and post at random.
func randomSignals(r *rand.Rand, block *uint64) *scenario.Plan {
	names := []string{scenario.Main, "second", "third", "fourth"}[:2+r.IntN(3)]
	ops := []func(b uint64, call func(string, ...uint64) uint64){
		take, take,
		func(b uint64, call func(string, ...uint64) uint64) { put(b, "pthread_cond_signal", call) },
		func(b uint64, call func(string, ...uint64) uint64) { put(b, "pthread_cond_signal", call) },
		func(b uint64, call func(string, ...uint64) uint64) { put(b, "pthread_cond_broadcast", call) },
		func(b uint64, call func(string, ...uint64) uint64) { call("pthread_cond_signal", b+raceCond) },
		func(b uint64, call func(string, ...uint64) uint64) {
			call("pthread_mutex_lock", b+raceMutex)
			call("pthread_cond_wait", b+raceCond, b+raceMutex)
			call("pthread_mutex_unlock", b+raceMutex)
		},
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_wait", b+raceSem) },
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_wait", b+raceSem) },
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_timedwait", b+raceSem, b+raceLate) },
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_trywait", b+raceSem) },
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_post", b+raceSem) },
		func(b uint64, call func(string, ...uint64) uint64) { call("sem_post", b+raceSem) },
	}
	work := map[string]func(uint64, func(string, ...uint64) uint64){}
	for _, name := range names {
		var list []int
		for range 2 + r.IntN(6) {
			list = append(list, r.IntN(len(ops)))
		}
		work[name] = func(b uint64, call func(string, ...uint64) uint64) {
			for _, op := range list {
				ops[op](b, call)
			}
		}
	}
	return signalRace(block, work, names...)
}

// What is said of signals is so in the run: each is told of, whom it woke, who slept on, who took it
// and when, and where a wait began. The run is gone through instruction by instruction for that, with
// no more than who waits for what, whose call it is and what lies in memory.
func TestSignalsAreTrue(t *testing.T) {
	count := uint64(80)
	suites := []string{"bullseye", "bookworm", "forky", "bookworm/musl"}
	if testing.Short() {
		count, suites = 12, suites[1:2]
	}
	for _, suite := range suites {
		for _, arch := range arches() {
			t.Run(suite+"/"+arch.String(), func(t *testing.T) {
				first := testseed.Of(t, 1)
				seen := map[string]int{}
				for seed := first; seed < first+count; seed++ {
					r := rand.New(rand.NewPCG(seed, 23))
					var block uint64
					s, err := starter(system(t, suite, arch), randomSignals(r, &block))(nil)
					must(t, err)
					var schedule scenario.Schedule
					for over := false; !over; _, over = s.Outcome() {
						if i := r.IntN(s.Schedulable()); s.Runnable(i) {
							n := uint64(1 + r.IntN(60))
							if r.IntN(3) == 0 {
								n = uint64(1 + r.IntN(700))
							}
							if s.IsClock(i) {
								n = 1
							}
							ran, err := s.Run(i, n)
							must(t, err)
							schedule = schedule.Add(i, ran)
						}
					}
					h, err := NewHistory(s, schedule)
					must(t, err)
					x := explain(t, h)
					if err := signalsAreTrue(t, s, schedule, x, block, seen); err != nil {
						t.Errorf("seed %d: %v\n%s\nrepeat with: go test emurace/replay -run '^TestSignalsAreTrue$/^%s$/^%v$' -seed %d", seed, err, x, suite, arch, seed)
					}
					s.Close()
				}
				t.Logf("from seed %d on: %v", first, seen)
				for _, what := range []string{"deadlocks", "signals", "woken", "took", "asleep", "awake", "again", "back"} {
					if seen[what] == 0 && !testing.Short() && (what != "took" || !strings.HasSuffix(suite, "/musl")) {
						t.Errorf("no %s in %v", what, seen)
					}
				}
			})
		}
	}
}
