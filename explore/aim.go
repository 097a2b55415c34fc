package explore

import (
	"cmp"
	"slices"

	"emurace/scenario"
)

// Aim is what schedules that are drawn are to try most: events of it get most of the
// choices. It is a weight and no filter: one schedule in four is drawn as if there were none,
// and the others switch elsewhere too, if seldom. What a systematic search runs, and what is
// clean, does not depend on it.
type Aim struct {
	Code    []Range  // instructions
	Calls   []uint64 // functions, by their addresses, with all that is done in calls of them
	Data    []Range  // bytes that are accessed
	Threads []string // whatever these do
}

// Range is addresses from Lo up to Hi.
type Range struct{ Lo, Hi uint64 }

// unaimed is one in how many schedules is drawn as without an aim.
const unaimed = 4

// strays tells whether there is a choice behind an event that is not of the aim, where a
// strategy draws after each event: about once in a run.
func (r *run) strays() bool { return r.rand.Uint64N(max(r.profile.shortest, 1)) == 0 }

// maxAimed is how many bytes that are aimed at are events from the start.
const maxAimed = 1 << 12

// aim is an Aim for the runs of a session.
type aim struct {
	code, data []Range // in order, apart from each other
	threads    set
	calls      *scenario.Session // where calls are followed, nil when none are
}

// of is the aim for a session, whose threads have indices; nil without one.
func (a *Aim) of(s *scenario.Session) (*aim, error) {
	if a == nil {
		return nil, nil
	}
	x := &aim{code: disjoint(a.Code), data: disjoint(a.Data)}
	for i, name := range s.ScheduleNames() {
		if slices.Contains(a.Threads, name) {
			x.threads = x.threads.with(i)
		}
	}
	if len(a.Calls) > 0 {
		x.calls = s
		return x, s.Process().FollowCalls(a.Calls)
	}
	return x, nil
}

// disjoint puts ranges in order and makes one of those that meet.
func disjoint(list []Range) []Range {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
	var out []Range
	for _, r := range list {
		switch n := len(out); {
		case r.Hi <= r.Lo:
		case n > 0 && r.Lo <= out[n-1].Hi:
			out[n-1].Hi = max(out[n-1].Hi, r.Hi)
		default:
			out = append(out, r)
		}
	}
	return out
}

// meets tells whether addresses from lo up to hi have one in common with ranges that are in order.
func meets(list []Range, lo, hi uint64) bool {
	i, _ := slices.BinarySearchFunc(list, lo, func(r Range, lo uint64) int {
		if r.Hi <= lo {
			return -1
		}
		return 1
	})
	return i < len(list) && list[i].Lo < hi
}

// has tells whether an event that has just run is of the aim. Without an aim, each is.
func (a *aim) has(e *scenario.Event) bool {
	if a == nil || a.threads.has(e.Thread) || e.PC != 0 && meets(a.code, e.PC, e.PC+1) {
		return true
	}
	if a.calls != nil && !a.calls.IsClock(e.Thread) && a.calls.Process().Follows(a.calls.MachineThread(e.Thread)) {
		return true
	}
	return len(a.data) > 0 && slices.ContainsFunc(e.Accesses, func(x scenario.Access) bool { return meets(a.data, x.Addr, x.Addr+x.Size) })
}

// takeAim makes a run one that has an aim, unless its schedule is one of those without, or
// nothing that is aimed at has been seen.
func (r *run) takeAim(a *Aim) (err error) {
	if a != nil && r.profile.aimed > 0 && r.rand.IntN(unaimed) != 0 {
		r.aim, err = a.of(r.s)
	}
	return err
}

// resolveAim finds out what the search is to try most.
func (p *sampler) resolveAim() error {
	if p.Aim == nil {
		return nil
	}
	s, err := p.session()
	if err != nil {
		return err
	}
	defer p.sessions.Put(s)
	if p.aimAt, err = p.Aim(s); err != nil || p.aimAt == nil {
		return err
	}
	// What is ordered by other bytes is no event, and so could not be drawn, until a schedule shows
	// that it is not. Bytes that are aimed at need not wait for that.
	left := uint64(maxAimed)
	for _, r := range disjoint(p.aimAt.Data) {
		for at := r.Lo; at < r.Hi && left > 0; at++ {
			p.shared[at&^7] |= 1 << (at & 7)
			left--
		}
	}
	return nil
}
