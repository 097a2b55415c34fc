package scenario

import (
	"bytes"
	"maps"
	"slices"

	"emurace/emu"
)

// A thread that is back at an instruction with the registers and the memory of before,
// and has changed nothing in between that others can see, goes round for ever unless
// someone changes a byte that it has read in that round. It waits, as one that waits in
// the kernel does, and cannot run until then. Nothing is lost by that: all its further
// rounds would be the same, and whatever another thread can meet in one of them it can
// meet in the one that was run. Spin locks, barriers and whatever else waits without a
// system call come to an end in that way under a search that runs one thread for as
// long as it can.
//
// A round that changes something and takes it back, such as taking a lock, looking and
// letting it go, is none of these: others may meet its middle, again and again.

// patience is after how many instructions a thread that runs out is looked at; then after
// twice as many, and so on. Where there are events, and a loop is seldom without, it takes
// more of them to be worth the look.
const (
	patience       = 1 << 9
	patienceEvents = 1 << 12
)

// longest is how many instructions a round may have.
const longest = 1 << 14

// maxVisits bounds how many visits of a thread are remembered, three for each place of a
// loop. One that has more events in a round is not known for a loop.
const maxVisits = 3 * 32

// visit is a place at which a thread was after an event, since it last changed
// something that others see.
type visit struct {
	pc    uint64
	addr  uint64 // of the first access of the event
	state []byte // registers, nil until it has come back once
	log   int    // length of the log then

	before *visit
	number int // how many there are up to this one
}

// latest is the last visit of a place, nil when there was none. Visits never change, since
// marks have them too.
func (v *visit) latest(pc, addr uint64) *visit {
	for v != nil && (v.pc != pc || v.addr != addr) {
		v = v.before
	}
	return v
}

// and is the visits with one more.
func (v *visit) and(next visit) *visit {
	next.number = 1
	if v != nil && v.number < maxVisits {
		next.before, next.number = v, v.number+1
	}
	return &next
}

// held is bytes that a thread has read in a round: it waits for a change of any.
type held struct {
	addr  uint64
	bytes []byte
}

// spinning tells whether a thread goes round until someone else does something.
func (s *Session) spinning(i int) bool {
	if s.IsClock(i) {
		return false
	}
	list := s.threads[i].held
	if len(list) == 0 {
		return false
	}
	for _, h := range list {
		if b, ok := s.m.Peek(h.addr, uint64(len(h.bytes))); !ok || !bytes.Equal(b, h.bytes) {
			return false
		}
	}
	return true
}

// Spinning tells whether the thread waits without a system call: whatever it does until
// another thread changes what it has read is what it has done before.
func (s *Session) Spinning(i int) bool { return s.spinning(i) }

// WaitsToSee is the bytes that a thread waits for which goes round, as accesses that read them: none of
// another thread.
func (s *Session) WaitsToSee(i int) (list []Access) {
	if !s.spinning(i) {
		return nil
	}
	for _, h := range s.threads[i].held {
		list = append(list, Access{Addr: h.addr, Size: uint64(len(h.bytes))})
	}
	return list
}

// allSpin tells whether every remaining thread goes round.
func (s *Session) allSpin() bool {
	any := false
	for i, r := range s.threads {
		if r.done || r.machine < 0 {
			continue
		}
		if !s.spinning(i) {
			return false
		}
		any = true
	}
	return any
}

// Rounds are what a thread waits for that goes round.
type Rounds struct{ held []held }

// LookAhead tells how many instructions a thread would run with Run(i, 0), and where it
// ends by going round what it then waits for; nil where not. The session comes back to
// the present moment.
func (s *Session) LookAhead(i int) (ran uint64, r *Rounds, err error) {
	mark, err := s.Mark()
	if err != nil {
		return 0, nil, err
	}
	defer mark.Drop()
	if ran, err = s.Run(i, 0); err != nil {
		return 0, nil, err
	}
	if s.spinning(i) {
		r = &Rounds{s.threads[i].held}
	}
	return ran, r, mark.Rewind()
}

// Wait makes a thread wait as it would if it had been run with Run(i, 0) to where it
// stands, and that had found these rounds.
func (s *Session) Wait(i int, r *Rounds) error {
	s.threads[i].held = r.held
	return s.judge()
}

// stirs forgets the rounds of a thread that is to run.
func (s *Session) stirs(i int) { s.threads[i].held = nil }

// comesBack looks, when a thread has had an event, whether it was there before.
func (s *Session) comesBack(e *Event) error {
	r := &s.threads[e.Thread]
	if e.PC == 0 || len(e.Objects) > 0 || e.Ends || slices.ContainsFunc(e.Accesses, func(a Access) bool { return a.Write }) {
		r.visits = nil
		return nil
	}
	addr := uint64(0)
	if len(e.Accesses) > 0 {
		addr = e.Accesses[0].Addr
	}
	v := r.visits.latest(e.PC, addr)
	if v == nil {
		r.visits = r.visits.and(visit{pc: e.PC, addr: addr})
		return nil
	}
	state, err := s.m.State(r.machine)
	if err != nil {
		return err
	}
	if v.state != nil && bytes.Equal(v.state, state) {
		if r.held = s.round(r.machine, v.log); r.held != nil {
			return nil
		}
	}
	r.visits = r.visits.and(visit{pc: e.PC, addr: addr, state: state, log: s.m.LogLen()})
	return nil
}

// round is what a thread has read in a round that has ended where it began, with the
// same registers: nil when the next one need not be the same.
func (s *Session) round(machine, from int) []held {
	if s.metWriter(machine, from) {
		return nil
	}
	log := s.m.Log()
	first := map[uint64]byte{}   // what bytes held before the round wrote them
	read := map[uint64]byte{}    // what was read of those that it had not written
	changed := map[uint64]bool{} // bytes that it changed, if only for a while
	for a := range log.From(from).All() {
		if int(a.Thread) != machine {
			continue
		}
		for i := range uint64(a.Size) {
			at, old, value := a.Addr+i, byte(a.Old>>(8*i)), byte(a.Value>>(8*i))
			if _, written := first[at]; a.Kind == emu.LogRead {
				if seen, ok := read[at]; !written && !ok {
					read[at] = value
				} else if ok && !written && seen != value {
					return nil // someone has changed it on the way
				}
				continue
			} else if !written {
				first[at] = old
			}
			if old != value {
				changed[at] = true
			}
		}
	}
	for at, b := range first {
		if now, ok := s.m.Peek(at, 1); !ok || now[0] != b {
			return nil
		}
	}
	for a := range log.From(s.StartLog()).All() {
		if len(changed) == 0 {
			break
		}
		if int(a.Thread) == machine {
			continue
		}
		for i := range uint64(a.Size) {
			if changed[a.Addr+i] {
				return nil // others see it
			}
		}
	}
	return s.hold(read)
}

// hold puts bytes together that lie side by side; nil when not all of them are as they
// were, or there are none.
func (s *Session) hold(read map[uint64]byte) []held {
	var list []held
	for _, at := range slices.Sorted(maps.Keys(read)) {
		now, ok := s.m.Peek(at, 1)
		if !ok || now[0] != read[at] {
			return nil
		}
		if n := len(list); n > 0 && list[n-1].addr+uint64(len(list[n-1].bytes)) == at {
			list[n-1].bytes = append(list[n-1].bytes, read[at])
		} else {
			list = append(list, held{at, []byte{read[at]}})
		}
	}
	return list
}

// goesRound looks whether a thread that has run for long without an event goes round.
// It runs one round more, or up to an event or wherever the machine stops.
func (s *Session) goesRound(e *Event) (emu.Stop, error) {
	r := &s.threads[e.Thread]
	before, err := s.m.State(r.machine)
	if err != nil {
		return emu.Stop{}, err
	}
	from, effects := s.m.LogLen(), s.m.Effects()
	back := false
	n := min(longest, s.Limit-min(s.Limit, s.Steps()))
	stop, err := s.runOnce(e, func(t int) (stop emu.Stop, err error) {
		stop, back, err = s.m.RunBack(t, n)
		return stop, err
	})
	if err != nil || !back || stop.Event || s.m.Effects() != effects {
		return stop, err
	}
	after, err := s.m.State(r.machine)
	if err == nil && bytes.Equal(before, after) {
		r.held = s.round(r.machine, from)
	}
	return stop, err
}
