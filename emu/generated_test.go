package emu

import (
	"maps"
	"math/rand/v2"
	"testing"

	"emurace/emu/internal/shim"
	"emurace/loader"
)

// bootBothWays boots the process twice, with hooks alone and with generated code. With
// logged, the log has the boot, too.
func bootBothWays(t *testing.T, suite string, arch loader.Arch, logged bool) (hooked, generated *process) {
	t.Helper()
	var on bool
	opened = func(e *shim.Engine) {
		e.SetHooked(on)
		if logged {
			must(t, e.SetLogging(true))
		}
	}
	defer func() { opened = nil }()
	on = true
	hooked = boot(t, suite, arch, "HOME=/nowhere", "LANG=C")
	on = false
	generated = boot(t, suite, arch, "HOME=/nowhere", "LANG=C")
	return hooked, generated
}

// sameLogs compares two logs entry by entry, from an entry on.
func sameLogs(t *testing.T, what string, from int, h, g Log) {
	t.Helper()
	hooked, generated := h.From(from).List(), g.From(from).List()
	for i := range min(len(hooked), len(generated)) {
		if hooked[i] != generated[i] {
			t.Fatalf("%s: access %d: %+v with hooks, %+v generated", what, i, hooked[i], generated[i])
		}
	}
	if len(hooked) != len(generated) {
		t.Fatalf("%s: %d accesses with hooks, %d generated", what, len(hooked), len(generated))
	}
}

// Generated code and hooks make the same log, entry by entry, of ld.so and of libc's
// functions: allocation, comparison functions called back, strings with their vector
// instructions, and formatting, with floating point.
func TestGeneratedLogsTheSame(t *testing.T) {
	for _, suite := range suites {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		for _, arch := range tested() {
			t.Run(suite+"/"+arch.String(), func(t *testing.T) {
				a, b := bootBothWays(t, suite, arch, true)
				sameLogs(t, "boot", 0, a.Log(), b.Log())
				both := func(fn string, args ...uint64) (value uint64) {
					t.Helper()
					from := a.eng.LogLen()
					value = a.call(0, fn, args...)
					if v := b.call(0, fn, args...); v != value || a.Steps() != b.Steps() {
						t.Fatalf("%s: %#x after %d steps with hooks, %#x after %d generated", fn, value, a.Steps(), v, b.Steps())
					}
					sameLogs(t, fn, from, a.Log(), b.Log())
					return value
				}
				text := func(s string) uint64 {
					at := both("malloc", uint64(len(s)+1))
					for _, p := range []*process{a, b} {
						must(t, p.Write(0, at, append([]byte(s), 0)))
					}
					return at
				}
				fox, long := text("the quick brown fox"), text(string(make([]byte, 5000)))
				both("memset", long, 'x', 4999)
				both("memset", long+100, 0, 2500)
				both("memset", long+100, 'y', 2500)
				both("strlen", long)
				both("memmove", long+3, long, 4000)
				both("memcpy", long+1, fox, 19)
				both("strchr", fox, 'q')
				both("strrchr", fox, 'o')
				both("strcmp", fox, fox+4)
				both("strstr", fox, text("brown"))
				both("strcasecmp", fox, text("THE QUICK BROWN FOXES"))
				both("qsort", text("zyxwvutsrqponmlkjihgfedcba"), 26, 1, a.fn("strcmp"))
				buf := both("calloc", 100, 10)
				both("snprintf", buf, 1000, text("%d %s %08lx %c %5d"), 42, fox, 0xdeadbeef, 'c')
				both("strtod", text("3.14159e7"), 0)
				both("strtol", text("-0x123"), 0, 0)
				both("free", both("realloc", buf, 20000))
				both("setenv", text("NAME"), fox, 1)
				both("getenv", text("NAME"))
				for _, p := range []*process{a, b} {
					p.checkKnown()
				}
				x, err := a.Digest(0)
				must(t, err)
				if y, err := b.Digest(0); err != nil || x != y {
					t.Errorf("%s with hooks, %s generated: %v", x, y, err)
				}
			})
		}
	}
}

// A process is the same whether its boot was logged or not.
func TestGears(t *testing.T) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			hooked, logged := bootBothWays(t, "bookworm", arch, true)
			_, fast := bootBothWays(t, "bookworm", arch, false)
			var digests []string
			for _, p := range []*process{hooked, logged, fast} {
				if p.Steps() != hooked.Steps() {
					t.Errorf("%d steps, %d with hooks", p.Steps(), hooked.Steps())
				}
				d, err := p.Digest(p.eng.LogLen())
				must(t, err)
				digests = append(digests, d)
			}
			if digests[0] != digests[1] || digests[1] != digests[2] {
				t.Errorf("digests %s", digests)
			}
		})
	}
}

// Generated code and hooks end runs of random lengths at the same instructions, with the
// same registers.
func TestGeneratedStopsTheSame(t *testing.T) {
	budgets := 5000
	if testing.Short() {
		budgets = 300
	}
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			r := randomness(t)
			a, b := bootBothWays(t, "bookworm", arch, false)
			work := []func(p *process){
				func(p *process) { p.begin(0, "malloc", 100) },
				func(p *process) { p.begin(0, "setenv", p.str("NAME"), p.str("VALUE"), 1) },
				func(p *process) { p.begin(0, "qsort", p.str("zyxwvutsrq"), 10, 1, p.fn("strcmp")) },
				func(p *process) { p.begin(0, "snprintf", p.str("a long text"), 10, p.str("%d %x"), 1234, 5678) },
			}
			for i := range budgets {
				if a.Idle(0) {
					f := work[r.IntN(len(work))]
					f(a)
					f(b)
				}
				n := 1 + r.Uint64N(1<<r.IntN(10))
				x, y := a.run(0, n), b.run(0, n)
				if x.Kind != y.Kind || x.Ran != y.Ran || a.Steps() != b.Steps() {
					t.Fatalf("budget %d of %d: %+v with hooks, %+v generated", i, n, x, y)
				}
				p, err := a.State(0)
				must(t, err)
				q, err := b.State(0)
				must(t, err)
				if string(p) != string(q) {
					t.Fatalf("budget %d of %d: registers differ", i, n)
				}
			}
		})
	}
}

// noteAll has every access to what a process holds noted, by telling of its bytes that none
// of them is shared.
func noteAll(p *process) error {
	none := map[uint64]uint8{}
	for _, g := range p.Mappings() {
		for a := g.Start; a < g.End; a += loader.PageSize {
			for i := uint64(0); i < loader.PageSize && p.Page(a) != nil; i += 8 {
				none[a+i] = 0
			}
		}
	}
	return p.AddShared(none)
}

// Random schedules of three threads, with events, marks and rewinds, are the same with
// hooks and with generated code: each stop, the bytes that are shared, and the digests.
// From half of them on, generated code has all accesses noted, and with hooks those are
// noted that must be: both must come to the same.
func TestGeneratedSchedulesTheSame(t *testing.T) {
	schedules := 40
	if testing.Short() {
		schedules = 6
	}
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			r := randomness(t)
			hooked, generated := bootBothWays(t, "bookworm", arch, false)
			both := []*process{hooked, generated}
			for _, p := range both {
				p.spawn("one")
				p.spawn("two")
				p.call(0, "setenv", p.str("NAME"), p.str("VALUE"), 1)
			}
			calls := func(p *process, thread int, k int) {
				switch k {
				case 0:
					p.begin(thread, "malloc", 1000)
				case 1:
					p.begin(thread, "getenv", p.fns["text"])
				case 2:
					p.begin(thread, "setenv", p.fns["text"], p.fns["text"], 1)
				case 3:
					p.begin(thread, "strlen", p.fns["text"])
				case 4:
					p.begin(thread, "memset", p.fns["text"]+64, uint64(thread), 100)
				}
			}
			marks := make([]*Mark, 2)
			for i, p := range both {
				p.fns["text"] = p.bytes(append([]byte("TEXT\x00"), make([]byte, 200)...))
				m, err := p.Mark()
				must(t, err)
				defer m.Drop()
				marks[i] = m
				p.WantEvents(true)
			}
			shared := 0
			for n := range 2 * schedules {
				seed := r.Uint64()
				if n == schedules {
					must(t, noteAll(generated))
				}
				if n%4 == 3 {
					hooked.ForgetShared()
					generated.ForgetShared()
				}
				var got [2][]Stop
				var digests [2]string
				for i, p := range both {
					must(t, marks[i].Rewind())
					d := rand.New(rand.NewPCG(seed, 0))
					for range 200 {
						thread, budget := d.IntN(3), 1+d.Uint64N(1<<d.IntN(9))
						if k := d.IntN(5); p.Idle(thread) {
							calls(p, thread, k)
						}
						s, err := p.Run(thread, budget)
						must(t, err)
						got[i] = append(got[i], s)
					}
					digest, err := p.Digest(marks[i].LogLen())
					must(t, err)
					digests[i] = digest
				}
				for k := range got[0] {
					x, y := got[0][k], got[1][k]
					if x.Kind != y.Kind || x.Ran != y.Ran || x.Event != y.Event {
						t.Fatalf("schedule %d, slice %d: %+v with hooks, %+v generated", n, k, x, y)
					}
				}
				if digests[0] != digests[1] || !maps.Equal(hooked.eng.SharedBytes(), generated.eng.SharedBytes()) {
					t.Fatalf("schedule %d: other digests or other bytes are shared", n)
				}
				shared = max(shared, len(hooked.eng.SharedBytes()))
			}
			if shared < 8 {
				t.Errorf("they share %d words at most", shared)
			}
		})
	}
}
