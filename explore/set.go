package explore

import (
	"encoding/json"
	"fmt"
	"math/bits"
)

// set is a set of threads, a bit each, thread 0 lowest in the first word.
type set [2]uint64

// maxThreads is how many threads a set holds: as many as a process has, and room for
// those that are none of the process's.
const maxThreads = 128

// only is the set of one thread.
func only(t int) set { return set{}.with(t) }

func (s set) has(t int) bool { return s[t/64]&(1<<(t%64)) != 0 }
func (s set) empty() bool    { return s == set{} }
func (s set) len() int       { return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) }

// with is the set and a thread.
func (s set) with(t int) set {
	s[t/64] |= 1 << (t % 64)
	return s
}

// less is the set without what is in another one.
func (s set) less(o set) set { return set{s[0] &^ o[0], s[1] &^ o[1]} }

// or is what is in either set.
func (s set) or(o set) set { return set{s[0] | o[0], s[1] | o[1]} }

// and is what is in both sets.
func (s set) and(o set) set { return set{s[0] & o[0], s[1] & o[1]} }

// first is the lowest thread, maxThreads when there is none.
func (s set) first() int {
	if s[0] != 0 {
		return bits.TrailingZeros64(s[0])
	}
	return 64 + bits.TrailingZeros64(s[1])
}

// last is the highest thread, -1 when there is none.
func (s set) last() int {
	if s[1] != 0 {
		return 127 - bits.LeadingZeros64(s[1])
	}
	return 63 - bits.LeadingZeros64(s[0])
}

// MarshalJSON writes the threads in order.
func (s set) MarshalJSON() ([]byte, error) {
	list := []int{}
	for ; !s.empty(); s = s.less(only(s.first())) {
		list = append(list, s.first())
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (s *set) UnmarshalJSON(data []byte) error {
	var list []int
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*s = set{}
	for _, t := range list {
		if t <= s.last() || t >= maxThreads {
			return fmt.Errorf("threads %v: not in order from 0 to %d", list, maxThreads-1)
		}
		*s = s.with(t)
	}
	return nil
}
