package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Slice is one thread running for N instructions, or with N 0 until it ends,
// waits, or the process ends.
//
// With Half the last of them ends in its middle: it has read memory, and what it writes (of a
// load or store of a pair of registers, the second one's access) is
// the first step of the thread's next slice, which counts as one of that slice's; see
// [emu.Machine.RunHalf].
type Slice struct {
	Thread int // index into the plan's threads
	N      uint64
	Half   bool `json:",omitempty"`
	// Seeing is how the last of them meets memory, nil for as it is.
	Seeing *Seeing `json:",omitempty"`
}

// Schedule is the slices of a run in order.
type Schedule []Slice

// Add appends n instructions of a thread, joining them to a last slice of the
// same thread. Where that has ended in the middle of one, its two steps become one.
func (s Schedule) Add(thread int, n uint64) Schedule { return s.add(Slice{Thread: thread, N: n}) }

// AddEvent appends what an event has run.
func (s Schedule) AddEvent(e Event) Schedule {
	s = s.add(Slice{Thread: e.Thread, N: e.Ran, Half: e.Half})
	for _, sl := range e.Tail {
		s = s.add(sl)
	}
	return s
}

// Then appends a slice, joined to a last one of the same thread.
func (s Schedule) Then(next Slice) Schedule { return s.add(next) }

func (s Schedule) add(next Slice) Schedule {
	k := len(s)
	if k == 0 || s[k-1].Thread != next.Thread || s[k-1].Seeing != nil {
		return append(s, next)
	}
	last := &s[k-1]
	if next.N > 0 {
		last.N += next.N
		if last.Half {
			last.N--
		}
		last.Half, last.Seeing = next.Half, next.Seeing
	}
	return s
}

// Part is n instructions of a slice of which so many have run.
func (s Slice) Part(done, n uint64) Slice {
	p := Slice{Thread: s.Thread, N: n}
	if done+n == s.N {
		p.Half, p.Seeing = s.Half, s.Seeing
	}
	return p
}

// ToEnd is the schedule with its last slice running into the end of the race,
// however long that takes. The schedule of a race that was over at once has none.
func (s Schedule) ToEnd() Schedule {
	s = slices.Clone(s)
	if n := len(s); n > 0 && s[n-1].Seeing != nil {
		return append(s, Slice{Thread: s[n-1].Thread})
	} else if n > 0 {
		s[n-1].N, s[n-1].Half = 0, false
	}
	return s
}

// Switches is how often the schedule goes from one thread to another.
func (s Schedule) Switches() int {
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i].Thread != s[i-1].Thread {
			n++
		}
	}
	return n
}

// half is how a slice is marked that ends in the middle of its last instruction.
const half = " half"

// Text writes one slice as "main 412", or "main" when N is 0. One that ends in the middle of
// its last instruction is "main 412 half". What that sees and leaves comes behind: see [Seeing].
func (s Slice) Text(names []string) string {
	switch {
	case s.N == 0:
		return names[s.Thread]
	case s.Half:
		return fmt.Sprintf("%s %d%s%s", names[s.Thread], s.N, half, s.Seeing.text())
	}
	return fmt.Sprintf("%s %d%s", names[s.Thread], s.N, s.Seeing.text())
}

// Texts writes each slice with [Slice.Text].
func (s Schedule) Texts(names []string) []string {
	out := make([]string, len(s))
	for i, sl := range s {
		out[i] = sl.Text(names)
	}
	return out
}

// ParseSchedule reads what [Schedule.Texts] writes, and nothing else.
func ParseSchedule(lines, names []string) (Schedule, error) {
	var s Schedule
	for i, line := range lines {
		name, count, counted := strings.Cut(line, " ")
		thread := -1
		for j, n := range names {
			if n == name {
				thread = j
			}
		}
		if thread < 0 {
			return nil, fmt.Errorf("slice %d: %q: no thread of this name, only %s", i+1, line, strings.Join(names, ", "))
		}
		sl := Slice{Thread: thread}
		if counted {
			var err error
			if count, sl.Seeing, err = parseSeeing(count); err != nil {
				return nil, fmt.Errorf("slice %d: %w", i+1, err)
			}
			count, sl.Half = strings.CutSuffix(count, half)
			n, err := strconv.ParseUint(count, 10, 48)
			if err != nil || n == 0 || count != strconv.FormatUint(n, 10) {
				return nil, fmt.Errorf("slice %d: %q: not a number of instructions", i+1, line)
			}
			sl.N = n
		}
		s = append(s, sl)
	}
	return s, nil
}
