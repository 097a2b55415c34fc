package scenariolang

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// reading is a file while it is read: what it has declared so far.
type reading struct {
	settings scenario.Values // nil takes every default
	over     bool            // nothing can be declared any more
	sc       scenario.Scenario
	params   []parameter // of sc.Params
	values   map[string]starlark.Value
	env      []string
	tunables []string
	lazy     bool // see lazyBinding
	noLSE    bool // see noLSE
	libs     []string
	own      []scenario.Library                            // of the user's own, among libs and for them
	library  func(name string) ([]scenario.Library, error) // see Host.Library; nil where nobody looks at the libraries
	files    map[string][]byte
	size     int // of the files
	envSize  int
	setup    []starlark.Callable
	threads  []racing
	checks   []starlark.Callable
	after    []starlark.Callable
	endings  []scenario.Ending
	mustEnd  string // where the script says that the process must end, "" when it may go on
	endPos   string // where sc.End is declared
	data     []*static
	symbols  []wanted // that symbol() was asked for
	program  *Program // to be run in place of all this, nil for none
}

// racing is a thread as declared.
type racing struct {
	name string
	fn   *starlark.Function
	pos  string
}

// local is the name under which a run of a script knows its reading.
const local = "emurace/stage"

// process is a plan on its way to a process: what its functions share.
type process struct {
	program *sandbox.Program
	host    sandbox.Host
	plan    *reading
	setup   *scenario.Setup // while setup runs
	given   starlark.Value  // what setup has returned
	symbols map[string]uint64
	bodies  []*body
}

// Limits of what can be declared.
const (
	maxDeclared = 1 << 16 // of anything else
	maxData     = 1 << 20 // bytes of static data
	maxFiles    = 16 << 20
	maxVariable = 1<<17 - 1 // bytes of NAME=value, as Linux has it (MAX_ARG_STRLEN)
	maxEnv      = 1 << 20   // of all of them
	maxPath     = 4095
	maxLibs     = 255
)

// declared tells whether the file that has just been run declares a scenario: any
// thread at all, or anything else that only a scenario has.
func (r *reading) declared() bool {
	return len(r.threads)+len(r.setup)+len(r.checks)+len(r.after)+len(r.env)+len(r.libs)+len(r.sc.Params)+len(r.data)+len(r.endings) > 0
}

// newPlan makes the plan of a reading.
func (p *process) newPlan() (*scenario.Plan, error) {
	r := p.plan
	plan := &scenario.Plan{Env: r.environment(), BindNow: !r.bindsAsTold(), NoLSE: r.noLSE, Libs: r.libs, Files: r.files, Libraries: r.own, Setup: p.runSetup, Endings: r.endings, MustEnd: r.mustEnd != ""}
	for _, t := range r.threads {
		b := &body{process: p, name: t.name, fn: t.fn}
		p.bodies = append(p.bodies, b)
		plan.Threads = append(plan.Threads, scenario.Thread{Name: t.name, Body: b})
	}
	if len(r.checks) > 0 {
		plan.Check = p.check
	}
	if len(r.after) > 0 {
		plan.AfterCall = p.afterCall
	}
	return plan, nil
}

// environment is the process's, with the tunables in front: there ld.so finds them
// wherever the rest ends.
func (r *reading) environment() []string {
	if len(r.tunables) == 0 {
		return r.env
	}
	return append([]string{"GLIBC_TUNABLES=" + strings.Join(r.tunables, ":")}, r.env...)
}

// bindsAsTold tells whether the file says itself when ld.so binds, by lazy_binding or by
// the variable that ld.so looks at.
func (r *reading) bindsAsTold() bool {
	return r.lazy || slices.ContainsFunc(r.env, func(e string) bool { return strings.HasPrefix(e, "LD_BIND_NOW=") })
}

// wanted is a symbol to be found before the race, and where the script asks for it.
type wanted struct{ name, pos string }

// runSetup places the static data and runs the setup functions.
func (p *process) runSetup(u *scenario.Setup) error {
	p.setup = u
	defer func() { p.setup = nil }()
	for _, d := range p.plan.data {
		if err := d.place(u); err != nil {
			return err
		}
	}
	p.symbols = map[string]uint64{}
	for _, w := range p.plan.symbols {
		addr, err := u.Lookup(w.name)
		if err != nil {
			return p.program.ErrorAt(w.pos, fmt.Errorf("symbol: %w", err))
		}
		p.symbols[w.name] = addr
	}
	p.given = starlark.None
	for _, fn := range p.plan.setup {
		v, err := p.call(fn, &machine{process: p})
		if err != nil {
			return err
		}
		if err := p.freeze(fn, v); err != nil {
			return err
		}
		if v != starlark.None {
			p.given = v
		}
	}
	return nil
}

// freeze freezes what a function of the script's has returned.
func (p *process) freeze(fn starlark.Callable, v starlark.Value) error {
	if err := sandbox.Freeze(v); err != nil {
		return p.blame(fn, fmt.Errorf("%s returned: %w", fn.Name(), err))
	}
	return nil
}

// blame is an error about what a function has returned, at the function's place.
func (p *process) blame(fn starlark.Callable, err error) error {
	place := ""
	if f, ok := fn.(*starlark.Function); ok {
		place = f.Position().String()
	}
	return p.program.ErrorAt(place, err)
}

// call calls a function of the script's, with as many of the arguments and of what
// setup has returned as it takes.
func (p *process) call(fn starlark.Callable, args ...starlark.Value) (starlark.Value, error) {
	return p.callOn(p.host, fn, args...)
}

func (p *process) callOn(h sandbox.Host, fn starlark.Callable, args ...starlark.Value) (starlark.Value, error) {
	if f, ok := fn.(*starlark.Function); ok && f.NumParams() > len(args) && p.given != nil {
		args = append(args, p.given)
	}
	return p.program.Call(h, fn, args...)
}

// judge calls a check. Its own fail, and a text that it returns, is a failure of
// the run; any other error is the script's.
func (p *process) judge(fn starlark.Callable, args ...starlark.Value) error {
	v, err := p.call(fn, args...)
	if err != nil {
		return failed(err)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil
	case starlark.String:
		return &scenario.Failure{Message: sandbox.Printable(string(v))}
	}
	return p.blame(fn, fmt.Errorf("%s returned %s, not a text that says what is wrong, or nothing", fn.Name(), v.Type()))
}

func (p *process) check(v *scenario.View) error {
	for _, fn := range p.plan.checks {
		if err := p.judge(fn, &machine{process: p, view: v}); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) afterCall(v *scenario.View, r scenario.Returned) error {
	for _, fn := range p.plan.after {
		if err := p.judge(fn, &machine{process: p, view: v}, newReturned(p.bodies[r.Thread].name, r)); err != nil {
			return err
		}
	}
	return nil
}
