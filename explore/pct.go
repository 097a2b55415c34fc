package explore

// pct gives the threads priorities in a random order and always runs the one
// that has the highest and can run. At depth-1 places, drawn among the events of
// the longest run of the profile, the thread that is about to run falls below
// all others, the later the place in the draw the higher among the fallen. A
// failure that takes d ordering constraints is found with a chance of at least
// 1/(n k^(d-1)), where n counts the threads and k the events of a run.
//
// Source: Burckhardt, Kothari, Musuvathi and Nagarakatte, A Randomized Scheduler
// with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010. There k counts
// instructions. Here it counts events: a change between two of them changes
// nothing, so that counting them all would only make the chance smaller.
//
// With an aim, the places are drawn among the events that are of it, and k counts those.
//
// Whoever is highest runs for as long as it can. A thread that spins until
// another has done something may therefore spin up to the session's limit, which
// is a livelock under this schedule and need not be one under a fair one.
func pct(r *run, depth int) error {
	n := r.s.Threads()
	priority := r.rand.Perm(n)
	for i := range priority {
		priority[i] += depth // below are the places of those that fall
	}
	longest := r.profile.longest
	if r.aim != nil {
		longest = r.profile.aimed
	}
	changes := make(map[uint64][]int, depth-1) // by number of event, what to fall to
	for i := 1; i < depth; i++ {
		at := r.rand.Uint64N(max(longest, 1))
		changes[at] = append(changes[at], i)
	}
	if r.s.Schedulable() > n {
		priority = insert(priority, r.rand.IntN(n+1)+depth)
	}
	for events := uint64(0); !r.over(); {
		for _, fall := range changes[events] {
			priority[highest(priority, r.enabled())] = fall
		}
		delete(changes, events)
		if _, err := r.step(highest(priority, r.enabled())); err != nil {
			return err
		}
		if r.aimed {
			events++
		}
	}
	return nil
}

// insert gives one more thread, which is the clock, a priority: from there on the others
// move up. It comes last, so that what is drawn for the threads does not depend on there
// being a clock.
func insert(priority []int, at int) []int {
	for i := range priority {
		if priority[i] >= at {
			priority[i]++
		}
	}
	return append(priority, at)
}

// highest is the thread of a set with the highest priority.
func highest[P int | uint64](priority []P, threads set) int {
	best := threads.first()
	for t := range priority {
		if threads.has(t) && priority[t] > priority[best] {
			best = t
		}
	}
	return best
}
