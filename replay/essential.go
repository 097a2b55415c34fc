package replay

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	"emurace/internal/words"
	"emurace/scenario"
)

// Essential is what had to come first in a run for it to fail, where somebody has found it out.
type Essential struct {
	Races    [][2]Point
	Together bool // of Races: with all of them the other way round the run passes, with none alone
	Sections [][2]SectionPoints
}

// TracePoint is a Point in a trace.
type TracePoint struct {
	Thread string `json:"thread"`
	Step   uint64 `json:"step"`
}

// TraceSection is a critical section in a trace.
type TraceSection struct {
	Word   string      `json:"word"`
	Lock   TracePoint  `json:"lock"`
	Unlock *TracePoint `json:"unlock,omitempty"` // absent where it was never let go
}

// mostEssential bounds the pairs of a trace.
const mostEssential = 1 << 10

// Keep has the trace say what had to come first. Names are the session's of schedules.
func (t *Trace) Keep(e Essential, names []string) {
	point := func(p Point) TracePoint { return TracePoint{names[p.Thread], p.Step} }
	for _, p := range e.Races[:min(len(e.Races), mostEssential)] {
		t.Races = append(t.Races, [2]TracePoint{point(p[0]), point(p[1])})
	}
	t.Together = e.Together && len(t.Races) > 0
	for _, p := range e.Sections[:min(len(e.Sections), mostEssential)] {
		var pair [2]TraceSection
		for i, s := range p {
			pair[i] = TraceSection{Word: words.Hex(s.Word), Lock: point(s.Lock)}
			if !s.NeverUnlocked {
				unlock := point(s.Unlock)
				pair[i].Unlock = &unlock
			}
		}
		t.Sections = append(t.Sections, pair)
	}
}

// essential is what the trace says of that, for the run of a history.
func (t *Trace) essential(h *History) (e Essential, err error) {
	if len(t.Races) > mostEssential || len(t.Sections) > mostEssential {
		return e, fmt.Errorf("%w: more than %d pairs in races or sections", ErrFormat, mostEssential)
	}
	for i, p := range t.Races {
		var pair [2]Point
		for k, at := range p {
			if pair[k], err = h.point(at); err != nil {
				return e, fmt.Errorf("%w: field races: pair %d: %w", ErrFormat, i+1, err)
			}
		}
		e.Races = append(e.Races, pair)
	}
	for i, p := range t.Sections {
		var pair [2]SectionPoints
		for k, s := range p {
			if pair[k], err = h.section(s); err != nil {
				return e, fmt.Errorf("%w: field sections: pair %d: %w", ErrFormat, i+1, err)
			}
		}
		e.Sections = append(e.Sections, pair)
	}
	e.Together = t.Together
	return e, nil
}

func (h *History) section(s TraceSection) (p SectionPoints, err error) {
	if p.Word, err = strconv.ParseUint(s.Word, 0, 64); err != nil {
		return p, fmt.Errorf("word %q is no address", s.Word)
	}
	if p.Lock, err = h.point(s.Lock); err != nil || s.Unlock == nil {
		p.NeverUnlocked = true
		return p, err
	}
	p.Unlock, err = h.point(*s.Unlock)
	return p, err
}

// point is a place of the run, which has to be there.
func (h *History) point(at TracePoint) (Point, error) {
	p := Point{slices.Index(h.s.ScheduleNames(), at.Thread), at.Step}
	if p.Thread < 0 {
		return p, fmt.Errorf("there is no thread %q", at.Thread)
	}
	if h.s.IsClock(p.Thread) {
		if at.Step > h.end {
			return p, fmt.Errorf("instruction %d of %d", at.Step, h.end)
		}
		return p, nil
	}
	step := at.Step + h.s.Base()
	i := sort.Search(len(h.events), func(i int) bool { return h.events[i].Step >= step })
	if i < len(h.events) && h.events[i].Step == step && h.events[i].Thread == p.Thread {
		return p, nil
	}
	if o, _ := h.s.Outcome(); at.Step == h.end+1 && o.Thread == p.Thread {
		return p, nil // the instruction that faults, which no count has
	}
	return p, fmt.Errorf("instruction %d is none of %s", at.Step, at.Thread)
}

// AddEssential has an explanation tell what had to come first. The session is left at the end of the run.
func (x *Explanation) AddEssential(h *History, e Essential) (err error) {
	x.Together = e.Together
	if x.Races, err = h.Races(e.Races); err == nil {
		x.Sections, err = h.Sections(e.Sections)
	}
	return err
}

// AddTrace is AddEssential with what a trace of the run has kept of it.
func (x *Explanation) AddTrace(h *History, t *Trace) error {
	if len(t.Races) == 0 && len(t.Sections) == 0 {
		return nil
	}
	e, err := t.essential(h)
	if err != nil {
		return err
	}
	return x.AddEssential(h, e)
}

// order says in a sentence what had to come first, "" where that is not known.
func (x *Explanation) order() string {
	switch {
	case len(x.Sections) > 0:
		p := x.Sections[0]
		return fmt.Sprintf("What %s did under the lock at %s, %s, came before what %s did under it, %s: with the two the other way round the run passes.",
			p[0].Thread, words.Hex(p[0].Word), p[0].tell(), p[1].Thread, p[1].tell())
	case len(x.Races) == 1 || len(x.Races) > 1 && !x.Together:
		r := x.Races[0]
		return fmt.Sprintf("%s had to come before %s: the other way round the run passes.", words.Capital(x.side(&r.First)), x.side(&r.Second))
	}
	return ""
}

// side is one of a pair of instructions.
func (x *Explanation) side(t *Touch) string {
	switch {
	case t.Thread == scenario.ClockName:
		return t.Thread + ": " + t.Instruction
	case t.Step > x.Steps:
		return "the failure of " + t.Thread
	}
	in := ""
	if t.Call != "" {
		in = " (in its call of " + written(&t.Act) + ")"
	}
	return fmt.Sprintf("%s at %s%s", t.Thread, t.Location, in)
}
