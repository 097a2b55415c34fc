package explore

import (
	"slices"

	"emurace/emu"
	"emurace/explore/coverage"
	"emurace/explore/graph"
	"emurace/explore/target"
	"emurace/scenario"
)

// Verdict is what a search has shown.
type Verdict string

// The verdicts. Clean is only said of a complete search.
const (
	Failing   Verdict = "failing"
	Clean     Verdict = "clean"
	Undecided Verdict = "undecided"
)

// Result is what a search has found, also when it was cut short.
type Result struct {
	Verdict     Verdict
	Model       graph.Model `json:",omitempty"` // of Graphs
	Missing     *Missing    `json:",omitempty"` // of Graphs, where a failure is one of the memory model
	Complete    bool        // every schedule within the stated bound was run
	Preemptions int         // the bound that was completed, by Bounded or DPORWithin; -1 for none
	Unbounded   bool        // no schedule has more preemptions than the bound
	Schedules   uint64
	Failing     uint64
	// Unlike is how many of the Failing end in a way that has nothing of the one that Options.Ends
	// looks for.
	Unlike  uint64 `json:",omitempty"`
	Blocked uint64 // runs given up because what follows was covered already
	// Endless tells that a run was cut off at the instruction limit. What would come
	// after that was not covered, so that the search is not complete.
	Endless bool `json:",omitempty"`
	// Due tells of DPOR that threads waited with deadlines where these pass when they are
	// due, see scenario.WhenDue. When that is depends on the order of all instructions,
	// and not of dependent ones alone, so that the search is not complete.
	Due bool `json:",omitempty"`
	// Cut tells of DPORWithin that there are schedules with more preemptions than its bound, which it has left out.
	Cut bool `json:",omitempty"`
	// Closed is how many schedules came to where a program's window ends; see scenario.Program.
	Closed uint64 `json:",omitempty"`
	// Drawn is how many schedules were drawn before a systematic search; see Options.Draw.
	// Schedules counts them only where one of them fails.
	Drawn uint64 `json:",omitempty"`
	// Tried is what DPOR did before schedules were drawn, nil where it did nothing or has come to
	// the result; see ProofFirst.
	Tried    *Tried `json:",omitempty"`
	Restarts int    // searches begun anew because more was shared, or made, than known
	// RawLocks is how many words look like locks but were left raw with abstract
	// locks, because something is done with them that is not done with locks.
	RawLocks     int    `json:",omitempty"`
	Instructions uint64 // run in all, those of rewound prefixes once
	// Made are the threads that the process makes itself and that the search knows, in the
	// order in which they have indices in the schedules of its findings.
	Made    []string `json:",omitempty"`
	Learned          // by the strategy
	// Aimed is how many events are of a Sample's aim in a schedule that runs the threads in order;
	// 0 without an aim. With none the aim has changed nothing.
	Aimed uint64 `json:",omitempty"`
	// Coverage is what the schedules of a Sample have shown, up to the first that is missing
	// when it was broken off; nil of a systematic search.
	Coverage *coverage.Summary `json:",omitempty"`
	Findings []Finding
	// Ended are the ways in which processes ended that the scenario says are right.
	Ended []Ended `json:",omitempty"`
	// Doubts are why nothing is said to be proved, and why schedules that seem to fail are
	// not among the Failing.
	Doubts []Doubt `json:",omitempty"`
	// Met are the problems that are known and that runs have; see Problem.Known.
	Met []Met `json:",omitempty"`
	// SelfCheck is what was run beside a search that came to say that nothing fails; nil
	// when it did not come to that.
	SelfCheck *SelfCheck `json:",omitempty"`
	// others is one more than the fewest preemptions with which a failure was met that
	// was not wanted; 0 for none.
	others int
}

// lowest is the lower of two numbers that are 0 for none.
func lowest(a, b int) int {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// Finding is a way to fail, with the first schedule that does so.
type Finding struct {
	Outcome     scenario.Outcome
	Schedule    scenario.Schedule
	Preemptions int
	Number      uint64 // of the schedule, counted from 1
	Count       uint64 // how many schedules failed in this way
	// Problem is the site of a problem that an inspection found, of the kind
	// that Outcome says; "" when the run itself failed.
	Problem string `json:",omitempty"`
	// Drawn tells that it was drawn before a systematic search, see Options.Draw.
	Drawn bool `json:",omitempty"`
	// Grade is how near the end comes to the one that Options.Ends looks for.
	Grade target.Grade `json:",omitempty"`
	// Hole tells that a self-check has found it, after the search had missed it.
	Hole bool `json:",omitempty"`
}

// maxFindings bounds the kinds of failure that are kept apart. Beyond it
// failures are only counted.
const maxFindings = 256

// site tells kinds of failure apart: the same end at the same instruction.
type site struct {
	kind   scenario.Kind
	thread int
	end    emu.End
	said   string
}

func siteOf(o scenario.Outcome) site {
	s := site{kind: o.Kind, thread: o.Thread, said: o.Message}
	if o.End != nil {
		s.end = *o.End
		if o.Thread >= 0 {
			s.end.Thread = -1 // which number it has follows from who was made before it
		}
	}
	return s
}

// add counts a failure, numbered within what the result holds so far.
func (r *Result) add(f Finding) {
	r.Failing += f.Count
	for i := range r.Findings {
		if g := &r.Findings[i]; g.Problem == f.Problem && g.Grade == f.Grade && siteOf(g.Outcome) == siteOf(f.Outcome) {
			r.Findings[i].Count += f.Count
			return
		}
	}
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
		return
	}
	if i := r.farthest(); r.Findings[i].Grade < f.Grade {
		r.Findings = append(slices.Delete(r.Findings, i, i+1), f)
	}
}

// rename gives the findings the indices that threads have in another list of names, which
// has all that they name.
func (r *Result) rename(from, to []string) {
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Schedule, _ = f.Schedule.Renamed(from, to)
		if f.Outcome.Thread >= 0 {
			f.Outcome.Thread = slices.Index(to, from[f.Outcome.Thread])
		}
	}
}

// merge appends the result of the work that comes next.
func (r *Result) merge(next *Result) {
	for _, f := range next.Findings {
		f.Number += r.Schedules
		failing := r.Failing
		r.add(f)
		r.Failing = failing
	}
	for _, e := range next.Ended {
		r.addEnded(e)
	}
	for _, d := range next.Doubts {
		r.addDoubt(d)
	}
	for _, m := range next.Met {
		r.addMet(m)
	}
	r.Failing += next.Failing
	r.Unlike += next.Unlike
	r.Blocked += next.Blocked
	r.Schedules += next.Schedules
	r.Instructions += next.Instructions
	r.Endless = r.Endless || next.Endless
	r.Due = r.Due || next.Due
	r.Cut = r.Cut || next.Cut
	r.Closed += next.Closed
	r.others = lowest(r.others, next.others)
}
