package explore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"emurace/explore/graph"
)

// graphsState is a search by graphs: what is known of the scenario, and the parts.
type graphsState struct {
	Model    graph.Model  `json:"model"`
	Shared   []sharedWord `json:"shared"`
	Cuts     []sharedWord `json:"cuts,omitempty"` // in front of which bytes cells end
	Made     []string     `json:"made,omitempty"` // threads that the process makes, in the order of their indices
	Restarts int          `json:"restarts"`
	// Parts are in order. Neighbours that are finished are one.
	Parts []graphPartState `json:"parts"`
}

type graphPartState struct {
	Root *graph.Outline `json:"root,omitempty"` // what the part's graphs begin with; none is the empty one
	partDone
}

// state is what is to be kept of the search; the caller holds the lock or is alone. Of a part that was broken off in
// its middle, what is left of it are parts.
func (w *graphSearch) state() *State {
	s := &graphsState{Model: w.model, Restarts: w.restarts, Made: w.sessions.threads(), Shared: sharedList(w.shared), Cuts: sharedList(w.cuts)}
	var finished joining
	add := func(p *graphPart) {
		if p.Result == nil || p.partial {
			s.Parts = append(s.Parts, graphPartState{Root: p.outlined(), partDone: partDone{Share: p.Share}})
			finished.breaks()
			return
		}
		if finished.begins(p.Result, len(s.Parts) == 1) {
			s.Parts = append(s.Parts, graphPartState{})
		}
		finished.add(&s.Parts[len(s.Parts)-1].partDone, p.Share, p.Result)
	}
	for _, p := range w.parts.Items {
		if !p.partial || p.rest == nil {
			add(p)
			continue
		}
		for _, piece := range p.pieces(p.Result, p.rest) {
			add(piece)
		}
	}
	return &State{Strategy: strategyGraphs, Graphs: s}
}

// outlined is the part's root as plain data.
func (p *graphPart) outlined() *graph.Outline {
	if p.outline == nil && p.Root != nil {
		p.outline = p.Root.Outline()
	}
	return p.outline
}

// prepare takes up a search that was broken off, if there is one.
func (w *graphSearch) prepare() error {
	if w.Resume == nil {
		return nil
	}
	if err := w.Resume.check(strategyGraphs, maxThreads); err != nil {
		return err
	}
	s := w.Resume.Graphs
	if s.Model != w.model {
		return damaged("it is of memory model %q, not %s", s.Model, w.model)
	}
	if err := w.Resume.accept(w.start, strategyGraphs, s.so(), w.Options); err != nil {
		return err
	}
	w.restarts, w.shared, w.cuts = s.Restarts, sharedMap(s.Shared), sharedMap(s.Cuts)
	w.sessions.learn(s.Made)
	w.parts.Items = nil
	for _, p := range s.Parts {
		q := &graphPart{outline: p.Root, Share: p.Share}
		if p.Result != nil {
			q.Result = p.Result.result()
			w.runs.Add(q.Result.Schedules)
		}
		w.parts.Items = append(w.parts.Items, q)
		if w.found(q.Result) {
			break // those behind it are of no interest
		}
	}
	return nil
}

// root is the graph that the graphs of a part begin with, for an explorer to change.
func (w *graphSearch) root(part *graphPart, p *graphProgram) (*graph.Graph, error) {
	switch {
	case part.Root != nil:
		return part.Root.Clone(), nil
	case part.outline == nil:
		return graph.New(p.s.Threads()), nil
	}
	g, err := part.outline.Restore(p, w.model, w.barriers...)
	switch {
	case errors.Is(err, graph.ErrOutline):
		return nil, fmt.Errorf("%w: a part: %w", ErrState, err)
	case err != nil:
		return nil, err
	}
	// From here on all is as if the search had not been broken off.
	p.ran = 0
	return g, p.back(0)
}

// check refuses what no search of so many threads has written. Whether the program has the graphs that the parts begin
// with shows when they are searched.
func (s *graphsState) check(threads int) error {
	for _, list := range [][]sharedWord{s.Shared, s.Cuts} {
		if err := checkShared(list); err != nil {
			return err
		}
	}
	if !slices.Contains(graph.Models(), s.Model) {
		return damaged("no memory model %q", s.Model)
	}
	if err := checkRestarts(s.Restarts); err != nil {
		return err
	}
	if len(s.Parts) == 0 {
		return damaged("no parts")
	}
	var shares sharing
	var results []*tally
	roots := map[string]bool{}
	for i, p := range s.Parts {
		if err := shares.add(i, p.Share); err != nil {
			return err
		}
		if p.Result != nil {
			results = append(results, p.Result)
		}
		if err := p.check(threads, len(s.Parts) == 1, roots); err != nil {
			return damaged("part %d: %w", i+1, err)
		}
	}
	return checkAll(threads, results)
}

// check refuses a part that no search of so many threads has; alone tells that there is no other. Roots are those
// of the parts in front of it.
func (p *graphPartState) check(threads int, alone bool, roots map[string]bool) error {
	switch {
	case p.Result != nil && p.Root != nil:
		return errors.New("it is finished and to be searched")
	case p.Result != nil:
		return nil
	case p.Root == nil:
		if !alone {
			return errors.New("it is the whole search")
		}
		return nil
	}
	n := len(p.Root.Sources)
	if n > threads {
		return fmt.Errorf("%d threads, not %d", n, threads)
	}
	if err := p.Root.Check(n); err != nil {
		return err
	}
	text, err := json.Marshal(p.Root)
	if err != nil {
		return err
	}
	if roots[string(text)] {
		return errors.New("it is there twice")
	}
	roots[string(text)] = true
	return nil
}

// so is the result so far.
func (s *graphsState) so() *Result {
	total := &Result{}
	for _, p := range s.Parts {
		p.addTo(total)
	}
	return total
}
