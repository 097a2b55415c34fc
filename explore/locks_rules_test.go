package explore

import (
	"fmt"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/scenario"
)

// lockPrograms are programs with what is a lock, what looks like one, and what is wrong
// with one.
var lockPrograms = []lockRow{
	{name: "a mutex", source: `u64 f(void) { pthread_mutex_lock(mu); AT(u8, 0)++; pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { return f(); }`},
	{name: "a recursive mutex", kind: 1, source: `u64 f(void) { pthread_mutex_lock(mu + 2); pthread_mutex_lock(mu + 2); AT(u8, 0)++; pthread_mutex_unlock(mu + 2); pthread_mutex_unlock(mu + 2); return 0; }
		u64 g(void) { return f(); }`},
	{name: "a mutex that checks", kind: 2, source: `u64 f(void) { u64 r = 0; pthread_mutex_lock(mu + 2); r = pthread_mutex_lock(mu + 2); pthread_mutex_unlock(mu + 2); return r; }
		u64 g(void) { return f(); }`},
	{name: "an adaptive mutex, which counts", kind: 3, raw: true, source: `u64 f(void) { pthread_mutex_lock(mu + 2); AT(u8, 0)++; pthread_mutex_unlock(mu + 2); return 0; }
		u64 g(void) { return f(); }`},
	{name: "who tries goes on", raw: true, outcome: scenario.Segv, source: `u64 f(void) { pthread_mutex_lock(mu); pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { AT(u8, 1) = 1; if (pthread_mutex_trylock(mu)) { crash(); } pthread_mutex_unlock(mu); return f(); }`},
	{name: "a deadline", raw: true, source: `u64 f(void) { pthread_mutex_lock(mu); pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { f(); if (pthread_mutex_timedlock(mu, &far) == 0) { pthread_mutex_unlock(mu); } return 0; }`},
	{name: "ABBA", outcome: scenario.Deadlock, source: `u64 f(void) { pthread_mutex_lock(mu); pthread_mutex_lock(mu + 1); pthread_mutex_unlock(mu + 1); pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { pthread_mutex_lock(mu + 1); pthread_mutex_lock(mu); pthread_mutex_unlock(mu); pthread_mutex_unlock(mu + 1); return 0; }`},
	{name: "taken twice", outcome: scenario.Deadlock, source: `u64 f(void) { pthread_mutex_lock(mu); if (AT(u8, 0)++) { pthread_mutex_lock(mu); } pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { return f(); }`},
	{name: "a barrier that is destroyed", raw: true, source: `u64 f(void) { if ((int)pthread_barrier_wait(barrier) == -1) { pthread_barrier_destroy(barrier); } return 0; }
		u64 g(void) { return f(); }`},
	{name: "a barrier that is wiped", outcome: scenario.Abort, source: `u64 f(void) { if ((int)pthread_barrier_wait(barrier) == -1) { memset(barrier, 0xff, 32); } return 0; }
		u64 g(void) { return f(); }`},
	{name: "once", source: `u64 f(void) { pthread_once(&control, routine); return AT(u8, 4); }
		u64 g(void) { return f(); }`, raw: true},
	{name: "a condition", source: `u64 f(void) { pthread_mutex_lock(mu); while (!AT(u8, 0)) { pthread_cond_wait(cond, mu); } pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { pthread_mutex_lock(mu); AT(u8, 0) = 1; pthread_mutex_unlock(mu); pthread_cond_signal(cond); return 0; }`},
	{name: "a condition that is not looked at", outcome: scenario.Deadlock, source: `u64 f(void) { pthread_mutex_lock(mu); pthread_cond_wait(cond, mu); pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { pthread_mutex_lock(mu); pthread_cond_signal(cond); pthread_mutex_unlock(mu); return 0; }`},
	{name: "a semaphore", source: `u64 f(void) { sem_wait(semaphore); AT(u8, 0)++; return 0; }
		u64 g(void) { AT(u8, 0)++; sem_post(semaphore); return 0; }`},
	{name: "the word is read", raw: true, source: `u64 f(void) { take(); leave(); return 0; }
		u64 g(void) { u64 r = LOAD(&word); f(); return r; }`},
	{name: "another thread lets go", raw: true, outcome: scenario.Segv, source: `u64 f(void) { take(); if (AT(u8, 0)++) { crash(); } AT(u8, 0)--; leave(); return 0; }
		u64 g(void) { SWAP(&word, 0); return f(); }`},
	{name: "the word is written under the lock", raw: true, source: `u64 f(void) { take(); __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST); leave(); return 0; }
		u64 g(void) { return f(); }`},
	{name: "the word is wiped while it is in use", raw: true, source: `u64 f(void) { take(); leave(); return 0; }
		u64 g(void) { f(); memset(&word, 0, 8); return 0; }`},
	{name: "a lock is set up", source: `u64 f(void) { take(); if (!AT(u8, 0)) { AT(u8, 0) = 1; mu[0].lock = 0; } leave(); pthread_mutex_lock(mu); pthread_mutex_unlock(mu); return 0; }
		u64 g(void) { return f(); }`},
	home(0, false, ""),
	{name: "a lock that tells how often it was tried", raw: true, outcome: scenario.Segv, source: `u64 f(void) { u64 n = take1(); leave1(); if (n) { crash(); } return n; }
		u64 g(void) { return f(); }`},
	home(2, true, scenario.Deadlock),
	home(3, true, ""),
	home(4, true, ""),
	home(5, true, ""),
	home(6, true, scenario.Deadlock),
	home(7, true, ""),
	home(12, true, ""), // but with more threads than can be searched
	home(8, false, ""),
	home(10, false, ""),
	{name: "two copies of what is behind the lock", source: copies("part();", `part(); asm volatile("nop");`, "if (SWAP(&homemade, 0) == 2) { wake(&homemade, 1); }") + `
		u64 f(void) { copies(1); return 0; }
		u64 g(void) { u64 r = AT(u8, 1); copies(1); return r; }`},
	{name: "two copies that let go", source: copies(letGo, letGo+` asm volatile("nop");`, "") + `
		u64 f(void) { copies(2); return 0; }
		u64 g(void) { return f(); }`},
	{name: "a copy that wakes nobody", raw: true, outcome: scenario.Deadlock, source: copies(letGo, "part(); SWAP(&homemade, 0);", "") + `
		u64 f(void) { copies(2); return 0; }
		u64 g(void) { return f(); }`},
	{name: "a copy that does something else", raw: true, outcome: scenario.Segv, source: copies("part();", "part(); crash();", "if (SWAP(&homemade, 0) == 2) { wake(&homemade, 1); }") + `
		u64 f(void) { copies(1); return 0; }
		u64 g(void) { u64 r = AT(u8, 1); copies(1); return r; }`},
	{name: "a recursive lock of one's own", source: `u64 f(void) { own(); AT(u8, 0)++; own(); AT(u8, 0)++; disown(); disown(); return 0; }
		u64 g(void) { return f(); }`},
	{name: "what it says of its owner is used", outcome: scenario.Segv, source: `u64 f(void) { u64 was = LOAD(&whose); if (was != pthread_self()) { take(); if (was) { crash(); } leave(); } return 0; }
		u64 g(void) { own(); disown(); return 0; }`},
	{name: "what it says of its owner is something else", raw: true, outcome: scenario.Segv, source: `
		u64 f(void) {
			u64 me = pthread_self(), was = LOAD(&whose);
			if (was == 5) { take(); leave(); } else if (was != me) { take(); STORE(&whose, me); if (AT(u8, 0)) { crash(); } STORE(&whose, 0); leave(); }
			return 0;
		}
		u64 g(void) { STORE(&whose, 5); take(); AT(u8, 0) = 1; leave(); return 0; }`},
	{name: "what it says of its owner is left behind", outcome: scenario.Segv, source: `
		u64 f(void) {
			u64 me = pthread_self();
			take(); STORE(&whose, me); leave();
			if (LOAD(&whose) == me) { if (AT(u8, 0)) { crash(); } } else { take(); leave(); }
			return 0;
		}
		u64 g(void) { take(); AT(u8, 0) = 1; STORE(&whose, pthread_self()); AT(u8, 0) = 0; leave(); return 0; }`},
	{name: "something else is looked at first", raw: true, outcome: scenario.Segv, source: `
		u64 f(void) {
			u64 me = pthread_self();
			if (LOAD(&whose) != me) { u8 was = AT(u8, 1); take(); STORE(&whose, me); if (!was && AT(u8, 1)) { crash(); } STORE(&whose, 0); leave(); }
			return 0;
		}
		u64 g(void) { own(); AT(u8, 1) = 1; disown(); return 0; }`},
	home(11, true, ""), // everybody is woken, but from a mark that who takes it then does not renew
}

type lockRow struct {
	name    string
	source  string // f and g are the threads
	kind    int    // of mutex 2
	raw     bool   // a word looks like a lock and is left raw
	outcome scenario.Kind
}

// home is a program with a lock of one's own.
func home(n int, raw bool, outcome scenario.Kind) lockRow {
	f := fmt.Sprintf("u64 f(void) { take%d(); AT(u8, 0)++; leave%d(); return 0; } u64 g(void) { return f(); }", n, n)
	return lockRow{fmt.Sprintf("own lock %d", n), f, 0, raw, outcome}
}

// letGo is what a copy does that lets the lock go itself.
const letGo = "part(); if (SWAP(&homemade, 0) == 2) { wake(&homemade, 1); }"

// copies is a lock with code of its own behind a try that was in vain.
func copies(quick, slow string, end string) string {
	return fmt.Sprintf(`
		static __attribute__((noinline)) void part(void) { AT(u8, 0)++; AT(u8, 1)++; }
		static void copies(u64 n) {
			for (u64 i = 0; i < n; i++) {
				if (cas(&homemade, 0, 1) == 0) { %s } else { while (SWAP(&homemade, 2)) { wait(&homemade, 2); } %s }
				%s
			}
		}`, quick, slow, end)
}

// What is a lock is taken as one thing, and what only looks like one is not; the verdict
// and the kinds of failure are the same as with locks as they are, and whatever fails
// with locks as one thing fails with real ones.
func TestLockRules(t *testing.T) {
	source := prelude + lockPrelude()
	for i, c := range lockPrograms {
		source += fmt.Sprintf("\n#define f f%[1]d\n#define g g%[1]d\n#define part part%[1]d\n#define copies copies%[1]d\n%[2]s\n#undef f\n#undef g\n#undef part\n#undef copies\n", i, c.source)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		code := guestcode.Build(t, sys.Arch, source)
		for i, c := range lockPrograms {
			if !inTurn(i, 6, sys.Arch) {
				continue
			}
			start := func() (*scenario.Session, error) {
				s, err := scenario.Start(sys, lockPlan(t, &guest{arch: sys.Arch}, code, c.kind, fmt.Sprint("f", i), fmt.Sprint("g", i)), 1)
				if err == nil {
					s.Limit = 20_000
				}
				return s, err
			}
			search := func(abstract bool) *Result {
				r, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 2, AbstractLocks: abstract, Schedules: 20_000})
				must(t, err)
				return r
			}
			raw, abstract := search(false), search(true)
			if raw.RawLocks != 0 || (abstract.RawLocks > 0) != c.raw {
				t.Errorf("%s: %d words are left raw, of %d and %d schedules", c.name, abstract.RawLocks, raw.Schedules, abstract.Schedules)
			}
			if want := failureKinds(raw); !slices.Equal(want, failureKinds(abstract)) || raw.Verdict != abstract.Verdict || (c.outcome != "") != slices.Contains(want, c.outcome) {
				t.Errorf("%s: %v %v with locks as they are, %v %v with abstract ones", c.name, raw.Verdict, want, abstract.Verdict, failureKinds(abstract))
			}
			if !c.raw && abstract.Schedules > raw.Schedules {
				t.Errorf("%s: %d schedules, and %d with abstract locks", c.name, raw.Schedules, abstract.Schedules)
			}
			for _, f := range abstract.Findings {
				s, err := start()
				must(t, err)
				must(t, s.Play(f.Schedule))
				if o, over := s.Outcome(); !over || siteOf(o) != siteOf(f.Outcome) {
					t.Errorf("%s: %v ends as %v, not as %v", c.name, f.Schedule, o, f.Outcome)
				}
				s.Close()
			}
		}
	})
}

func failureKinds(r *Result) (kinds []scenario.Kind) {
	for _, f := range r.Findings {
		kinds = append(kinds, f.Outcome.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
