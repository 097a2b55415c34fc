package explore

// randomWalk lets any of the threads that can run do the next event, each with
// equal chance: what every other strategy is measured by. It is far from
// uniform over schedules, because a thread with many events left gets no more
// chances than one with few.
func randomWalk(r *run) error {
	for !r.over() {
		if _, err := r.step(r.pick(r.enabled())); err != nil {
			return err
		}
	}
	return nil
}
