package diagnose

import (
	"cmp"
	"fmt"
	"slices"

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
	d.setting()
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
	left := uint64(0)
	for _, r := range c.Ranges {
		if r.Writable && !r.Zeros {
			left += r.Hi - max(r.Stored, r.Lo)
		}
	}
	if left > 0 {
		d.gap("%d bytes of memory that could be written to were left out of the core. What was there is unknown.", left)
	}
	for _, m := range d.Process.List() {
		switch {
		case m.Path == "[vdso]":
		case m.Origin == process.NoFile && len(m.Others) > 0:
			d.gap("The file of %s is not there, only others of its name: its functions and data have no names.", d.moduleName(m))
		case m.Origin == process.NoFile:
			d.gap("The file of %s is not there: its functions and data have no names.", d.moduleName(m))
		case m.Origin == process.FromCore:
			d.gap("The file of %s is not there: it has the names only that it exports.", d.moduleName(m))
		}
	}
	if d.Process.Main() == nil {
		d.gap("Which image is the program's is not known: the core has no auxiliary vector that leads to it, or not what it leads to.")
	}
	if c.PID == 0 {
		d.gap("The number of the process is not in the core: which thread is main is not known.")
	}
	d.lost()
}

// moduleName is a module's file name, or where it is.
func (d *Diagnosis) moduleName(m *process.Module) string {
	return cmp.Or(m.Name(), fmt.Sprintf("the image at %#x", m.Lo))
}

// lost notes which registers of the dead thread lead into memory that is neither in the core nor in a file.
func (d *Diagnosis) lost() {
	if d.Fault == nil {
		return
	}
	var names []string
	for _, name := range append(d.registers(), "sp", "rsp") {
		at, ok := d.Dead.Registers[name]
		if !ok || !d.accessible(at) || slices.Contains(names, fmt.Sprintf("%s = %#x", name, at)) {
			continue
		}
		if _, ok := d.Process.Read(at, 1); !ok {
			if r, _ := d.Process.Core.Range(at); r.Readable {
				names = append(names, fmt.Sprintf("%s = %#x", name, at))
			}
		}
	}
	if len(names) > 0 {
		verb := "leads"
		if len(names) > 1 {
			verb = "lead"
		}
		d.gap("Registers of %s lead to memory that is not in the core: %s %s there.", d.Title(d.Dead), listed(names), verb)
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
