package explore

import (
	"errors"
	"fmt"
)

// Strategy is a way to draw schedules at random.
type Strategy string

// The strategies. Their sources are named where they are implemented.
const (
	Random Strategy = "random" // any thread that can run, each with equal chance
	PCT    Strategy = "pct"    // priorities that change at a few random places
	POS    Strategy = "pos"    // a priority an event, drawn again after a race
	SURW   Strategy = "surw"   // uniform over the orders of the accesses to one place
	Fuzz   Strategy = "fuzz"   // pos with constraints, made of those that have shown something new
	Deep   Strategy = "deep"   // on from the rarest moments of earlier schedules
	Script Strategy = "script" // Options.Walk decides
)

// Strategies lists those that need nothing but chance, the best first.
func Strategies() []Strategy { return []Strategy{SURW, Fuzz, Deep, POS, PCT, Random} }

// DefaultDepth is the d of PCT: most published bugs need no more than two
// ordering constraints beside the order in which threads begin.
const DefaultDepth = 3

// walk of a strategy runs one schedule to its end. Sessions walk side by side,
// so that it must not change anything but the run.
type walk func(*run) error

// method is how the schedules of a strategy come about.
type method struct {
	walk    walk
	learner learner // what the strategy learns of its schedules
	small   bool    // its batches stay small, since it learns between them
}

// learner is what a strategy knows of the schedules that have run. Those of a batch, which walk
// side by side, are all drawn of what was known when it began.
type learner interface {
	watch(*run)                // makes a run tell what is to be learned from
	learn(*drawn)              // takes in a schedule of the present batch, once those before it are
	next()                     // makes ready for the next batch
	renamed(from, to []string) // threads have got other indices: those of their names in to
	sizes() Learned
	save(*sampleState)
}

// Learned is how much a strategy has learned.
type Learned struct {
	// Of fuzz: pairs of a write and a read that sees it, and abstract schedules that it makes others
	// of.
	Pairs, Corpus int `json:",omitempty"`
	// Of deep: traits that schedules have shown, and moments that it can go on from.
	Traits, Moments int `json:",omitempty"`
}

// nothing is what most strategies learn.
type nothing struct{}

func (nothing) watch(*run)            {}
func (nothing) learn(*drawn)          {}
func (nothing) next()                 {}
func (nothing) renamed(_, _ []string) {}
func (nothing) sizes() Learned        { return Learned{} }
func (nothing) save(*sampleState)     {}

func (o Options) methodOf(s Strategy) (method, error) {
	depth := o.Depth
	if depth == 0 {
		depth = DefaultDepth
	}
	if depth < 0 {
		return method{}, fmt.Errorf("depth %d: less than 1", depth)
	}
	switch s {
	case Random:
		return method{walk: randomWalk, learner: nothing{}}, nil
	case PCT:
		return method{walk: func(r *run) error { return pct(r, depth) }, learner: nothing{}}, nil
	case POS:
		return method{walk: pos, learner: nothing{}}, nil
	case SURW:
		return method{walk: surw, learner: nothing{}}, nil
	case Script:
		if o.Walk == nil {
			return method{}, errors.New("strategy script: there is no script")
		}
		return method{walk: func(r *run) error {
			r.reads = newReads()
			return o.Walk(&Walk{r})
		}, learner: nothing{}}, nil
	case Fuzz:
		f := newFuzzer()
		return method{walk: f.walk, learner: f, small: true}, nil
	case Deep:
		f := newDeep()
		return method{walk: f.walk, learner: f, small: true}, nil
	case strategyDPOR, strategyBounded, strategyGraphs: // nothing of them is drawn
	}
	return method{}, fmt.Errorf("strategy %q: not surw, fuzz, deep, pos, pct or random", s)
}

// Sizes of batches, in schedules: small at first and whenever more bytes turned
// out to be shared, because then what follows is worth more than what is
// running; and never so large that a profile gets stale. A strategy that learns
// between batches has small ones for ever.
const (
	firstBatch = 8
	mostBatch  = 256
)

// nextBatch is the size of the batch that follows one of a size.
func (m *method) nextBatch(size uint64) uint64 {
	if m.small {
		return firstBatch
	}
	return min(2*size, mostBatch)
}
