package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Slice is one thread running for N instructions, or with N 0 until it ends,
// waits, or the process ends.
type Slice struct {
	Thread int // index into the plan's threads
	N      uint64
}

// Schedule is the slices of a run in order.
type Schedule []Slice

// Add appends n instructions of a thread, joining them to a last slice of the
// same thread.
func (s Schedule) Add(thread int, n uint64) Schedule {
	if k := len(s); k > 0 && s[k-1].Thread == thread {
		s[k-1].N += n
		return s
	}
	return append(s, Slice{thread, n})
}

// ToEnd is the schedule with its last slice running into the end of the race,
// however long that takes. The schedule of a race that was over at once has none.
func (s Schedule) ToEnd() Schedule {
	s = slices.Clone(s)
	if n := len(s); n > 0 {
		s[n-1].N = 0
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

// Text writes one slice as "main 412", or "main" when N is 0.
func (s Slice) Text(names []string) string {
	if s.N == 0 {
		return names[s.Thread]
	}
	return fmt.Sprintf("%s %d", names[s.Thread], s.N)
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
