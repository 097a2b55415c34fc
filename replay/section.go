package replay

import (
	"emurace/internal/words"
	"emurace/symbolize"
)

// Section is what a thread did between taking a lock and letting it go.
type Section struct {
	Thread string
	Word   uint64 // address of the lock's word
	Place  string // the static data that it is in; "" for none
	Lock   *symbolize.Act
	Unlock *symbolize.Act // nil where the lock was never let go
}

// SectionPoints names a critical section of a run.
type SectionPoints struct {
	Word          uint64
	Lock, Unlock  Point
	NeverUnlocked bool
}

// Sections describes pairs of critical sections by going to the moment before each lock and unlock. The
// session is left at the end of the run.
func (h *History) Sections(pairs [][2]SectionPoints) (list [][2]Section, err error) {
	for _, p := range pairs {
		var told [2]Section
		for i, s := range p {
			told[i] = Section{Thread: h.s.Names()[s.Lock.Thread], Word: s.Word, Place: h.place(s.Word)}
			if told[i].Lock, err = h.atPoint(s.Lock); err == nil && !s.NeverUnlocked {
				told[i].Unlock, err = h.atPoint(s.Unlock)
			}
			if err != nil {
				return nil, err
			}
		}
		list = append(list, told)
	}
	return list, h.SeekEnd()
}

func (h *History) atPoint(p Point) (*symbolize.Act, error) {
	if err := h.SeekTo(p.Step - 1); err != nil {
		return nil, err
	}
	pc, err := h.s.Process().PC(h.s.MachineThread(p.Thread))
	if err != nil {
		return nil, err
	}
	return h.act(p.Thread, pc, p.Step+h.s.Base()), nil
}

// tell says from where to where the section goes.
func (s *Section) tell() Text {
	t := say("from %s", moment(s.Lock))
	if s.Unlock == nil {
		return say("%s on", t)
	}
	return say("%s to %s", t, moment(s.Unlock))
}

func moment(a *symbolize.Act) Text {
	return say("%s (%s, instruction %s)", written(a), name(a.Location.String()), words.Grouped(a.Step))
}

// sections are pairs of critical sections whose order the failure needs.
func (x *Explanation) sections() []Fact {
	if len(x.Sections) == 0 {
		return nil
	}
	const most = 4
	f := Fact{Kind: factRaces, Thread: -1, section: sectionRaces}
	for i, p := range x.Sections {
		if i == most {
			f.Short = append(f.Short, say("and %d more pairs of sections", len(x.Sections)-most))
			break
		}
		f.Short = append(f.Short,
			say("%s's section of the lock at %s, %s", name(p[0].Thread), number(addressOf(p[0].Word, p[0].Place)), p[0].tell()),
			say("  before %s's, %s", name(p[1].Thread), p[1].tell()))
	}
	if len(x.Sections) == 1 {
		f.Short = append(f.Short, say("with the two sections the other way round, as wholes, the run passes"))
	} else {
		f.Short = append(f.Short, say("with the two sections of one of these pairs the other way round, as wholes, the run passes"))
	}
	return []Fact{f}
}

// SectionReport is a critical section in the result object.
type SectionReport struct {
	Thread string            `json:"thread"`
	Word   string            `json:"word"` // address of the lock's word
	Place  string            `json:"place,omitempty"`
	Lock   *symbolize.Report `json:"lock"`
	Unlock *symbolize.Report `json:"unlock,omitempty"` // absent where the lock was never let go
}

func (s *Section) report() SectionReport {
	return SectionReport{s.Thread, words.Hex(s.Word), s.Place, s.Lock.Report(), s.Unlock.Report()}
}
