package diagnose

import (
	"path"
	"slices"
	"strings"

	"emurace/diagnose/process"
	"emurace/explore/target"
	"emurace/heap/arena"
)

// End is the end that the process has come to, nil when it lived and nobody waits for ever.
func (d *Diagnosis) End() *target.End {
	p := d.Process
	e := &target.End{Arch: p.Core.Arch.String(), Thread: d.Title(d.Dead)}
	ring := d.Cycle()
	switch n := p.Core.Signal.Number; {
	case d.Fault != nil:
		e.Kind, e.Access, e.Value = "segv", "read", d.valueKind()
		if e.Value != "" {
			e.Register = d.Fault.Register
		}
		if d.Fault.Write {
			e.Access = "write"
		}
		if d.Fault.Execute {
			e.Access = "execute"
		}
	case n == sigILL:
		e.Kind = "illegal"
	case n == sigABRT:
		e.Kind = "abort"
		if !d.private { // it may have the program's own words
			e.Message = strings.TrimSpace(d.message())
		}
	case len(ring) > 0 || d.allWait():
		e.Kind = "deadlock"
		if len(ring) == 0 {
			ring = d.Waits
		}
		for _, w := range ring {
			if t := d.thread(w.Thread); t != nil {
				e.Waits = append(e.Waits, target.Wait{Thread: d.Title(t), What: w.For, Backtrace: d.places(t)})
			}
		}
		return e
	case n != 0:
		e.Kind, e.Signal = "signal", n
	default:
		return nil
	}
	e.Backtrace = d.places(d.Dead)
	return e
}

// allWait tells whether every thread waits, without a deadline.
func (d *Diagnosis) allWait() bool {
	return len(d.Waits) > 0 && len(d.Waits) == len(d.Process.Threads) && !slices.ContainsFunc(d.Waits, func(w Wait) bool { return w.Timed })
}

// mostPlaces bounds the frames of an end.
const mostPlaces = 64

// places is a thread's backtrace.
func (d *Diagnosis) places(t *process.Thread) (list []target.Frame) {
	frames, _ := t.Frames()
	for _, f := range frames[:min(len(frames), mostPlaces)] {
		list = append(list, d.frameOf(f))
	}
	return list
}

// frameOf is a frame's place in its function and in its module's file.
func (d *Diagnosis) frameOf(f process.Frame) (out target.Frame) {
	if f.At.Function != "" {
		out.Function, out.Offset = f.At.Function, &f.At.Offset
	}
	if m := d.Process.At(f.PC); m != nil {
		off := f.PC - m.Base
		out.Module, out.BuildID, out.ModuleOffset = path.Base(m.Name()), m.BuildID, &off
	}
	return out
}

// valueKind names what the bad value was, "" for unknown.
func (d *Diagnosis) valueKind() target.Value {
	f := d.Fault
	if f == nil || f.Register == "" {
		return ""
	}
	if f.Value == 0 {
		return target.Null
	}
	if len(characters(f.Value)) == 8 {
		return target.Text
	}
	at := d.origin()
	if at == nil || !at.known || d.Malloc == nil {
		return ""
	}
	for _, m := range d.Malloc.Meaning(at.addr, at.value) {
		switch m.Kind {
		case arena.Foot, arena.SizeField:
			return target.MallocSize
		case arena.FreeLink, arena.CacheLink:
			return target.MallocLink
		case arena.CacheKey:
			return target.MallocKey
		case arena.ToFree:
			return target.StalePointer
		default:
		}
	}
	return ""
}

// Cycle is a ring of threads of which each waits, without a deadline, for what the next one has; nil
// for none.
func (d *Diagnosis) Cycle() []Wait { return d.cycle() }

// OldEntries is how many entries the array had that the dead thread walks, when environ has moved
// since.
func (d *Diagnosis) OldEntries() (int, bool) {
	if d.old == nil {
		return 0, false
	}
	return d.old.entries, true
}

// Called is the function of a thread's frame, as it was called.
func (d *Diagnosis) Called(t *process.Thread, i int) string { return trimmed(d.calledName(t, i)) }

// ArgumentsAs is what is known of the arguments of a frame's function, whose kinds are those of
// symbolize.Prototype.
func (d *Diagnosis) ArgumentsAs(t *process.Thread, i int, kinds string) []Arg {
	return d.argumentsAs(t, i, kinds)
}

// UsedBlock is the chunk of malloc's that the bad value was read from, or that it points into.
func (d *Diagnosis) UsedBlock() (arena.Chunk, bool) {
	if d.Fault == nil {
		return arena.Chunk{}, false
	}
	if at := d.origin(); at != nil && at.known {
		if c, ok := d.chunk(at.addr - 1); ok { // a foot is the chunk's before it
			return c, true
		}
	}
	return d.chunk(d.Fault.Value)
}

// BlockFrom is how many bytes a block in use has from an address on.
func (d *Diagnosis) BlockFrom(addr uint64) (uint64, bool) {
	c, ok := d.chunk(addr)
	if !ok || c.State.Free() || !c.Block().Has(addr) {
		return 0, false
	}
	return c.Block().Hi - addr, true
}
