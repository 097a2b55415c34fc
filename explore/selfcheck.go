package explore

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"emurace/internal/logging"
	"emurace/scenario"
)

// SelfCheck is what was run, beside the search, to try its proof.
type SelfCheck struct {
	Orders       int    // of the threads, one after the other
	Drawn        int    // schedules that change threads at any instruction
	Instructions uint64 // of all of them
}

// Sizes of a self-check.
const (
	mostOrders   = 24 // as many as four threads have
	mostDrawn    = 300
	leastChecked = 4_000_000 // instructions that every search may spend on it; they take some tenths of a second
	burst        = 40        // instructions of a short slice
	mostSlices   = 2000      // of a schedule, before its threads run out
)

// OnHole is told of every failure that a self-check finds, unless it is nil. It is there
// for tests, in which no search may have a hole.
var OnHole func(Finding)

// tryProof runs schedules that have nothing to do with how the search came to its
// result, which is that nothing fails: the threads in every order, each for as long as it
// can, and schedules drawn at any instruction, with no events at all. One that fails is a
// finding as any other, and means that the search has missed something. Where only
// schedules with so many preemptions were searched, no others are drawn.
//
// It costs no more than half the instructions of the search, or a fixed number where that
// is more, and follows from the search and the seed. A run that comes to the limit of
// instructions shows nothing.
func (r *Result) tryProof(ctx context.Context, session func() (*scenario.Session, error), release func(*scenario.Session), o Options) error {
	if r.Verdict != Clean || o.trusted {
		return nil
	}
	s, err := session()
	if err != nil {
		return err
	}
	defer release(s)
	s.WantEvents(false)
	s.AbstractLocks(false)
	c := &checker{ctx: ctx, s: s, inspect: o.Inspect, ends: o.Ends, result: &Result{}, bound: -1, left: max(leastChecked, r.Instructions/2), log: o.Log}
	if !r.Unbounded {
		c.bound = r.Preemptions
	}
	err = c.run(o.Seed, o.KeepGoing)
	r.SelfCheck = &c.done
	for _, d := range c.result.Doubts {
		r.addDoubt(d)
	}
	for _, m := range c.result.Met {
		if !slices.ContainsFunc(r.Met, func(o Met) bool { return o.Kind == m.Kind && o.Known == m.Known }) {
			r.addMet(m) // what it has met once more counts once
		}
	}
	for _, f := range c.result.Findings {
		f.Hole = true
		f.Number += r.Schedules
		r.add(f)
		if OnHole != nil {
			OnHole(f)
		}
	}
	if c.result.Failing > 0 {
		r.Failing = c.result.Failing
		r.Schedules += c.result.Schedules
	}
	r.conclude(o)
	r.Complete = r.Complete && c.result.Failing == 0
	return err
}

// checker runs the schedules of a self-check.
type checker struct {
	ctx     context.Context
	s       *scenario.Session
	inspect inspection
	ends    *Ends
	result  *Result
	done    SelfCheck
	bound   int    // of preemptions, -1 for none
	left    uint64 // instructions that may be spent
	longest uint64 // run so far
	halves  bool   // slices end in the middle of an instruction where they can
	log     *logging.Log

	schedule    scenario.Schedule
	preemptions int
}

func (c *checker) run(seed uint64, keepGoing bool) error {
	over := func() bool {
		return c.left == 0 || c.ctx.Err() != nil || c.result.Failing > 0 && !keepGoing
	}
	orders := ordersOf(scheduled(c.s), seed)
	for _, order := range orders {
		if over() {
			return nil
		}
		if err := c.try(&c.done.Orders, func() error { return c.inOrder(order) }); err != nil {
			return err
		}
	}
	for i := range mostDrawn {
		if over() {
			return nil
		}
		random := generator(seed, math.MaxUint64-uint64(i)) // no schedule of a sample has that number
		c.halves = i%2 == 1
		if err := c.try(&c.done.Drawn, func() error { return c.draw(random, i%3) }); err != nil {
			return err
		}
	}
	return nil
}

// try runs one schedule and judges it.
func (c *checker) try(count *int, play func() error) error {
	c.schedule, c.preemptions = nil, 0
	if err := c.s.Restart(); err != nil {
		return err
	}
	if err := play(); err != nil {
		return err
	}
	*count++
	ran := c.s.Steps()
	c.longest = max(c.longest, ran)
	c.done.Instructions += ran
	cost := ran + 1
	if c.inspect != nil {
		cost *= 4 // what inspections cost
	}
	c.left -= min(c.left, cost)
	o, over := c.s.Outcome()
	if !over || c.s.Steps() >= c.s.Limit {
		return nil // it was cut off
	}
	c.result.Schedules++
	logRun(c.log, c.s, "self-check", func() scenario.Schedule { return c.schedule }, o)
	rests := c.result.note(c.s, o)
	if !o.Failed() && c.inspect == nil {
		return nil
	}
	_, err := c.result.judge(c.s, o, ending(c.s, c.schedule, false), -1, c.inspect, c.ends, rests)
	return err
}

// play runs a thread for n instructions, or with n 0 for as long as it can.
func (c *checker) play(t int, n uint64) error {
	ran, err := c.s.RunSlice(scenario.Slice{Thread: t, N: n, Half: c.halves && n > 0})
	if ran > 0 || !c.s.Runnable(t) {
		c.schedule = c.schedule.AddEvent(scenario.Event{Thread: t, Ran: ran, Half: c.s.Holds(t)})
	}
	return err
}

// inOrder runs the threads in an order, each for as long as it can, those in front first,
// and the clock when nobody else can run.
func (c *checker) inOrder(order []int) error {
	for {
		if _, over := c.s.Outcome(); over || c.ctx.Err() != nil {
			return nil
		}
		can := enabled(c.s)
		for _, t := range append(order[:len(order):len(order)], c.s.Clock()) {
			if can.has(t) {
				if err := c.play(t, 0); err != nil {
					return err
				}
				break
			}
		}
	}
}

// draw runs a schedule whose slices are drawn in one of three ways: a few long ones, many
// short ones, or some whose lengths are as likely to be short as long. When they are used
// up the threads run out in an order that is drawn too.
func (c *checker) draw(random *rand.Rand, way int) error {
	longest := max(c.longest, 2)
	slices := 1 + random.IntN(4)
	length := func() uint64 { return 1 + random.Uint64N(longest) }
	switch way {
	case 1:
		slices = min(mostSlices, int(1+longest*2/burst))
		first := true
		length = func() uint64 {
			if first { // the short ones begin anywhere
				first = false
				return onScale(random, longest)
			}
			return 1 + random.Uint64N(burst)
		}
	case 2:
		slices = 2 + random.IntN(30)
		length = func() uint64 { return onScale(random, longest) }
	}
	last := -1
	for range slices {
		can, over := c.next()
		if over {
			return nil
		}
		if others := can.less(only(max(last, 0))); last >= 0 && !others.empty() {
			if can.has(last) {
				if c.preemptions == c.bound {
					break
				}
				c.preemptions++
			}
			can = others
		}
		last = pickOf(random, can)
		if err := c.play(last, length()); err != nil {
			return err
		}
	}
	for {
		can, over := c.next()
		if over {
			return nil
		}
		if last < 0 || !can.has(last) || c.preemptions != c.bound {
			if last >= 0 && can.has(last) {
				c.preemptions++
			}
			last = pickOf(random, can)
		}
		if err := c.play(last, 0); err != nil {
			return err
		}
	}
}

// next is the threads that can run now, unless the run is over or broken off.
func (c *checker) next() (can set, over bool) {
	if _, over := c.s.Outcome(); over || c.ctx.Err() != nil {
		return set{}, true
	}
	return enabled(c.s), false
}

// onScale is a number up to most, each order of magnitude as likely as the next.
func onScale(random *rand.Rand, most uint64) uint64 {
	return uint64(math.Exp(random.Float64() * math.Log(float64(most))))
}

// pickOf is a thread of a set that is not empty, each with equal chance.
func pickOf(random *rand.Rand, threads set) int {
	return threads.nth(random.IntN(threads.len()))
}

// scheduled is how many threads a session can run, the clock apart.
func scheduled(s *scenario.Session) int { return s.Threads() }

// ordersOf are the orders of n threads: all of them where there are no more than a
// self-check runs, otherwise the threads' own, the reverse, and some that are drawn.
func ordersOf(n int, seed uint64) [][]int {
	own, reverse := make([]int, n), make([]int, n)
	for i := range n {
		own[i], reverse[n-1-i] = i, i
	}
	if n <= 4 {
		return permutations(own)
	}
	list := [][]int{own, reverse}
	random := generator(seed, 0)
	for len(list) < mostOrders {
		list = append(list, random.Perm(n))
	}
	return list
}

// permutations are all orders of the threads.
func permutations(threads []int) [][]int {
	if len(threads) < 2 {
		return [][]int{append([]int{}, threads...)}
	}
	var list [][]int
	for i, first := range threads {
		rest := append(append([]int{}, threads[:i]...), threads[i+1:]...)
		for _, p := range permutations(rest) {
			list = append(list, append([]int{first}, p...))
		}
	}
	return list
}
