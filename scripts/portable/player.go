package portable

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/scenario"
	"emurace/unwind"
)

// Why says how a run stopped.
type Why string

// The ways to stop.
const (
	Reached Why = "reached"       // the condition came true, or all N instructions have run
	Waits   Why = "waits"         // the thread waits
	Ended   Why = "thread ended"  // the thread has made all its calls
	Died    Why = "process ended" // by a crash or otherwise
	Limit   Why = "limit"         // the session's limit of instructions was reached
	Behind  Why = "window over"   // behind the window of a program, where another thread has its turn
)

// Stopped is how a run stopped.
type Stopped struct {
	Why  Why
	Ran  uint64 // instructions
	Seen int    // how often the condition came true
	// Where is where the thread then stands, by name; "" when it has ended, and for a
	// run that was not played as one of a list.
	Where string
	// Events are those of the run, when the machine wants events. What the thread
	// ran behind the last of them is in none.
	Events []scenario.Event
}

// Result is what came of runs that were played.
type Result struct {
	// Schedule counts the instructions of what was run, to the end of the race.
	Schedule scenario.Schedule
	Outcome  scenario.Outcome
	// Stops are how the runs stopped. There are fewer than runs when the process
	// ended before the others, and none for what was run behind the last run.
	Stops []Stopped
}

// UnmetError is about a run that came to no end of the kind that it was to have:
// its condition has not come true, or its thread could not run at all.
type UnmetError struct {
	Run     Run
	Number  int // of the run in its list, counted from 1; 0 for one alone
	Stopped Stopped
	What    string // what happened instead
}

// Error names the run, what it waited for and what happened instead.
func (e *UnmetError) Error() string {
	return fmt.Sprintf("%s: %s", numbered(e.Number, e.Run), e.What)
}

func numbered(number int, r Run) string {
	if number == 0 {
		return r.String()
	}
	return fmt.Sprintf("run %d: %v", number, r)
}

// RunError is about a run that cannot be begun, such as one that names a function
// which the process has not.
type RunError struct {
	Run    Run
	Number int // as in UnmetError
	Err    error
}

// Error names the run and what is wrong with it.
func (e *RunError) Error() string { return fmt.Sprintf("%s: %v", numbered(e.Number, e.Run), e.Err) }

// Unwrap is what is wrong.
func (e *RunError) Unwrap() error { return e.Err }

// Hint is what to do about it, "" when there is no advice.
func (e *RunError) Hint() string { return hint(e.Err) }

// Player plays runs on a session. It keeps what it has found out about names, so it
// is to be kept as long as the session is.
type Player struct {
	s        *scenario.Session
	names    *names
	unwinder *unwind.Unwinder
}

// New makes a player for a session.
func New(s *scenario.Session) *Player { return &Player{s: s, names: newNames(s)} }

// Play is [Player.Play] with a player of its own.
func Play(s *scenario.Session, runs []Run) (Result, error) { return New(s).Play(runs) }

// Step is [Player.Step] with a player of its own, which costs some milliseconds.
func Step(s *scenario.Session, r Run) (Stopped, error) { return New(s).Step(r) }

// Play runs the race from its start: one run after the other, and then, when the
// race is not over, the threads in order, each as long as it can. Where the process
// ends, by a crash or otherwise, that is the outcome, whatever was still to be run.
// When a condition does not come true otherwise, or a run's thread cannot run, the
// error is an [UnmetError], or a [RunError] for what means nothing in this process;
// the result is then what has run so far.
//
// Threads that the runs name, and that the process makes itself, are known to the session
// from then on. When it has made others it is Strange, and Play is to be called again with
// these known.
//
// With a [NextEvent] among the conditions the race is first run in both orders until no
// more bytes turn out to be shared, to learn which they are; the machine then wants events until Play is done.
func (p *Player) Play(runs []Run) (Result, error) {
	var res Result
	if err := p.meet(runs); err != nil {
		return res, err
	}
	if slices.ContainsFunc(runs, func(r Run) bool { return r.Until == NextEvent{} }) {
		p.s.WantEvents(true)
		defer p.s.WantEvents(false)
		if err := p.learn(); err != nil {
			return res, err
		}
	}
	if err := p.s.Restart(); err != nil {
		return res, err
	}
	for k, r := range runs {
		if p.over() {
			break
		}
		st, err := p.Step(r)
		if err != nil {
			return res, atRun(err, k+1)
		}
		st.Where = p.where(p.thread(r.Thread), st.Why)
		res.Stops = append(res.Stops, st)
		i := p.thread(r.Thread)
		res.Schedule = res.Schedule.AddEvent(scenario.Event{Thread: i, Ran: st.Ran, Half: p.s.Holds(i)})
	}
	if err := p.rest(&res); err != nil {
		return res, err
	}
	res.Schedule = res.Schedule.ToEnd()
	return res, nil
}

// meet makes the session know the threads that runs name and that are none of the plan's.
func (p *Player) meet(runs []Run) error {
	made := p.s.Made()
	for _, r := range runs {
		if p.s.Makes(r.Thread) && !slices.Contains(made, r.Thread) {
			made = append(made, r.Thread)
		}
	}
	if len(made) == len(p.s.Made()) {
		return nil
	}
	return p.s.SetMade(made)
}

// over tells whether nobody can run any more because of how the race ended. After one
// that ended well, or with threads that wait, a run that there is no thread for is a
// mistake of the schedule's.
func (p *Player) over() bool {
	o, over := p.s.Outcome()
	return over && o.Kind != scenario.OK && o.Kind != scenario.Deadlock
}

// where names the instruction that a thread stands before.
func (p *Player) where(i int, why Why) string {
	if why == Ended || why == Died {
		return ""
	}
	pc, err := p.s.Process().PC(p.s.MachineThread(i))
	if err != nil {
		return ""
	}
	return p.called(pc)
}

// Text says how a thread's run stopped.
func (s Stopped) Text(thread string) string {
	if thread == scenario.ClockName {
		return fmt.Sprintf("%s is moved on %d times", thread, s.Ran)
	}
	what := map[Why]string{
		Reached: "stops at " + s.Where, Waits: "waits at " + s.Where, Ended: "has made all its calls",
		Died: "ends the process", Behind: "is behind the window, where another thread is next", Limit: "is held at the limit of instructions",
	}[s.Why]
	return fmt.Sprintf("%s %s, after %d instructions", thread, what, s.Ran)
}

// atRun puts the run's number into an error.
func atRun(err error, number int) error {
	var unmet *UnmetError
	var bad *RunError
	switch {
	case errors.As(err, &unmet):
		unmet.Number = number
	case errors.As(err, &bad):
		bad.Number = number
	}
	return err
}

// rest runs the threads in order to the end of the race.
func (p *Player) rest(res *Result) error {
	for {
		for i, name := range p.s.ScheduleNames() {
			var over bool
			if res.Outcome, over = p.s.Outcome(); over {
				return nil
			}
			if !p.s.Runnable(i) {
				continue
			}
			st, err := p.Step(Run{Thread: name})
			if err != nil {
				return err
			}
			res.Schedule = res.Schedule.Add(i, st.Ran)
		}
	}
}

// learn runs the threads one after the other, in their order and in the reverse, to
// see which bytes they share.
func (p *Player) learn() error {
	names := p.s.Names()
	for turn, grown := 0, p.s.Grown(); turn < 2 || p.s.Grown() != grown; turn++ {
		if turn%2 == 0 {
			grown = p.s.Grown()
		}
		if err := p.s.Restart(); err != nil {
			return err
		}
		for _, over := p.s.Outcome(); !over; _, over = p.s.Outcome() {
			if err := p.round(names); err != nil {
				return err
			}
		}
		if p.s.Strange() {
			if err := p.s.SetMade(p.s.Found()); err != nil {
				return err
			}
			names = p.s.Names()
			continue
		}
		slices.Reverse(names)
	}
	return nil
}

// round runs each of the threads as long as it can, and then the clock.
func (p *Player) round(names []string) error {
	for _, name := range append(slices.Clone(names), scenario.ClockName) {
		i := p.thread(name)
		if _, over := p.s.Outcome(); over || i < 0 || !p.s.Runnable(i) {
			continue
		}
		if _, err := p.Step(Run{Thread: name}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Player) thread(name string) int { return slices.Index(p.s.ScheduleNames(), name) }

// Step plays one run from the present moment on, which may be any moment of a race.
// It never takes a run without an instruction: each gets its thread further, or is
// an error. NextEvent needs a machine that wants events.
func (p *Player) Step(r Run) (Stopped, error) {
	var st Stopped
	i := p.thread(r.Thread)
	if i < 0 {
		return st, &RunError{Run: r, Err: fmt.Errorf("no thread %q, only %s", r.Thread, strings.Join(p.s.Names(), ", "))}
	}
	if err := r.Check(); err != nil {
		return st, &RunError{Run: r, Err: err}
	}
	if !p.s.Runnable(i) || p.s.Steps() >= p.s.Limit {
		st.Why = p.whyNot(i)
		return st, &UnmetError{Run: r, Stopped: st, What: fmt.Sprintf("%s cannot run: it %s", r.Thread, p.because(i, st.Why))}
	}
	if r.Half {
		return p.stepHalf(i, r)
	}
	if p.s.IsClock(i) {
		return p.stepClock(i, r)
	}
	c, err := p.condition(i, r.Until)
	if err != nil {
		return st, &RunError{Run: r, Err: err}
	}
	defer func() {
		p.s.StopAfter(0, 0, false, false)
		_ = p.s.StopAt() // without addresses nothing can fail
	}()
	stood := p.standsAt(c, i)
	if err := p.runTo(c, i, r, &st); err != nil || st.Why == Reached {
		return st, err
	}
	st.Why = p.whyNot(i)
	if st.Why == Died || r.Until == nil && (st.Why != Limit || r.N == 0) {
		return st, nil
	}
	what := fmt.Sprintf("%s %s, after %d instructions of this run", r.Thread, p.because(i, st.Why), st.Ran)
	if r.Until != nil {
		what += fmt.Sprintf("; the condition came true %d of %d times", st.Seen, max(r.Hit, 1))
	}
	if stood {
		what += "; it stood there already when the run began, which does not count"
	} else if u, ok := r.Until.(At); ok && st.Seen == 0 {
		if why := p.miss(u.Place); why != "" {
			what += "; " + why
		}
	}
	return st, &UnmetError{Run: r, Stopped: st, What: what}
}

// stepHalf is Step for a run whose last instruction ends in its middle.
func (p *Player) stepHalf(i int, r Run) (st Stopped, err error) {
	if p.s.IsClock(i) {
		return st, &RunError{Run: r, Err: errors.New("the clock runs no instructions")}
	}
	before := r
	before.Half, before.N = false, max(r.N, 1)-1
	if before.Until != nil || before.N > 0 {
		if st, err = p.Step(before); err != nil {
			return st, err
		}
	}
	steps := p.s.Steps()
	events, err := p.s.RunEvents(scenario.Slice{Thread: i, N: 1, Half: true})
	st.Ran += p.s.Steps() - steps
	st.Events = append(st.Events, events...)
	if err != nil || p.s.Holds(i) {
		st.Why = Reached
		return st, err
	}
	st.Why = p.whyNot(i)
	return st, &UnmetError{Run: r, Stopped: st, What: fmt.Sprintf("after %d instructions of this run %s has come to one that does not end in its middle", st.Ran, r.Thread)}
}

// stepClock moves the clock on, as often as the run says or for as long as anybody waits
// with a deadline.
func (p *Player) stepClock(i int, r Run) (Stopped, error) {
	st := Stopped{Why: Waits}
	if r.Until != nil && r.Until != (NextEvent{}) {
		return st, &RunError{Run: r, Err: errors.New("the clock comes to no such place: say how often it is moved on, or nothing")}
	}
	most := r.N
	if r.Until != nil {
		most = uint64(max(r.Hit, 1))
	}
	for p.s.Runnable(i) && p.s.Steps() < p.s.Limit && (most == 0 || st.Ran < most) {
		e, err := p.s.RunEvent(i)
		if err != nil {
			return st, err
		}
		st.Ran++
		st.Seen++
		st.Events = append(st.Events, e)
	}
	if st.Ran == most {
		st.Why = Reached
		return st, nil
	}
	if most != 0 {
		return st, &UnmetError{Run: r, Stopped: st, What: fmt.Sprintf("nobody waits with a deadline any more, after the clock was moved on %d times", st.Ran)}
	}
	return st, nil
}

// standsAt tells whether a thread stands now at what it is to come to.
func (p *Player) standsAt(c condition, i int) bool {
	a, ok := c.(arrival)
	if !ok {
		return false
	}
	pc, err := p.s.Process().PC(p.s.MachineThread(i))
	return err == nil && slices.Contains(a.at, pc)
}

// runTo runs a thread until its condition comes true or it cannot go on.
func (p *Player) runTo(c condition, i int, r Run, st *Stopped) error {
	const unbounded = ^uint64(0)
	leave := true // from where it stands, which does not count
	for p.s.Runnable(i) && p.s.Steps() < p.s.Limit {
		n := uint64(unbounded)
		if r.N > 0 {
			n = r.N - st.Ran
		}
		m, err := p.part(c, i, n, leave)
		if err != nil {
			return err
		}
		leave = m.stop.Kind == atStop
		st.Ran += m.event.Ran
		if len(m.event.Accesses) > 0 || len(m.event.Objects) > 0 {
			st.Events = append(st.Events, m.event)
		}
		came, err := c.came(m)
		if err != nil {
			return err
		}
		if came {
			st.Seen++
		}
		if came && st.Seen == max(r.Hit, 1) || r.N > 0 && st.Ran == r.N {
			st.Why = Reached
			return nil
		}
	}
	return nil
}

// part runs a thread up to the next moment at which the condition is to be asked.
func (p *Player) part(c condition, i int, n uint64, leave bool) (m moment, err error) {
	run := func() error {
		m.event, m.stop, err = p.s.RunPart(i, n)
		return err
	}
	if leave {
		n = 1
		return m, p.s.WithoutStops(run)
	}
	if err := p.s.StopAt(c.stops()...); err != nil {
		return m, err
	}
	return m, run()
}

// whyNot is why a thread does not go on.
func (p *Player) whyNot(i int) Why {
	_, lockedOut := p.s.LockedOut(i)
	switch {
	case p.s.Process().End() != nil:
		return Died
	case p.s.Process().Waiting(p.s.MachineThread(i)) || lockedOut:
		return Waits
	case p.s.Runnable(i):
		return Limit
	case p.s.Closed() && p.s.Process().Alive(p.s.MachineThread(i)):
		return Behind
	}
	return Ended
}

// because says why a thread does not go on, behind its name.
func (p *Player) because(i int, why Why) string {
	if p.s.IsClock(i) && why == Ended {
		return "has nothing to do: nobody waits with a deadline"
	}
	if name := p.s.ScheduleNames()[i]; why == Ended && p.s.Makes(name) {
		if p.s.MachineThread(i) < 0 {
			return "is not there: nobody has made it"
		}
		return "has ended"
	}
	switch why {
	case Died:
		return fmt.Sprintf("is over with the process: %v", p.s.Process().End())
	case Ended:
		return "has made all its calls"
	case Behind:
		next := "nobody"
		if t := p.s.Turn(); t >= 0 {
			next = p.s.ScheduleNames()[t]
		}
		return fmt.Sprintf("is behind the window, where the order of the threads is fixed: %s is next", next)
	case Limit:
		return fmt.Sprintf("is held at the limit of %d instructions", p.s.Limit)
	case Waits: // for what, is below
	case Reached: // nobody asks
	}
	if e, out := p.s.LockedOut(i); out {
		return fmt.Sprintf("waits for the lock at %s, which is taken", p.called(e.Acquire))
	}
	addr, ok := p.s.Process().WaitsFor(p.s.MachineThread(i))
	if !ok {
		return "waits in the kernel"
	}
	if t, ok := p.s.Process().ClearsAtEnd(addr); ok {
		return fmt.Sprintf("waits for thread %s to end", p.s.Process().Threads()[t].Name)
	}
	return fmt.Sprintf("waits for the word at %s to change", p.called(addr))
}

// called is an address with its name, if it has one.
func (p *Player) called(addr uint64) string {
	name, off, ok := p.s.Process().Symbol(addr)
	switch {
	case !ok:
		return fmt.Sprintf("%#x", addr)
	case off == 0:
		return name
	}
	return fmt.Sprintf("%s+%#x", name, off)
}
