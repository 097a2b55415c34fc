package linux

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// footprint is what a call used.
type footprint struct {
	objects []Object
	memory  []fakeUse
	ends    bool // the process
}

// conflict is the class of an object that two calls of different threads may not change
// places for, as the explorer looks at it: 0 for memory or an end. False when they may.
func (f *footprint) conflict(o *footprint) (ObjectClass, bool) {
	for _, a := range f.objects {
		for _, b := range o.objects {
			if a.Class == b.Class && a.ID == b.ID && (a.Write || b.Write) {
				return a.Class, true
			}
		}
	}
	return 0, f.ends || o.ends || slices.ContainsFunc(f.memory, func(a fakeUse) bool {
		return slices.ContainsFunc(o.memory, func(b fakeUse) bool {
			return a.addr < b.addr+b.size && b.addr < a.addr+a.size && (a.write || b.write)
		})
	})
}

// meets tells whether two calls conflict.
func (f *footprint) meets(o *footprint) bool {
	_, dependent := f.conflict(o)
	return dependent
}

// of is what a call used of one class.
func (f *footprint) of(class ObjectClass) *footprint {
	var only footprint
	for _, o := range f.objects {
		if o.Class == class {
			only.objects = append(only.objects, o)
		}
	}
	return &only
}

// outcome is what came of two calls in an order.
type outcome struct {
	*fixture
	results [2]Result
	used    [2]footprint
}

// inOrder makes calls on a kernel that has made others before.
func inOrder(t *testing.T, arch loader.Arch, before []drawnCall, pair [2]drawnCall, order [2]int) *outcome {
	t.Helper()
	o := &outcome{fixture: newLimited(t, arch, Limits{Threads: 6, Output: 12, Files: 27})}
	o.prepare()
	for _, c := range before {
		if !o.State().Exited {
			o.made(c)
		}
	}
	for _, i := range order {
		if o.State().Exited {
			break
		}
		o.results[i], o.used[i] = o.made(pair[i])
	}
	return o
}

// made makes a call, if its thread can, and checks that whatever it changes of the state
// it says it writes.
func (o *outcome) made(c drawnCall) (Result, footprint) {
	o.t.Helper()
	if c.name == clockMoves {
		return o.moveClock()
	}
	if o.State().Status(c.thread) != Runnable || !o.has(c.name) {
		return Result{}, footprint{}
	}
	from, was := len(o.mem.uses), o.State().clone()
	var before Result
	if o.Interrupted(c.thread) { // as the machine does before anything else
		var err error
		if before, err = o.Deliver(c.thread); err != nil {
			o.t.Fatal(err)
		}
	}
	r := before
	if !o.State().Exited {
		r = o.at(c.thread, c.name, c.args...)
		r.Objects = append(before.Objects, r.Objects...)
	}
	r.Objects = append(r.Objects, o.Interrupts(c.thread))
	r.Objects = merged(r.Objects)
	for _, w := range changes(was, o.State(), c.thread) {
		if !slices.Contains(r.Objects, w) {
			o.t.Fatalf("%v changes %+v and notes %+v", c, w, r.Objects)
		}
	}
	ends := r.Effect == Exits || r.Effect == Dies
	if o.State().Exited != ends {
		o.t.Fatalf("%v: effect %d, and the process has ended: %v", c, r.Effect, o.State().Exited)
	}
	return r, footprint{r.Objects, slices.Clone(o.mem.uses[from:]), ends}
}

// merged has each object once.
func merged(list []Object) []Object {
	var r Result
	for _, o := range list {
		r.uses(o.Class, o.ID, o.Write)
	}
	return r.Objects
}

// moveClock moves the clock on, as nobody's call.
func (o *outcome) moveClock() (Result, footprint) {
	o.t.Helper()
	from, was := len(o.mem.uses), o.State().clone()
	r, ok, err := o.Advance()
	if err != nil {
		o.t.Fatal(err)
	}
	if !ok { // it cannot be yet, or any more, which who lets it uses the clock for
		return r, footprint{objects: []Object{{ObjectClock, 0, true}}}
	}
	for _, w := range changes(was, o.State(), ClockThread) {
		if !slices.Contains(r.Objects, w) {
			o.t.Fatalf("moving the clock on changes %+v and notes %+v", w, r.Objects)
		}
	}
	return r, footprint{r.Objects, slices.Clone(o.mem.uses[from:]), false}
}

// changes lists what differs between two states, as the objects that a call must have
// written: of its own thread some things are nobody else's.
func changes(was, is *State, thread int) (list []Object) {
	add := func(differs bool, class ObjectClass, id uint64) {
		if differs {
			list = append(list, Object{class, id, true})
		}
	}
	add(was.Brk != is.Brk, ObjectBreak, 0)
	add(!slices.Equal(was.VMAs, is.VMAs), ObjectMappings, 0)
	add(was.Advanced != is.Advanced, ObjectClock, 0)
	add(was.Random != is.Random, ObjectRandom, 0)
	add(was.out != is.out, ObjectOutput, 0)
	add(was.alarm != is.alarm, ObjectAlarm, 0)
	add(was.Pending != is.Pending || !slices.Equal(was.infos, is.infos), ObjectBlocked, wholeProcess)
	add(was.NextTID != is.NextTID, ObjectTasks, nextNumber)
	for sig := range MaxSignal + 1 {
		add(was.Handlers[sig] != is.Handlers[sig], ObjectSignals, uint64(sig))
	}
	for n := range max(len(was.FDs), len(is.FDs)) {
		a, b := was.descriptor(n), is.descriptor(n)
		add((a.Kind == fdClosed) != (b.Kind == fdClosed), ObjectFiles, allNumbers)
		if object := descriptor(n); a.Shared == b.Shared && a.Shared != 0 {
			add(a.Offset != b.Offset || a.List != b.List, ObjectFiles, openFile+uint64(a.Shared))
		} else {
			add(a.Offset != b.Offset || a.List != b.List, ObjectFiles, object)
		}
		a.Offset, b.Offset, a.List, b.List = 0, 0, nil, nil
		add(a != b, ObjectFiles, descriptor(n))
	}
	for n := range is.Tasks {
		a, b := Task{}, is.Tasks[n]
		if n < len(was.Tasks) {
			a = was.Tasks[n]
		}
		add(a.TID != b.TID || a.alive() != b.alive(), ObjectTasks, uint64(b.TID))
		a.Status, b.Status = 0, 0
		a.Again, b.Again = again{}, again{} // nobody sees but the thread
		if a.TID == b.TID {                 // a new one has its maker's
			add(a.SigMask != b.SigMask || a.Pending != b.Pending || !slices.Equal(a.Infos, b.Infos), ObjectBlocked, uint64(b.TID))
			add(a.Name != b.Name, ObjectThreadName, uint64(b.TID))
			a.Name = b.Name
			a.SigMask, a.Pending, a.Infos = b.SigMask, b.Pending, b.Infos
		}
		if n == thread {
			a.ClearTID, a.Robust, a.AltStack, a.Made, a.Saved = b.ClearTID, b.Robust, b.AltStack, b.Made, b.Saved
		}
		add(!reflect.DeepEqual(a, b), ObjectTasks, nextNumber) // it can only be new
	}
	fileChanges(&was.files, &is.files, add)
	objectChanges(was, is, add)
	for _, w := range append(slices.Clone(was.Waiters), is.Waiters...) {
		if !w.OfWord() {
			continue // nobody looks at it but who moves the clock on, or changes an object
		}
		add(!reflect.DeepEqual(was.queue(w.Addr), is.queue(w.Addr)), ObjectFutex, w.Addr)
	}
	return list
}

// fileChanges is changes of files. A node that is new, or gone with who had it open, nobody
// else knows of.
func fileChanges(was, is *overlay, add func(differs bool, class ObjectClass, id uint64)) {
	add(was.cwd != is.cwd, ObjectPlace, placeFolder)
	add(!reflect.DeepEqual(was.umask, is.umask), ObjectPlace, placeUmask)
	for _, names := range []pmap[string, string]{was.names, is.names} {
		for key := range names.from("") {
			before, there := was.names.get(key)
			after, still := is.names.get(key)
			dir, name, _ := strings.Cut(key, "\x00")
			add(there != still || before != after, ObjectName, objectOf(key))
			add(there != still || before != after, ObjectFolder, listObject(dir, objectOf(name)))
		}
	}
	for id, after := range is.nodes.from("") {
		before, there := was.nodes.get(id)
		if !there && id[0] != '/' {
			continue
		}
		if !there {
			k := Kernel{Files: files}
			before, _ = k.below(id)
		}
		add(!reflect.DeepEqual(before.content, after.content), ObjectContent, objectOf(id))
		a, b := *before, *after
		a.content, b.content = content{}, content{}
		add(!reflect.DeepEqual(a, b), ObjectAttributes, objectOf(id))
	}
}

// objectChanges is changes of pipes and the like, whose numbers are given with descriptors.
func objectChanges(was, is *State, add func(differs bool, class ObjectClass, id uint64)) {
	add(was.made != is.made, ObjectFiles, allNumbers)
	for _, s := range []*State{was, is} {
		for id := range s.objects.from(0) {
			a, _ := was.objects.get(id)
			b, _ := is.objects.get(id)
			add(!reflect.DeepEqual(a, b), ObjectQueue, id)
		}
		for name := range s.bound.from("") {
			a, had := was.bound.get(name)
			b, has := is.bound.get(name)
			add(a != b || had != has, ObjectAddress, objectOf(name))
		}
	}
}

func (s *State) descriptor(n int) FD {
	if n < len(s.FDs) {
		return s.FDs[n]
	}
	return FD{}
}

func (s *State) queue(addr uint64) (list []Waiter) {
	for _, w := range s.Waiters {
		if w.Addr == addr && w.OfWord() {
			list = append(list, w)
		}
	}
	return list
}

// canonical is a state without what no call can see: by which numbers open files with
// several descriptors are told apart, closed descriptors behind the last open one, and how
// waiters of different words, and sleepers, stand to each other.
func (s *State) canonical() *State {
	c := s.clone()
	files := map[int]int{}
	for i, f := range c.FDs {
		if f.Shared != 0 && files[f.Shared] == 0 {
			files[f.Shared] = len(files) + 1
		}
		c.FDs[i].Shared = files[f.Shared]
	}
	c.Shared = 0
	for n := len(c.FDs); n > 0 && c.FDs[n-1] == (FD{}); n = len(c.FDs) {
		c.FDs = c.FDs[:n-1]
	}
	slices.SortStableFunc(c.Waiters, func(a, b Waiter) int {
		if !a.OfWord() && !b.OfWord() {
			return cmp.Compare(a.Thread, b.Thread)
		}
		return cmp.Compare(a.Addr, b.Addr)
	})
	return c
}

// differs says in what two outcomes differ, "" for nothing.
func (o *outcome) differs(p *outcome) string {
	for i := range o.results {
		a, b := o.results[i], p.results[i]
		if a.Effect != b.Effect || a.Value != b.Value || a.Code != b.Code || a.Signal != b.Signal || a.Missing != b.Missing {
			return fmt.Sprintf("call %d comes to %+v and %+v", i, a, b)
		}
	}
	if a, b := o.State().canonical(), p.State().canonical(); !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("states\n%+v\n%+v", a, b)
	}
	if !reflect.DeepEqual(o.threads, p.threads) {
		return fmt.Sprintf("threads\n%+v\n%+v", o.threads, p.threads)
	}
	for i, z := range o.mem.zones {
		for n, bits := range z.pages {
			if other := p.mem.zones[i].pages[n]; bits != other {
				return fmt.Sprintf("page %d of zone %d allows %x and %x", n, i, bits, other)
			}
			lo, hi := n*loader.PageSize, (n+1)*loader.PageSize
			if bits != 0 && !bytes.Equal(z.bytes[lo:hi], p.mem.zones[i].bytes[lo:hi]) { // else it holds nothing
				return fmt.Sprintf("page %#x holds other bytes", z.base+uint64(lo))
			}
		}
	}
	return ""
}

// tally is how often calls were drawn, and what came of it.
type tally struct {
	drawn, succeeded map[string]int
	conflicts        map[ObjectClass]int // pairs that such an object keeps in order
	independent      int
}

func (c *tally) add(pair [2]drawnCall, o *outcome) {
	for i, call := range pair {
		c.drawn[call.name]++
		if r := o.results[i]; r.Effect != Returns || r.Name != "" && int64(r.Value) >= 0 {
			c.succeeded[call.name]++
		}
	}
	if _, dependent := o.used[0].conflict(&o.used[1]); dependent {
		for class := range ObjectResults {
			if o.used[0].of(class).meets(o.used[1].of(class)) {
				c.conflicts[class]++
			}
		}
		if a, b := (&footprint{memory: o.used[0].memory}), (&footprint{memory: o.used[1].memory}); a.meets(b) {
			c.conflicts[0]++
		}
	} else {
		c.independent++
	}
}

// complete says which calls and objects the drawn pairs have not tried.
func (c *tally) complete(t *testing.T, rows []string, pairs int) {
	t.Helper()
	for _, name := range rows {
		if least := pairs / len(rows) / 6; c.drawn[name] < least {
			t.Errorf("%s: drawn %d times, not %d", name, c.drawn[name], least)
		}
		if (c.succeeded[name] == 0) != fruitless[name] {
			t.Errorf("%s: of %d times %d succeeded", name, c.drawn[name], c.succeeded[name])
		}
	}
	for class := range ObjectResults { // those of the kernel, and memory
		if c.conflicts[class] == 0 {
			t.Errorf("no pair is kept in order by objects of class %d", class)
		}
	}
	if c.independent < pairs/3 || c.independent > pairs-pairs/8 {
		t.Errorf("%d of %d pairs are independent", c.independent, pairs)
	}
}

// Two calls of two threads that use nothing in common, as far as they say, come to
// the same in both orders: results, state, memory. The search relies on that, whichever
// order it comes to first. And each says of all it changes that it does. All calls of the
// table are drawn, from states that others have made.
func TestIndependentCallsCommute(t *testing.T) {
	pairs := 8000
	if testing.Short() {
		pairs = 300
	}
	each(t, func(t *testing.T, f *fixture) {
		seed := testseed.Of(t, 0)
		rows := f.rows()
		for _, name := range rows {
			if draws[name] == nil {
				t.Fatalf("%s: no arguments are drawn for it", name)
			}
		}
		c := &tally{map[string]int{}, map[string]int{}, map[ObjectClass]int{}, 0}
		for i := range uint64(pairs) {
			r := drawer{rand.New(rand.NewPCG(seed+i, 0)), f.Arch}
			before, pair := r.pair(rows[i%uint64(len(rows))], rows)
			one, two := inOrder(t, f.Arch, before, pair, [2]int{0, 1}), inOrder(t, f.Arch, before, pair, [2]int{1, 0})
			c.add(pair, one)
			_, dependent := one.used[0].conflict(&one.used[1])
			_, other := two.used[0].conflict(&two.used[1])
			if why := one.differs(two); why != "" && (!dependent || !other) {
				t.Fatalf("seed %d: after %v\n%v, in one order and the other: %s\nused %+v\nand  %+v", seed+i, before, pair, why, one.used, two.used)
			}
		}
		if !testing.Short() { // else some are left to chance
			c.complete(t, rows, pairs)
		}
	})
}
