package replay

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"emurace/emu"
	"emurace/internal/words"
)

// fates finds out what became of all signals on an object.
type fates struct {
	h      *History
	object uint64
	what   string
	at     []uint64 // the words that hold signals
	one    uint64
	uses   map[int][]*use // of the object, by thread, in their order
	list   []fated
	made   map[*use]int // of the list
	takes  map[*use]uint64
}

// fated is a signal in the making. Its numbers are the machine's.
type fated struct {
	Signalled
	use      *use
	from, to uint64 // of what it did
	several  bool   // words
}

func (h *History) fatesOf(object uint64, what string) []Signalled {
	f := fates{h: h, object: object, what: what, uses: map[int][]*use{}, made: map[*use]int{}, takes: map[*use]uint64{}}
	f.at, f.one = h.signalWords(what)
	for _, u := range h.usage.uses {
		if u.object != object || u.what != what {
			continue
		}
		f.uses[u.thread] = append(f.uses[u.thread], u)
		if u.wakes {
			f.made[u] = len(f.list)
			f.add(u, u.first, f.end(u))
		}
	}
	for _, at := range f.at {
		f.follow(object + at)
	}
	f.sort()
	more := max(0, len(f.list)-mostSignalled)
	for i := range f.list[more:] {
		f.others(&f.list[more+i])
	}
	f.sort()
	list := make([]Signalled, len(f.list))
	for i := range f.list {
		f.fromBase(&f.list[i].Signalled)
		list[i] = f.list[i].Signalled
	}
	return list
}

func (f *fates) sort() {
	slices.SortStableFunc(f.list, func(a, b fated) int { return cmp.Compare(a.Step, b.Step) })
}

// fromBase has the numbers count from the race's start.
func (f *fates) fromBase(s *Signalled) {
	list := []*uint64{&s.Step}
	for _, t := range []*Taken{s.Taken, s.Dropped} {
		if t != nil {
			list = append(list, &t.Step)
		}
	}
	for k := range s.Woke {
		w := &s.Woke[k]
		list = append(list, &w.Since, &w.Took, &w.Back, &w.Again)
	}
	for _, n := range list {
		*n -= min(*n, f.h.s.Base())
	}
}

// end is the last instruction of a call, so far as it has come.
func (f *fates) end(u *use) uint64 {
	if u.last == 0 {
		return f.h.s.Base() + f.h.end
	}
	return u.last
}

func (f *fates) name(thread int) string { return f.h.s.Names()[thread] }

// add notes a call that signals, or what one that waits has put back.
func (f *fates) add(u *use, from, to uint64) {
	f.list = append(f.list, fated{use: u, from: from, to: to, Signalled: Signalled{
		Thread: f.name(u.thread), Call: u.text(), Step: to, Back: !u.wakes, All: slices.Contains(toAll, u.name),
	}})
}

func (u *use) text() string { return fmt.Sprintf("%s(%s)", u.name, words.Hex(u.object)) }

// useAt is the call for the object that a thread was in at an instruction; nil for none.
func (f *fates) useAt(thread int, step uint64) *use {
	list := f.uses[thread]
	i := sort.Search(len(list), func(i int) bool { return list[i].first > step })
	for _, u := range slices.Backward(list[max(0, i-2):i]) { // a signal handler may post in a call that waits
		if step <= f.end(u) {
			return u
		}
	}
	return nil
}

// follow goes through what was done to a word that holds signals.
func (f *fates) follow(word uint64) {
	pending, known, first := uint64(0), false, true
	only := -1 // the one signal that lies there
	for i := range f.h.log {
		a := &f.h.log[i]
		if a.Kind != emu.LogWrite || a.Addr != word || a.Size < 4 {
			continue
		}
		was, is := f.count(a.Old), f.count(a.Value)
		if first {
			first = false
			if known = f.one == 2 || f.what == semaphore || a.Old == 0; known {
				pending = was
			}
		}
		var u *use
		if thread := f.h.s.RacingThread(int(a.Thread)); thread >= 0 {
			u = f.useAt(thread, a.Step)
		}
		atomic := f.atomic(i)
		alone := only >= 0 && known && pending == 1
		switch {
		case atomic && is == was:
		case atomic && is > was && u != nil:
			n := is - was
			put := f.put(u, a.Step, word)
			if only = -1; known && pending == 0 && n == 1 && !f.list[put].several {
				only = put
			}
			pending += n
		case atomic && is < was && u != nil && !u.wakes:
			if alone {
				f.list[only].Taken = &Taken{f.name(u.thread), u.text(), a.Step}
			}
			f.takes[u] = a.Step
			only, pending = -1, pending-min(pending, was-is)
		case !atomic:
			if alone && u != nil && u.wakes {
				f.list[only].Dropped = &Taken{f.name(u.thread), u.text(), a.Step}
			}
			only, pending, known = -1, 0, true
		default: // nobody who should has changed it
			only, known = -1, false
		}
	}
}

// count is how many signals a word holds, up to a constant.
func (f *fates) count(value uint64) uint64 {
	switch {
	case f.what == semaphore && uint32(value) == 0xffffffff:
		return 0 // musl's, for that somebody waits; a bit of its own later
	case f.what == semaphore:
		return value & 0x7fffffff
	}
	return (value & 0xffffffff) / f.one
}

// atomic tells whether an entry of the log is of an instruction that changes what it has read. A
// semaphore's value is never changed in another way, though it may take two instructions.
func (f *fates) atomic(i int) bool {
	if f.what == semaphore {
		return true
	}
	w := &f.h.log[i]
	for i--; i >= 0 && f.h.log[i].Step == w.Step; i-- {
		if r := &f.h.log[i]; r.Kind == emu.LogRead && r.Addr == w.Addr {
			return true
		}
	}
	return false
}

// put notes that a call has put signals into a word, and tells which of the list it is.
func (f *fates) put(u *use, step, word uint64) int {
	i, ok := f.made[u]
	if !ok {
		i = len(f.list)
		f.add(u, step, f.end(u))
		for k := range f.list[:i] {
			if o := &f.list[k]; o.use == u && o.Back {
				o.to = min(o.to, step-1)
			}
		}
	}
	s := &f.list[i]
	if s.Word == 0 {
		s.Step, s.Word, s.Place = step, word, f.h.place(word)
	}
	if s.Word != word { // a broadcast to both groups of waiters
		s.several, s.Taken, s.Dropped = true, nil, nil
	}
	return i
}

// others finds out whom a call woke, and who waited and was not woken.
func (f *fates) others(s *fated) {
	sleeps := f.h.usage.sleeps
	apart := true
	for _, p := range sleeps {
		if p.thread == s.use.thread || p.from > s.to || p.to != 0 && p.to < s.from || !f.isOn(p) {
			continue
		}
		switch {
		case p.woken && p.by == s.use.thread && p.to <= s.to:
			s.Woke = append(s.Woke, f.fate(p))
			if s.Word == 0 {
				s.Step = p.to
			}
		case p.from < s.from && (p.to == 0 || p.to > s.to):
			s.Asleep = append(s.Asleep, f.name(p.thread))
			apart = apart && s.Word != 0 && !s.several && p.word != s.Word
		}
	}
	s.Apart = apart && len(s.Asleep) > 0
	for thread, list := range f.uses {
		for _, u := range list {
			if u.wakes || thread == s.use.thread || u.first > s.Step || f.end(u) < s.Step {
				continue
			}
			if took, ok := f.takes[u]; ok && took < s.Step {
				continue // it has its signal
			}
			if !slices.ContainsFunc(sleeps, func(p *sleep) bool {
				return p.use == u && f.isOn(p) && p.from < s.Step && (p.to == 0 || p.to >= s.from || p.woken && len(f.at) == 0)
			}) {
				s.Awake = append(s.Awake, f.name(thread))
			}
		}
	}
	slices.Sort(s.Awake)
}

// isOn tells whether a wait in the kernel is one for a signal on the object.
func (f *fates) isOn(p *sleep) bool {
	if p.use == nil {
		return p.from == 0 && slices.Contains(f.at, p.first-f.object)
	}
	return p.use.object == f.object && p.use.what == f.what && f.h.forSignal(p)
}

// fate is what became of a thread that was woken.
func (f *fates) fate(p *sleep) Woken {
	w := Woken{Thread: f.name(p.thread), Since: p.from}
	for _, o := range f.h.usage.sleeps {
		if o.thread == p.thread && o.from >= p.to && o != p && f.isOn(o) {
			w.Again, w.Still = o.from, o.to == 0
			break
		}
	}
	if p.use == nil {
		return w
	}
	w.Back = p.use.last
	log := f.h.log
	for i := sort.Search(len(log), func(i int) bool { return log[i].Step > p.to }); i < len(log); i++ {
		a := &log[i]
		if w.Back != 0 && a.Step > w.Back || w.Again != 0 && a.Step > w.Again {
			break
		}
		if a.Kind == emu.LogWrite && a.Size >= 4 && slices.Contains(f.at, a.Addr-f.object) &&
			f.h.s.RacingThread(int(a.Thread)) == p.thread && f.count(a.Value) < f.count(a.Old) && f.atomic(i) {
			w.Took = a.Step
			break
		}
	}
	return w
}
