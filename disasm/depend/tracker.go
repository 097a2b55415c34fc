package depend

import (
	"bytes"
	"fmt"
	"slices"

	"emurace/disasm"
	"emurace/loader"
)

// Access is one access of an instruction, in the order of the log.
type Access struct {
	Addr  uint64
	Size  int
	Write bool
	Kept  bool // a write of an atomic instruction that has put back what it had read
	Event int  // the number of the thread's event it is of; below 0, private memory
}

// Item is a barrier, branch or private access before an event. Reads are, of a Branch and of an
// Acquire, the events whose reads it depends on; of a FenceStore, those whose reads were stored to private memory.
type Item struct {
	Kind  Kind
	Reads []int
	May   []int // of a Branch and an Acquire, those on which it may depend beside
}

// Order is what a memory model needs of one event.
type Order struct {
	Event int
	Flags
	Link       int   // of a store exclusive: 1 + the event of its load exclusive, 0 if that was private or is unknown
	Addr, Data []int // events whose reads the address or the stored value depends on, in order
	// Pick are those on which the stored value depends only by the condition of a csel or
	// ccmp. They order those reads before this event's writes and nothing else.
	Pick []int
	// MayAddr and MayData are those on which the address and the value may depend beside: by the sources of
	// a csel, of which one was taken.
	MayAddr, MayData []int
	Before           []Item
	// Unsure: an order may exist, of this event or one before, that is not told: an instruction is not known.
	Unsure bool
}

// value is where bits come from: events by number, in order, those that
// only picked among them, and those of the picks that may have been taken. The slices are never changed.
type value struct{ hard, pick, may []int }

func (v value) empty() bool { return len(v.hard)+len(v.pick)+len(v.may) == 0 }

func union(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 || slices.Equal(a, b) {
		return a
	}
	if has(a, b) {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// has tells whether all of b, which is in order, are in a, which is too.
func has(a, b []int) bool {
	for _, n := range b {
		if _, ok := slices.BinarySearch(a, n); !ok {
			return false
		}
	}
	return true
}

func (v value) with(w value) value {
	return value{union(v.hard, w.hard), union(v.pick, w.pick), union(v.may, w.may)}
}

// Tracker follows one thread. It is not safe for concurrent use.
type Tracker struct {
	arch    loader.Arch
	fetch   func(pc uint64) []byte
	code    map[uint64]*decoded
	regs    map[string]value
	mem     map[uint64]value // by private byte
	before  []Item
	stored  []int // events whose reads were stored to private memory
	link    int
	unsure  bool
	journal []func()
}

type decoded struct {
	code []byte
	in   disasm.Inst
	Flags
	address []string // registers that form addresses
}

// New returns a tracker of a thread whose registers and memory depend on
// nothing yet. fetch gives the bytes at pc, at least one instruction's.
func New(arch loader.Arch, fetch func(pc uint64) []byte) *Tracker {
	return &Tracker{arch: arch, fetch: fetch, code: map[uint64]*decoded{}, regs: map[string]value{}, mem: map[uint64]value{}}
}

// Mark returns a point that Rewind can go back to.
func (t *Tracker) Mark() int { return len(t.journal) }

// Rewind undoes everything since the mark. Later marks are void.
func (t *Tracker) Rewind(mark int) {
	for len(t.journal) > mark {
		t.journal[len(t.journal)-1]()
		t.journal = t.journal[:len(t.journal)-1]
	}
}

// put sets a map's value (an empty one deletes it) with an entry in the journal.
func put[K comparable](t *Tracker, m map[K]value, k K, v value) {
	old := m[k]
	if old.empty() && v.empty() {
		return
	}
	set := func(v value) {
		if v.empty() {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	set(v)
	t.journal = append(t.journal, func() { set(old) })
}

// Begin tells that registers were set from outside, as a debugger does, and depend on nothing.
func (t *Tracker) Begin() {
	for r := range t.regs {
		put(t, t.regs, r, value{})
	}
}

func (t *Tracker) state(before []Item, link int, unsure bool) {
	b, l, u := t.before, t.link, t.unsure
	t.journal = append(t.journal, func() { t.before, t.link, t.unsure = b, l, u })
	t.before, t.link, t.unsure = before, link, unsure
}

// keeps notes that what comes from these reads was stored to private memory.
func (t *Tracker) keeps(reads []int) {
	if has(t.stored, reads) {
		return
	}
	was := t.stored
	t.journal = append(t.journal, func() { t.stored = was })
	t.stored = union(t.stored, reads)
}

// item adds what orders to what lies before the next event, where that does not order the same already. So the
// list stays short, however long a thread is with its private memory.
func (t *Tracker) item(k Kind, reads, may []int) {
	find := func(k Kind) int { return slices.IndexFunc(t.before, func(i Item) bool { return i.Kind == k }) }
	if find(FenceFull) >= 0 {
		return
	}
	if k == Acquire && find(Release) >= 0 {
		k, reads, may = FenceFull, nil, nil // all before the release, and all behind this
	}
	at := -1
	switch k {
	case FenceFull:
		t.state([]Item{{Kind: k}}, t.link, t.unsure)
		return
	case FenceISB:
		if n := len(t.before); n > 0 && t.before[n-1].Kind == FenceISB {
			return
		}
	case Branch: // one for what comes behind each isb
		isb := 0
		for i, item := range t.before {
			if item.Kind == FenceISB {
				isb = i
			}
		}
		if i := slices.IndexFunc(t.before[isb:], func(i Item) bool { return i.Kind == Branch }); i >= 0 {
			at = isb + i
		}
	case FenceStore, FenceStoreAll: // releases in front of it count
		for i, item := range t.before {
			if item.Kind == k {
				at = i
			} else if item.Kind == Release || item.Kind == MayRelease {
				at = -1
			}
		}
	default:
		at = find(k)
	}
	if at < 0 {
		t.state(append(slices.Clip(t.before), Item{k, reads, may}), t.link, t.unsure)
		return
	}
	if was := t.before[at]; !has(was.Reads, reads) || !has(was.May, may) {
		list := slices.Clone(t.before)
		list[at] = Item{k, union(was.Reads, reads), union(was.May, may)}
		t.state(list, t.link, t.unsure)
	}
}

func (t *Tracker) decode(pc uint64) (*decoded, error) {
	code := t.fetch(pc)
	if d := t.code[pc]; d != nil && bytes.HasPrefix(code, d.code) {
		return d, nil
	}
	in, err := disasm.Decode(t.arch, code, pc, nil)
	if err != nil {
		return nil, fmt.Errorf("instruction at %#x: %w", pc, err)
	}
	d := &decoded{code: bytes.Clone(code[:in.Len]), in: in, Flags: flagsOf(t.arch, in, code)}
	for _, m := range in.Mem {
		for _, r := range []string{m.Base, m.Index} {
			if r != "" && !(m.PostIndex && r == m.Index) {
				d.address = append(d.address, r)
			}
		}
	}
	t.code[pc] = d
	return d, nil
}

func (t *Tracker) all(regs []string) (v value) {
	for _, r := range regs {
		v = v.with(t.regs[r])
	}
	return v
}

// Step tells the tracker that the thread ran the instruction at pc with these
// accesses, all of it: an instruction that ran by halves is told once, when it
// is done. Step returns what is known of each event among the accesses, in
// order. Halves of an ldp or stp may be two events.
func (t *Tracker) Step(pc uint64, accesses []Access) ([]Order, error) {
	d, err := t.decode(pc)
	if err != nil {
		return nil, err
	}
	arm := t.arch == loader.ARM64
	if d.Flags.Unsure {
		t.state(t.before, t.link, true)
	}
	var address value
	if arm {
		address = t.all(d.address)
	}
	shared := slices.ContainsFunc(accesses, func(a Access) bool { return a.Event >= 0 })
	if shared && len(address.pick)+len(address.may) > 0 {
		t.item(Branch, address.pick, address.may)
	}
	var orders []Order
	kept := false
	for _, a := range accesses {
		if a.Event < 0 {
			continue
		}
		i := slices.IndexFunc(orders, func(o Order) bool { return o.Event == a.Event })
		if i < 0 {
			o := Order{Event: a.Event, Flags: d.Flags, Addr: address.hard, MayAddr: address.may, Unsure: t.unsure}
			if len(orders) == 0 {
				o.Before = t.before
			}
			if d.StoreExclusive {
				o.Link = t.link
			}
			i, orders = len(orders), append(orders, o)
		}
		if a.Write && a.Kept && d.Atomic {
			kept = true
			continue
		}
		if a.Write && arm {
			v, o := t.written(d, a, accesses), &orders[i]
			o.Data, o.Pick, o.MayData = union(o.Data, v.hard), union(o.Pick, v.pick), union(o.MayData, v.may)
		}
	}
	if shared {
		t.state(nil, t.link, t.unsure)
	}
	switch {
	case !shared && len(accesses) > 0:
		t.privateOrder(d, accesses, address)
	case kept: // its write is not in the event, and orders nevertheless
		t.release(d, !d.Swap)
	}
	if d.LoadExclusive || d.StoreExclusive {
		link := 0
		if d.LoadExclusive && shared {
			link = orders[0].Event + 1
		}
		t.state(t.before, link, t.unsure)
	}
	if d.Fence != None {
		reads := []int(nil)
		if d.Fence == FenceStore || d.Fence == FenceStoreAll {
			reads = t.stored
		}
		t.item(d.Fence, reads, nil)
	}
	if arm {
		t.registers(d, accesses, address)
	}
	return orders, nil
}

// privateOrder keeps what an access to private memory orders, which goes on through it.
func (t *Tracker) privateOrder(d *decoded, accesses []Access, address value) {
	if t.arch != loader.ARM64 {
		if d.Full {
			t.item(FenceFull, nil, nil)
		}
		return
	}
	t.depends(address)
	var wrote, kept, read bool
	for _, a := range accesses {
		kept = kept || a.Write && a.Kept && d.Atomic && !d.Swap
		wrote = wrote || a.Write && !kept
		read = read || !a.Write
	}
	if kind := d.acquires(); read && kind != None {
		v := t.loaded(accesses, 0, 1<<30).with(address)
		t.item(kind, v.hard, union(v.may, v.pick))
	}
	if wrote || kept {
		t.release(d, kept)
	}
}

// depends adds what an address of private memory, or a branch, comes from.
func (t *Tracker) depends(v value) {
	if reads := union(v.hard, v.pick); len(reads)+len(v.may) > 0 {
		t.item(Branch, reads, v.may)
	}
}

// acquires is the kind of item that an instruction is which reads private memory.
func (d *decoded) acquires() Kind {
	switch {
	case d.Acquire:
		return Acquire
	case d.AcquirePC:
		return AcquirePC
	}
	return None
}

// release keeps what a write orders that is in no event. That of an atomic instruction that acquires
// as well stands between what is before and what is behind, wherever its memory is. May tells that there may be none: a cas
// that leaves the value as it was may have written that, or have failed.
func (t *Tracker) release(d *decoded, may bool) {
	if !d.Release {
		return
	}
	kind := Release
	switch full := d.Atomic && d.Acquire; {
	case full && may:
		kind = MayFull
	case full:
		kind = FenceFull
	case may:
		kind = MayRelease
	}
	t.item(kind, nil, nil)
}
