package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"emurace/explore/graph"
	"emurace/scenario"
)

// ErrPieces is wrapped by the errors about states that are not pieces of one search.
var ErrPieces = errors.New("not pieces of one search")

// Pieces takes the state of a search by DPOR or Graphs apart, in order: each piece is a state of its own that knows the
// same, with one part that is still to be searched, or with what neighbours that are finished have come to. SearchPiece
// goes on with one, wherever that is, and Join puts them together. Of a search of another strategy the error wraps
// ErrPieces: it has no parts that do not depend on each other.
func (s *State) Pieces() (list []*State, err error) {
	switch {
	case s.DPOR != nil:
		for _, p := range s.DPOR.Parts {
			one := *s.DPOR
			one.Parts = []partState{p}
			list = append(list, &State{Strategy: s.Strategy, DPOR: &one})
		}
	case s.Graphs != nil:
		for _, p := range s.Graphs.Parts {
			one := *s.Graphs
			one.Parts = []graphPartState{p}
			list = append(list, &State{Strategy: s.Strategy, Graphs: &one})
		}
	default:
		return nil, fmt.Errorf("%w: a search of strategy %s has none", ErrPieces, s.Strategy)
	}
	return list, nil
}

// FirstDPOR is a search by DPOR before it begins, FirstGraphs one by Graphs.
func FirstDPOR() *State {
	return &State{Strategy: strategyDPOR, DPOR: &dporState{Parts: []partState{{partDone: partDone{Share: 1}}}}}
}

// FirstGraphs is a search by Graphs under a model before it begins.
func FirstGraphs(model graph.Model) *State {
	return &State{Strategy: strategyGraphs, Graphs: &graphsState{Model: model, Parts: []graphPartState{{partDone: partDone{Share: 1}}}}}
}

// dones are what the parts of a state have come to.
func (s *State) dones() (list []*partDone) {
	switch {
	case s.DPOR != nil:
		for i := range s.DPOR.Parts {
			list = append(list, &s.DPOR.Parts[i].partDone)
		}
	case s.Graphs != nil:
		for i := range s.Graphs.Parts {
			list = append(list, &s.Graphs.Parts[i].partDone)
		}
	}
	return list
}

// Finished tells of the state of a search in parts that none is still to be searched.
func (s *State) Finished() bool {
	list := s.dones()
	return len(list) > 0 && !slices.ContainsFunc(list, func(d *partDone) bool { return d.Result == nil })
}

// Ends tells of a piece that is finished whether the search ends with it, so that the pieces behind it are of no
// interest: where it has found what the search looks for.
func (s *State) Ends(o Options) bool {
	return slices.ContainsFunc(s.dones(), func(d *partDone) bool { return d.Result != nil && o.found(d.Result.result()) })
}

// SearchPiece searches the first part of a piece that is not finished, and no other, and returns what has become of the piece: it is finished,
// or has more parts now, or its search has shown more to be shared, or made, than was known. Then all of the search is
// to begin anew with that, and the piece is the whole search with it: Knows tells. Where all pieces in front of such a one
// are finished, it takes the place of all, so that what comes out does not depend on who is faster. What
// the options say of budgets, of jobs and of what is kept is of no account. A context that ends is the error, and the
// piece is as it was.
func SearchPiece(ctx context.Context, start func() (*scenario.Session, error), piece *State, o Options) (after *State, err error) {
	o.Resume, o.once, o.trusted, o.Jobs, o.Draw, o.Schedules, o.Time = piece, true, true, 1, 0, 0, 0
	o.Save = func(s *State) error {
		after = s
		return nil
	}
	o.SaveEvery = 1 << 62 // at the end
	switch {
	case piece.DPOR != nil:
		_, err = DPOR(ctx, start, o)
	case piece.Graphs != nil:
		_, err = Graphs(ctx, start, piece.Graphs.Model, o)
	default:
		return nil, fmt.Errorf("%w: a search of strategy %s has none", ErrPieces, piece.Strategy)
	}
	if ended := context.Cause(ctx); err == nil && ended != nil {
		err = ended
	}
	if err != nil {
		return nil, err
	}
	return after, nil
}

// Knows tells whether two pieces know the same of the scenario: which bytes are shared, and what threads are made.
func (s *State) Knows(other *State) bool {
	switch {
	case s.DPOR != nil && other.DPOR != nil:
		a, b := s.DPOR, other.DPOR
		return a.Restarts == b.Restarts && slices.Equal(a.Shared, b.Shared) && slices.Equal(a.Locks, b.Locks) && slices.Equal(a.Raw, b.Raw) && slices.Equal(a.Made, b.Made)
	case s.Graphs != nil && other.Graphs != nil:
		a, b := s.Graphs, other.Graphs
		return a.Model == b.Model && a.Restarts == b.Restarts && slices.Equal(a.Shared, b.Shared) && slices.Equal(a.Cuts, b.Cuts) && slices.Equal(a.Made, b.Made)
	}
	return false
}

// Join puts pieces together, in their order. They have to know the same.
func Join(list []*State) (*State, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: there are none", ErrPieces)
	}
	first := list[0]
	for i, s := range list {
		if s.Strategy != first.Strategy || !s.Knows(first) {
			return nil, fmt.Errorf("%w: piece %d knows something else than the first", ErrPieces, i+1)
		}
	}
	all := &State{Strategy: first.Strategy}
	var finished joining
	// add tells whether a part is one of its own, and else adds it to the last one.
	add := func(p *partDone, n int, last func() *partDone) bool {
		if p.Result == nil {
			finished.breaks()
			return true
		}
		begins := finished.begins(p.Result.result(), n == 1)
		if !begins {
			finished.add(last(), p.Share, p.Result.result())
			return false
		}
		finished.sum.merge(p.Result.result())
		return true
	}
	if first.DPOR != nil {
		one := *first.DPOR
		one.Parts = nil
		for _, s := range list {
			for _, p := range s.DPOR.Parts {
				if add(&p.partDone, len(one.Parts), func() *partDone { return &one.Parts[len(one.Parts)-1].partDone }) {
					one.Parts = append(one.Parts, p)
				}
			}
		}
		all.DPOR = &one
	}
	if first.Graphs != nil {
		one := *first.Graphs
		one.Parts = nil
		for _, s := range list {
			for _, p := range s.Graphs.Parts {
				if add(&p.partDone, len(one.Parts), func() *partDone { return &one.Parts[len(one.Parts)-1].partDone }) {
					one.Parts = append(one.Parts, p)
				}
			}
		}
		all.Graphs = &one
	}
	return all, nil
}
