package scenario

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"emurace/emu"
)

// What a failed try to take a lock does is left out with abstract locks: no run of
// the search has one. So whether it is of no account has to be found out by trying.
// When a thread takes a lock in a way that was not met before, it is sent back, the
// lock's word is made to look taken, and it runs alone while the word changes under
// its hands as other threads could change it: let go, taken again, marked as waited
// for. Whatever comes, the thread must do nothing that others can see but read and
// mark the word, wait for it, without a deadline, while it is taken, and take it when
// it is free; and then it must go on as if it had taken it at once. When it lets go a
// lock, the same is tried with the word as those leave it who wait: it must wake one.

// lockTry tells apart ways to take a lock or to let it go: by the word, the
// values at which others wait, and the thread with its registers and the top of its
// stack behind the instruction.
type lockTry struct {
	word   uint64
	thread int
	does   act
	waited int
	state  [sha256.Size]byte
}

// Bounds of trying out one taking.
const (
	maxActs    = 64   // of a thread that tries in vain
	maxChanges = 2    // of the word by others
	maxTries   = 2000 // ways in which the word changes
	tailLimit  = 2_000_000
	stackTop   = 512 // bytes
)

func (s *Session) lockTry(i int, w uint64, does act) (lockTry, error) {
	m := s.threads[i].machine
	k := lockTry{word: w, thread: i, does: does, waited: len(s.locks.waited[w])}
	regs, err := s.m.Registers(m)
	if err != nil {
		return k, err
	}
	h := sha256.New()
	for _, r := range regs {
		h.Write(r.Value)
	}
	if sp, ok := s.m.StackPointer(m); ok {
		if top, ok := s.m.Read(sp-128, stackTop); ok {
			h.Write(top)
		}
	}
	h.Sum(k.state[:0])
	return k, nil
}

// trial is a thread that is run alone, to see what it would do.
type trial struct {
	s      *Session
	thread int // on the machine
	other  int // the thread that changes the word
	word   uint64
	log    int       // length of the log when it began
	values []uint32  // what the word holds when it is taken
	does   act       // what the thread does to the lock
	plain  []place   // how it goes on then
	taken  [][]place // and how when it has tried in vain before
	apart  int       // how many places two ways are apart at least
	tries  int
	bad    bool
}

// trial is one of thread i, with a lock.
func (s *Session) trial(i int, w uint64, does act) *trial {
	x := &trial{s: s, thread: s.threads[i].machine, word: w, does: does}
	for j := range s.threads {
		if j != i && s.threads[j].machine >= 0 {
			x.other = s.threads[j].machine
			break
		}
	}
	return x
}

// tryOut tries out what thread i is about to do to a lock, by the instruction with this
// step: take it, let it go, or look at it while it has it. The session is then as it was.
func (s *Session) tryOut(i int, w uint64, does act, step uint64) error {
	x := s.trial(i, w, does)
	s.trying = true
	defer func() { s.trying = false }()
	return s.m.WithoutStops(func() error {
		return x.back(func() error {
			if err := x.approach(i, step); err != nil {
				return err
			}
			x.log = s.m.LogLen()
			switch does {
			case actTake:
				return x.tryTaking()
			case actLearn:
				return x.tryLearning(i)
			default: // the thread has it
				return x.tryHolding()
			}
		})
	})
}

// approach runs thread i up to the instruction with this step, through the ends of
// calls and the beginnings of others.
func (x *trial) approach(i int, step uint64) error {
	s := x.s
	if n := step - s.m.Steps() - 1; n > 0 {
		if _, err := s.Run(i, n); err != nil {
			return err
		}
	}
	for {
		returned := false
		err := x.back(func() error {
			stop, err := s.m.Run(x.thread, 1)
			returned = stop.Kind == emu.Returned && stop.Ran == 0
			return err
		})
		if err != nil || !returned {
			return err
		}
		if _, err := s.m.Run(x.thread, 1); err != nil {
			return err
		}
		if err := s.settle(i, emu.Returned); err != nil {
			return err
		}
	}
}

// back calls f and goes back to the moment before.
func (x *trial) back(f func() error) error {
	mark, err := x.s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	if err := f(); err != nil {
		return err
	}
	return mark.Rewind()
}

// set makes the word what another thread could have made it.
func (x *trial) set(v uint32) error {
	b := []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
	return x.s.m.Write(x.other, x.word, b)
}

func (x *trial) value(v uint32) {
	if v != 0 && !slices.Contains(x.values, v) {
		x.values = append(x.values, v)
	}
}

// wait notes a value of the word at which somebody may wait.
func (x *trial) wait(v uint32) {
	if list := x.s.locks.waited[x.word]; !slices.Contains(list, v) {
		x.s.locks.waited[x.word] = append(list, v)
	}
}

// leadsToWait tells whether a thread that has just tried in vain to take a lock waits
// for it before it does anything else.
func (s *Session) leadsToWait(i int, w uint64) (bool, error) {
	x := &trial{s: s, thread: s.threads[i].machine, word: w}
	for range maxActs {
		switch a, err := x.act(); {
		case err != nil || a == actWait:
			return err == nil, err
		case a != actLook && a != actMark:
			return false, nil
		}
	}
	return false, nil
}

// tryLearning tries out whether a word is a lock's: a thread that finds it not 0 waits.
func (x *trial) tryLearning(i int) error {
	taken := uint32(0)
	err := x.back(func() error {
		a, err := x.act()
		if a == actTake {
			taken = x.s.word(x.word)
		}
		return err
	})
	if err != nil || taken == 0 {
		return err
	}
	if err := x.set(taken); err != nil {
		return err
	}
	if a, err := x.act(); err != nil || a != actLook && a != actMark {
		return err
	}
	waits, err := x.s.leadsToWait(i, x.word)
	if waits {
		x.s.locks.found[x.word] = true
		x.s.locks.grown++
	}
	return err
}

// tryTaking tries out a taking: what if the lock had been taken?
func (x *trial) tryTaking() error {
	err := x.back(func() error {
		for range maxActs {
			a, err := x.act()
			if err != nil {
				return err
			}
			if a == actTake {
				x.value(x.s.word(x.word))
				x.plain, _, err = x.tail(nil)
				return err
			}
			if a != actLook {
				break
			}
		}
		x.bad = true
		return nil
	})
	if err != nil {
		return err
	}
	if !x.bad {
		if err := x.together(x.tryInVain, true); err != nil {
			return err
		}
	}
	if x.bad {
		x.s.breakLock(x.word)
	}
	return nil
}

// tryInVain are the ways in which the thread goes on that has found the lock taken.
func (x *trial) tryInVain() ([][]place, error) {
	x.tries = 0
	for n := 0; n < len(x.values) && !x.bad; {
		n = len(x.values)
		x.taken = nil
		for _, v := range x.values[:n] {
			err := x.back(func() error {
				if err := x.set(v); err != nil {
					return err
				}
				return x.inVain(maxChanges, false, false, nil)
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return x.taken, nil
}

// inVain runs a thread that finds the lock taken, while others change the word at
// most so many times.
func (x *trial) inVain(changes int, changed, waited bool, since *round) error {
	for range maxActs {
		if x.bad {
			return nil
		}
		if !changed {
			if err := x.changes(changes, waited, nil); err != nil {
				return err
			}
		}
		changed = false
		a, err := x.act()
		if err != nil {
			return err
		}
		now := x.s.word(x.word)
		switch a {
		case actLook:
		case actMark:
			x.value(now)
		case actTake:
			x.value(now)
			if waited {
				// Others that waited with it may wait still.
				x.wait(now)
			}
			t, _, err := x.tail(x.plain)
			x.taken = append(x.taken, t)
			return err
		case actWait:
			if now == 0 {
				x.bad = true
			}
			x.wait(now)
			r := &round{before: since, word: now}
			if r.state, err = x.state(); err != nil {
				return err
			}
			if r.remembers() {
				x.bad = true
				return nil
			}
			return x.changes(changes, true, r)
		default:
			x.bad = true
			return nil
		}
	}
	x.bad = true
	return nil
}

// round is a wait of a thread that tries in vain.
type round struct {
	before *round // the wait before it, if nothing but a wake-up lies between
	word   uint32
	state  [sha256.Size]byte
	set    uint32 // what the word was when the wait ended
}

// remembers tells whether a thread that has been woken in vain twice, in the same way,
// is not in the same state as after the first time. Such a thread counts, and may do
// something else the third time, or the hundredth.
func (r *round) remembers() bool {
	b := r.before
	return b != nil && b.before != nil && b.set == b.before.set && b.word == r.word && b.state != r.state
}

// state is what the thread has in its registers and what it has written.
func (x *trial) state() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	regs, err := x.s.m.Registers(x.thread)
	if err != nil {
		return sum, err
	}
	for _, r := range regs {
		h.Write(r.Value)
	}
	written := x.written()
	for _, at := range slices.Sorted(maps.Keys(written)) {
		fmt.Fprintf(h, "%x=%x;", at, written[at][1])
	}
	h.Sum(sum[:0])
	return sum, nil
}

// changes goes on with the word changed in every way, the thread woken if it waits.
func (x *trial) changes(left int, waited bool, wait *round) error {
	if left == 0 {
		return nil
	}
	now := x.s.word(x.word)
	for _, v := range append([]uint32{0}, x.values...) {
		if v == now && wait == nil {
			continue
		}
		if x.tries++; x.tries > maxTries {
			x.bad = true
			return nil
		}
		err := x.back(func() error {
			if err := x.set(v); err != nil {
				return err
			}
			if wait != nil {
				wait.set = v
				if _, err := x.s.m.Rouse(x.thread); err != nil {
					return err
				}
			}
			return x.inVain(left-1, true, waited, wait)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tryHolding tries out what a thread does that has taken the lock: what if others
// waited for it? When it lets the lock go it must wake one of them, and beside that it
// must do the same.
func (x *trial) tryHolding() error {
	waited := x.s.locks.waited[x.word]
	held := x.s.word(x.word)
	err := x.back(func() (err error) {
		wakes := false
		x.plain, wakes, err = x.holding()
		x.bad = x.bad || !wakes && x.does == actFree && slices.Contains(waited, held)
		return err
	})
	if err != nil {
		return err
	}
	err = x.together(func() (others [][]place, err error) {
		for _, v := range waited {
			if x.bad || v == held {
				continue
			}
			err := x.back(func() error {
				if err := x.set(v); err != nil {
					return err
				}
				t, wakes, err := x.holding()
				others = append(others, t)
				x.bad = x.bad || !wakes && x.does == actFree
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		return others, nil
	}, false)
	if err == nil && x.bad {
		x.s.breakLock(x.word)
	}
	return err
}

// holding runs the thread up to where it lets the lock go, or looks at it, and on to
// the next places.
func (x *trial) holding() (t []place, wakes bool, err error) {
	for range maxActs {
		a, err := x.act()
		if err != nil {
			return t, false, err
		}
		if a == x.does {
			return x.tail(x.plain)
		}
		if a != actLook {
			break
		}
	}
	x.bad = true
	return t, false, nil
}
