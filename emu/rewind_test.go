package emu

import (
	"math/rand/v2"
	"testing"

	"emurace/loader"
)

// workload makes random calls on random threads, in random slices.
type workload struct {
	*process
	random  *rand.Rand
	threads []int
	strs    []uint64
	mutex   uint64
	live    living
	calls   map[int]string   // what each thread is doing
	seen    map[StopKind]int // how slices ended, so that the test knows its reach
}

// living is what the calls so far have left; a mark keeps a copy.
type living struct {
	blocks []uint64    // from malloc
	areas  [][2]uint64 // from mmap: address, size
	locked bool        // the mutex, by thread 0
}

func (l living) copy() living {
	l.blocks = append([]uint64(nil), l.blocks...)
	l.areas = append([][2]uint64(nil), l.areas...)
	return l
}

func newWorkload(t *testing.T, p *process, random *rand.Rand) *workload {
	w := &workload{process: p, random: random, threads: []int{0, p.spawn("one"), p.spawn("two")}, calls: map[int]string{}, seen: map[StopKind]int{}}
	for _, s := range []string{"ALPHA", "BETA", "GAMMA", "a value", "a much longer value, so that its block is of another size"} {
		w.strs = append(w.strs, p.str(s))
	}
	w.mutex = p.bytes(make([]byte, 64))
	for _, name := range []string{"malloc", "calloc", "realloc", "free", "setenv", "unsetenv", "getenv", "mmap", "munmap", "mprotect",
		"madvise", "mremap", "memset", "memcpy", "write", "sbrk", "pthread_mutex_lock", "pthread_mutex_unlock", "getrandom"} {
		p.fn(name)
	}
	return w
}

func (w *workload) pick(from []uint64) uint64 { return from[w.random.IntN(len(from))] }

// area is a random piece of a random mapping.
func (w *workload) area() (addr, size uint64) {
	a := w.live.areas[w.random.IntN(len(w.live.areas))]
	pages := a[1] / loader.PageSize
	from := w.random.Uint64N(pages)
	return a[0] + from*loader.PageSize, (1 + w.random.Uint64N(pages-from)) * loader.PageSize
}

// next gives an idle thread a call.
func (w *workload) next(n int) {
	name, args := w.choose(n)
	w.calls[n] = name
	w.begin(n, name, args...)
}

func (w *workload) choose(n int) (string, []uint64) {
	const anonymous = 0x22
	r, fd := w.random, ^uint64(0)
	switch k := r.IntN(20); {
	case k < 3 || len(w.live.blocks) == 0:
		return "malloc", []uint64{1 + r.Uint64N(5000)}
	case k == 3:
		return "calloc", []uint64{1 + r.Uint64N(50), 1 + r.Uint64N(50)}
	case k == 4:
		return "malloc", []uint64{200<<10 + r.Uint64N(100<<10)}
	case k < 8:
		i := r.IntN(len(w.live.blocks))
		b := w.live.blocks[i]
		w.live.blocks = append(w.live.blocks[:i:i], w.live.blocks[i+1:]...)
		if k == 7 {
			return "realloc", []uint64{b, 1 + r.Uint64N(8000)}
		}
		return "free", []uint64{b}
	case k == 8:
		return "setenv", []uint64{w.strs[r.IntN(3)], w.strs[3+r.IntN(2)], 1}
	case k == 9:
		return "unsetenv", []uint64{w.strs[r.IntN(3)]}
	case k == 10:
		return "getenv", []uint64{w.strs[r.IntN(3)]}
	case k == 11 || len(w.live.areas) == 0:
		return "mmap", []uint64{0, (1 + r.Uint64N(6)) * loader.PageSize, r.Uint64N(8), anonymous, fd, 0}
	case k == 12:
		addr, size := w.area()
		return "munmap", []uint64{addr, size}
	case k == 13:
		addr, size := w.area()
		return "mprotect", []uint64{addr, size, r.Uint64N(8)}
	case k == 14:
		addr, size := w.area()
		return "madvise", []uint64{addr, size, 4}
	case k == 15: // over an existing mapping
		addr, size := w.area()
		return "mmap", []uint64{addr, size, 3, anonymous | 0x10, fd, 0}
	case k == 16:
		addr, size := w.area()
		return "memset", []uint64{addr, 0xa5, size} // may fault, when it is not writable
	case k == 17:
		return "write", []uint64{1, w.pick(w.strs), 1 + r.Uint64N(5)}
	case k == 18:
		return "sbrk", []uint64{r.Uint64N(3) * loader.PageSize}
	}
	if n == 0 && w.live.locked {
		w.live.locked = false
		return "pthread_mutex_unlock", []uint64{w.mutex}
	}
	if n == 0 {
		w.live.locked = true
	}
	return "pthread_mutex_lock", []uint64{w.mutex} // the others may wait for ever
}

// returned notes what a finished call leaves.
func (w *workload) returned(n int) {
	v, err := w.Result(n)
	if err != nil {
		w.t.Fatal(err)
	}
	switch w.calls[n] {
	case "malloc", "calloc", "realloc":
		if v != 0 {
			w.live.blocks = append(w.live.blocks, v)
		}
	case "mmap":
		if lo, hi, ok := w.MappingOf(v); ok {
			w.live.areas = append(w.live.areas, [2]uint64{v, min(hi-lo, 6*loader.PageSize)})
		}
	}
}

// step runs one random slice; false when nothing can run any more.
func (w *workload) step() bool {
	var can []int
	for _, n := range w.threads {
		if w.End() == nil && (w.Idle(n) || w.Runnable(n)) {
			can = append(can, n)
		}
	}
	if len(can) == 0 {
		return false
	}
	n := can[w.random.IntN(len(can))]
	if w.Idle(n) {
		w.next(n)
	}
	// Many short slices, some that finish a call.
	length := 1 + w.random.Uint64N(60)
	if w.random.IntN(3) == 0 {
		length = 1 + w.random.Uint64N(20_000)
	}
	stop := w.run(n, length)
	w.seen[stop.Kind]++
	if stop.Kind == Returned {
		w.returned(n)
	}
	return true
}

// moment is a mark with what the machine was then.
type moment struct {
	mark  *Mark
	was   *snapshot
	live  living
	calls map[int]string
}

func (w *workload) moment() moment {
	m := moment{was: w.snapshot(), live: w.live.copy(), calls: map[int]string{}}
	for n, c := range w.calls {
		m.calls[n] = c
	}
	m.mark = w.mark()
	return m
}

// TestRewind: after any run, with marks set at any moment inside it, a rewind to
// any of them gives every register, every mapped byte, every permission and all
// of the kernel's state back.
func TestRewind(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 1
	}
	each(t, func(t *testing.T, p *process) {
		w := newWorkload(t, p, randomness(t))
		base := w.moment()
		rewinds := 0
		back := func(m moment, round int) {
			w.rewind(m.mark)
			w.live, w.calls = m.live.copy(), map[int]string{}
			for n, c := range m.calls {
				w.calls[n] = c
			}
			rewinds++
			for _, d := range m.was.differences(w.snapshot()) {
				t.Errorf("round %d, rewind %d: %s", round, rewinds, d)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		for round := range rounds {
			marks := []moment{base}
			for range 60 {
				for range w.random.IntN(12) {
					if !w.step() {
						break
					}
				}
				switch k := w.random.IntN(10); {
				case k < 3 && len(marks) < 8:
					marks = append(marks, w.moment())
				case k < 5 || w.End() != nil:
					i := w.random.IntN(len(marks))
					back(marks[i], round)
					for _, m := range marks[i+1:] {
						m.mark.Drop()
					}
					marks = marks[:i+1]
				}
			}
			w.checkPageTable()
			// From the newest to the oldest, some of them twice.
			for i := len(marks) - 1; i >= 0; i-- {
				back(marks[i], round)
				if w.random.IntN(2) == 0 {
					w.step()
					back(marks[i], round)
				}
				if i > 0 {
					marks[i].mark.Drop()
				}
			}
		}
		for _, kind := range []StopKind{Budget, Returned, Waits, Ended} {
			if w.seen[kind] == 0 {
				t.Errorf("no slice ended with kind %d: the calls are too tame", kind)
			}
		}
		t.Logf("%d rewinds, slices ended %v", rewinds, w.seen)
	})
}
