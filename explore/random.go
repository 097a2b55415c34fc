package explore

// randomWalk lets any of the threads that can run do the next event, each with
// equal chance: what every other strategy is measured by. It is far from
// uniform over schedules, because a thread with many events left gets no more
// chances than one with few.
//
// With an aim, the thread goes on behind an event that is not of the aim, but for about
// once in a run: a switch there changes nothing about the order of those that are.
func randomWalk(r *run) error {
	stays := set{}
	for !r.over() {
		can := r.enabled()
		if stays.and(can).empty() {
			stays = can
		}
		t := r.pick(stays.and(can))
		if _, err := r.step(t); err != nil {
			return err
		}
		if stays = everyone; !r.aimed && !r.strays() {
			stays = only(t)
		}
	}
	return nil
}
