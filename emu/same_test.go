package emu

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// slice is a part of a schedule.
type slice struct {
	thread int
	n      uint64
}

func randomSchedule(r *rand.Rand, slices int) []slice {
	var s []slice
	for range slices {
		s = append(s, slice{r.IntN(3), 1 + r.Uint64N(300)})
	}
	return s
}

// play boots a process, lets three threads fill their arenas and the
// environment by the schedule, and returns the digest at its end and one in the
// middle. It is safe to run beside others.
func play(sys *System, schedule []slice) (digests []string, err error) {
	return playOn(sys, schedule, false)
}

// playOn is play, stepped by the engine's own counting or by Unicorn's.
func playOn(sys *System, schedule []slice, naively bool) (digests []string, err error) {
	m, err := New(Options{System: sys, Env: []string{"ONE=1", "TWO=2"}, Seed: 7})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	fns := map[string]uint64{}
	for _, name := range []string{"setenv", "malloc", "getrandom", "clock_gettime"} {
		if fns[name], err = m.Lookup(name); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"one", "two"} {
		if _, err := m.Spawn(name); err != nil {
			return nil, err
		}
	}
	buf, err := m.Alloc(4096)
	if err != nil {
		return nil, err
	}
	for i, s := range []string{"NAME\x00", "VALUE\x00"} {
		if err := m.Write(0, buf+uint64(64*i), []byte(s)); err != nil {
			return nil, err
		}
	}
	calls := []struct {
		name string
		args []uint64
	}{
		{"setenv", []uint64{buf, buf + 64, 1}},
		{"malloc", []uint64{1000}},
		{"getrandom", []uint64{buf + 1024, 100, 0}},
		{"clock_gettime", []uint64{1, buf + 2048}},
	}
	if _, err := m.Mark(); err != nil { // begins the log
		return nil, err
	}
	if naively {
		m.eng.StepRaw()
	}
	made := 0
	for i, s := range schedule {
		if m.Idle(s.thread) {
			c := calls[made%len(calls)]
			made++
			if err := m.Begin(s.thread, fns[c.name], c.name, c.args...); err != nil {
				return nil, err
			}
		}
		if _, err := m.Run(s.thread, s.n); err != nil {
			return nil, err
		}
		if i == len(schedule)/2 || i == len(schedule)-1 {
			d, err := m.Digest(0)
			if err != nil {
				return nil, err
			}
			digests = append(digests, d)
		}
	}
	return digests, nil
}

// TestSameEverywhere: the same schedule gives the same machine, bit for bit: on
// a fresh System, in another folder and environment of the host, on many
// goroutines at once, and at a later time.
func TestSameEverywhere(t *testing.T) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			r := randomness(t)
			schedule := randomSchedule(r, 400)
			sys := system(t, "bookworm", arch)
			want, err := play(sys, schedule)
			if err != nil {
				t.Fatal(err)
			}
			same := func(where string, sys *System) {
				got, err := play(sys, schedule)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %v, %v; want %v", where, got, err, want)
				}
			}
			same("again", sys)

			dir := testroot.Dir(t, "debian:bookworm", arch.String())
			t.Setenv("LD_LIBRARY_PATH", "/nowhere")
			t.Setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
			t.Setenv("TZ", "Pacific/Auckland")
			t.Setenv("HOME", "/")
			t.Chdir(t.TempDir())
			fresh, err := OpenSystem(dir, arch)
			if err != nil {
				t.Fatal(err)
			}
			same("another folder and environment", fresh)
			if err := fresh.Close(); err != nil {
				t.Error(err)
			}

			// The sysroot's own path does not matter either.
			link := t.TempDir() + "/a folder of another name"
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
			linked, err := OpenSystem(link, arch)
			if err != nil {
				t.Fatal(err)
			}
			same("by another path", linked)
			if err := linked.Close(); err != nil {
				t.Error(err)
			}

			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() { same(fmt.Sprintf("goroutine %d", i), sys) })
			}
			wg.Wait()

			other := append([]slice{{2, 17}}, schedule...)
			if got, err := play(sys, other); err != nil || got[1] == want[1] {
				t.Errorf("another schedule gave the same digest (%v)", err)
			}
		})
	}
}

// TestSameAfterRewind: a machine that ran something else and went back runs as
// one that never did.
func TestSameAfterRewind(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		w := newWorkload(t, p, randomness(t))
		base := w.moment()
		run := func(seed uint64, steps int) string {
			w.random = rand.New(rand.NewPCG(seed, 1))
			w.live, w.calls = base.live.copy(), map[int]string{}
			for range steps {
				if !w.step() {
					break
				}
			}
			d := w.digest()
			w.rewind(base.mark)
			return d
		}
		seeds := []uint64{1, 2, 3, 4, 5}
		want := map[uint64]string{}
		for _, s := range seeds {
			want[s] = run(s, 60)
		}
		for round := range 4 {
			for i := range seeds {
				s := seeds[(i*3+round)%len(seeds)] // in another order every time
				if got := run(s, 60); got != want[s] {
					t.Fatalf("round %d: the run of seed %d ended as %s, before as %s", round, s, got, want[s])
				}
			}
		}
	})
}

// TestSeed: random bytes follow the seed, and nothing else does.
func TestSeed(t *testing.T) {
	for _, arch := range tested() {
		digests := map[string]bool{}
		for _, seed := range []uint64{1, 2, 1} {
			m, err := New(Options{System: system(t, "bookworm", arch), Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			d, err := m.Digest(0)
			if err != nil {
				t.Fatal(err)
			}
			digests[d] = true
			m.Close()
		}
		if len(digests) != 2 {
			t.Errorf("%v: %d digests for two seeds", arch, len(digests))
		}
	}
}

// TestDigestSees: the digest changes with every single thing that it covers.
func TestDigestSees(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		anywhere := p.call(0, "malloc", 100)
		p.fn("write")
		text, mmapped := p.str("text"), p.call(0, "mmap", 0, 4*loader.PageSize, 3, 0x22, ^uint64(0), 0)
		start := p.mark()
		seen := map[string]string{p.digest(): "nothing"}
		for what, change := range map[string]func(){
			"a byte of the heap":       func() { p.write(anywhere+50, 1) },
			"the last mapped byte":     func() { p.write(mmapped+4*loader.PageSize-1, 1) },
			"a byte of the stack":      func() { p.write(stackTop-1, 1) },
			"a register of main":       func() { p.begin(0, "write", 1) },
			"a register of the worker": func() { p.begin(worker, "write", 1) },
			"an instruction":           func() { p.begin(0, "write", 1); p.run(0, 1) },
			"output":                   func() { p.call(0, "write", 1, text, 4) },
			"output to stderr":         func() { p.call(0, "write", 2, text, 4) },
			"less mapped":              func() { p.call(0, "munmap", mmapped+loader.PageSize, loader.PageSize) },
			"a permission":             func() { p.call(0, "mprotect", mmapped, loader.PageSize, 1) },
			"the process's end":        func() { p.begin(0, "_exit", 0); p.run(0, 1000) },
		} {
			change()
			d := p.digest()
			if other, ok := seen[d]; ok {
				t.Errorf("%s and %s have the same digest", what, other)
			}
			seen[d] = what
			p.rewind(start)
		}
		// And from the log on: the part before does not count.
		p.write(anywhere, 1)
		p.write(anywhere, 0)
		all, err1 := p.Digest(start.LogLen())
		none, err2 := p.Digest(p.LogLen())
		p.rewind(start)
		fresh, err3 := p.Digest(start.LogLen())
		if err1 != nil || err2 != nil || err3 != nil || all == none || none != fresh {
			t.Errorf("the log in the digest: %s %s %s (%v %v %v)", all, none, fresh, err1, err2, err3)
		}
	})
}

func (p *process) write(addr uint64, b byte) {
	p.t.Helper()
	if err := p.Write(0, addr, []byte{b}); err != nil {
		p.t.Fatal(err)
	}
}

// TestNaive: stepping by Unicorn's own count of one and an end address, which the
// engine does not use, comes to the same state after the same instructions.
func TestNaive(t *testing.T) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			schedule := randomSchedule(randomness(t), 100)
			sys := system(t, "bookworm", arch)
			want, err := play(sys, schedule)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := playOn(sys, schedule, true); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		})
	}
}
