package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
)

// standstill is threads that each run to their end or until they wait, in the
// order of their names: main, then a, b, ...; a call is "lock 0", of a mutex of
// the guest's, "join b" or any other with numbers.
type standstill struct {
	name    string
	setup   string            // calls of main
	threads map[string]string // "name: calls"
	turns   string            // threads in the order in which they run, "main*1": one call
	waits   []string          // "main mutex a": who waits, for what, held by whom; the cycle first
	cycle   int
	taken   []string // functions that took them, "" for before the race
	tell    []string
}

var standstills = []standstill{
	{
		name:    "two mutexes",
		threads: map[string]string{"main": "lock 0, lock 1", "a": "lock 1, lock 0"},
		turns:   "main*1 a*1 main a",
		waits:   []string{"main mutex a", "a mutex main"}, cycle: 2, taken: []string{"pthread_mutex_lock", "pthread_mutex_lock"},
		tell: []string{"deadlock: main and a each wait for a mutex that the other holds", ", a mutex that a holds: taken at ", "Each waits for the next: main, a, main."},
	},
	{
		name:    "three, and one beside the circle",
		threads: map[string]string{"main": "lock 3", "a": "lock 0, lock 1", "b": "lock 1, lock 2", "c": "lock 3, lock 2, lock 0"},
		turns:   "a*1 b*1 c*2 main a b c",
		waits:   []string{"a mutex b", "b mutex c", "c mutex a", "main mutex c"}, cycle: 3,
		tell: []string{"Each waits for the next: a, b, c, a."},
	},
	{
		name:    "itself",
		threads: map[string]string{"main": "lock 0, lock 0"},
		turns:   "main",
		waits:   []string{"main mutex main"}, cycle: 1, taken: []string{"pthread_mutex_lock"},
		tell: []string{"a mutex that main itself holds", "Each waits for the next: main, main."},
	},
	{
		name:    "taken before the race",
		setup:   "lock 0",
		threads: map[string]string{"main": "getpid", "a": "lock 0"},
		turns:   "main a",
		waits:   []string{"a mutex main"}, taken: []string{""},
		tell: []string{"a mutex that main holds since before the race."},
	},
	{
		name:    "the end of a thread",
		threads: map[string]string{"main": "lock 0, join a", "a": "lock 0"},
		turns:   "main*1 a main",
		waits:   []string{"main thread a", "a mutex main"}, cycle: 2, taken: []string{"", "pthread_mutex_lock"},
		tell: []string{", which a clears when it ends.", "Each waits for the next: main, a, main."},
	},
	{
		name:    "nobody",
		threads: map[string]string{"main": "sem_wait 0", "a": "getpid"},
		turns:   "main a",
		waits:   []string{"main semaphore "},
		tell:    []string{"deadlock: main waits, and nobody is left to wake it", ", of a semaphore: nobody is left to post it."},
	},
	{
		name:    "a signal that comes too early",
		threads: map[string]string{"main": "getpid, lock 0, cond_wait 1 0", "a": "pthread_cond_signal 1"},
		turns:   "main*1 a main",
		waits:   []string{"main condition variable "},
		tell: []string{"deadlock: main waits, and nobody is left to wake it", ", of a condition variable: nobody is left to signal it.",
			"  a signalled it at instruction ", ", in pthread_cond_signal(0x", "): nobody waited, and a signal is for those who wait already."},
	},
	{
		name:    "a signal that nobody gives",
		threads: map[string]string{"main": "lock 0, cond_wait 1 0", "a": "pthread_cond_signal 2"},
		turns:   "a main",
		waits:   []string{"main condition variable "},
		tell:    []string{"  Nobody has signalled it since the race began."},
	},
	{
		name:    "one signal for two",
		threads: map[string]string{"main": "lock 0, cond_wait 1 0", "a": "lock 0, cond_wait 1 0", "b": "pthread_cond_signal 1"},
		turns:   "main a b main",
		waits:   []string{"a condition variable "},
		tell: []string{"  b signalled it at instruction ", ": that woke main, which had waited since instruction ", ": it took the signal.",
			"    a waited too, and was not woken."},
	},
	{
		name:    "a post that another one takes",
		threads: map[string]string{"main": "getpid, sem_wait 0", "a": "sem_post 0, sem_wait 0"},
		turns:   "main*1 a main",
		waits:   []string{"main semaphore "},
		tell:    []string{"  a posted it at instruction ", ", in sem_post(0x", "): nobody waited, and a took it at instruction ", ", in sem_wait(0x"},
	},
	{
		name:    "one post for two",
		threads: map[string]string{"main": "sem_wait 0", "a": "sem_wait 0", "b": "sem_post 0"},
		turns:   "main a b main",
		waits:   []string{"a semaphore "},
		tell: []string{"a waits, and nobody is left to wake it", "  b posted it at instruction ", ": that woke main, which had waited since instruction ", ": it took the post.",
			"    a waited too, and was not woken."},
	},
	{
		name:    "a routine that does not end",
		threads: map[string]string{"main": "once 0", "a": "once 0"},
		turns:   "main a",
		waits:   []string{"main  ", "a once main"},
		tell:    []string{", of a once whose routine main runs."},
	},
	{
		name:    "a barrier for three",
		setup:   "barrier 0 3",
		threads: map[string]string{"main": "pthread_barrier_wait 0", "a": "pthread_barrier_wait 0"},
		turns:   "main a",
		waits:   []string{"main barrier ", "a barrier "},
		tell:    []string{"deadlock: main and a wait, and nobody is left to wake them", ", of a barrier for 3, to which 2 have come: nobody is left to come to it."},
	},
	{
		name:    "a lock for writing, held by who has ended its calls",
		threads: map[string]string{"main": "getpid, pthread_rwlock_rdlock 0", "a": "pthread_rwlock_wrlock 0"},
		turns:   "main*1 a main",
		waits:   []string{"main read-write lock a"},
		tell:    []string{"a read-write lock that a holds"},
	},
	{
		name:    "a lock for reading, that a writer waits for",
		threads: map[string]string{"main": "getpid, pthread_rwlock_wrlock 0", "a": "pthread_rwlock_rdlock 0"},
		turns:   "main*1 a main",
		waits:   []string{"main read-write lock "},
		tell:    []string{", of a read-write lock: nobody is left to unlock it."},
	},
}

// mutexSize is more than both architectures' pthread_mutex_t and sem_t.
const mutexSize = 64

func (st standstill) play(t *testing.T, suite string, arch loader.Arch) *Explanation {
	t.Helper()
	mutexes, pause := uint64(0), uint64(0)
	handles := map[string]uint64{}
	names := slices.Sorted(maps.Keys(st.threads))
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // main first
	calls := func(text string) scenario.Calls {
		var list scenario.Calls
		for _, part := range strings.Split(text, ", ") {
			fn, arg, _ := strings.Cut(part, " ")
			var n uint64
			if arg != "" && fn != "join" {
				if _, err := fmt.Sscan(arg, &n); err != nil {
					t.Fatal(err)
				}
				n = mutexes + n*mutexSize
			}
			switch fn {
			case "cond_wait", "barrier":
				var of, with uint64
				_, err := fmt.Sscan(arg, &of, &with)
				must(t, err)
				if of = mutexes + of*mutexSize; fn == "barrier" {
					list = append(list, callOf("pthread_barrier_init", of, 0, with))
				} else {
					list = append(list, callOf("pthread_cond_wait", of, mutexes+with*mutexSize))
				}
			case "lock":
				list = append(list, callOf("pthread_mutex_lock", n))
			case "once":
				list = append(list, callOf("pthread_once", n, pause))
			case "join":
				list = append(list, callOf("pthread_join", handles[arg], 0))
			default:
				list = append(list, callOf(fn, n))
			}
		}
		return list
	}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if mutexes, err = u.Call(scenario.Main, "calloc", scenario.Int(8), scenario.Int(mutexSize)); err != nil {
			return err
		}
		if pause, err = u.Lookup("pause"); err != nil {
			return err
		}
		for _, name := range names {
			if handles[name], err = u.Call(name, "pthread_self"); err != nil {
				return err
			}
		}
		if st.setup == "" {
			return nil
		}
		for _, c := range calls(st.setup) {
			if _, err := u.Call(scenario.Main, c.Func, c.Args...); err != nil {
				return err
			}
		}
		return nil
	}}
	for _, name := range names {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: late(func() scenario.Calls { return calls(st.threads[name]) })})
	}
	s, err := scenario.Start(system(t, suite, arch), plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	var schedule scenario.Schedule
	for _, turn := range strings.Fields(st.turns) {
		name, count, bounded := strings.Cut(turn, "*")
		i := slices.Index(names, name)
		want := 1 << 20
		if bounded {
			_, err := fmt.Sscan(count, &want)
			must(t, err)
		}
		for n := uint64(0); ; n++ {
			if !s.Runnable(i) || len(s.Results(i)) == want {
				schedule = schedule.Add(i, n)
				break
			}
			_, err := s.Run(i, 1)
			must(t, err)
		}
	}
	h, err := NewHistory(s, schedule)
	must(t, err)
	return explain(t, h)
}

func TestStandstill(t *testing.T) {
	for _, st := range standstills {
		t.Run(st.name, func(t *testing.T) {
			eachLibc(t, []string{"bullseye", "bookworm", "forky"}, func(t *testing.T, suite string, arch loader.Arch) {
				x := st.play(t, suite, arch)
				if x.Outcome.Kind != scenario.Deadlock {
					t.Fatal(x.Outcome)
				}
				var got []string
				for i, w := range x.Waits {
					got = append(got, w.Thread+" "+w.What+" "+w.HeldBy)
					function := ""
					if w.Taken != nil {
						function = w.Taken.Location.Function
						if w.Taken.Thread != w.HeldBy {
							t.Errorf("held by %s, taken by %s", w.HeldBy, w.Taken.Thread)
						}
					}
					if st.taken != nil && (st.taken[i] == "") != (function == "") || !strings.Contains(function, "lock") && !strings.Contains(function, "cas4") && !strings.Contains(function, "once") && function != "" {
						t.Errorf("%s: taken in %q", w.Thread, function)
					}
				}
				if !slices.Equal(got, st.waits) || x.Cycle != st.cycle {
					t.Errorf("%q, a circle of %d", got, x.Cycle)
				}
				f := x.Finding()
				if len(f.Cycle) != st.cycle || len(f.Waits) != len(st.waits) {
					t.Errorf("cycle %+v of %+v", f.Cycle, f.Waits)
				}
				for i, r := range f.Waits {
					if w := x.Waits[i]; r.Thread != w.Thread || w.For == "" && r.WaitsFor != words.Hex(w.Address) || r.HeldBy != w.HeldBy || (r.TakenBy == nil) != (w.Taken == nil) {
						t.Errorf("%+v of %+v", r, w)
					}
				}
				text := told(x)
				for _, want := range st.tell {
					if !strings.Contains(text, want) {
						t.Errorf("it does not say %q but\n%s", want, text)
					}
				}
			})
		})
	}
}

// TestFindCycle: what is found is a circle, and when nothing is found there is
// none.
func TestFindCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waitsFor := rapid.MapOf(rapid.IntRange(0, 6), rapid.IntRange(-1, 7)).Draw(t, "waits for")
		cycle := findCycle(waitsFor)
		for i, thread := range cycle {
			if waitsFor[thread] != cycle[(i+1)%len(cycle)] || slices.Contains(cycle[:i], thread) {
				t.Fatalf("%v is no circle", cycle)
			}
		}
		if cycle != nil {
			return
		}
		for start := range waitsFor {
			at, ok := start, true
			for range len(waitsFor) + 1 {
				if at, ok = waitsFor[at]; !ok {
					break
				}
			}
			if ok {
				t.Fatalf("from %d there is no end", start)
			}
		}
	})
}
