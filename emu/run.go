package emu

import (
	"fmt"
	"slices"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
)

// StopKind says why Run came back.
type StopKind uint8

// The kinds.
const (
	Budget   StopKind = iota // all instructions asked for have run
	Returned                 // the call returned; the thread is idle
	Trapped                  // the thread reached the program's entry or start routine
	Waits                    // the thread waits in the kernel
	Gone                     // the thread ended
	Ended                    // the process ended; see Machine.End
	Unready                  // the thread was idle, waiting or gone before
	AtStop                   // the thread is before an instruction of StopAt's
	AtGate                   // the thread is before an instruction of GateAt's
)

// Stop is how a run ended.
type Stop struct {
	Kind StopKind
	Ran  uint64 // instructions completed
	End  *End   // for Ended

	// Event tells, when machine events are wanted, that the last instruction
	// was one; Objects are the kernel's objects that it used, and Counted the
	// shared bytes that were counted with it.
	Event   bool
	Objects []Object
	Counted []Counted

	// Watched tells that the last instruction made an access of those that
	// StopAfter is set for.
	Watched bool

	// Half tells that the last instruction has ended in its middle, and Divisible that it
	// could have and is an event; see RunHalf and SplitEvents.
	Half, Divisible bool

	// Undone tells, for Ended, that Ran does not count the instruction that has ended
	// the process: it has not happened.
	Undone bool
}

// Object is something of the kernel's that a system call used.
type Object = linux.Object

// ObjectClass is a kind of kernel object.
type ObjectClass = linux.ObjectClass

// Classes that others than the kernel know of.
const (
	ObjectFutex    = linux.ObjectFutex    // the queues of futex words, by the word's address
	ObjectMappings = linux.ObjectMappings // the list of mappings, one object
	ObjectResults  = linux.ObjectResults  // what a thread's calls have returned; not the kernel's
	ObjectOver     = linux.ObjectOver     // whether a race may be over; not the kernel's
)

// String says it in words.
func (s Stop) String() string {
	if s.Kind == Ended {
		return s.End.String()
	}
	words := [...]string{"still running", "returned", "reached the program", "waits", "ended", "", "was not ready", "stopped", "is at a gate"}
	return fmt.Sprintf("%s after %d instructions", words[s.Kind], s.Ran)
}

// EndKind says how a process ended.
type EndKind uint8

// The kinds.
const (
	EndExit      EndKind = iota + 1 // exit or exit_group
	EndSignal                       // a signal it sent itself, as abort() does
	EndFault                        // a memory access that its pages refuse
	EndIllegal                      // an instruction the processor does not have
	EndException                    // another processor exception
	EndLimit                        // a limit was reached; the process might go on elsewhere
)

// Access is what a faulting instruction tried.
type Access uint8

// The accesses.
const (
	AccessRead  Access = 1
	AccessWrite Access = 2
	AccessExec  Access = 4
)

// String is the word for it.
func (a Access) String() string {
	switch a {
	case AccessRead:
		return "read"
	case AccessWrite:
		return "write"
	case AccessExec:
		return "execute"
	}
	return fmt.Sprintf("access %d", uint8(a)) // a file may say anything
}

// End is how and where a process ended. For a fault, pc is the instruction
// that has not happened and every register is as it was before it.
type End struct {
	Kind   EndKind
	Thread int
	PC     uint64
	Code   int    // exit status, for EndExit
	Signal int    // for EndSignal
	Addr   uint64 // for EndFault
	Access Access // for EndFault
	Mapped bool   // for EndFault: there is a page, but it forbids the access
	Vector int    `json:",omitempty"` // for EndException: x86's number of it, or QEMU's for arm64 (EXCP_ of target/arm/cpu.h)
	Detail string // for EndException
	Limit  Limit  `json:",omitempty"` // for EndLimit
}

// String says it in words.
func (e *End) String() string {
	switch e.Kind {
	case EndExit:
		return fmt.Sprintf("exit with status %d", e.Code)
	case EndSignal:
		return "killed by " + SignalName(e.Signal)
	case EndFault:
		why := "nothing is mapped there"
		if e.Mapped {
			why = "the page forbids it"
		}
		return fmt.Sprintf("%s at %#x faults: %s (pc %#x)", e.Access, e.Addr, why, e.PC)
	case EndIllegal:
		return fmt.Sprintf("illegal instruction at %#x", e.PC)
	case EndLimit:
		return fmt.Sprintf("stopped at %v (pc %#x)", e.Limit, e.PC)
	case EndException: // the processor's own words
	}
	return fmt.Sprintf("%s at %#x", e.Detail, e.PC)
}

// End is how the process ended, nil while it goes on.
func (p *Process) End() *End { return p.st.end }

// Run runs a thread for n instructions, exactly that many unless its call
// returns, it waits, or it or the process ends before, or it comes to an event
// when those are wanted, or to what StopAt or StopAfter names. Where the handler of a signal
// is to run, its beginning is part of its first instruction.
func (m *Machine) Run(t int, n uint64) (Stop, error) {
	all := Stop{}
	m.awaited, m.frame = false, nil
	for {
		r, most := linux.Result{}, min(n-all.Ran, 1)
		if !m.eng.Holds(t) { // otherwise that comes first
			var err error
			if r, err = m.deliver(t, n-all.Ran); err != nil {
				return all, err
			}
			most = n - all.Ran
		}
		if len(r.Objects) > 0 && r.Effect == linux.Returns {
			most = 1
		}
		s, err := m.run(t, most)
		if err != nil {
			return s, err
		}
		s.Ran += all.Ran
		s.Counted = append(slices.Clip(all.Counted), s.Counted...)
		if m.events && (len(r.Objects) > 0 || all.Event) {
			s.Event, s.Objects = true, slices.Concat(r.Objects, s.Objects)
		}
		if s.Event && m.interrupts.known {
			s.Objects = append(slices.Clip(s.Objects), m.kernel.Interrupts(t))
		}
		// A fault that has a handler is no instruction: what is to run is the handler.
		faulted := s.Kind == Budget && m.faulted
		if m.faulted = false; s.Kind != Budget || s.Watched || m.awaited || s.Event && !faulted || s.Ran >= n {
			return s, nil
		}
		all = s
		if faulted && s.Event {
			n = min(n, s.Ran+1)
		}
	}
}

// deliver has a thread go to the handlers of the signals that have come for it, and tells what
// that has used.
func (m *Machine) deliver(t int, n uint64) (all linux.Result, err error) {
	for n > 0 && m.Runnable(t) && m.kernel.Interrupted(t) {
		m.forgetPages()
		blocked := m.blocked()
		before, err := m.PC(t)
		if err != nil {
			return all, err
		}
		logged := m.LogLen()
		r, err := m.kernel.Deliver(t)
		if err == nil {
			_, err = m.order(t, r.Objects, blocked)
		}
		if limit, reached := limitOf(err); reached {
			return r, m.reach(t, limit)
		}
		if err != nil {
			return r, err
		}
		m.effects++
		pc, err := m.PC(t)
		if err != nil {
			return r, err
		}
		if r.Missing != "" {
			m.missed(r.Missing, t, pc)
		}
		if pc != before {
			m.noteFrame(pc, logged)
		}
		if r.Effect == linux.Dies {
			m.st.end = &End{Kind: EndSignal, Thread: t, PC: pc, Signal: r.Signal}
		}
		r.Objects = append(all.Objects, r.Objects...)
		all = r
	}
	return all, nil
}

// run is Run up to where a handler is to run.
func (m *Machine) run(t int, n uint64) (Stop, error) {
	stop := Stop{}
	if !m.Runnable(t) {
		stop.Kind = Unready
		if m.st.end != nil {
			stop.Kind, stop.End = Ended, m.st.end
		}
		return stop, nil
	}
	for {
		budget := min(n-stop.Ran, askEvery)
		if len(stop.Counted) > 0 {
			budget = 1 // the event
		}
		s, err := m.engine(t, budget)
		if err != nil {
			return stop, err
		}
		stop.Ran += s.Ran
		if err := m.ask(s.Ran); err != nil {
			return stop, err
		}
		stop.Event = s.Event || len(stop.Counted) > 0
		for _, b := range m.eng.Fetched() {
			stop.Counted = append(stop.Counted, Counted{b.Addr, b.Size, false})
		}
		stop.Watched = m.eng.Watched()
		stop.Half, stop.Divisible = m.eng.Holds(t), m.eng.Divisible()
		switch s.Reason {
		case shim.StopBudget, shim.StopEvent:
			if m.events && m.eng.ReadCounter() {
				stop.Objects = []Object{{Class: linux.ObjectClock}}
			}
			if s.Reason == shim.StopBudget && !stop.Event && !stop.Watched && s.Ran == askEvery && stop.Ran < n {
				continue
			}
			return stop, nil
		case shim.StopBreak:
			if closes, err := m.closesGate(t); closes || err != nil {
				stop.Kind = AtGate
				return stop, err
			}
			if stands, err := m.standsAtStop(t); stands || err != nil {
				stop.Kind = AtStop
				return stop, err
			}
			if err := m.atBreak(t); err != nil {
				return stop, err
			}
			stop.Counted = m.counted
			m.eng.StepOn()
		case shim.StopTrap:
			if err := m.atBreak(t); err != nil {
				return stop, err
			}
			stop.Counted = append(stop.Counted, m.counted...)
			stop.Event = stop.Event || len(m.counted) > 0
			return m.trapped(t, stop)
		case shim.StopSyscall:
			r, err := m.syscall(t)
			if limit, reached := limitOf(err); reached {
				// It has stopped in the middle, and nobody will see of what.
				stop.Kind, stop.Event = Ended, m.events
				err = m.reach(t, limit)
				stop.End = m.st.end
				return stop, err
			}
			if err == nil {
				err = m.ask(callCosts)
			}
			if err != nil {
				return stop, err
			}
			if over, err := m.served(t, r, n, &stop); over || err != nil {
				return stop, err
			}
		default:
			r, served, end, err := m.serveOther(t, s)
			switch {
			case err != nil:
				return stop, err
			case !served || end != nil:
				stop.Event, stop.Watched = s.Event, false // it has not happened
				return m.crashOrHandle(t, stop, s, end)
			case s.Reason == shim.StopFault:
				stop.Ran++
			}
			if over, err := m.served(t, r, n, &stop); over || err != nil {
				return stop, err
			}
		}
	}
}

// served notes what the kernel has done for the thread, and tells whether the run is over.
func (m *Machine) served(t int, r linux.Result, n uint64, stop *Stop) (over bool, err error) {
	stop.Kind, stop.End = m.effect(r), m.st.end
	if m.events {
		remapped, err := m.countRemapped(t)
		if err != nil {
			return false, err
		}
		stop.Objects, stop.Counted = r.Objects, append(stop.Counted, remapped...)
		stop.Event = stop.Event || m.eng.TouchedShared() || len(r.Objects) > 0 || len(stop.Counted) > 0
	}
	stop.Watched = m.eng.Watched()
	return stop.Kind != Budget || stop.Event || stop.Watched || stop.Ran == n || m.awaited || m.kernel.Interrupted(t), nil
}

// AwaitThread makes Run come back behind a system call that makes a thread, which changes
// nothing of what a run does, and stays when the machine is rewound.
func (m *Machine) AwaitThread(on bool) { m.awaits = on }

// AwaitLoad makes Run come back behind a system call that maps an ELF file from its beginning,
// as AwaitThread does for a thread.
func (m *Machine) AwaitLoad(on bool) { m.loading = on }

// WantEvents makes Run stop after every instruction that accesses a shared byte, or uses
// a kernel object. A byte is shared when two threads have accessed it, at least one of
// them writing, and nothing had ordered these accesses: neither accesses to bytes known
// to be shared nor the kernel. Which bytes those are is learned while this is on; see
// SharedGrown. Bytes that a lock protects are not shared, the lock's own word is.
func (m *Machine) WantEvents(on bool) {
	m.events = on
	m.eng.SetSharing(on)
}

// WantsEvents tells whether WantEvents is on.
func (p *Process) WantsEvents() bool { return p.events }

// StoreExclusive tells whether the instruction at pc is a store exclusive of
// arm64, such as STXR.
func (p *Process) StoreExclusive(pc uint64) bool { return p.eng.StoreExclusive(pc) }

// LoadExclusive tells whether the instruction at pc is a load exclusive of
// arm64, such as LDXR.
func (p *Process) LoadExclusive(pc uint64) bool { return p.eng.LoadExclusive(pc) }

// trapped sorts out which of the program's traps the thread has reached.
func (m *Machine) trapped(t int, stop Stop) (Stop, error) {
	pc, err := m.PC(t)
	if err != nil {
		return stop, err
	}
	stop.Kind = Trapped
	if pc == m.ret {
		m.changed(t).Idle = true
		stop.Kind = Returned
	}
	return stop, nil
}

// syscall carries out the system call that the thread stands behind.
func (m *Machine) syscall(t int) (linux.Result, error) {
	c := linux.Call{Thread: t}
	var err error
	if c.Number, err = m.eng.ReadReg(t, m.arch.number); err != nil {
		return linux.Result{}, err
	}
	for i, r := range m.arch.sysArgs {
		if c.Args[i], err = m.eng.ReadReg(t, r); err != nil {
			return linux.Result{}, err
		}
	}
	pc, err := m.PC(t)
	if err != nil {
		return linux.Result{}, err
	}
	m.forgetPages()
	r, err := m.serve(c)
	if err != nil {
		return r, err
	}
	m.noteLoads()
	if len(m.remapped) > 0 {
		if err := m.findWords(); err != nil {
			return r, err
		}
	}
	if r.Missing != "" {
		m.missed(r.Missing, t, pc-m.arch.sysSize)
	}
	switch r.Effect {
	case linux.Exits:
		m.st.end = &End{Kind: EndExit, Thread: t, PC: pc, Code: r.Code}
	case linux.Dies:
		m.st.end = &End{Kind: EndSignal, Thread: t, PC: pc, Signal: r.Signal}
	case linux.Exceeds:
		limits := map[linux.Limit]Limit{linux.OutputLimit: OutputLimit, linux.MappingLimit: MappingLimit, linux.FileLimit: FileLimit}
		return r, m.reach(t, limits[r.Limit])
	case linux.Returns, linux.Blocks, linux.ThreadEnds: // the process goes on
	}
	return r, nil
}

// effect is what a system call means for the run of its thread.
func (m *Machine) effect(r linux.Result) StopKind {
	switch r.Effect {
	case linux.Blocks:
		return Waits
	case linux.ThreadEnds:
		return Gone
	case linux.Exits, linux.Dies, linux.Exceeds:
		return Ended
	case linux.Returns: // and the thread goes on
	}
	return Budget
}

// crash ends the process the way the kernel would with an unhandled signal; end is what
// it comes to, nil for what follows from the stop.
func (m *Machine) crash(t int, stop Stop, s shim.Stop, end *End) (Stop, error) {
	if end != nil {
		m.st.end = end
		stop.Kind, stop.End, stop.Undone = Ended, end, s.Undone
		return stop, nil
	}
	pc, err := m.PC(t)
	if err != nil {
		return stop, err
	}
	end = &End{Thread: t, PC: pc}
	switch s.Reason {
	case shim.StopFault:
		end.Kind = EndFault
		end.Addr, end.Access, end.Mapped = s.Fault.Addr, Access(s.Fault.Access), s.Fault.Mapped
	case shim.StopIllegal:
		end.Kind = EndIllegal
	case shim.StopException:
		end.Kind, end.Vector = EndException, s.Vector
		end.Detail = exceptionName(m.arch.id, s.Vector)
	case shim.StopLimit:
		end.Kind, end.Limit = EndLimit, engineLimit(s.Limit)
	default:
		return stop, fmt.Errorf("run thread %d: unexpected stop %d", t, s.Reason)
	}
	m.st.end = end
	stop.Kind, stop.End, stop.Undone = Ended, end, s.Undone
	return stop, nil
}

// PC is the address of the thread's next instruction; of one that has ended in its middle, as
// long as the rest of it is held.
func (p *Process) PC(t int) (uint64, error) {
	if pc, _ := p.Held(t); pc != 0 {
		return pc, nil
	}
	return p.eng.ReadReg(t, p.arch.pc)
}
