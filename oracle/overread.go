package oracle

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
)

// maxTrial bounds how far a function is run to see what it returns, in instructions.
const maxTrial = 1 << 14

// tape is a run that is being repeated from moment to moment.
type tape struct {
	s        *scenario.Session
	schedule scenario.Schedule
	slice    int
	done     uint64 // of the slice
}

// advance runs up to where the machine has done n instructions; it stands there with
// the thread that is to run next.
func (t *tape) advance(n uint64) error {
	for t.s.Process().Steps() < n && t.slice < len(t.schedule) {
		sl, left := t.schedule[t.slice], n-t.s.Process().Steps()
		if sl.N != 0 {
			left = min(left, sl.N-t.done)
		}
		ran, err := t.s.RunSlice(sl.Part(t.done, left))
		if err != nil {
			return err
		}
		if t.done += ran; t.done == sl.N || ran < left {
			t.slice, t.done = t.slice+1, 0
		}
	}
	if t.s.Process().Steps() != n {
		return fmt.Errorf("the run ends after %d instructions, before %d", t.s.Process().Steps(), n)
	}
	return nil
}

// left is how many instructions the present slice goes on for, if that is known.
func (t *tape) left() uint64 {
	if t.slice >= len(t.schedule) || t.schedule[t.slice].N == 0 {
		return 0
	}
	return t.schedule[t.slice].N - t.done
}

// try decides which of some doubtful reads are uses of what was read: those of
// functions whose result depends on it. A function of the string family that has read
// on behind a string, in a whole word or vector, does not care what was there. So the
// run is repeated, and where such a function is about to read it is run to its end:
// with the memory as it is, and with other contents of the doubtful bytes. What it
// returns and writes has to be the same, and it must not read on.
func (p *inspector) try(schedule scenario.Schedule, doubts []doubt) ([]*misuse, error) {
	if err := p.s.Restart(); err != nil {
		return nil, err
	}
	p.calls, p.fences = nil, nil
	run := &tape{s: p.s, schedule: schedule}
	tried := map[int]uint64{} // of a thread, up to which step its reads were
	var real []*misuse
	for _, d := range doubts {
		if d.step <= tried[d.thread] {
			continue
		}
		if err := run.advance(d.step - 1); err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
		ran, harmless, err := p.trial(d)
		if err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
		if !harmless {
			real = append(real, d.misuse)
		}
		if left := run.left(); left != 0 {
			ran = min(ran, left)
		}
		tried[d.thread] = d.step - 1 + max(ran, 1)
	}
	return real, nil
}

// ending is what a function has come to. Two with the same key have run through the
// same code with the same values, so a trial of the one would show what one of the
// other has.
type ending struct {
	returned bool
	result   uint64
	written  map[uint64]byte // outside of its own stack
	ran      uint64
	misread  map[uint64]bool // the bytes that it has read and that are in no block in use
	key      [sha256.Size]byte
}

func (e ending) same(o ending) bool {
	return e.returned && o.returned && e.result == o.result && maps.Equal(e.written, o.written)
}

// lines are the aligned ranges of 64 bytes that it has misread something of. Within
// such a line a function may go its ways, since none of them can fault.
func (e ending) lines() map[uint64]bool {
	set := map[uint64]bool{}
	for addr := range e.misread {
		set[addr/64] = true
	}
	return set
}

// fill says what to put in the place of a doubtful byte: it gets the number of the
// range without gaps that the byte is in, the byte before it, as that is by then, and
// the byte itself.
type fill struct {
	with  func(piece int, before, now byte) byte
	reads bool // with that the function has to read the same lines
}

// maxApart bounds how many ranges of doubtful bytes are changed one by one: a function
// that compares has two.
const maxApart = 3

// fills are the contents that are tried. What a function looks for is in some register:
// if it finds that in the doubtful bytes, it may rightly stop there.
func (p *inspector) fills(thread int) ([]fill, error) {
	list := []fill{
		{func(_ int, _, now byte) byte { return ^now }, true},
		{func(_ int, _, _ byte) byte { return 0 }, true},
		{func(_ int, before, _ byte) byte { return before }, true},
	}
	for only := range maxApart {
		list = append(list, fill{func(piece int, _, now byte) byte {
			if piece == only {
				return ^now
			}
			return now
		}, false})
	}
	registers, err := p.s.Process().Registers(thread)
	tried := map[byte]bool{0: true}
	for _, r := range registers {
		b := r.Value[0]
		if !tried[b] {
			tried[b] = true
			list = append(list, fill{func(_ int, _, _ byte) byte { return b }, false})
		}
	}
	return list, err
}

// trial tells whether the function that is about to make a read does not care about
// the doubtful bytes, and how many instructions it goes on for.
func (p *inspector) trial(d doubt) (ran uint64, harmless bool, err error) {
	mark, err := p.s.Mark()
	if err != nil {
		return 0, false, err
	}
	defer mark.Drop()
	fills, err := p.fills(d.thread)
	if err != nil {
		return 0, false, err
	}
	var back uint64
	if stack := symbolize.Stack(p.s.Process(), d.thread); len(stack) > 1 {
		back = stack[1]
	}
	was, err := p.finish(d, back, maxTrial)
	if err != nil {
		return 0, false, err
	}
	if known, ok := p.trials[was.key]; ok {
		return was.ran, known, mark.Rewind()
	}
	harmless = was.returned
	for _, f := range fills {
		if err := mark.Rewind(); err != nil {
			return 0, false, err
		}
		if !harmless {
			break
		}
		if err := p.put(d.thread, slices.Sorted(maps.Keys(was.misread)), f); err != nil {
			return 0, false, err
		}
		now, err := p.finish(d, back, 2*was.ran+64) // what takes longer reads more
		if err != nil {
			return 0, false, err
		}
		harmless = now.same(was) && (!f.reads || maps.Equal(now.lines(), was.lines()))
	}
	p.trials[was.key] = harmless
	return was.ran, harmless, mark.Rewind()
}

// put changes the doubtful bytes.
func (p *inspector) put(thread int, addrs []uint64, f fill) error {
	piece := 0
	for i, addr := range addrs {
		if i > 0 && addr != addrs[i-1]+1 {
			piece++
		}
		before, _ := p.s.Process().Read(addr-1, 1)
		now, ok := p.s.Process().Read(addr, 1)
		if !ok {
			continue
		}
		if before == nil {
			before = now
		}
		if err := p.s.Write(thread, addr, []byte{f.with(piece, before[0], now[0])}); err != nil {
			return err
		}
	}
	return nil
}

// finish runs the function that a thread is in to its end, up to where it returns to,
// while the others stand, for at most so many instructions.
func (p *inspector) finish(d doubt, back, most uint64) (ending, error) {
	m := p.s.Process()
	e := ending{written: map[uint64]byte{}, misread: map[uint64]bool{}}
	result := "x0"
	if m.Arch() == loader.AMD64 {
		result = "rax"
	}
	from, _ := m.StackPointer(d.thread)
	log, first := m.LogLen(), m.Steps()
	key := sha256.New()
	regs, err := m.Registers(d.thread)
	if err != nil {
		return e, err
	}
	for _, r := range regs {
		key.Write(r.Value) // a hash never fails to write
	}
	if e.returned, err = p.runBack(d.thread, back, from, most); err != nil {
		return e, err
	}
	e.ran = m.Steps() - first
	e.result, _ = m.Register(d.thread, result)
	for a := range m.Log().From(log).All() {
		fmt.Fprintf(key, "%x %x %x %x;", a.PC, a.Addr, a.Size, a.Value)
		switch {
		case int(a.Thread) != d.thread:
		case a.Kind == emu.LogRead:
			for at := a.Addr; at < a.Addr+uint64(a.Size); at++ {
				if f, _ := judge(d.heap, &emu.LogEntry{Addr: at, Size: 1}); f != nil {
					e.misread[at] = true
				}
			}
		case a.Addr >= from || a.Addr < from-1<<16:
			for i := range uint64(a.Size) {
				e.written[a.Addr+i] = byte(a.Value >> (8 * i))
			}
		}
	}
	e.key = [sha256.Size]byte(key.Sum(nil))
	return e, nil
}

// runBack runs a thread until its function has returned to an address, with the stack
// pointer no lower than it was; without one, as there are no unwind tables, until it
// comes to code of other functions. It returns false when it does not come there.
func (p *inspector) runBack(thread int, back, stack, most uint64) (bool, error) {
	m := p.s.Process()
	if back != 0 {
		if err := p.s.StopAt(back); err != nil {
			return false, err
		}
		defer func() { _ = p.s.StopAt() }() // of no addresses: it cannot fail
	}
	for first := m.Steps(); m.Steps()-first < most; {
		n := most - (m.Steps() - first)
		if back == 0 {
			n = 1
		}
		stop, err := p.s.RunAside(thread, n)
		switch {
		case err != nil:
			return false, err
		case stop.Kind == emu.Returned:
			return true, nil
		case stop.Kind != emu.Budget && stop.Kind != emu.AtStop:
			return false, nil // it waits, or ends the process
		}
		pc, err := m.PC(thread)
		if err != nil {
			return false, err
		}
		if sp, _ := m.StackPointer(thread); sp >= stack && (pc == back || back == 0 && !p.readsStrings(pc)) {
			return true, nil
		}
		if stop.Kind == emu.AtStop {
			return false, nil // of another call of the same function
		}
	}
	return false, nil
}
