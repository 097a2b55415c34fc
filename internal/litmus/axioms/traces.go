package axioms

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"emurace/internal/litmus"
)

// maxTraces is how many runs of a thread are gone into.
const maxTraces = 50_000

// maxValues is how many values a thread may be thought to write to a location.
const maxValues = 64

// program is a test with all runs of its threads.
type program struct {
	test   *litmus.Test
	places []string
	traces [][]*trace // by thread
	// written is what each thread may write to a location.
	written []map[string]map[uint64]bool
}

// newProgram runs the threads with each value that a read of theirs might get. What can be written is
// found by turns: what threads write when they read what is known so far may be read in the next one. A value of
// an execution is there after as many turns as there are writes, because each has another one in it.
func newProgram(test *litmus.Test) (*program, error) {
	p := &program{test: test, places: test.Locations(), written: make([]map[string]map[uint64]bool, len(test.Threads))}
	for turn := 0; ; turn++ {
		p.traces = p.traces[:0]
		for n := range test.Threads {
			list, err := p.tracesOf(n)
			if err != nil {
				return nil, err
			}
			p.traces = append(p.traces, list)
		}
		writes, news := 0, false
		for n, list := range p.traces {
			most := 0
			for _, t := range list {
				here, new := p.learn(n, t)
				most, news = max(most, here), news || new
			}
			writes += most
		}
		if !news || turn >= writes {
			return p, nil
		}
		for _, w := range p.written {
			for at, values := range w {
				if len(values) > maxValues {
					return nil, fmt.Errorf("too many values of %s", at)
				}
			}
		}
	}
}

// learn adds what a run writes to what is known, and counts its writes.
func (p *program) learn(n int, t *trace) (writes int, news bool) {
	if p.written[n] == nil {
		p.written[n] = map[string]map[uint64]bool{}
	}
	for _, e := range t.events {
		if e.kind != write {
			continue
		}
		writes++
		if p.written[n][e.at] == nil {
			p.written[n][e.at] = map[uint64]bool{}
		}
		if !p.written[n][e.at][e.value] {
			p.written[n][e.at][e.value], news = true, true
		}
	}
	return writes, news
}

// tracesOf is all runs of a thread.
func (p *program) tracesOf(n int) (list []*trace, err error) {
	var with func(choices []uint64) error
	with = func(choices []uint64) error {
		t := newThread(p.test, n, p.places, choices)
		switch err := t.run(); {
		case err == nil:
			if list = append(list, &t.trace); len(list) > maxTraces {
				return fmt.Errorf("thread %d has more than %d runs", n, maxTraces)
			}
			return nil
		case !errors.Is(err, errMore):
			return err
		}
		for _, value := range p.values(t) {
			if err := with(append(slices.Clip(choices), value)); err != nil {
				return err
			}
		}
		return nil
	}
	return list, with(nil)
}

// values is what a thread's next read might get: the last of its own writes to the location, or else what is there at
// first; and what others write.
func (p *program) values(t *thread) []uint64 {
	own := p.initial(t.want.at)
	for _, e := range t.events {
		if e.kind == write && e.at == t.want.at {
			own = e.value
		}
	}
	all := map[uint64]bool{own: true}
	for n, w := range p.written {
		if n != t.number {
			maps.Copy(all, w[t.want.at])
		}
	}
	size := mask(t.want.size)
	cut := map[uint64]bool{}
	for v := range all {
		cut[v&size] = true
	}
	return slices.Sorted(maps.Keys(cut))
}

// initial is what a location holds first.
func (p *program) initial(at string) uint64 {
	v := p.test.Initial(litmus.Place{Thread: litmus.Memory, Name: at})
	if v.At != "" {
		return addressOf(slices.Index(p.places, v.At))
	}
	return uint64(v.Number) & mask(p.test.Size(at))
}
