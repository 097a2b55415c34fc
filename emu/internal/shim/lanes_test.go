package shim

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/loader"
)

// bits is a set of small numbers.
type bits []uint64

func (b *bits) add(n int) {
	for len(*b) <= n/64 {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bits) has(n int) bool { return n/64 < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bits) join(o bits) {
	for len(*b) < len(o) {
		*b = append(*b, 0)
	}
	for i, v := range o {
		(*b)[i] |= v
	}
}

// doing is something that a thread did, with all that came before it.
type doing struct {
	number int
	write  bool
}

// causes is what happened before what, without any clock: everything that was done has the set
// of all that came before.
type causes struct {
	known   map[int]bits // of each thread, what comes before what it does next
	before  []bits       // of what was done, itself too
	bytes   map[uint64][]doing
	objects map[uint64][]doing
}

func newCauses() *causes {
	return &causes{known: map[int]bits{}, bytes: map[uint64][]doing{}, objects: map[uint64][]doing{}}
}

func (c *causes) clone() *causes {
	n := newCauses()
	for t, b := range c.known {
		n.known[t] = slices.Clone(b)
	}
	for a, l := range c.bytes {
		n.bytes[a] = slices.Clone(l)
	}
	for a, l := range c.objects {
		n.objects[a] = slices.Clone(l)
	}
	n.before = slices.Clone(c.before)
	return n
}

// follow makes what the thread does now come after what of a list conflicts with it.
func (c *causes) follow(thread int, list []doing, write bool) {
	known := c.known[thread]
	for _, o := range list {
		if write || o.write {
			known.join(c.before[o.number])
		}
	}
	c.known[thread] = known
}

// does notes what the thread does.
func (c *causes) does(thread int, write bool) doing {
	n, known := len(c.before), c.known[thread]
	known.add(n)
	c.known[thread] = known
	c.before = append(c.before, slices.Clone(known))
	return doing{n, write}
}

// access is one to bytes of which some make events; it tells which others race with an earlier
// access.
func (c *causes) access(thread int, addr, size uint64, write bool, shared func(uint64) bool) (races []uint64) {
	for b := addr; b < addr+size; b++ {
		if !shared(b) && slices.ContainsFunc(c.bytes[b], func(o doing) bool { return (write || o.write) && !c.known[thread].has(o.number) }) {
			races = append(races, b)
		}
	}
	for b := addr; b < addr+size; b++ {
		if shared(b) || slices.Contains(races, b) {
			c.follow(thread, c.bytes[b], write)
		}
	}
	d := c.does(thread, write)
	for b := addr; b < addr+size; b++ {
		c.bytes[b] = append(c.bytes[b], d)
	}
	return races
}

func (c *causes) object(thread int, id uint64, write bool) {
	c.follow(thread, c.objects[id], write)
	c.objects[id] = append(c.objects[id], c.does(thread, write))
}

func (c *causes) join(from, to int) {
	known := c.known[to]
	known.join(c.known[from])
	c.known[to] = known
}

// standing are branches to themselves.
var standing = map[loader.Arch][]byte{loader.ARM64: {0, 0, 0, 0x14}, loader.AMD64: {0xeb, 0xfe}}

// lanesRun are engines on which the same threads come, do the same, and go.
type lanesRun struct {
	r       *rapid.T
	engines []*Engine
	causes  *causes
	told    map[uint64]uint8
	alive   []int
	made    int
}

func (l *lanesRun) ok(err error) {
	l.r.Helper()
	if err != nil {
		l.r.Fatal(err)
	}
}

func (l *lanesRun) each(f func(e *Engine) error) {
	for _, e := range l.engines {
		l.ok(f(e))
	}
}

// step begins the thread's next instruction, which accesses nothing.
func (l *lanesRun) step(thread int) {
	l.each(func(e *Engine) error {
		_, err := e.Run(thread, 1)
		return err
	})
}

func (l *lanesRun) shared(b uint64) bool { return l.told[b&^7]>>(b&7)&1 != 0 }

// access makes one, and tells whether it is the first that races: then all engines and the
// causes say of the same bytes that it does.
func (l *lanesRun) access(thread int, addr, size uint64, write bool) bool {
	races := l.causes.access(thread, addr, size, write, l.shared)
	want := maps.Clone(l.told)
	for _, b := range races {
		want[b&^7] |= 1 << (b & 7)
	}
	l.each(func(e *Engine) error {
		if write {
			return e.Store(thread, addr, make([]byte, size))
		}
		return e.Touch(thread, addr, size)
	})
	for i, e := range l.engines {
		got := e.SharedBytes()
		maps.DeleteFunc(got, func(_ uint64, m uint8) bool { return m == 0 })
		if !maps.Equal(got, want) {
			l.r.Fatalf("engine %d: thread %d at %#x (%d bytes, write %v): shared are %v, want %v; the races are %#x", i, thread, addr, size, write, got, want, races)
		}
	}
	return len(races) > 0
}

// create has a thread make another one.
func (l *lanesRun) create(maker int) {
	to := l.made
	l.made++
	l.alive = append(l.alive, to)
	l.each(func(e *Engine) error {
		if err := e.AddThread(to, maker); err != nil {
			return err
		}
		return e.NoteJoin(maker, to)
	})
	l.causes.does(maker, false)
	l.causes.join(maker, to)
}

// TestLanes: threads come and go. Which access is the first that races is the same where the
// parts of vector clocks go from one to the other, where each thread has its own, where a
// thread changes its part again and again, and in the plain sets of what came before.
func TestLanes(t *testing.T) {
	reused, moved, raced, quiet := 0, 0, 0, 0
	rapid.Check(t, func(r *rapid.T) {
		arch := rapid.SampledFrom([]loader.Arch{loader.ARM64, loader.AMD64}).Draw(r, "arch")
		l := &lanesRun{r: r, causes: newCauses(), told: map[uint64]uint8{}, alive: []int{0}, made: 1}
		for i := range 3 {
			e := newEngine(t, arch, standing[arch], 1, true)
			defer e.Close()
			e.c.share.lonely = i == 1
			if i == 2 {
				e.c.share.longest = 3
			}
			l.engines = append(l.engines, e)
			l.ok(e.SetLogging(true))
			e.SetSharing(true)
		}
		// All bytes are known to make events but those of two of them, and so are all words
		// that the ends of threads clear.
		const cells = 6
		hidden := rapid.SliceOfNDistinct(rapid.Uint64Range(0, cells-1), 2, 2, rapid.ID).Draw(r, "hidden")
		for i := range uint64(cells) {
			if !slices.Contains(hidden, i) {
				l.told[dataAt+8*i] = 0xff
			}
		}
		words := dataAt + 8*uint64(cells)
		for i := range uint64(4) {
			l.told[words+8*i] = 0xff
		}
		l.each(func(e *Engine) error { return e.AddShared(l.told) })
		type moment struct {
			marks  []*Mark
			causes *causes
			alive  []int
			made   int
		}
		var moments []moment
		for range rapid.IntRange(1, 80).Draw(r, "steps") {
			thread := rapid.SampledFrom(l.alive).Draw(r, "thread")
			write := rapid.Bool().Draw(r, "write")
			what := rapid.IntRange(0, 13).Draw(r, "what")
			if what < 12 {
				l.step(thread)
			}
			found := false
			switch what {
			case 0, 1, 2:
				l.create(thread)
			case 3, 4, 5: // it ends: a word is cleared, and whoever waits there is woken
				if len(l.alive) == 1 {
					continue
				}
				found = l.access(thread, words+8*rapid.Uint64Range(0, 3).Draw(r, "word"), 4, true)
				id := 100 + uint64(thread)
				l.each(func(e *Engine) error { return e.NoteObject(thread, 1, id, true) })
				l.causes.object(thread, id, true)
				l.alive = slices.DeleteFunc(slices.Clone(l.alive), func(u int) bool { return u == thread })
				l.each(func(e *Engine) error { e.DropThread(thread); return nil })
				if rapid.Bool().Draw(r, "waited for") {
					to := rapid.SampledFrom(l.alive).Draw(r, "waiter")
					l.each(func(e *Engine) error { return e.NoteJoin(thread, to) })
					l.causes.join(thread, to)
				}
			case 6:
				id := rapid.Uint64Range(0, 1).Draw(r, "object")
				l.each(func(e *Engine) error { return e.NoteObject(thread, 1, id, write) })
				l.causes.object(thread, id, write)
			case 7: // it looks whether others have ended
				found = l.access(thread, words+8*rapid.Uint64Range(0, 3).Draw(r, "word"), 4, false)
			case 8, 9, 10, 11:
				found = l.access(thread, dataAt+rapid.Uint64Range(0, 8*cells-8).Draw(r, "at"), rapid.Uint64Range(1, 8).Draw(r, "size"), write)
			case 12:
				m := moment{causes: l.causes.clone(), alive: l.alive, made: l.made}
				l.each(func(e *Engine) error {
					k, err := e.Mark()
					m.marks = append(m.marks, k)
					return err
				})
				moments = append(moments, m)
			case 13:
				if len(moments) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(moments)-1).Draw(r, "mark")
				m := moments[i]
				for k, e := range l.engines {
					l.ok(m.marks[k].Rewind())
					if int(e.c.nlive) != len(m.alive) {
						r.Fatalf("engine %d: %d threads, want %d", k, e.c.nlive, len(m.alive))
					}
				}
				l.causes, l.alive, l.made = m.causes.clone(), m.alive, m.made
				moments = moments[:i+1]
			}
			if found {
				raced++
				return // the next ones are not told from what came before
			}
		}
		quiet++
		lanes := func(i int) int { return int(l.engines[i].c.share.lanes_len) }
		if lanes(0) < lanes(1) {
			reused++
		}
		if lanes(2) > lanes(0) {
			moved++
		}
	})
	if !t.Failed() && (reused == 0 || moved == 0 || raced == 0 || quiet == 0) {
		t.Errorf("of the runs without a race (%d; %d with one), %d use a part again, and %d change it", quiet, raced, reused, moved)
	}
	t.Logf("%d runs race, %d do not, of which %d use a part again, and %d change it", raced, quiet, reused, moved)
}
