package explore

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"

	"emurace/scenario"
)

// set is a set of threads, a bit each. Two sets of the same threads are equal. Most races have
// few threads, so that only low is used and nothing is allocated; high is never changed.
type set struct {
	low  [lowWords]uint64 // thread 0 lowest in the first word
	high string           // further words of eight bytes, little-endian, without zeros at the end
}

const (
	lowWords  = 2
	firstHigh = 64 * lowWords // thread of high
	setWords  = maxThreads / 64
	wordBytes = 8
)

// maxThreads is how many threads a set holds: as many as a session can know.
const maxThreads = scenario.MaxSchedulable

// words are those of a set, all of them.
type words [setWords]uint64

// set is the set with these words.
func (w *words) set() set {
	s := set{low: [lowWords]uint64(w[:lowWords])}
	n := len(w)
	for n > lowWords && w[n-1] == 0 {
		n--
	}
	if n > lowWords {
		b := make([]byte, 0, wordBytes*(setWords-lowWords))
		for _, v := range w[lowWords:n] {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		s.high = string(b)
	}
	return s
}

func (w *words) add(t int) { w[t/64] |= 1 << (t % 64) }

func (s set) words() (w words) {
	copy(w[:], s.low[:])
	for i := 0; i < len(s.high); i += wordBytes {
		w[lowWords+i/wordBytes] = highWord(s.high, i)
	}
	return w
}

func highWord(high string, i int) (v uint64) {
	for k := range wordBytes {
		v |= uint64(high[i+k]) << (8 * k)
	}
	return v
}

// join is the set whose words are made of those of two.
func join(s, o set, f func(a, b uint64) uint64) set {
	a, b := s.words(), o.words()
	for i := range a {
		a[i] = f(a[i], b[i])
	}
	return a.set()
}

// only is the set of one thread.
func only(t int) set { return set{}.with(t) }

func (s set) has(t int) bool {
	if t < firstHigh {
		return s.low[t/64]&(1<<(t%64)) != 0
	}
	i := (t - firstHigh) / 8
	return i < len(s.high) && s.high[i]&(1<<(t%8)) != 0
}

func (s set) empty() bool { return s == set{} }

func (s set) len() int {
	n := bits.OnesCount64(s.low[0]) + bits.OnesCount64(s.low[1])
	for i := range len(s.high) {
		n += bits.OnesCount8(s.high[i])
	}
	return n
}

// with is the set and a thread.
func (s set) with(t int) set {
	if t < firstHigh {
		s.low[t/64] |= 1 << (t % 64)
		return s
	}
	w := s.words()
	w.add(t)
	return w.set()
}

// less is the set without what is in another one.
func (s set) less(o set) set {
	if s.high == "" {
		return set{low: [lowWords]uint64{s.low[0] &^ o.low[0], s.low[1] &^ o.low[1]}}
	}
	return join(s, o, func(a, b uint64) uint64 { return a &^ b })
}

// or is what is in either set.
func (s set) or(o set) set {
	if s.high == "" && o.high == "" {
		return set{low: [lowWords]uint64{s.low[0] | o.low[0], s.low[1] | o.low[1]}}
	}
	return join(s, o, func(a, b uint64) uint64 { return a | b })
}

// and is what is in both sets.
func (s set) and(o set) set {
	if s.high == "" || o.high == "" {
		return set{low: [lowWords]uint64{s.low[0] & o.low[0], s.low[1] & o.low[1]}}
	}
	return join(s, o, func(a, b uint64) uint64 { return a & b })
}

// first is the lowest thread, maxThreads when there is none.
func (s set) first() int { return s.nth(0) }

// nth is the thread of the set that n others are lower than, maxThreads when there is none.
func (s set) nth(n int) int {
	for i, v := range s.low {
		if c := bits.OnesCount64(v); n >= c {
			n -= c
			continue
		}
		return 64*i + nthBit(v, n)
	}
	for i := 0; i < len(s.high); i += wordBytes {
		v := highWord(s.high, i)
		if c := bits.OnesCount64(v); n >= c {
			n -= c
			continue
		}
		return firstHigh + 8*i + nthBit(v, n)
	}
	return maxThreads
}

// nthBit is the number of the bit of v that n others are lower than.
func nthBit(v uint64, n int) int {
	for ; n > 0; n-- {
		v &= v - 1
	}
	return bits.TrailingZeros64(v)
}

// last is the highest thread, -1 when there is none.
func (s set) last() int {
	if n := len(s.high); n > 0 {
		return firstHigh + 8*n - 1 - bits.LeadingZeros64(highWord(s.high, n-wordBytes))
	}
	if s.low[1] != 0 {
		return 127 - bits.LeadingZeros64(s.low[1])
	}
	return 63 - bits.LeadingZeros64(s.low[0])
}

// everyone is all threads.
var everyone = func() set {
	var w words
	for t := range maxThreads {
		w.add(t)
	}
	return w.set()
}()

// MarshalJSON writes the threads in order.
func (s set) MarshalJSON() ([]byte, error) {
	list := []int{}
	for t := s.first(); t < maxThreads; t = s.nth(len(list)) {
		list = append(list, t)
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (s *set) UnmarshalJSON(data []byte) error {
	var list []int
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	var w words
	last := -1
	for _, t := range list {
		if t <= last || t >= maxThreads {
			return fmt.Errorf("threads %v: not in order from 0 to %d", list, maxThreads-1)
		}
		w.add(t)
		last = t
	}
	*s = w.set()
	return nil
}
