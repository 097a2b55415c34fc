package replay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/symbolize"
)

// Round is a loop that a thread goes round at the end of a run without end.
type Round struct {
	Thread    string
	Call      string // at the end
	Backtrace []symbolize.Location
	Length    int // instructions of a round, 0 where it is not known
}

// Bounds of what is looked at of a round, and of what is told.
const (
	longestRound = 1 << 14
	mostRead     = 3
)

// rounds finds out for each thread that goes on what it goes round, and which values it reads in each
// round that others could change.
func (h *History) rounds(x *Explanation) error {
	var list []Look
	for i, t := range x.Threads {
		if t.Status != "running" {
			continue
		}
		n := h.roundOf(i)
		x.Rounds = append(x.Rounds, Round{t.Name, t.Call, t.Backtrace, n})
		list = append(list, h.readsOf(i, n)...)
	}
	return h.takeLooks(x, list)
}

// roundOf is how many instructions a thread has run in its last round: as many as it had run before, at
// the same places. It is 0 where it has not run one twice.
func (h *History) roundOf(thread int) int {
	own := h.byThread[thread]
	n := min(len(own), 2*longestRound)
	pc := make([]uint64, n) // the latest first
	for i := range pc {
		pc[i] = h.events[own[len(own)-1-i]].PC
	}
	z := make([]int, n) // how far it agrees from there on with the beginning
	for i, lo, hi := 1, 0, 0; i < n; i++ {
		if i < hi {
			z[i] = min(hi-i, z[i-lo])
		}
		for i+z[i] < n && pc[z[i]] == pc[i+z[i]] {
			z[i]++
		}
		if i+z[i] > hi {
			lo, hi = i, i+z[i]
		}
		if z[i] >= i {
			return i
		}
	}
	return 0
}

// readsOf are what a thread read in its last round: the bytes that others have written, or else those that
// others have used, or else all that it has not written itself, but for its stack.
func (h *History) readsOf(thread, length int) (list []Look) {
	own := h.byThread[thread]
	m := h.s.MachineThread(thread)
	sp, _ := h.s.Process().StackPointer(m)
	lo, hi, _ := h.s.Process().MappingOf(sp)
	used := map[uint64]int{} // what was done to the word: by others 2 for a write, 1 for a read; by itself -1 for a write
	for _, a := range h.log {
		others := int(a.Thread) != m
		switch was := used[a.Addr]; {
		case others && a.Kind != emu.LogRead:
			used[a.Addr] = 2
		case others && was < 1:
			used[a.Addr] = max(was, 0) + 1
		case !others && a.Kind != emu.LogRead && was == 0:
			used[a.Addr] = -1
		}
	}
	best := 0
	for _, i := range own[len(own)-min(length, len(own)):] {
		e := h.events[i]
		for _, a := range h.Accesses(e.Step) {
			rank := used[a.Addr]
			if a.Kind != emu.LogRead || a.Addr >= lo && a.Addr < hi || rank < best {
				continue
			}
			if rank > best {
				best, list = rank, nil
			}
			data := binary.LittleEndian.AppendUint64(nil, a.Value)[:min(a.Size, 8)]
			if len(list) < mostRead && !slices.ContainsFunc(list, func(l Look) bool { return l.Addr == a.Addr }) {
				list = append(list, Look{
					Addr: a.Addr, Data: data, parts: []lookPart{{a.Addr, uint64(len(data)), e.Step}},
					Load: &symbolize.Act{Thread: h.s.Names()[thread], Step: e.Step, Location: symbolize.Location{PC: e.PC}},
				})
			}
		}
	}
	return list
}

// goesRound says which threads go on for ever, and where.
func (x *Explanation) goesRound() (list []Fact) {
	for _, r := range x.Rounds {
		does := "goes on"
		if x.Round {
			does = "goes round"
		}
		where := ""
		if r.Call != "" {
			where = " in " + r.Call
		}
		if len(r.Backtrace) > 0 {
			where += ": " + symbolize.Chain(r.Backtrace)
		}
		f := Fact{Kind: factWaiting, Thread: x.thread(r.Thread), Short: []Text{say("%s %s%s", name(r.Thread), does, where)}}
		if x.Round && r.Length > 0 {
			f.Short = append(f.Short, say("  each round is %s, and changes nothing that others could see", words.Count(uint64(r.Length), "instruction")))
		}
		list = append(list, f)
	}
	return list
}

// found are the values that a check has looked at itself, at the end.
func (x *Explanation) found() (list []string) {
	for i := range x.Looks {
		if l := &x.Looks[i]; l.Load == nil {
			list = append(list, x.look(l).Short[0].String())
		}
	}
	return list
}

// Focus is the address of the value that the failure is about, false where it is about none: where a fatal
// value was loaded from, or the first one that was looked at.
func (x *Explanation) Focus() (addr uint64, ok bool) {
	switch {
	case x.Load != nil:
		return x.LoadAddr, true
	case len(x.Looks) > 0:
		return x.Looks[0].Addr, true
	case len(x.Problems) > 0:
		return x.Problems[0].Accesses[0].Addr, true
	}
	return 0, false
}

// sees is how a view says who has looked at a value, in the middle of a sentence.
func (x *Explanation) sees(l *Look) string {
	if l.Load == nil {
		return "the check finds fault with"
	}
	if len(x.Rounds) > 0 {
		return l.Load.Thread + " finds there in each round"
	}
	if x.At != nil {
		return l.Load.Thread + " found there before it came to its end"
	}
	return "the check finds fault with"
}

// where says in which call the failing instruction is, where nothing else does.
func (x *Explanation) where() []Text {
	if x.At == nil || x.At.Call == "" || x.Load != nil && !strings.HasPrefix(x.Load.Location.Function, emu.RoutinePrefix) {
		return nil
	}
	t := say("in %s", written(x.At))
	if len(x.At.Backtrace) > 1 || !strings.HasPrefix(symbolize.Chain(x.At.Backtrace), x.At.Location.String()) {
		t = say("%s: %s", t, symbolize.Chain(x.At.Backtrace))
	}
	return []Text{t}
}

// RoundReport is a Round in the result object.
type RoundReport struct {
	Thread    string            `json:"thread"`
	Call      string            `json:"call,omitempty"`
	Backtrace []symbolize.Frame `json:"backtrace,omitempty"`
	Length    int               `json:"length,omitempty"` // instructions of a round
}

func (r *Round) report() RoundReport {
	return RoundReport{r.Thread, r.Call, symbolize.Frames(r.Backtrace), r.Length}
}

// barrier says how many have come to a glibc barrier of those that it waits for, by a word of it that a
// thread waits at: struct pthread_barrier has in, current_round and count (sysdeps/nptl/internaltypes.h).
func (h *History) barrier(word uint64) string {
	if h.s.Libc().Name != "glibc" {
		return ""
	}
	in, round, count := h.word32(word-4), h.word32(word), h.word32(word+4)
	come := in - round
	if count == 0 || come == 0 || come >= count {
		return ""
	}
	has := "have"
	if come == 1 {
		has = "has"
	}
	return fmt.Sprintf(" for %d, to which %d %s come", count, come, has)
}
