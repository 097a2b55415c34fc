package diagnose

import (
	"fmt"

	"emurace/diagnose/flow"
	"emurace/diagnose/process"
	"emurace/heap/arena"
)

// Diagnosis is what a core tells.
type Diagnosis struct {
	Process *process.Process
	Dead    *process.Thread // who died, or is first in a core of a process that lived
	Fault   *Fault          // nil when it died of something else
	Malloc  *arena.Malloc   // nil when it is not glibc's, or nothing is known of it
	Environ *Environ        // nil when it is not known where it is
	Waits   []Wait          // of the threads that wait, in the core's order
	Facts   []Fact
	Gaps    []string // what could not be told, and why
	// Calls are the calls that are known or concluded to have been made, for a scenario.
	Calls []Call

	private bool
	flow    *flow.Flow
	old     *oldEnviron  // that a thread walks
	block   *arena.Chunk // that the dead thread uses and that is free
}

// Call is a call of a C library's function that a thread has made or was in.
type Call struct {
	Thread   uint32
	Function string
	Args     []Arg
	// Finished tells that the call has returned: it was concluded from what it left.
	Finished bool
	Certain  bool
	Why      string
}

// Arg is an argument of a call.
type Arg struct {
	Value   uint64
	Text    string // that it points to, where it is a string
	IsText  bool
	Known   bool
	Certain bool
}

// Explain says what a process's core tells. Private leaves out what may be a secret of the user's:
// values of the environment, and strings.
func Explain(p *process.Process, private bool) (*Diagnosis, error) {
	code, err := flow.New(p)
	if err != nil {
		return nil, err
	}
	d := &Diagnosis{Process: p, Dead: p.Threads[0], private: private, flow: code}
	d.Fault = faultOf(p, d.Dead)
	d.Malloc = d.readMalloc()
	d.Environ = d.readEnviron()
	d.missing()
	d.death()
	d.calls()
	d.aborts()
	switch {
	case d.Fault == nil:
	case d.Fault.Execute:
		d.jump()
	case d.overflow():
	default:
		d.value()
	}
	d.environ()
	d.inHand()
	d.waits()
	d.elsewhere()
	return d, nil
}

// Title is how a thread is called: main, or by its number.
func (d *Diagnosis) Title(t *process.Thread) string { return d.name(t.TID) }

// name is the title of a thread by its number.
func (d *Diagnosis) name(tid uint32) string {
	if tid != 0 && tid == d.Process.Core.PID {
		return "main"
	}
	return fmt.Sprintf("thread %d", tid)
}

// missing notes what there is no file of, and what the core lacks.
func (d *Diagnosis) missing() {
	c := d.Process.Core
	if c.Missing > 0 {
		d.gap("The core is cut short: %d bytes are missing. What lay there is unknown.", c.Missing)
	}
	for _, text := range c.Problems {
		d.gap("The core: %s.", text)
	}
}

// thread is a thread by its number, nil for none.
func (d *Diagnosis) thread(tid uint32) *process.Thread {
	for _, t := range d.Process.Threads {
		if t.TID == tid {
			return t
		}
	}
	return nil
}
