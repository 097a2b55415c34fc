package axioms

import (
	"errors"
	"math/big"
	"slices"

	"emurace/internal/litmus"
)

// Verdict is what a model has to say of a test.
type Verdict struct {
	// Seen is whether an execution can be seen that the test looks for.
	Seen bool
	// Graphs is how many executions there are. Two are the same where the threads ran the same
	// instructions, each read had the same source and the writes to each location the same order.
	Graphs int
	// Causal has both for those executions alone in which program order and reads-from have no cycle.
	Causal struct {
		Seen   bool
		Graphs int
	}
}

// maxExecutions is how many combinations of the threads' runs, sources and orders are gone into.
const maxExecutions = 500_000

var errMany = errors.New("too many executions to go through them all")

// Judge goes through all executions of a test. Its error says what of the test is not understood: an unknown
// instruction, locations that are accessed with several sizes, a loop that does not end.
func Judge(test *litmus.Test) (map[Model]*Verdict, error) {
	p, err := newProgram(test)
	if err != nil {
		return nil, err
	}
	if p.combinations().Cmp(big.NewInt(maxExecutions)) > 0 {
		return nil, errMany
	}
	j := &judge{program: p, verdicts: map[Model]*Verdict{SC: {}, TSO: {}, ARM: {}}}
	return j.verdicts, j.runs(nil)
}

func (p *program) combinations() *big.Int {
	n := big.NewInt(1)
	for _, list := range p.traces {
		n.Mul(n, big.NewInt(int64(len(list))))
	}
	return n
}

type judge struct {
	*program
	verdicts map[Model]*Verdict
	judged   int
}

// runs judges all combinations of the threads' runs that begin with some.
func (j *judge) runs(chosen []*trace) error {
	if len(chosen) < len(j.traces) {
		for _, t := range j.traces[len(chosen)] {
			if err := j.runs(append(slices.Clip(chosen), t)); err != nil {
				return err
			}
		}
		return nil
	}
	if !j.readable(chosen) {
		return nil
	}
	x, err := newExecution(j.program, chosen)
	if err != nil {
		return err
	}
	po := x.po()
	var choices [][]local
	for _, at := range j.places {
		list := x.locals(at, po)
		if len(list) == 0 {
			return nil
		}
		choices = append(choices, list)
	}
	c := &candidate{execution: x, judge: j, po: po}
	for _, m := range Models() {
		c.kept = append(c.kept, x.order(m))
	}
	return c.choose(choices, nil)
}

// readable tells whether what all reads have read is written by someone.
func (j *judge) readable(runs []*trace) bool {
	type value struct {
		at    string
		value uint64
	}
	there := map[value]bool{}
	for _, run := range runs {
		for _, e := range run.events {
			if e.kind == write {
				there[value{e.at, e.value}] = true
			}
		}
	}
	for _, run := range runs {
		for _, e := range run.events {
			if e.kind == read && !there[value{e.at, e.value}] && e.value != j.initial(e.at)&mask(e.size) {
				return false
			}
		}
	}
	return true
}

// candidate is an execution for which the sources and orders are being chosen.
type candidate struct {
	*execution
	judge *judge
	po    relation
	kept  []relation // by model
}

// choose goes through what is left to choose.
func (c *candidate) choose(choices [][]local, chosen []local) error {
	if len(chosen) < len(choices) {
		for _, l := range choices[len(chosen)] {
			if err := c.choose(choices, append(slices.Clip(chosen), l)); err != nil {
				return err
			}
		}
		return nil
	}
	if c.judge.judged++; c.judge.judged > maxExecutions {
		return errMany
	}
	c.count(chosen)
	return nil
}

// count adds the execution to those of the models that allow it.
func (c *candidate) count(chosen []local) {
	n := len(c.nodes)
	rf, all, outside, inside := make(relation, n), make(relation, n), make(relation, n), make(relation, n)
	for _, l := range chosen {
		f, co, fr := l.relations(n)
		for i := range n {
			rf[i] |= f[i]
			all[i] |= f[i] | co[i] | fr[i]
		}
		for i, r := range l.reads {
			c.through(inside, r, l.sources[i])
		}
	}
	for i := range n {
		for k := range n {
			if c.of[i] != c.of[k] {
				outside[i] |= all[i] & (1 << k)
			}
		}
	}
	causal, seen := acyclic(c.po, rf), -1
	for _, m := range Models() {
		var allowed bool
		switch m {
		case SC:
			allowed = acyclic(c.po, all)
		case TSO:
			allowed = acyclic(c.kept[m], outside)
		default:
			allowed = acyclic(c.kept[m], outside, inside)
		}
		if !allowed {
			continue
		}
		if seen < 0 {
			seen = 0
			if c.test.Seen(c.end(chosen)) {
				seen = 1
			}
		}
		v := c.judge.verdicts[m]
		v.Graphs++
		v.Seen = v.Seen || seen == 1
		if causal {
			v.Causal.Graphs++
			v.Causal.Seen = v.Causal.Seen || seen == 1
		}
	}
}

// end is what registers and memory hold at the end.
func (c *candidate) end(chosen []local) func(litmus.Place) litmus.Value {
	return func(p litmus.Place) litmus.Value {
		var value uint64
		if p.Thread != litmus.Memory {
			value = c.runs[p.Thread].ends[p.Name]
		} else {
			i := slices.Index(c.places, p.Name)
			value = c.initial(p.Name)
			if order := chosen[i].order; len(order) > 0 {
				value = c.nodes[order[len(order)-1]].value
			}
		}
		for i, name := range c.places {
			if addressOf(i) == value {
				return litmus.Value{At: name}
			}
		}
		return litmus.Value{Number: int64(value)}
	}
}
