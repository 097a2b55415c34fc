package replay

import (
	"path"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/explore/target"
	"emurace/heap"
	"emurace/scenario"
	"emurace/symbolize"
)

// EndOf is how the race of a session has ended, as a search looks for it, and of what process. It
// does not tell what the bad value of a fault was, which takes an [Explanation]. The session stands at the end of its race; names are those of its
// debug files where these were loaded before, see [emu.System.LoadDebug].
func EndOf(s *scenario.Session) target.End {
	m := s.Process()
	o, _ := s.Outcome()
	e := target.End{Kind: string(o.Kind), Arch: m.Arch().String()}
	if o.Thread >= 0 {
		e.Thread = s.Names()[o.Thread]
	}
	switch o.Kind {
	case scenario.Check:
		e.Message = o.Message
		return e
	case scenario.Abort:
		e.Message = lastPrinted(m)
	case scenario.Deadlock, scenario.Livelock:
		e.Waits = endWaits(s)
	default:
	}
	if o.End == nil || o.Thread < 0 {
		return e
	}
	e.Backtrace = endFrames(m, s.MachineThread(o.Thread))
	switch o.End.Kind {
	case emu.EndFault:
		e.Access = o.End.Access.String()
	case emu.EndSignal:
		if o.Kind != scenario.Abort {
			e.Signal = o.End.Signal
		}
	case emu.EndExit:
		code := o.End.Code
		e.Code = &code
	case emu.EndIllegal, emu.EndException, emu.EndLimit: // the kind says it
	}
	return e
}

// EndProcess is what comparing ends takes of a session's process.
func EndProcess(s *scenario.Session) target.Process {
	p := target.Process{Arch: s.Process().Arch().String()}
	for _, m := range s.Process().Modules() {
		p.Modules = append(p.Modules, target.Module{Name: path.Base(m.Path), BuildID: m.Image.BuildID})
	}
	return p
}

// endFrames is a thread's backtrace.
func endFrames(m *emu.Process, thread int) []target.Frame {
	var list []target.Frame
	for _, l := range symbolize.Backtrace(m, thread) {
		f := target.Frame{Function: l.Function, Module: l.Module}
		if l.Function != "" {
			f.Offset = &l.Offset
		}
		if mod, ok := m.Module(l.PC); ok {
			at := l.PC - mod.Base
			f.BuildID, f.ModuleOffset = mod.Image.BuildID, &at
		}
		list = append(list, f)
	}
	return list
}

// endWaits are the threads that are left of a deadlock or a livelock.
func endWaits(s *scenario.Session) []target.Wait {
	var list []target.Wait
	for i, name := range s.Names() {
		t := s.MachineThread(i)
		if t < 0 || !s.Process().Alive(t) || s.Process().Idle(t) && !s.Process().Waiting(t) {
			continue
		}
		stack := symbolize.Backtrace(s.Process(), t)
		w := target.Wait{Thread: name, Backtrace: endFrames(s.Process(), t)}
		if o, ok := objectOf(stack); ok && s.Process().Waiting(t) {
			w.What = o.what
		}
		list = append(list, w)
	}
	return list
}

// lastPrinted is what a process has printed last, "" for nothing.
func lastPrinted(m *emu.Process) string {
	for _, out := range slices.Backward(m.Output()) {
		if text := string(out.Data); strings.TrimSpace(text) != "" {
			return scenario.Bounded(text)
		}
	}
	return ""
}

// End is how the run ended, as a search looks for it.
func (x *Explanation) End() target.End {
	e := x.ended
	if x.Register != "" {
		e.Register, e.Value = x.Register, x.endValue()
	}
	return e
}

// endValue is what the bad value was, "" where that is not known.
func (x *Explanation) endValue() target.Value {
	switch k := x.Meaning.Kind; {
	case x.Value == 0:
		return target.Null
	case k == heap.MallocSize, k == heap.MallocLink, k == heap.MallocKey, k == heap.StalePointer:
		return target.Value(k)
	case target.Printable(x.Value):
		return target.Text
	case k == heap.Data:
		return target.Data
	}
	return ""
}
