package explore

import (
	"errors"
	"slices"
)

// State is a search that was broken off, to be gone on with. It belongs to one
// scenario with its parameters on one libc; who keeps it sees to that.
type State struct {
	Shared   []SharedBytes `json:"shared"`
	Locks    []uint64      `json:"locks,omitempty"`
	Restarts int           `json:"restarts"`
	Parts    []*part       `json:"parts"` // in order; without a result they are still to be searched
}

// SharedBytes are bytes of the eight at Addr that threads share, lowest bit
// first.
type SharedBytes struct {
	Addr uint64 `json:"addr"`
	Mask uint8  `json:"mask"`
}

// state is what is to be kept of the search; the caller holds the lock or is
// alone.
func (w *partition) state() *State {
	s := &State{Restarts: w.restarts, Locks: w.locks}
	for addr, mask := range w.shared {
		s.Shared = append(s.Shared, SharedBytes{addr, mask})
	}
	slices.SortFunc(s.Shared, func(a, b SharedBytes) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	for _, p := range w.parts {
		q := &part{Threads: p.Threads, Asleep: p.Asleep, Share: p.Share, Result: p.Result}
		if p.partial {
			q.Result = nil
		}
		s.Parts = append(s.Parts, q)
	}
	return s
}

// check refuses what no search has written.
func (s *State) check() error {
	if len(s.Parts) == 0 {
		return errors.New("resume: the state has no parts")
	}
	for _, p := range s.Parts {
		if p == nil || len(p.Threads) > maxPrefix {
			return errors.New("resume: a part of the state is damaged")
		}
		for _, t := range p.Threads {
			if t < 0 || t >= maxThreads {
				return errors.New("resume: a part of the state names a thread that there is not")
			}
		}
	}
	return nil
}

// maxPrefix bounds what is believed of a state file.
const maxPrefix = 1 << 20
