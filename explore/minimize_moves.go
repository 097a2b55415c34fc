package explore

// mostMoved bounds the instructions that moves may run in all. A scenario does not come to it; a
// large program tries some hundred.
const mostMoved = 2_000_000_000

// move puts stretches of one thread's events beside its stretch before or behind, where the failure
// stays the same with fewer switches. That goes where nothing can be left out: for a check at the
// end every thread has to make all its calls, and in a deadlock each has to come to where it waits.
func (m *minimizer) move(threads []int) ([]int, error) {
	for i := 0; i < len(stretches(threads)); {
		moved, err := m.moveOne(threads, i)
		if err != nil {
			return nil, err
		}
		if moved == nil {
			i++
		} else {
			threads = moved
		}
	}
	return threads, nil
}

// moveOne moves stretch i, and returns nil where the failure does not stay the same.
func (m *minimizer) moveOne(threads []int, i int) ([]int, error) {
	list := stretches(threads)
	for _, to := range neighbours(list, i) {
		if m.moved >= mostMoved {
			return nil, nil
		}
		candidate := reordered(list, i, to)
		ok, err := m.fails(candidate)
		m.moved += m.s.Steps()
		if err != nil {
			return nil, err
		}
		if ran := m.threads(); ok && switches(ran) < switches(threads) {
			return ran, nil
		}
	}
	return nil, nil
}

// stretch is events of one thread in a row.
type stretch struct{ thread, events int }

func stretches(threads []int) (list []stretch) {
	for _, t := range threads {
		if n := len(list); n > 0 && list[n-1].thread == t {
			list[n-1].events++
		} else {
			list = append(list, stretch{t, 1})
		}
	}
	return list
}

// neighbours are the stretches of the same thread before stretch i and behind it.
func neighbours(list []stretch, i int) (at []int) {
	for k := i - 1; k >= 0; k-- {
		if list[k].thread == list[i].thread {
			at = append(at, k)
			break
		}
	}
	for k := i + 1; k < len(list); k++ {
		if list[k].thread == list[i].thread {
			return append(at, k)
		}
	}
	return at
}

// reordered has stretch i beside stretch to, which is of the same thread.
func reordered(list []stretch, i, to int) (threads []int) {
	for k, st := range list {
		if k == i {
			continue
		}
		if k == to {
			st.events += list[i].events
		}
		for range st.events {
			threads = append(threads, st.thread)
		}
	}
	return threads
}
