package flow

import (
	"encoding/binary"
	"slices"

	"emurace/disasm"
)

const (
	// maxRounds bounds how often the blocks of a function are gone through.
	maxRounds = 60
	// maxChanges bounds how often the sources of a symbol change: several loops can hand them round.
	maxChanges = 8
	// maxWork bounds the words that are compared where paths meet.
	maxWork = 20 << 20
)

// solve finds the state before each block.
func (fl *Flow) solve(fn *function) {
	fn.symbols, fn.moments = nil, nil
	fn.index = map[symbol]int32{}
	fn.sources = map[int32][]source{}
	fn.changes = map[int32]int{}
	fn.symbol(constant, 0, place{})
	for r := range fl.abi.n {
		fn.symbol(initial, 0, place{register: r})
	}
	work := 0
	for round := 0; ; round++ {
		if round == maxRounds || work > maxWork {
			fn.problem = "its paths are too many"
			return
		}
		changed := false
		for i, b := range fn.blocks {
			var from []*state
			if i == 0 {
				from = append(from, fl.entry())
			}
			for _, p := range b.from {
				if p.out != nil {
					from = append(from, p.out)
				}
			}
			in, more := fl.meet(fn, b, from)
			work += len(from) * (fl.abi.n + len(in.slots))
			out := in.clone()
			for _, ins := range b.insts {
				fl.transfer(fn, ins, out)
			}
			if more || b.out == nil || !b.out.equal(out) || !b.in.equal(in) {
				changed = true
			}
			b.in, b.out = in, out
		}
		if !changed {
			for _, b := range fn.blocks {
				b.out = nil
			}
			return
		}
	}
}

// unknownJump is why nothing is said of a function with a jump that is neither by a table nor to
// another function.
const unknownJump = "where a jump of its goes is not known"

// jumps looks at the jumps to where the code does not say. It returns where tables lead that
// were not known before.
func (fl *Flow) jumps(fn *function) (work []uint64) {
	for _, b := range fn.blocks {
		last := b.insts[len(b.insts)-1]
		if !last.jumps {
			continue
		}
		targets, ok := fl.table(fn, last)
		switch {
		case ok && slices.Equal(targets, last.next):
		case ok && len(last.next) == 0:
			last.next = targets
			work = append(work, targets...)
		case len(last.next) > 0 || !fl.hands(fn, last):
			// With more code known, a table that was one may be none.
			fn.problem = unknownJump
			return nil
		}
	}
	return work
}

// hands tells whether a jump to where the code does not say is a call in place of a return.
func (fl *Flow) hands(fn *function, jump *instruction) bool {
	st := fl.before(fn, jump)
	for r := range fl.abi.n {
		if fl.abi.saved[r] && !st.regs[r].same(value{sym: initially(r)}) {
			return false
		}
	}
	// A table of jumps is one of distances, or is read with an index.
	for _, name := range jump.Src {
		r := fl.abi.register(name)
		if r < 0 || len(jump.Mem) > 0 {
			continue
		}
		for _, s := range fn.sourcesOf(st.regs[r]) {
			if s.kind != Loaded && s.kind != Argument && s.kind != Constant && s.kind != Returned || s.lost {
				return false
			}
		}
	}
	return !slices.ContainsFunc(jump.Mem, func(m disasm.MemOperand) bool { return m.Index != "" })
}

// before is the state before an instruction, nil when no path reaches it.
func (fl *Flow) before(fn *function, in *instruction) *state {
	b := fn.at[in.Addr]
	if b == nil || b.in == nil {
		return nil
	}
	st := b.in.clone()
	for _, i := range b.insts {
		if i == in {
			return st
		}
		fl.transfer(fn, i, st)
	}
	return nil
}

// meeting is where paths meet.
type meeting struct {
	fn    *function
	abi   *abi
	from  []*state
	words []word // those that all paths know
}

// word is a register or a word of the frame, with its value on each path and where they meet.
type word struct {
	at     place
	size   int64
	values []value
	now    value
}

// meet is the state where paths meet. Words that differ by the same constant on all paths share
// a symbol. more says that what is known of the symbols has changed.
func (fl *Flow) meet(fn *function, b *block, from []*state) (in *state, more bool) {
	if len(from) == 1 {
		return from[0].clone(), false
	}
	m := meeting{fn: fn, abi: fl.abi, from: from}
	m.collect()
	in = &state{}
	for _, st := range from {
		in.escaped = in.escaped || st.escaped
	}
	groups := map[string]value{}
	var key []byte
	fresh := map[int32][]value{}
	for i := range m.words {
		w := &m.words[i]
		first, doubt := w.values[0], false
		same, plain := true, true
		for _, v := range w.values {
			same = same && v.same(first)
			plain = plain && v.ext == whole
			doubt = doubt || v.doubt
		}
		if w.now = first; !same {
			key = key[:0]
			base := int64(0)
			if plain {
				base = first.off
			}
			for _, v := range w.values {
				key = binary.LittleEndian.AppendUint32(key, uint32(v.sym))
				key = binary.LittleEndian.AppendUint64(append(key, byte(v.ext)), uint64(v.off-base))
			}
			group, ok := groups[string(key)]
			if !ok {
				group = value{sym: fn.symbol(merged, b.head(), w.at), off: -base}
				groups[string(key)] = group
				fresh[group.sym] = w.values
			}
			w.now = value{sym: group.sym, off: base + group.off}
		}
		w.now.doubt = doubt
		if w.at.register >= 0 {
			in.regs[w.at.register] = w.now
		} else {
			in.slots = append(in.slots, slot{w.at.off, w.size, w.now})
		}
	}
	for sym, values := range fresh {
		list := m.sources(sym, values)
		if fn.changes[sym] > maxChanges {
			list = []source{{kind: Computed}}
		}
		if !slices.Equal(list, fn.sources[sym]) {
			fn.changes[sym]++
			fn.sources[sym], more = list, true
		}
	}
	return in, more
}

// collect lists the words that all paths know.
func (m *meeting) collect() {
	n := len(m.from)
	room := make([]value, 0, n*(m.abi.n+len(m.from[0].slots)))
	for r := range m.abi.n {
		start := len(room)
		for _, st := range m.from {
			room = append(room, st.regs[r])
		}
		m.words = append(m.words, word{at: place{register: r}, values: room[start:]})
	}
next:
	for _, s := range m.from[0].slots {
		start := len(room)
		for _, st := range m.from {
			i, ok := st.find(s.off)
			if !ok || st.slots[i].size != s.size {
				continue next
			}
			room = append(room, st.slots[i].val)
		}
		m.words = append(m.words, word{at: place{-1, s.off}, size: s.size, values: room[start:]})
	}
}

// sources are the ways in which a symbol that stands for several values can have got its own.
func (m *meeting) sources(sym int32, values []value) (list []source) {
	type option struct {
		source
		addresses []value // for Loaded: what the address is now, in all ways that it can be said
	}
	var options []option
	for path, v := range values {
		if v.sym == sym && v.ext == whole && v.off == 0 {
			continue // once around, and still what it was
		}
		for _, s := range m.fn.sourcesOf(v) {
			o := option{source: s}
			if s.kind == Loaded && !s.lost {
				o.addresses = m.translate(path, s.val)
			}
			found := false
			for i := range options {
				p := &options[i]
				if p.kind != s.kind || s.kind != Loaded || p.size != s.size || p.signed != s.signed || p.lost != s.lost {
					continue
				}
				common := slices.DeleteFunc(slices.Clone(p.addresses), func(a value) bool {
					return !slices.ContainsFunc(o.addresses, a.same)
				})
				if len(common) > 0 {
					for j := range common {
						common[j].doubt = common[j].doubt || slices.ContainsFunc(o.addresses, func(a value) bool { return a.same(common[j]) && a.doubt })
					}
					p.addresses, found = common, true
					p.at = p.at.with(s.at)
					break
				}
			}
			if !found {
				options = append(options, o)
			}
		}
	}
	for _, o := range options {
		s := o.source
		if s.kind == Loaded && !s.lost {
			if s.lost = len(o.addresses) == 0; s.lost {
				s.val = value{}
			} else {
				s.val = o.addresses[0]
			}
		}
		list = append(list, s)
	}
	return bounded(list)
}

// maxAddresses bounds the ways in which an address is said.
const maxAddresses = 8

// translate says what a value on one path is where the paths meet.
func (m *meeting) translate(path int, v value) (list []value) {
	if v.ext != whole {
		return nil
	}
	if kind := m.fn.symbols[v.sym].kind; kind == constant || kind == initial {
		list = append(list, v)
	}
	for i := range m.words {
		w := &m.words[i]
		held := w.values[path]
		if held.sym != v.sym || held.ext != whole || w.size == 4 || len(list) == maxAddresses || w.now.ext != whole {
			continue
		}
		if now, ok := w.now.plus(v.off - held.off); ok && v.sym != 0 {
			now.doubt = v.doubt || w.now.doubt
			if !slices.ContainsFunc(list, now.same) {
				list = append(list, now)
			}
		}
	}
	return list
}
