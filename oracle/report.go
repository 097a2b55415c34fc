package oracle

import (
	"fmt"
	"maps"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Report is a problem with all that the run tells about it. Addresses are
// hexadecimal strings, as everywhere in the result object.
type Report struct {
	Problem  `json:"-"`
	Accesses []Access `json:"accesses"` // one, or both of a race in the order of the run
	// Block is what the access goes to, or misses; of a race, what the first of the two goes to.
	Block *Block `json:"block,omitempty"`
}

// Access is an access to memory, or a call that frees it.
type Access struct {
	symbolize.Report
	Access  string `json:"access"` // read, write or free
	Address string `json:"address"`
	Place   string `json:"place,omitempty"` // static data that Address is in
	Size    uint8  `json:"size,omitempty"`  // in bytes
}

// Block is the block of memory that an access went to, or missed.
type Block struct {
	Address   string `json:"address"`
	Size      uint64 `json:"size"`             // bytes asked for
	Offset    int64  `json:"offset,omitempty"` // from its beginning to where the access goes
	Allocated *Call  `json:"allocated_by,omitempty"`
	Freed     *Call  `json:"freed_by,omitempty"`
	// PointedBy names the static data that points to it at the moment of the access.
	PointedBy []string `json:"pointed_by,omitempty"`
}

// Call is a call of a function that allocates or frees.
type Call struct {
	Thread    string            `json:"thread"`
	Function  string            `json:"function"`
	Call      string            `json:"call"`           // what the thread was doing: the call that the scenario made
	Step      uint64            `json:"step,omitempty"` // its first instruction, counted from the race's start; 0 for before
	Backtrace []symbolize.Frame `json:"backtrace"`
}

// Explain repeats a run on a new session and describes each problem of the given
// kinds that it has. The schedule has indices of the threads made too; see Pool.Inspect.
func Explain(start Starter, made []string, schedule scenario.Schedule, detect ...scenario.Kind) ([]Report, error) {
	p, err := newInspector(start, true, detect)
	if err != nil {
		return nil, err
	}
	defer p.close()
	p.s.Process().System().LoadDebug()
	if err := p.s.SetMade(made); err != nil {
		return nil, err
	}
	return p.reports(schedule)
}

// reports repeats a run and describes what is wrong with it.
func (p *inspector) reports(schedule scenario.Schedule) ([]Report, error) {
	p.s.WantEvents(true)
	// Calls of a run before may have begun at the same instructions.
	maps.DeleteFunc(p.origin, func(at origin, _ *Call) bool { return at.step > p.s.Base() })
	f, err := p.look(schedule)
	if err != nil {
		return nil, err
	}
	p.s.WantEvents(false) // a history stops at every instruction by itself
	play, err := scenario.NewPlayback(p.s, schedule)
	if err != nil {
		return nil, err
	}
	var list []Report
	for _, m := range f.misuses {
		r := Report{Problem: Problem{m.kind, p.siteOf(m.access), m.count, p.placesOf(m.access)}, Block: p.block(m.block, m.addr)}
		if err := p.describe(play, &r, m.access, m.free); err != nil {
			return nil, err
		}
		if r.Block != nil {
			r.Block.PointedBy = symbolize.Pointers(p.s.Process(), m.block.Addr)
		}
		list = append(list, r)
	}
	for _, c := range f.races {
		r := Report{Problem: Problem{DataRace, p.sitesOf(c), c.count, p.placesOf(c.a, c.b)}, Block: p.blockAt(f.calls, c.a)}
		if err := p.describe(play, &r, c.a, c.aFree); err != nil {
			return nil, err
		}
		if err := p.describe(play, &r, c.b, c.bFree); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// describe adds an access to a report, by going to the moment before it.
func (p *inspector) describe(play *scenario.Playback, r *Report, a access, freed *emu.CallEvent) error {
	step := a.step - p.s.Base()
	if err := play.SeekTo(step - 1); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	act, err := symbolize.ActOf(p.s.Process(), a.thread, step)
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	act.Script = p.s.Written(p.s.RacingThread(a.thread))
	out := Access{Report: *act.Report(), Access: "read", Address: words.Hex(a.addr), Place: symbolize.Member(p.s.Process(), a.addr), Size: a.size}
	switch {
	case freed != nil:
		out.Access, out.Size = "free", 0
	case a.write:
		out.Access = "write"
	}
	r.Accesses = append(r.Accesses, out)
	return nil
}

// blockAt is the block that an access of a run goes to, as it is at that moment; nil for none.
func (p *inspector) blockAt(calls []emu.CallEvent, a access) *Block {
	h := p.heap.Clone()
	for i := range calls {
		if moment(&calls[i]) >= a.step {
			break
		}
		if calls[i].Depth == 0 {
			h.Apply(&calls[i])
		}
	}
	b, ok := h.At(a.addr)
	if !ok {
		return nil
	}
	return p.block(&b, a.addr)
}

func (p *inspector) block(b *heap.Piece, addr uint64) *Block {
	if b == nil {
		return nil
	}
	out := &Block{Address: words.Hex(b.Addr), Size: b.Size, Offset: int64(addr - b.Addr)}
	for _, c := range []struct {
		event *emu.CallEvent
		call  **Call
	}{{b.Alloc, &out.Allocated}, {b.Freed, &out.Freed}} {
		if c.event == nil {
			continue
		}
		if from := p.origin[origin{c.event.Thread, c.event.Step}]; from != nil {
			call := *from
			call.Step = c.event.Step - min(c.event.Step, p.s.Base())
			*c.call = &call
		}
	}
	return out
}

// callOf describes a call that is about to begin.
func callOf(m *emu.Process, c *emu.CallEvent) *Call {
	return &Call{Thread: m.Threads()[c.Thread].Name, Function: c.Func, Call: symbolize.Doing(m, c.Thread), Backtrace: symbolize.Frames(symbolize.Backtrace(m, c.Thread))}
}
