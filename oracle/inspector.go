package oracle

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/heap"
	"emurace/scenario"
	"emurace/symbolize"
)

// Kinds lists what can be asked for.
func Kinds() []scenario.Kind {
	return []scenario.Kind{UseAfterFree, DoubleFree, InvalidFree, OutOfBounds, DataRace}
}

// ParseKind reads the name of a kind.
func ParseKind(name string) (scenario.Kind, error) {
	if k := scenario.Kind(name); slices.Contains(Kinds(), k) {
		return k, nil
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return "", fmt.Errorf("detect %q: not one of %s", name, strings.Join(names, ", "))
}

// inspector repeats finished runs on a session of its own and looks for what was
// wrong with them. It is not safe for concurrent use.
type inspector struct {
	s       *scenario.Session
	detect  []scenario.Kind
	explain bool
	heap    *heap.Heap // when the race begins
	own     heap.Code
	early   []emu.Mapping // see mayHoldBlocks

	calls  []emu.CallEvent
	fences []fence
	origin map[origin]*Call // of calls, when they are to be explained

	orders  map[uint64]ordering
	strings map[uint64]bool
	trials  map[[sha256.Size]byte]bool // what trials have shown; see ending
}

// origin names a call by its first instruction.
type origin struct {
	thread int
	step   uint64
}

// Problem is something wrong with a run. Equal problems of different runs, and
// on different sessions of the same scenario, have the same kind and site.
type Problem struct {
	Kind  scenario.Kind
	Site  string // threads and instructions, as in main@0x7ffff7c4f2a4
	Count uint64 // how often it happened in the run
	// Places are the instructions of Site by name, which hold for other builds too; in order,
	// and those of a race the same whichever came first. The second is empty where there is one.
	Places [2]Place
}

// Place is where an instruction is, by name: its function, "" for none, the file name of its
// library or program, and that of its source, "" where debug files do not know it.
type Place struct{ Function, Module, File string }

// Starter makes a new session of a scenario, with [scenario.StartWith].
type Starter func(prepare func(*emu.Process) error) (*scenario.Session, error)

// newInspector makes an inspector that looks for problems of the given kinds, and notes
// what it takes to explain them, too, if that is wanted.
func newInspector(start Starter, explain bool, detect []scenario.Kind) (*inspector, error) {
	p := &inspector{
		detect: detect, explain: explain,
		origin: map[origin]*Call{}, orders: map[uint64]ordering{}, strings: map[uint64]bool{},
		trials: map[[sha256.Size]byte]bool{},
	}
	s, err := start(func(m *emu.Process) error {
		m.System().LoadDebug() // for the names of functions
		p.own, p.early = heap.Own(m), mayHoldBlocks(m)
		if explain {
			if err := symbolize.NameCalls(m); err != nil {
				return err
			}
		}
		return heap.Trace(m, func(c emu.CallEvent) { p.note(m, c) })
	})
	if err != nil {
		return nil, err
	}
	p.s = s
	s.WantEvents(true) // to be told who wakes whom
	if p.wants(DataRace) {
		if err := p.traceFences(); err != nil {
			p.close()
			return nil, err
		}
	}
	p.heap = heap.New(s.Process().System().Libc)
	for i := range p.calls {
		if p.calls[i].Depth == 0 {
			p.heap.Apply(&p.calls[i])
		}
	}
	return p, nil
}

// close frees the session.
func (p *inspector) close() { p.s.Close() }

// note takes down a call of the allocator's.
func (p *inspector) note(m *emu.Process, c emu.CallEvent) {
	p.calls = append(p.calls, c)
	if at := (origin{c.Thread, c.Step}); p.explain && !c.Returned && c.Depth == 0 && p.origin[at] == nil {
		p.origin[at] = callOf(m, &c)
	}
}

// run repeats a run up to where the schedule leads.
func (p *inspector) run(schedule scenario.Schedule) (*run, error) {
	s := p.s
	if err := s.Restart(); err != nil {
		return nil, err
	}
	p.calls, p.fences = nil, nil
	r := &run{arch: s.Process().Arch(), order: p.order, text: p.readsStrings, libc: p.inLibc, own: p.own.Has, early: p.isEarly}
	r.meet(s.Process())
	for i, sl := range schedule {
		if sl.Thread < 0 || sl.Thread >= s.Schedulable() {
			return nil, fmt.Errorf("inspect: slice %d: no thread %d", i+1, sl.Thread)
		}
		step := s.Process().Steps()
		events, err := s.RunEvents(sl)
		if err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
		r.meet(s.Process())
		if m := s.MachineThread(sl.Thread); m >= 0 && !s.Process().Alive(m) && r.ends[m] == 0 {
			r.ends[m] = s.Process().Steps()
		}
		if s.IsClock(sl.Thread) {
			if n := uint64(len(events)); sl.N != 0 && n != sl.N {
				return nil, fmt.Errorf("inspect: slice %d: the clock is moved on %d times, not %d", i+1, n, sl.N)
			}
			continue // it wakes, but nothing that it has seen is handed on
		}
		for _, e := range events {
			step += e.Ran
			if s.Process().Waiting(s.MachineThread(e.Thread)) && step == s.Process().Steps() {
				continue // time went by until a wait ended; nobody has woken anybody
			}
			for _, t := range e.Woke {
				r.wakes = append(r.wakes, wake{step: step, from: s.MachineThread(e.Thread), to: s.MachineThread(t)})
			}
		}
	}
	r.log, r.calls, r.fences = s.Process().Log().From(s.StartLog()).List(), p.calls, p.fences
	return r, nil
}

// found is everything that is wrong with a run.
type found struct {
	misuses []*misuse
	races   []*race
	calls   []emu.CallEvent // of the allocating functions in the run
}

func (p *inspector) look(schedule scenario.Schedule) (found, error) {
	var f found
	r, err := p.run(schedule)
	if err != nil {
		return f, err
	}
	f.calls = r.calls
	if slices.ContainsFunc(Kinds(), func(k scenario.Kind) bool { return k != DataRace && p.wants(k) }) {
		misuses, err := findMisuses(r, p.heap.Clone(), func(doubts []doubt) ([]*misuse, error) { return p.try(schedule, doubts) })
		if err != nil {
			return f, err
		}
		for _, m := range misuses {
			if p.wants(m.kind) {
				f.misuses = append(f.misuses, m)
			}
		}
	}
	if p.wants(DataRace) {
		f.races = findRaces(r, p.heap)
	}
	return f, nil
}

// wants tells whether problems of a kind are looked for. To free what was freed, or
// what never was a block, is to use it after that: who asks for the one kind is told
// of the others.
func (p *inspector) wants(k scenario.Kind) bool {
	return slices.Contains(p.detect, k) || (k == DoubleFree || k == InvalidFree) && slices.Contains(p.detect, UseAfterFree)
}

// inspect repeats a run and returns what is wrong with it, in the order in which
// it happened, first the uses of memory and then the races. How the run ended is
// no matter.
func (p *inspector) inspect(schedule scenario.Schedule) ([]Problem, error) {
	f, err := p.look(schedule)
	if err != nil {
		return nil, err
	}
	var list []Problem
	for _, m := range f.misuses {
		list = append(list, Problem{m.kind, p.siteOf(m.access), m.count, p.placesOf(m.access)})
	}
	for _, r := range f.races {
		list = append(list, Problem{DataRace, p.sitesOf(r), r.count, p.placesOf(r.a, r.b)})
	}
	return list, nil
}

// siteOf names an instruction of a thread.
func (p *inspector) siteOf(a access) string {
	return fmt.Sprintf("%s@%#x", p.s.Process().Threads()[a.thread].Name, a.pc)
}

// sitesOf names both instructions of a race, the same whichever came first.
func (p *inspector) sitesOf(r *race) string {
	sites := []string{p.siteOf(r.a), p.siteOf(r.b)}
	slices.Sort(sites)
	return strings.Join(sites, " ")
}

// placesOf names instructions.
func (p *inspector) placesOf(list ...access) (places [2]Place) {
	for i, a := range list {
		l := symbolize.Locate(p.s.Process(), a.pc, false)
		places[i] = Place{l.Function, l.Module, path.Base(l.File)}
		if l.File == "" {
			places[i].File = ""
		}
	}
	if a, b := places[0], places[1]; len(list) == 2 && (b.Function < a.Function || b.Function == a.Function && b.Module < a.Module) {
		places[0], places[1] = b, a
	}
	return places
}

// order classifies the instruction at pc.
func (p *inspector) order(pc uint64) ordering {
	o, ok := p.orders[pc]
	if !ok {
		o = orderingOf(p.s.Process().Arch(), symbolize.Disassemble(p.s.Process(), pc))
		mod, found := p.s.Process().Module(pc)
		o.linker = found && mod.Image.Soname == path.Base(p.s.Process().Arch().Interp())
		p.orders[pc] = o
	}
	return o
}

// readers are beginnings of the names of functions that look for the end of a
// string, or for a byte, more than one at a time.
var readers = []string{"str", "stp", "wcs", "wcp", "memchr", "memrchr", "memcmp", "memccpy", "rawmemchr", "wmemchr", "wmemcmp", "index", "rindex", "bcmp"}

// aliases are what names of a libc begin with that stand for others inside of it.
var aliases = []string{"GI_", "libc_", "new_", "old_", "rtld_"}

func (p *inspector) readsStrings(pc uint64) bool {
	is, ok := p.strings[pc]
	if !ok {
		name, _, named := p.s.Process().Symbol(pc)
		name = strings.TrimLeft(name, "_")
		for _, alias := range aliases {
			name = strings.TrimLeft(strings.TrimPrefix(name, alias), "_")
		}
		// Without debug files a libc's own variants of them have no names.
		is = !named && p.inLibc(pc) || slices.ContainsFunc(readers, func(r string) bool { return strings.HasPrefix(name, r) })
		p.strings[pc] = is
	}
	return is
}

// inLibc tells whether the code at pc is the libc's or its dynamic linker's.
func (p *inspector) inLibc(pc uint64) bool {
	mod, found := p.s.Process().Module(pc)
	libc, _ := p.s.Process().Libc()
	linker, _ := p.s.Process().Linker()
	return found && (mod == libc || mod == linker)
}
