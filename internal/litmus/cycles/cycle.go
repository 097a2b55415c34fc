package cycles

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/internal/litmus"
	"emurace/loader"
)

// access is a place on the cycle.
type access struct {
	edge     edge // to the next one
	write    bool
	mark     byte
	location int
	value    int // that it writes, or reads where the cycle can be seen
	register string
}

// maxLength is how many relations a cycle may have.
const maxLength = 40

// Test makes the test of a cycle, such as "DMB.SYdWW Rfe DpAddrdR Fre". The errors say what is wrong with
// a relation, or which two do not go together.
func Test(arch loader.Arch, relations string) (*litmus.Test, error) {
	t, err := test(arch, strings.Fields(relations))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", relations, err)
	}
	return t, nil
}

func test(arch loader.Arch, relations []string) (*litmus.Test, error) {
	if len(relations) < 2 || len(relations) > maxLength {
		return nil, fmt.Errorf("there are not 2 to %d relations", maxLength)
	}
	var cycle []*access
	for _, text := range relations {
		e, err := parseEdge(text)
		if err != nil {
			return nil, err
		}
		cycle = append(cycle, &access{edge: e, write: e.from == 'W', mark: e.marks[0]})
	}
	for i, a := range cycle {
		next := cycle[(i+1)%len(cycle)]
		if a.edge.to != next.edge.from || a.edge.marks[1] != next.edge.marks[0] {
			return nil, fmt.Errorf("%s does not go together with %s", relations[i], relations[(i+1)%len(cycle)])
		}
	}
	// It begins where a thread does: what comes before leads to another one.
	begin := slices.IndexFunc(cycle, func(a *access) bool { return a.edge.outside() })
	if begin < 0 {
		return nil, errors.New("there is one thread only")
	}
	if last := cycle[len(cycle)-1]; !last.edge.outside() {
		cycle = slices.Concat(cycle[begin+1:], cycle[:begin+1])
	}
	cycle = turned(cycle)
	if err := places(cycle); err != nil {
		return nil, err
	}
	if err := values(cycle); err != nil {
		return nil, err
	}
	t := &litmus.Test{Name: name(cycleEdges(cycle)), Arch: arch, Cond: &litmus.Cond{Op: litmus.And}}
	for threads := split(cycle); len(threads) > 0; threads = threads[1:] {
		var err error
		if arch == loader.AMD64 {
			err = x86(t, threads[0])
		} else {
			err = arm(t, threads[0])
		}
		if err != nil {
			return nil, err
		}
	}
	ends(t, cycle)
	return t, nil
}

// turned has the cycle begin with the thread with which its family does, if it has one.
func turned(cycle []*access) []*access {
	for range split(cycle) {
		if families[key(threadsOf(cycleEdges(cycle)))] != "" {
			break
		}
		first := len(split(cycle)[0])
		cycle = slices.Concat(cycle[first:], cycle[:first])
	}
	return cycle
}

// places gives the accesses their locations: another one behind each relation that leads to one, and in
// the end the first again.
func places(cycle []*access) error {
	others := 0
	for _, a := range cycle {
		if a.edge.other {
			others++
		}
	}
	if others < 2 {
		return errors.New("it does not lead to another location and back")
	}
	at := 0
	for _, a := range cycle {
		a.location = at % others
		if a.edge.other {
			at++
		}
	}
	return nil
}

// values gives the accesses their values. Those of one location follow each other on the cycle, in
// coherence order. That can be told at the end of two writes, of which one is the last.
func values(cycle []*access) error {
	first := slices.IndexFunc(cycle, func(a *access) bool { return a.edge.other }) + 1
	writes := 0
	for i := range cycle {
		a := cycle[(first+i)%len(cycle)]
		if a.write {
			writes++
		}
		if writes > 2 {
			return errors.New("it has more than two writes to a location, whose order nobody would see")
		}
		a.value = writes
		if a.edge.other {
			writes = 0
		}
	}
	return nil
}

// split cuts the cycle into threads.
func split(cycle []*access) (threads [][]*access) {
	for from, i := 0, 0; i < len(cycle); i++ {
		if cycle[i].edge.outside() {
			threads = append(threads, cycle[from:i+1])
			from = i + 1
		}
	}
	return threads
}

func cycleEdges(cycle []*access) (list []edge) {
	for _, a := range cycle {
		list = append(list, a.edge)
	}
	return list
}

// location is the name of a location by its number: x, y, z, a, b ...
func location(n int) string {
	if n < 3 {
		return string("xyz"[n])
	}
	return fmt.Sprintf("%c", 'a'+n-3)
}

// ends is the condition: what all reads have read, and the last of several writes to a location.
func ends(t *litmus.Test, cycle []*access) {
	writes := map[int]int{}
	for _, a := range cycle {
		if a.write {
			writes[a.location]++
		}
	}
	is := func(p litmus.Place, value int) {
		t.Cond.Of = append(t.Cond.Of, &litmus.Cond{Op: litmus.Is, Place: p, Value: litmus.Value{Number: int64(value)}})
	}
	for n := range len(cycle) {
		if writes[n] > 1 {
			is(litmus.Place{Thread: litmus.Memory, Name: location(n)}, writes[n])
		}
	}
	for thread, list := range split(cycle) {
		for _, a := range list {
			if !a.write {
				is(litmus.Place{Thread: thread, Name: a.register}, a.value)
			}
		}
	}
	if len(t.Cond.Of) == 1 {
		t.Cond = t.Cond.Of[0]
	}
}
