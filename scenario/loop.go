package scenario

import (
	"bytes"
	"slices"

	"emurace/emu"
)

// A loop of calls that waits for another thread, such as one that looks at a flag and
// yields, goes round as a loop of instructions does; see spin.go. What the thread keeps
// between its calls is not in the guest, so its Body has to tell that it is where it was.

// maxBegun bounds how many beginnings of rounds a thread remembers.
const maxBegun = 8

// begun is a moment at which a thread has begun a call, being where it was before.
type begun struct {
	results int    // of the thread so far
	state   []byte // registers
	log     int    // length of the log
	effects uint64 // of all threads; see emu.Machine.Effects
}

// loops looks, when a thread has begun a call, whether it has gone round by its last ones:
// whether it is where it was, in the guest too, and has changed nothing that others see.
// After a call that a check has judged it is not: how often it judges is seen.
func (s *Session) loops(i int) error {
	r := &s.threads[i]
	body, ok := s.threads[i].body.(Loops)
	if !ok || s.start == nil || s.plan.AfterCall != nil {
		return nil
	}
	before, ok := body.Same(r.results)
	if !ok {
		return nil
	}
	state, err := s.m.State(r.machine)
	if err != nil {
		return err
	}
	now := begun{len(r.results), state, s.m.LogLen(), s.m.Effects()}
	if k := slices.IndexFunc(r.rounds, func(b begun) bool { return b.results == before }); k >= 0 {
		was := r.rounds[k]
		if was.effects == now.effects && bytes.Equal(was.state, now.state) && !s.metWriter(r.machine, was.log) {
			r.held = s.round(r.machine, was.log)
		}
	}
	// Marks may have the list.
	if len(r.rounds) == maxBegun {
		r.rounds = r.rounds[1:]
	}
	r.rounds = append(slices.Clip(r.rounds), now)
	return nil
}

// metWriter tells whether another thread has written anything that a thread has read since
// an entry of the log. Also if it holds what it held, a store exclusive may have failed.
func (s *Session) metWriter(machine, from int) bool {
	read := map[uint64]bool{}
	log := s.m.Log().From(from)
	for a := range log.All() {
		for i := range uint64(a.Size) {
			if int(a.Thread) == machine {
				read[a.Addr+i] = true
			}
		}
	}
	for a := range log.All() {
		if int(a.Thread) == machine || a.Kind == emu.LogRead {
			continue
		}
		for i := range uint64(a.Size) {
			if read[a.Addr+i] {
				return true
			}
		}
	}
	return false
}
