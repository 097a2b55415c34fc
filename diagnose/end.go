package diagnose

import (
	"fmt"
	"path"
	"strings"

	"emurace/diagnose/process"
	"emurace/heap/arena"
)

// End is the end of the process as one that a search can look for: see package explore/target, whose
// text form the backtraces have.
type End struct {
	Kind      string // segv, illegal, abort, signal, deadlock
	Arch      string
	Thread    string
	Backtrace []string // the C library's frames from the innermost one on
	Access    string   // read, write or execute
	Value     string   // what the bad value was: malloc-size, null, ...
	Message   string
	Signal    int
	Waits     []EndWait
}

// EndWait is a thread of a deadlock.
type EndWait struct {
	Thread, What string
	Backtrace    []string
}

// End is the end that the process has come to, nil when it lived and nobody waits for ever.
func (d *Diagnosis) End() *End {
	p := d.Process
	e := &End{Arch: p.Core.Arch.String(), Thread: d.Title(d.Dead)}
	ring := d.Cycle()
	switch n := p.Core.Signal.Number; {
	case d.Fault != nil:
		e.Kind, e.Access, e.Value = "segv", "read", d.valueKind()
		if d.Fault.Write {
			e.Access = "write"
		}
		if d.Fault.Execute {
			e.Access = "execute"
		}
	case n == sigILL:
		e.Kind = "illegal"
	case n == sigABRT:
		e.Kind, e.Message = "abort", strings.TrimSpace(d.message())
	case len(ring) > 0:
		e.Kind = "deadlock"
		for _, w := range ring {
			if t := d.thread(w.Thread); t != nil {
				e.Waits = append(e.Waits, EndWait{Thread: d.Title(t), What: w.For, Backtrace: d.library(t)})
			}
		}
		return e
	case n != 0:
		e.Kind, e.Signal = "signal", n
	default:
		return nil
	}
	e.Backtrace = d.library(d.Dead)
	return e
}

// library is a thread's backtrace as far as it is the C library's, from the innermost frame on, at
// least that one.
func (d *Diagnosis) library(t *process.Thread) (list []string) {
	frames, _ := t.Frames()
	libc := d.Process.Libc()
	for i, f := range frames {
		if i > 0 && (libc == nil || f.PC < libc.Lo || f.PC >= libc.Hi) {
			break
		}
		list = append(list, d.frameText(f))
	}
	return list
}

// frameText is a frame as getenv+0x94 in libc.so.6+0x3dbe4 (build 6f268ff5...).
func (d *Diagnosis) frameText(f process.Frame) string {
	text := ""
	if f.At.Function != "" {
		text = fmt.Sprintf("%s+%#x", f.At.Function, f.At.Offset)
	}
	m := d.Process.At(f.PC)
	if m == nil {
		if text == "" {
			return fmt.Sprintf("%#x", f.PC)
		}
		return text
	}
	if text != "" {
		text += " in "
	}
	text += fmt.Sprintf("%s+%#x", path.Base(m.Name()), f.PC-m.Base)
	if m.BuildID != "" {
		text += fmt.Sprintf(" (build %s)", m.BuildID)
	}
	return text
}

// valueKind names what the bad value was, "" for unknown.
func (d *Diagnosis) valueKind() string {
	f := d.Fault
	if f == nil || f.Register == "" {
		return ""
	}
	if f.Value == 0 {
		return "null"
	}
	if len(characters(f.Value)) == 8 {
		return "text"
	}
	at := d.loadedFrom()
	if at == nil || d.Malloc == nil {
		return ""
	}
	for _, m := range d.Malloc.Meaning(at.addr, f.Value) {
		switch m.Kind {
		case arena.Foot, arena.SizeField:
			return "malloc-size"
		case arena.FreeLink, arena.CacheLink:
			return "malloc-link"
		case arena.CacheKey:
			return "malloc-key"
		case arena.ToFree:
			return "stale-pointer"
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
	if at := d.loadedFrom(); at != nil {
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
