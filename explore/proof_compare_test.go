package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/scenario"
)

// told is what can be seen of how a race came out: how it ended, what the functions have
// returned, what there is in memory that was not there when it began, and what was
// printed. Where it has no end, that is all there is to see: the rest depends on where
// the run was cut off. When the process ended, what the others had come to is nothing
// to go by: an event takes in all instructions before it that concern nobody.
func (g *guest) told() string {
	var b strings.Builder
	o, _ := g.s.Outcome()
	fmt.Fprint(&b, o.Kind)
	switch {
	case o.Kind == scenario.Livelock:
		return b.String()
	case o.Kind == scenario.Illegal || o.Kind == scenario.Segv && o.End.Access == emu.AccessExec:
		// A thread's code was taken from it or changed, somewhere between two events:
		// where it was then, the search cannot tell.
		fmt.Fprint(&b, " of ", g.s.Names()[o.Thread])
	case o.End != nil:
		fmt.Fprintf(&b, " of %s, %v %v", g.s.Names()[o.Thread], *o.End, g.s.Results(o.Thread))
	default:
		for i := range g.s.Threads() {
			fmt.Fprint(&b, " ", g.s.Results(i))
		}
		for i, w := range g.words() {
			if w != g.began[i] {
				fmt.Fprintf(&b, " %x=%x", 8*i, w)
			}
		}
	}
	for _, o := range g.s.Process().Output() {
		fmt.Fprintf(&b, " %d:%q", o.Thread, o.Data)
	}
	return b.String()
}

// words are the program's variables, and the beginning of its page.
func (g *guest) words() []uint64 {
	at := g.code.Symbols["m"] &^ (guestcode.PageSize - 1)
	memory, _ := g.s.Process().Read(g.base+at, uint64(len(g.code.Bytes))-at)
	page := binary.LittleEndian.Uint64(memory[g.code.Symbols["page"]-at:])
	begin, _ := g.s.Process().Read(page, 64)
	memory = append(memory, append(begin, make([]byte, 64-len(begin))...)...)
	words := make([]uint64, len(memory)/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(memory[8*i:])
	}
	return words
}

// proved is what the search says of a program.
type proved struct {
	ends   map[string]bool // what could be seen
	kinds  map[scenario.Kind]bool
	traces uint64
	whole  bool // it came to its end
}

// prove searches the program, with locks as they are or as one thing each.
func prove(t *testing.T, g *guest, abstract bool, most uint64) proved {
	t.Helper()
	g.s.ForgetShared()
	g.s.WantEvents(true)
	g.s.AbstractLocks(abstract)
	g.s.SetLockWords(nil, nil)
	defer g.s.AbstractLocks(false)
	p := proved{ends: map[string]bool{}}
	f := exploredUpTo(t, g, most, func() { p.ends[g.told()] = true })
	p.traces, p.whole = f.traces, f.traces < most
	p.kinds = map[scenario.Kind]bool{}
	for kind := range f.kinds {
		p.kinds[kind] = true
	}
	return p
}

// unproved is what a run came to that no run of the search did.
type unproved struct {
	end string
	how string // the run
}

func (u *unproved) Error() string {
	return fmt.Sprintf("%s\ncomes to\n%s\nwhich no run of the search has come to", u.how, u.end)
}

// boundedIn runs the schedules with one preemption at most, up to so many that begin
// with each thread, and tells of the first that comes to what is not known. A run
// without an end is left out: one that lets a thread spin until it is cut off is not
// fair.
func boundedIn(t *testing.T, g *guest, known map[string]bool, most uint64) (ran uint64, err error) {
	t.Helper()
	g.s.WantEvents(false)
	for first := range g.s.Threads() {
		for level := range 2 {
			must(t, g.s.Restart())
			if !g.s.Runnable(first) {
				continue
			}
			var count atomic.Uint64
			w := &walker{ctx: t.Context(), s: g.s, keepGoing: true, level: level, count: &count, limit: most}
			w.inspect = func(_ []string, s scenario.Schedule) ([]Problem, error) {
				if end := g.told(); !known[end] && end != string(scenario.Livelock) {
					return nil, &unproved{end, fmt.Sprint(s.Texts(g.s.ScheduleNames()))}
				}
				return nil, nil
			}
			err := w.walk(first, level)
			ran += count.Load()
			if err != nil && !errors.Is(err, errBudget) {
				return ran, err
			}
		}
	}
	return ran, nil
}

// drawnIn runs schedules that change threads at any instruction, and tells of the first
// that comes to what is not known. After some short turns each thread has long ones,
// one after the other, so that a thread that spins meets what it spins for.
func drawnIn(t *testing.T, g *guest, known map[string]bool, r *rand.Rand, count int) error {
	t.Helper()
	const fair = 400 // instructions
	g.s.WantEvents(false)
	n := g.s.Schedulable()
	for range count {
		must(t, g.s.Restart())
		var s scenario.Schedule
		turn := func(thread int, n uint64) bool {
			if g.s.IsClock(thread) {
				n = 1
			}
			ran, err := g.s.Run(thread, n)
			must(t, err)
			s = s.Add(thread, ran)
			_, over := g.s.Outcome()
			return over
		}
		over := false
		for turns := r.IntN(16); turns > 0 && !over; turns-- {
			over = turn(r.IntN(n), 1+r.Uint64N([]uint64{8, 40, 300}[r.IntN(3)]))
		}
		for i := 0; !over; i++ {
			over = turn(i%n, fair)
		}
		if end := g.told(); !known[end] && !(end == string(scenario.Livelock) && endless(known)) {
			return &unproved{end, fmt.Sprint(s.Texts(g.s.ScheduleNames()))}
		}
	}
	return nil
}

// endless tells whether a run has come to where nobody goes on: threads that go round for
// ever, without a call that waits, are cut off here, and a search takes them as waiting.
func endless(known map[string]bool) bool {
	for end := range known {
		if strings.HasPrefix(end, string(scenario.Deadlock)) || end == string(scenario.Livelock) {
			return true
		}
	}
	return false
}

// compareProof says in what a program comes out differently when it is searched and
// when it is just run. What it returns first is false where the search was cut off, so
// that there is nothing to compare.
func compareProof(t *testing.T, g *guest, seed uint64, size proofSize) (whole bool, several bool, err error) {
	t.Helper()
	raw := prove(t, g, false, size.traces)
	if !raw.whole {
		return false, false, nil
	}
	several = len(raw.ends) > 1
	if _, err := boundedIn(t, g, raw.ends, size.schedules); err != nil {
		return true, several, raw.about(err)
	}
	if err := drawnIn(t, g, raw.ends, rand.New(rand.NewPCG(seed, 7)), size.drawn); err != nil {
		return true, several, raw.about(err)
	}
	if !mended["abstract"] {
		return true, several, nil
	}
	abstract := prove(t, g, true, size.traces)
	if abstract.whole && !maps.Equal(raw.kinds, abstract.kinds) {
		return true, several, fmt.Errorf("with locks as they are the search shows %v, with abstract ones %v", kindsOf(raw), kindsOf(abstract))
	}
	return true, several, nil
}

// about adds what the search has come to.
func (p proved) about(err error) error {
	var u *unproved
	if !errors.As(err, &u) {
		return err
	}
	list := slices.Sorted(maps.Keys(p.ends))
	if len(list) > 8 {
		list = append(list[:8], "...")
	}
	return fmt.Errorf("%w, of %d traces, only\n%s", err, p.traces, strings.Join(list, "\n"))
}

func kindsOf(p proved) []scenario.Kind { return slices.Sorted(maps.Keys(p.kinds)) }
