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
	Event int // the number of the thread's event it is of; below 0, private memory
}

// Item is a barrier or branch before an event. Reads are, of a Branch, the
// events whose reads it depends on.
type Item struct {
	Kind  Kind
	Reads []int
}

// Order is what a memory model needs of one event.
type Order struct {
	Event int
	Flags
	Link       int   // of a store exclusive: 1 + the event of its load exclusive, 0 if that was private or is unknown
	Addr, Data []int // events whose reads the address or the stored value depends on, in order
	// Pick are those on which they depend only by the condition of a csel or
	// ccmp. They order those reads before this event's writes and nothing else.
	Pick   []int
	Before []Item
	// Unsure: an order may exist, of this event or one before, that is not told.
	Unsure bool
}

// value is where bits come from: events by number, in order, and those that
// only picked among them. The slices are never changed.
type value struct{ hard, pick []int }

func (v value) empty() bool { return len(v.hard)+len(v.pick) == 0 }

func union(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 || slices.Equal(a, b) {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func (v value) with(w value) value { return value{union(v.hard, w.hard), union(v.pick, w.pick)} }

// Tracker follows one thread. It is not safe for concurrent use.
type Tracker struct {
	arch    loader.Arch
	fetch   func(pc uint64) []byte
	code    map[uint64]*decoded
	regs    map[string]value
	mem     map[uint64]value // by private byte
	before  []Item
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

func (t *Tracker) item(k Kind, reads []int) {
	if n := len(t.before); n > 0 && t.before[n-1].Kind == k && slices.Equal(t.before[n-1].Reads, reads) {
		return
	}
	t.state(append(slices.Clip(t.before), Item{k, reads}), t.link, t.unsure)
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
	if d.Flags.Unsure && arm {
		t.state(t.before, t.link, true)
	}
	var address value
	if arm {
		address = t.all(d.address)
	}
	var orders []Order
	shared, private := false, false
	for _, a := range accesses {
		if a.Event < 0 {
			private = true
			continue
		}
		shared = true
		i := slices.IndexFunc(orders, func(o Order) bool { return o.Event == a.Event })
		if i < 0 {
			o := Order{Event: a.Event, Flags: d.Flags, Addr: address.hard, Pick: address.pick, Unsure: t.unsure || d.Flags.Unsure}
			if len(orders) == 0 {
				o.Before = t.before
			}
			if d.StoreExclusive {
				o.Link = t.link
			}
			i, orders = len(orders), append(orders, o)
		}
		if a.Write && arm {
			v := t.stored(d, a, accesses)
			orders[i].Data, orders[i].Pick = union(orders[i].Data, v.hard), union(orders[i].Pick, v.pick)
		}
	}
	if shared {
		t.state(nil, t.link, t.unsure)
	}
	if len(address.pick) > 0 { // it may order later writes
		t.state(t.before, t.link, true)
	}
	if private && !shared {
		t.privateOrder(d, address)
	}
	if d.LoadExclusive || d.StoreExclusive {
		link := 0
		if d.LoadExclusive && shared {
			link = orders[0].Event + 1
		}
		t.state(t.before, link, t.unsure)
	}
	if d.Fence != None {
		t.item(d.Fence, nil)
	}
	if arm {
		t.registers(d, accesses, address)
	}
	return orders, nil
}

// privateOrder keeps what an access to private memory orders.
func (t *Tracker) privateOrder(d *decoded, address value) {
	if d.Full {
		t.item(FenceFull, nil)
	}
	if t.arch == loader.ARM64 && d.Atomic && d.Acquire && d.Release {
		t.item(FenceFull, nil) // what is before it and what is behind it are ordered, wherever its memory is
		return
	}
	if len(address.hard) > 0 {
		t.item(Branch, address.hard)
	}
	// An acquire or release between two dependent events may order them.
	if t.arch == loader.ARM64 && (d.Acquire || d.AcquirePC || d.Release) {
		t.state(t.before, t.link, true)
	}
}
