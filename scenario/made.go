package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A thread that the process makes itself races like those of the plan. It is known by
// who has made it: by that thread's name, a dot, and the how-manieth it was of that
// thread's, as in worker.1 or main.2.1. So its name does not depend on what other threads
// did in the meantime, as its number on the machine does.
//
// The session has a list of these threads, as it has one of the bytes that are shared: it
// is the same in all runs of a search, whether a run makes the thread or not, and what is
// not in it is learned. A thread that is not known is there and never runs; a run that
// makes one shows nothing, and the search begins anew with it in the list.

// MaxSchedulable is how many threads a session can know, the clock with them: those that there
// are at a time, and those that have ended. MaxPlanned is how many of them can be a plan's, with
// the process's first.
const (
	MaxSchedulable = 1024
	MaxPlanned     = 256
)

// made is what a session knows of the threads that its process makes.
type made struct {
	names   []string       // in order
	early   map[string]int // those of before the race, by their numbers on the machine
	unknown []string       // what runs have shown in addition, in the order in which they did
	grown   uint64
	scouted bool  // see scout.go
	failed  error // of a scout; SetMade tells it
}

// planned is how many threads are the plan's. They come first.
func (s *Session) planned() int { return len(s.plan.Threads) }

// Makes tells whether a thread of this name is none of the plan's, but one that its process
// can make.
func (s *Session) Makes(name string) bool {
	_, _, ok := s.path(name)
	return ok
}

// Made lists the known threads that are none of the plan's, in the order of their
// indices.
func (s *Session) Made() []string { return slices.Clone(s.made.names) }

// Found is Made with those that were not known, and that runs have made since the list was
// set. Beyond MaxSchedulable no more are found. After a run that was Strange the session may be
// at the start of the race then.
func (s *Session) Found() []string {
	if s.strange {
		s.made.failed = s.scout()
	}
	list := slices.Concat(s.made.names, s.made.unknown)
	s.sortPaths(list)
	return list
}

// Strange tells whether the present run has made a thread that is not known: it is there
// and does not run. Found names it, and what the run comes to is of no interest.
func (s *Session) Strange() bool { return s.strange }

// SetMade makes the session know these threads, in any order, and no others that its
// process makes. Threads have other indices then: the session goes to the start of the
// race, and earlier marks are not to be used.
func (s *Session) SetMade(names []string) error {
	if err := s.made.failed; err != nil {
		return err
	}
	s.made.unknown = nil
	names = slices.Clone(names)
	if len(names) > s.mostMade() {
		return fmt.Errorf("%d threads that the process makes, at most %d", len(names), s.mostMade())
	}
	s.sortPaths(names)
	if slices.Equal(names, s.made.names) {
		return nil
	}
	for i, name := range names {
		if _, _, ok := s.path(name); !ok {
			return fmt.Errorf("%q is not the name of a thread that the process makes, as in %s.1", name, s.plan.Threads[0].Name)
		}
		if i > 0 && name == names[i-1] {
			return fmt.Errorf("the thread %s is made twice", name)
		}
	}
	s.made.names = names
	s.start.threads = append(slices.Clip(s.start.threads[:s.planned()]), s.madeRacers()...)
	s.SetLockWords(s.LockWords()) // what was tried out is by index
	return s.Restart()
}

// mostMade is how many threads can be known that are none of the plan's.
func (s *Session) mostMade() int { return MaxSchedulable - 1 - s.planned() }

// madeRacers are the known threads that are none of the plan's, as they are when the race
// begins: mostly not there.
func (s *Session) madeRacers() []racer {
	var list []racer
	for _, name := range s.made.names {
		r := racer{name: name, body: Calls(nil), machine: -1}
		if m, ok := s.made.early[name]; ok {
			r.machine = m
		}
		list = append(list, r)
	}
	return list
}

// meetEarly takes in the threads that were made before the race, by the setup or by
// libraries: they begin to run with it.
func (s *Session) meetEarly() error {
	s.made.early = map[string]int{}
	for m, t := range s.m.Threads() {
		if m > 0 && s.RacingThread(m) < 0 && s.m.Alive(m) {
			s.made.early[t.Name] = m
			s.made.names = append(s.made.names, t.Name)
		}
	}
	if n := len(s.made.names); n > s.mostMade() {
		return fmt.Errorf("%d threads that the process has made are there when the race begins, at most %d can race", n, s.mostMade())
	}
	s.sortPaths(s.made.names)
	s.threads = append(s.threads, s.madeRacers()...)
	s.met = s.m.Made()
	return nil
}

// meet takes in the threads that the process has made since it was last asked.
func (s *Session) meet() {
	if s.met == s.m.Made() {
		return
	}
	threads := s.m.Threads()
	for ; s.met < len(threads); s.met++ {
		name := threads[s.met].Name
		if i := slices.IndexFunc(s.threads, func(r racer) bool { return r.name == name }); i >= 0 {
			s.threads[i].machine = s.met
			continue
		}
		known := slices.Contains(s.made.unknown, name)
		if !known && len(s.made.names)+len(s.made.unknown) < s.mostMade() {
			s.made.unknown = append(s.made.unknown, name)
			s.made.grown++
			known = true
		}
		s.strange = s.strange || known
	}
}

// path takes the name of a made thread to pieces: the index of the plan's thread that it
// comes from, or how many those are for a process's first thread that does not race, and
// who was made in turn.
func (s *Session) path(name string) (root int, turns []int, ok bool) {
	for {
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return 0, nil, false
		}
		n, err := strconv.Atoi(name[i+1:])
		if err != nil || n < 1 || n >= MaxSchedulable || strconv.Itoa(n) != name[i+1:] || len(turns) == MaxSchedulable {
			return 0, nil, false
		}
		name, turns = name[:i], append(turns, n)
		if root = slices.IndexFunc(s.plan.Threads, func(t Thread) bool { return t.Name == name }); root >= 0 {
			slices.Reverse(turns)
			return root, turns, true
		}
		if name == Main {
			slices.Reverse(turns)
			return s.planned(), turns, true
		}
	}
}

// sortPaths orders the names of made threads: by the plan's thread that they come from,
// and who made a thread before that. Names may be anybody's, and long.
func (s *Session) sortPaths(names []string) {
	type path struct {
		name  string
		root  int
		turns []int
	}
	list := make([]path, len(names))
	for i, name := range names {
		root, turns, _ := s.path(name)
		list[i] = path{name, root, turns}
	}
	slices.SortFunc(list, func(a, b path) int {
		return cmp.Or(cmp.Compare(a.root, b.root), slices.Compare(a.turns, b.turns), strings.Compare(a.name, b.name))
	})
	for i, p := range list {
		names[i] = p.name
	}
}

// MadeName is the first of the names of a plan's threads that one would have which another
// of these makes, "" when there is none.
func MadeName(names []string) string {
	plan := &Plan{}
	for _, name := range names {
		plan.Threads = append(plan.Threads, Thread{Name: name})
	}
	return plan.madeName()
}

func (p *Plan) madeName() string {
	s := &Session{plan: p}
	for _, t := range p.Threads {
		if _, _, ok := s.path(t.Name); ok {
			return t.Name
		}
	}
	return ""
}

// hasMade tells whether threads are known that are none of the plan's.
func (s *Session) hasMade() bool { return len(s.made.names) > 0 }

// callsLeft tells whether a thread of the plan's has not made all its calls. A program has none
// to make; it is over when it ends.
func (s *Session) callsLeft() bool {
	return s.isProgram() || slices.ContainsFunc(s.threads[:s.planned()], func(r racer) bool { return !r.done })
}

// function is the function that a thread was called with, or that has made it.
func (s *Session) function(i int) string {
	r := &s.threads[i]
	if i < s.planned() || r.machine < 0 {
		return r.call.Func
	}
	function, _, _ := strings.Cut(s.m.Threads()[r.machine].MadeIn, "(")
	return function
}

// Renamed is the schedule with the indices that threads of one list of names have in
// another one. It is false when a thread of the schedule is not in that.
func (s Schedule) Renamed(from, to []string) (Schedule, bool) {
	list := slices.Clone(s)
	for i, sl := range list {
		if list[i].Thread = slices.Index(to, from[sl.Thread]); list[i].Thread < 0 {
			return nil, false
		}
	}
	return list, true
}
