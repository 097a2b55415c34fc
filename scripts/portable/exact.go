package portable

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"emurace/scenario"
)

// maxExactHits bounds how often a condition may have come true in a run of Exact's: a higher
// number tells a reader no more than a number of instructions.
const maxExactHits = 1000

// Exact finds runs that come to the very run of a schedule: each stops its thread at the same
// instruction as the slice, in words where there are some that stop exactly there: the call
// of a function, the beginning of a source line, an instruction of a function; and else
// after a number of instructions. It takes no more than some plays of the schedule, however
// long the race is, and it is for those who want the same run on the same build; [Describe] is for
// other builds. Sessions are made by start; they must be equal.
//
// The notes say in sentences what a reader should know of the runs.
func Exact(start func() (*scenario.Session, error), schedule scenario.Schedule) (runs []Run, notes []string, err error) {
	if schedule.Odd() {
		return nil, nil, ErrSeeing
	}
	s, err := start()
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	x := &exact{s: s, p: New(s)}
	if err := s.Restart(); err != nil {
		return nil, nil, err
	}
	for k, sl := range schedule {
		if err := x.slice(k, sl, k == len(schedule)-1); err != nil {
			return nil, nil, err
		}
	}
	if _, over := s.Outcome(); !over {
		return nil, nil, errors.New("exact: the schedule ends before the race does")
	}
	digest, err := s.Digest()
	if err != nil {
		return nil, nil, err
	}
	if _, err := x.p.Play(x.runs); err != nil {
		return nil, nil, err
	}
	if again, err := s.Digest(); err != nil || again != digest {
		return nil, nil, errors.Join(err, errors.New("exact: the words come to another run"))
	}
	if x.counts > 0 {
		notes = append(notes, fmt.Sprintf("Of %d runs %d count instructions, which are others and not as many on another build.", len(x.runs), x.counts))
	}
	return x.runs, notes, nil
}

// exact puts one schedule into words, slice by slice. The session stands before the next one.
type exact struct {
	s      *scenario.Session
	p      *Player
	runs   []Run
	counts int // of them that count instructions
}

// half is slice for one that ends in the middle of an instruction.
func (x *exact) half(number int, sl scenario.Slice) error {
	mark, err := x.s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	if err := x.s.Play(scenario.Schedule{sl}); err != nil {
		return fmt.Errorf("exact: slice %d: %w", number+1, err)
	}
	list := x.candidates(sl.Thread) // the thread still stands at the instruction
	if err := mark.Rewind(); err != nil {
		return err
	}
	r := Run{Thread: x.s.ScheduleNames()[sl.Thread], N: sl.N - 1}
	if r.N > 0 {
		if r, err = x.choose(r, list, mark); err != nil {
			return err
		}
	}
	if r.Until == nil {
		r.N = sl.N
		x.counts++
	}
	r.Half = true
	x.runs = append(x.runs, r)
	return x.s.Play(scenario.Schedule{sl})
}

// slice finds the run for a slice of the schedule and plays it.
func (x *exact) slice(number int, sl scenario.Slice, last bool) error {
	if sl.Half && sl.N > 0 && x.s.Runnable(sl.Thread) && !x.s.IsClock(sl.Thread) {
		return x.half(number, sl)
	}
	r := Run{Thread: x.s.ScheduleNames()[sl.Thread], N: sl.N}
	if !x.s.Runnable(sl.Thread) {
		return fmt.Errorf("exact: %w", &scenario.MismatchError{Slice: number + 1, Text: sl.Text(x.s.ScheduleNames())})
	}
	mark, err := x.s.Mark()
	if err != nil {
		return err
	}
	defer mark.Drop()
	ran, err := x.s.Run(sl.Thread, sl.N)
	if err != nil {
		return err
	}
	_, over := x.s.Outcome()
	switch {
	case sl.N != 0 && ran != sl.N && !(over && last):
		return fmt.Errorf("exact: %w", &scenario.MismatchError{Slice: number + 1, Text: sl.Text(x.s.ScheduleNames()), Ran: ran})
	case x.s.IsClock(sl.Thread):
	case over || !x.s.Runnable(sl.Thread):
		r.N = 0 // as long as it can
	case ran == 0:
		return nil
	default:
		r.N = ran
		list := x.candidates(sl.Thread)
		if err := mark.Rewind(); err != nil {
			return err
		}
		if r, err = x.choose(r, list, mark); err != nil {
			return err
		}
		if r.N > 0 {
			x.counts++
		}
	}
	x.runs = append(x.runs, r)
	if err := mark.Rewind(); err != nil {
		return err
	}
	_, err = x.s.Run(sl.Thread, sl.N)
	return err
}

// candidates are the conditions that come true where a thread stands now, the plainest first.
func (x *exact) candidates(thread int) (list []Until) {
	m := x.s.Process()
	pc, err := m.PC(x.s.MachineThread(thread))
	if err != nil {
		return nil
	}
	mod, ok := m.Module(pc)
	if !ok {
		return nil
	}
	sym, off, named := mod.Image.SymbolAt(pc - mod.Base)
	var symbols []Symbol // its name alone, and where that is another's, with the library
	for _, s := range []Symbol{{Name: sym.Name}, {Module: path.Base(mod.Path), Name: sym.Name}} {
		if _, err := ParseSymbol(s.String()); err == nil && named && sym.Function() {
			symbols = append(symbols, s)
		}
	}
	if off == 0 {
		for _, s := range symbols {
			list = append(list, Calls{Func: s})
		}
	}
	if file, line, ok := mod.Image.LineAt(pc - mod.Base); ok {
		// The name alone, and where others have it too, the path.
		for _, name := range []string{path.Base(file), file} {
			at := Place{File: name, Line: line}
			if again, err := ParsePlace(strings.Trim(at.String(), `"`)); err == nil && again == at {
				list = append(list, At{at})
			}
		}
	}
	for _, s := range symbols {
		list = append(list, At{Place{Symbol: s, Off: off}})
	}
	return list
}

// choose finds the first of some conditions that stops a thread after exactly as many
// instructions as the run counts, or leaves the run as it is. The session stands at the mark.
func (x *exact) choose(r Run, list []Until, mark *scenario.Mark) (Run, error) {
	// What comes true later need not be waited for.
	limit := x.s.Limit
	defer func() { x.s.Limit = limit }()
	x.s.Limit = min(limit, x.s.Steps()+r.N+1)
	for _, u := range list {
		words := Run{Thread: r.Thread, Until: u}
		ran := uint64(0)
		for words.Hit < maxExactHits && ran < r.N {
			st, err := x.p.Step(Run{Thread: r.Thread, Until: u})
			if err != nil {
				if ofRuns(err) != nil {
					return r, err
				}
				break
			}
			ran += st.Ran
			words.Hit++
		}
		if err := mark.Rewind(); err != nil {
			return r, err
		}
		if ran != r.N {
			continue
		}
		// Counted in one go it must be the same.
		st, err := x.p.Step(words)
		if err := errors.Join(ofRuns(err), mark.Rewind()); err != nil {
			return r, err
		}
		if err == nil && st.Ran == r.N {
			return words, nil
		}
	}
	return r, nil
}
