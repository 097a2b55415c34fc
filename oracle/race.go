package oracle

import (
	"maps"
	"slices"

	"emurace/emu"
	"emurace/heap"
	"emurace/loader"
)

// race is two accesses that nothing orders, in the order in which they happened
// in this run.
type race struct {
	a, b         access
	aFree, bFree *emu.CallEvent // set when the access is a call that frees the memory
	count        uint64         // races of these two instructions in the run
}

// word is eight bytes of memory, by address divided by eight.
type word uint64

// use is who touches a word.
type use struct {
	thread int
	shared bool // by several threads
	write  bool
}

// survey learns what a run is about before races are looked for: which words
// several threads use, which are atomic variables, which name the owner of a
// lock.
type survey struct {
	*walker
	heap   *heap.Heap
	words  map[word]use
	atomic map[word]uint8 // a bit a byte, lowest first
	owners map[half]owner
	freed  []heap.Piece
	by     []int       // the threads that freed them
	near   []neighbour // of each thread
	pairs  []pair
}

func newSurvey(r *run, h *heap.Heap) *survey {
	s := &survey{
		walker: newWalker(r), heap: h,
		words: map[word]use{}, atomic: map[word]uint8{}, owners: map[half]owner{},
		near: make([]neighbour, r.threads),
	}
	s.walk(s)
	s.settle()
	all := slices.Sorted(maps.Keys(s.words))
	for i, p := range s.freed {
		for _, w := range wordsIn(all, p.Lo, p.Hi) {
			s.use(w, s.by[i], true)
		}
	}
	return s
}

func (s *survey) woke(wake) {}

func (s *survey) called(c *emu.CallEvent) {
	if ch := s.heap.Apply(c); ch.Freed != nil {
		s.freed, s.by = append(s.freed, *ch.Freed), append(s.by, c.Thread)
	}
}

func (s *survey) use(w word, thread int, write bool) {
	u, ok := s.words[w]
	if !ok {
		u.thread = thread
	}
	u.shared = u.shared || u.thread != thread
	u.write = u.write || write
	s.words[w] = u
}

func (s *survey) access(_ int, e *emu.LogEntry) {
	write := e.Kind != emu.LogRead
	o := s.order(e.PC)
	s.beside(e, o.atomic || o.kernel)
	for w, mask := range wordsOf(e.Addr, e.Size) {
		if !o.linker {
			s.use(w, int(e.Thread), write)
		}
		if o.atomic || o.kernel && !write || s.leaves(e) {
			s.atomic[w] |= mask
		}
	}
	if write {
		s.owned(e)
	}
}

// isAtomic tells whether all bytes of an access are of atomic variables. One
// that is not aligned is never atomic.
func (s *survey) isAtomic(e *emu.LogEntry) bool {
	if e.Addr%uint64(e.Size) != 0 {
		return false
	}
	for w, mask := range wordsOf(e.Addr, e.Size) {
		if s.atomic[w]&mask != mask {
			return false
		}
	}
	return true
}

// wordsOf are the words that an access touches, with the bytes of each.
func wordsOf(addr uint64, size uint8) func(yield func(word, uint8) bool) {
	return func(yield func(word, uint8) bool) {
		bytes := (uint32(1)<<size - 1) << (addr & 7)
		if !yield(word(addr/8), uint8(bytes)) || bytes>>8 == 0 {
			return
		}
		yield(word(addr/8)+1, uint8(bytes>>8))
	}
}

// past is an access that a later one may race with.
type past struct {
	access
	mask   uint8  // bytes of the word
	clock  uint32 // the thread's moment; see races.knows
	atomic bool
	free   *emu.CallEvent
}

// races finds the pairs of accesses of a run that race.
type races struct {
	*walker
	survey *survey
	heap   *heap.Heap
	shared []word           // that several threads use and one writes, ascending
	clocks []clock          // of each thread
	syncs  map[uint64]clock // of atomic variables, by address in units of four bytes
	// What each thread has loaded from atomic variables without acquiring it, and what
	// its atomic stores hand on because of barriers before them; see fenced.
	loaded, released []clock
	history          map[word][]past

	found []*race
	known map[raceKey]*race
}

type raceKey struct {
	pc     [2]uint64
	thread [2]int
}

// findRaces goes through a run that began with the given heap.
func findRaces(r *run, h *heap.Heap) []*race {
	s := newSurvey(r, h.Clone())
	d := &races{
		walker: newWalker(r), survey: s, heap: h.Clone(),
		syncs: map[uint64]clock{}, history: map[word][]past{}, known: map[raceKey]*race{},
	}
	for w, u := range s.words {
		if u.shared && u.write && s.ownerBytes(w) != 0xff {
			d.shared = append(d.shared, w)
		}
	}
	slices.Sort(d.shared)
	for t := range r.threads {
		d.clocks = append(d.clocks, d.newClock())
		d.loaded, d.released = append(d.loaded, d.newClock()), append(d.released, d.newClock())
		d.tick(t)
	}
	d.walk(d)
	return d.found
}

// newClock is a clock that knows of nothing. It has the moments of the threads'
// reads, and then those of their writes, for there are barriers that order the one
// and not the other.
func (d *races) newClock() clock { return make(clock, 2*d.threads) }

// tick begins a new moment of a thread's: those before have been told of.
func (d *races) tick(t int) {
	d.clocks[t][t]++
	d.clocks[t][d.threads+t]++
}

// knows tells whether an access comes before all that the owner of the clock does
// from here on.
func (d *races) knows(c clock, p *past) bool {
	if p.write {
		return p.clock <= c[d.threads+p.thread]
	}
	return p.clock <= c[p.thread]
}

// woke orders the waker before the woken.
func (d *races) woke(w wake) {
	d.clocks[w.to].join(d.clocks[w.from])
	d.tick(w.from)
}

// called lets freeing count as a write and forgets what was in a new block.
func (d *races) called(c *emu.CallEvent) {
	ch := d.heap.Apply(c)
	if ch.Freed != nil {
		for _, w := range wordsIn(d.shared, ch.Freed.Lo, ch.Freed.Hi) {
			d.touch(w, past{
				access: access{thread: c.Thread, step: c.Step, pc: c.Caller, addr: max(uint64(w)*8, ch.Freed.Lo), size: 1, write: true},
				mask:   maskIn(w, ch.Freed.Lo, ch.Freed.Hi), free: c,
			})
		}
	}
	if ch.Made != nil {
		for _, w := range wordsIn(d.shared, ch.Made.Lo, ch.Made.Hi) {
			mask := maskIn(w, ch.Made.Lo, ch.Made.Hi)
			list := d.history[w][:0]
			for _, p := range d.history[w] {
				if p.mask &^= mask; p.mask != 0 {
					list = append(list, p)
				}
			}
			d.history[w] = list
		}
	}
}

// wordsIn are those words of an ascending list that have bytes in [lo, hi).
func wordsIn(list []word, lo, hi uint64) []word {
	i, _ := slices.BinarySearch(list, word(lo/8))
	j := i
	for j < len(list) && uint64(list[j])*8 < hi {
		j++
	}
	return list[i:j]
}

// maskIn are the bytes of a word that lie in [lo, hi).
func maskIn(w word, lo, hi uint64) (mask uint8) {
	for i := range uint64(8) {
		if at := uint64(w)*8 + i; at >= lo && at < hi {
			mask |= 1 << i
		}
	}
	return mask
}

func (d *races) access(_ int, e *emu.LogEntry) {
	o := d.order(e.PC)
	write := e.Kind != emu.LogRead
	atomic := o.atomic || o.kernel && !write
	if d.leaves(e) {
		atomic, o.release = true, true
	}
	if !atomic && !o.plainRMW && d.survey.isAtomic(e) {
		atomic = true
		if d.arch == loader.AMD64 {
			o.acquire, o.release = true, true
		}
	}
	if atomic && !write {
		to := d.loaded[e.Thread]
		if o.acquire {
			to = d.clocks[e.Thread]
		}
		d.acquire(e, to)
	}
	for w, mask := range wordsOf(e.Addr, e.Size) {
		if _, ok := slices.BinarySearch(d.shared, w); ok && !o.linker {
			if mask &^= d.survey.ownerBytes(w); mask != 0 {
				d.touch(w, past{access: accessOf(e), mask: mask, atomic: atomic})
			}
		}
	}
	if atomic && write && !(o.compares && e.Old == e.Value) {
		d.store(e, o)
	}
}

// parts are the addresses of an access in units of four bytes.
func parts(e *emu.LogEntry) (first, last uint64) {
	return e.Addr / 4, (e.Addr + uint64(e.Size) - 1) / 4
}

// acquire adds what a load is told.
func (d *races) acquire(e *emu.LogEntry, to clock) {
	first, last := parts(e)
	for p := first; p <= last; p++ {
		to.join(d.syncs[p])
	}
}

// store is an atomic one. With release it hands on all that the thread knows, and
// else what it knew at the last barrier. A store that also reads keeps what was
// handed on before, any other one replaces it (the release sequences of C11).
func (d *races) store(e *emu.LogEntry, o ordering) {
	first, last := parts(e)
	for p := first; p <= last; p++ {
		if !o.rmw {
			delete(d.syncs, p)
		}
		if d.syncs[p] == nil {
			d.syncs[p] = d.newClock()
		}
		if o.release {
			d.syncs[p].join(d.clocks[e.Thread])
		} else {
			d.syncs[p].join(d.released[e.Thread])
		}
	}
	if o.release {
		d.tick(int(e.Thread))
	}
}

// touch compares an access with the earlier ones of other threads and takes its
// place among them.
func (d *races) touch(w word, now past) {
	c := d.clocks[now.thread]
	now.clock = c[now.thread]
	list := d.history[w]
	kept := list[:0]
	for _, p := range list {
		both := p.mask & now.mask
		if both != 0 && p.thread != now.thread && (p.write || now.write) && !(p.atomic && now.atomic) && !d.knows(c, &p) {
			d.add(&p, &now)
		}
		// What comes after the earlier access and is not harder to race with
		// stands in for it: a write for anything, a plain access for an atomic one.
		ordered := p.thread == now.thread || d.knows(c, &p)
		if ordered && (now.write || !p.write) && (!now.atomic || p.atomic) && (p.thread == now.thread || now.write) {
			p.mask &^= now.mask
		}
		if p.mask != 0 {
			kept = append(kept, p)
		}
	}
	d.history[w] = append(kept, now)
}

func (d *races) add(a, b *past) {
	key := raceKey{pc: [2]uint64{a.pc, b.pc}, thread: [2]int{a.thread, b.thread}}
	if b.pc < a.pc || b.pc == a.pc && b.thread < a.thread {
		key = raceKey{pc: [2]uint64{b.pc, a.pc}, thread: [2]int{b.thread, a.thread}}
	}
	if known := d.known[key]; known != nil {
		known.count++
		return
	}
	r := &race{a: a.access, b: b.access, aFree: a.free, bFree: b.free, count: 1}
	d.known[key] = r
	d.found = append(d.found, r)
}
