package graph

import "math/rand/v2"

// Sizes are those of walks so far: what the places of a walk's few changes are drawn among.
type Sizes struct{ Events, Points int }

// Of tells how large a walk was.
func (s Sizes) Of(w *Walk) Sizes { return Sizes{max(s.Events, w.Events), max(s.Points, w.Points)} }

// Turns is how a walk draws threads.
type Turns uint8

// How threads are drawn.
const (
	Uniform    Turns = iota // each time any of them
	Priorities              // one goes on for as long as it can, but for up to depth-1 changes at random places; see explore's pct
	EventOrder              // the next event of each has a priority of its own
)

// Chance is the draws of one walk.
//
// Of four walks one draws without measure: at every second point another read or place than the newest. The
// others draw before they begin at how many points, none to depth-1, each number with the same chance, and
// at which ones of as many as walks have had. So a failure that takes d-1 of k reads to be late has a chance of about
// 1/k^(d-1) times a constant, where a coin for each read has one that falls with the length of the run. Where
// nothing else is consistent at such a point, it is the next one at which something is.
type Chance struct {
	rand     *rand.Rand
	turns    Turns
	wild     bool
	at       []int    // points still to come, each counted
	owed     int      // that have come and found nothing
	point    int      // asked so far
	priority []uint64 // of threads or their next events
	changes  map[int]bool
	lowest   uint64
	moment   int
}

// NewChance makes the draws of a walk of so many threads.
func NewChance(r *rand.Rand, turns Turns, threads, depth int, s Sizes) *Chance {
	c := &Chance{rand: r, turns: turns, wild: r.IntN(4) == 0, priority: make([]uint64, threads), changes: map[int]bool{}, lowest: 1 << 32}
	for t := range c.priority {
		c.draw(t)
	}
	if !c.wild && depth > 0 {
		for range r.IntN(depth) {
			c.at = append(c.at, r.IntN(max(s.Points, 1)))
		}
	}
	if turns == Priorities {
		for range r.IntN(max(depth, 1)) { // also none: what reads see may be enough
			c.changes[r.IntN(max(s.Events, 1))] = true
		}
	}
	return c
}

// draw gives a thread a priority that is above those that have fallen.
func (c *Chance) draw(t int) { c.priority[t] = 1<<32 + c.rand.Uint64N(1<<62) }

// Thread is part of Draws.
func (c *Chance) Thread(can []int) int {
	if c.turns == Uniform {
		return can[c.rand.IntN(len(can))]
	}
	t := c.highest(can)
	if c.changes[c.moment] {
		c.lowest--
		c.priority[t] = c.lowest
		t = c.highest(can)
	}
	c.moment++
	if c.turns == EventOrder {
		c.draw(t)
	}
	return t
}

func (c *Chance) highest(can []int) int {
	best := can[0]
	for _, t := range can {
		if c.priority[t] > c.priority[best] {
			best = t
		}
	}
	return best
}

// Other is part of Draws.
func (c *Chance) Other() bool {
	if c.wild {
		return c.rand.IntN(2) == 0
	}
	for _, at := range c.at {
		if at == c.point {
			c.owed++
		}
	}
	c.point++
	return c.owed > 0
}

// Which is part of Draws.
func (c *Chance) Which(n int) int {
	c.owed = max(c.owed-1, 0)
	return c.rand.IntN(n)
}

// Again is part of Draws: three times of four, since what comes late comes late for some time.
func (c *Chance) Again() bool { return c.rand.IntN(4) != 0 }
