package emu

import (
	"slices"
	"testing"

	"emurace/loader"
)

// loaded is a process of which nothing has run, its access log on from the
// first instruction when logging is asked for.
func loaded(t *testing.T, suite string, arch loader.Arch, logging bool) *process {
	t.Helper()
	sys := system(t, suite, arch)
	m := newMachine(sys)
	t.Cleanup(m.Close)
	if err := m.load(Options{System: sys, Env: []string{"HOME=/nowhere"}, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	p := &process{Machine: m, t: t, fns: map[string]uint64{}}
	if logging {
		p.mark() // kept: it is what needs the log
	}
	return p
}

// moments of a boot at which machines are compared, and the last one.
const (
	moments    = 12
	pastTheEnd = 1 << 20
)

// TestStepsAreExact boots a real process one instruction at a time, in slices of
// random length, and in one run, and finds the same machine at every moment:
// registers, memory, kernel and every entry of the access log.
func TestStepsAreExact(t *testing.T) {
	for _, suite := range suites {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		for _, arch := range tested() {
			t.Run(suite+"/"+arch.String(), func(t *testing.T) {
				whole := loaded(t, suite, arch, true)
				if s := whole.run(0, pastTheEnd); s.Kind != Trapped {
					t.Fatalf("boot: %v%s", s, whole.lastOutput())
				}
				total := whole.Steps()
				t.Logf("%d instructions, %d accesses", total, whole.LogLen())
				var at []uint64
				for i := range uint64(moments) {
					at = append(at, total*(i+1)/moments)
				}
				ref := loaded(t, suite, arch, true)
				var want []string
				for _, n := range at {
					if s := ref.run(0, n-ref.Steps()); ref.Steps() != n {
						t.Fatalf("to instruction %d: %v", n, s)
					}
					want = append(want, ref.digest())
				}
				if got := whole.digest(); got != want[moments-1] {
					t.Errorf("one run and %d runs differ", moments)
				}
				random := randomness(t)
				for name, slice := range map[string]func(left uint64) uint64{
					"single steps":  func(uint64) uint64 { return 1 },
					"random slices": func(left uint64) uint64 { return 1 + random.Uint64N(min(left, 2000)) },
				} {
					p := loaded(t, suite, arch, true)
					for i, n := range at {
						for p.Steps() < n {
							k := slice(n - p.Steps())
							before := p.Steps()
							// The instruction that leads to the entry is reported as
							// having done so.
							kind := Budget
							if before+k == total {
								kind = Trapped
							}
							if s := p.run(0, k); s.Ran != k || s.Kind != kind || p.Steps() != before+k {
								t.Fatalf("%s: %d instructions at %d: %v", name, k, before, s)
							}
						}
						if p.digest() != want[i] {
							t.Errorf("%s: another machine after %d instructions: %s", name, n, difference(p, ref))
							break
						}
					}
					// The trap itself does not run.
					if s := p.run(0, 1); s.Kind != Trapped || s.Ran != 0 {
						t.Errorf("%s: at the end: %v", name, s)
					}
				}
			})
		}
	}
}

// difference says where two logs part, which is the first place to look.
func difference(a, b *process) string {
	la, lb := a.Log().List(), b.Log().List()
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return "access logs part"
		}
	}
	if len(la) != len(lb) {
		return "the logs have different lengths"
	}
	return "the logs agree"
}

// TestLoggingChangesNothing: a process runs the same whether or not its accesses
// are logged.
func TestLoggingChangesNothing(t *testing.T) {
	for _, arch := range tested() {
		with, without := loaded(t, "bookworm", arch, true), loaded(t, "bookworm", arch, false)
		for _, p := range []*process{with, without} {
			if s := p.run(0, pastTheEnd); s.Kind != Trapped {
				t.Fatalf("%v: %v", arch, s)
			}
		}
		a, err := with.Digest(with.LogLen())
		if err != nil {
			t.Fatal(err)
		}
		if b := without.digest(); a != b {
			t.Errorf("%v: digests %s and %s", arch, a, b)
		}
		if without.LogLen() != 0 || with.LogLen() == 0 {
			t.Errorf("%v: %d and %d log entries", arch, with.LogLen(), without.LogLen())
		}
	}
}

// TestSlicesAddUp: two threads that take turns after every n instructions come
// to the same results as alone, and their slices count every instruction.
func TestSlicesAddUp(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		texts := []uint64{p.str("first: the quick brown fox"), p.str("second: jumps over the lazy dog, twice")}
		alone := []string{}
		// The first call of a function looks up what it calls, the first malloc
		// of a thread makes its arena: both would depend on who comes first.
		for _, n := range []int{0, worker} {
			p.call(n, "strdup", texts[n])
		}
		start := p.mark()
		steps := []uint64{}
		for n := range []int{0, worker} {
			before := p.Steps()
			alone = append(alone, p.text(p.call(n, "strdup", texts[n])))
			steps = append(steps, p.Steps()-before)
			p.rewind(start)
		}
		for _, n := range []uint64{1, 2, 3, 7, 50, 1000} {
			for i := range 2 {
				p.begin(i, "strdup", texts[i])
			}
			before := p.Steps()
			ran := []uint64{0, 0}
			for i := 0; !p.Idle(0) || !p.Idle(worker); i = 1 - i {
				ran[i] += p.run(i, n).Ran
			}
			if !slices.Equal(ran, steps) || p.Steps()-before != ran[0]+ran[1] {
				t.Errorf("slices of %d: %v instructions, alone %v", n, ran, steps)
			}
			for i := range 2 {
				if v, err := p.Result(i); err != nil || p.text(v) != alone[i] {
					t.Errorf("slices of %d: thread %d: %v", n, i, err)
				}
			}
			p.rewind(start)
		}
	})
}
