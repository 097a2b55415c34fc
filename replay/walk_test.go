package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
)

// walk goes through a run instruction by instruction, with what a session has and nothing of what
// explains it: what is said of the run is compared with that.
type walk struct {
	s        *scenario.Session
	schedule scenario.Schedule
	moments  []instant // by how many instructions have run
	log      []emu.LogEntry
	base     uint64
	handlers []uint64 // where handlers of signals begin
	first    uint64   // the step of a load that is the first instruction of one; 0 for none
}

// instant is what is to run next.
type instant struct {
	thread int
	pc     uint64
	done   int // calls of the thread that have returned
	calls  bool
	number uint64 // of the system call
	args   [4]uint64
}

func newWalk(s *scenario.Session, schedule scenario.Schedule) *walk {
	return &walk{s: s, schedule: schedule, base: s.Base()}
}

// run runs the schedule anew, and calls see before each instruction and at the end, which is past
// the last one.
func (w *walk) run(see func(n uint64)) error {
	fill := w.moments == nil
	if err := w.s.Restart(); err != nil {
		return err
	}
	p := w.s.Process()
	for _, sl := range w.schedule {
		for done := uint64(0); sl.N == 0 || done < sl.N; {
			if _, over := w.s.Outcome(); over || !w.s.Runnable(sl.Thread) {
				break
			}
			n, m := w.s.Steps(), instant{thread: sl.Thread, done: len(w.s.Results(sl.Thread))}
			t := w.s.MachineThread(sl.Thread)
			m.pc, _ = p.PC(t)
			if code, ok := p.Read(m.pc, 4); ok && fill {
				m.calls = p.Arch() == loader.ARM64 && binary.LittleEndian.Uint32(code) == 0xd4000001 || p.Arch() == loader.AMD64 && code[0] == 0x0f && code[1] == 5
				for i, name := range map[loader.Arch][]string{loader.ARM64: {"x0", "x1", "x2", "x3"}, loader.AMD64: {"rdi", "rsi", "rdx", "r10"}}[p.Arch()] {
					m.args[i], _ = p.Register(t, name)
				}
				m.number, _ = p.Register(t, map[loader.Arch]string{loader.ARM64: "x8", loader.AMD64: "rax"}[p.Arch()])
			}
			see(n)
			ran, err := w.s.RunSlice(sl.Part(done, 1))
			if err != nil {
				return err
			}
			if ran == 0 {
				break
			}
			if fill {
				w.moments = append(w.moments, m)
			}
			done++
		}
	}
	see(w.s.Steps())
	if fill {
		w.log = slices.Clone(p.Log().From(w.s.StartLog()).List())
	}
	return nil
}

// memory is what was there before each instruction and at the end; nil where nothing was mapped.
func (w *walk) memory(addr uint64, size int) (list [][]byte, err error) {
	err = w.run(func(uint64) {
		b, _ := w.s.Process().Read(addr, uint64(size))
		list = append(list, b)
	})
	return list, err
}

// register is what a thread's register was at a moment.
func (w *walk) register(thread int, name string, at uint64) (value uint64, err error) {
	err = w.run(func(n uint64) {
		if n == at {
			value, _ = w.s.Process().Register(w.s.MachineThread(thread), name)
		}
	})
	return value, err
}

// act looks whether an instruction was where and whose it is said to have been, in that call.
func (w *walk) act(a *symbolize.Act) error {
	if w.moments == nil {
		if err := w.run(func(uint64) {}); err != nil {
			return err
		}
	}
	if o, _ := w.s.Outcome(); a.Step == uint64(len(w.moments))+1 && o.End != nil && w.s.Names()[o.Thread] == a.Thread && o.End.PC == a.Location.PC {
		return nil // the instruction that fails
	}
	if a.Step < 1 || a.Step > uint64(len(w.moments)) {
		return fmt.Errorf("there is no instruction %d", a.Step)
	}
	m := w.moments[a.Step-1]
	if name := w.s.Names()[m.thread]; name != a.Thread {
		return fmt.Errorf("instruction %d is of %s, not of %s", a.Step, name, a.Thread)
	}
	if m.pc != a.Location.PC && !w.handles(a.Location.PC, m.thread, a.Step) {
		return fmt.Errorf("instruction %d is at %#x, not at %#x", a.Step, m.pc, a.Location.PC)
	}
	call, more, err := w.s.Plan().Threads[m.thread].Body.Next(make([]uint64, m.done))
	if err != nil || !more {
		return fmt.Errorf("instruction %d is in no call: %v", a.Step, err)
	}
	if !strings.HasPrefix(a.Call, call.Func+"(") {
		return fmt.Errorf("instruction %d is in a call of %s, not in %s", a.Step, call.Func, a.Call)
	}
	return nil
}

// handles tells whether a step may be the first instruction of the handler, whose place is not known
// before it: the kernel has written a frame for the thread.
func (w *walk) handles(pc uint64, thread int, step uint64) bool {
	return slices.Contains(w.handlers, pc) && slices.ContainsFunc(w.log, func(a emu.LogEntry) bool {
		return a.Kind == emu.LogKernel && int(a.Thread) == w.s.MachineThread(thread) && a.Step < step+w.base && a.Old != a.Value
	})
}

// before is the moment at which memory is as the instruction of a step finds it: behind it where it
// is a handler's first one, before which the kernel writes the frame in the same step.
func (w *walk) before(step uint64) uint64 {
	if w.first == step {
		return step
	}
	return step - 1
}

// pageCalls are the system calls that give pages another content, by number: madvise, munmap,
// mmap, mremap, brk.
var pageCalls = map[loader.Arch][5]uint64{loader.ARM64: {233, 215, 222, 216, 214}, loader.AMD64: {28, 11, 9, 25, 12}}

// empties tells whether an instruction is a system call that may empty the page of an address.
func (w *walk) empties(m instant, addr uint64) bool {
	page := addr &^ (loader.PageSize - 1)
	in := func(at, size uint64) bool {
		return at <= page && page < at+(size+loader.PageSize-1)&^(loader.PageSize-1)
	}
	n := pageCalls[w.s.Process().Arch()]
	switch {
	case !m.calls:
		return false
	case m.number == n[0]:
		return m.args[2] == 4 && in(m.args[0], m.args[1]) // MADV_DONTNEED
	case m.number == n[1]:
		return in(m.args[0], m.args[1])
	case m.number == n[2]:
		return m.args[3]&0x10 != 0 && in(m.args[0], m.args[1]) // MAP_FIXED
	case m.number == n[3]:
		return in(m.args[0], max(m.args[1], m.args[2]))
	}
	return false
}

// sources looks whether bytes that were read in parts came from where they are said to have come
// from: each of those who are named had put there what was still there, and nobody had written
// them since; the rest is as it was when the race began, and nobody has written it at all.
func (w *walk) sources(addr uint64, data []byte, parts []lookPart, s *Sources) error {
	told := s.Older + s.Unknown
	for i := range s.Writers {
		told += len(s.Writers[i].Data)
	}
	if told != len(data) && s.More == 0 || told > len(data) || s.size != len(data) {
		return fmt.Errorf("of %d bytes %d are told", len(data), told)
	}
	if s.Unknown > 0 {
		return fmt.Errorf("of %d bytes it is not known who has written them", s.Unknown)
	}
	older := 0
	for _, p := range parts {
		mem, err := w.memory(p.addr, int(p.size))
		if err != nil {
			return err
		}
		end := w.before(p.step - w.base) // the moment of the read
		if want := data[p.addr-addr:][:p.size]; !bytes.Equal(mem[end], want) {
			return fmt.Errorf("%x is at %#x after %d instructions, and %x is said to have been read", mem[end], p.addr, end, want)
		}
		for i := range p.size {
			at := p.addr + i
			k := slices.IndexFunc(s.Writers, func(o Wrote) bool { return at >= o.Addr && at < o.Addr+uint64(len(o.Data)) })
			if k < 0 {
				if err := w.untouched(mem, i, at, 0, end); err != nil && s.More == 0 {
					return fmt.Errorf("byte %#x is said to be older than the race: %w", at, err)
				} else if err == nil {
					older++
				}
				continue
			}
			if err := w.wrote(&s.Writers[k], mem, i, at, end); err != nil {
				return fmt.Errorf("byte %#x, %s by %s at %d: %w", at, s.Writers[k].How, s.Writers[k].Thread, s.Writers[k].Step, err)
			}
		}
	}
	if older != s.Older {
		return fmt.Errorf("%d bytes are older than the race, not %d", older, s.Older)
	}
	return nil
}

// untouched is an error when a byte changes, or is written, by the instructions after a moment up
// to another one.
func (w *walk) untouched(mem [][]byte, i, at uint64, from, to uint64) error {
	for n := from; n < to; n++ {
		if mem[n] == nil || mem[n][i] != mem[to][i] {
			return fmt.Errorf("after %d instructions it is otherwise", n)
		}
		if w.empties(w.moments[n], at) {
			return fmt.Errorf("instruction %d empties its page", n+1)
		}
	}
	for k, a := range w.log {
		if n := max(a.Step, w.base) - w.base; a.Kind == emu.LogRead || n <= from || n > to || at < a.Addr || at >= a.Addr+uint64(a.Size) {
			continue
		}
		if a.Old != a.Value || k == 0 || w.log[k-1].Step != a.Step || w.log[k-1].Kind != emu.LogRead || w.log[k-1].Addr != a.Addr {
			return fmt.Errorf("instruction %d writes it", a.Step-w.base)
		}
	}
	return nil
}

// wrote is an error when a byte was not put there as it is said.
func (w *walk) wrote(o *Wrote, mem [][]byte, i, at, end uint64) error {
	value := o.Data[at-o.Addr]
	if mem[end][i] != value {
		return fmt.Errorf("%#x is there, not %#x", mem[end][i], value)
	}
	if err := w.act(&o.Act); err != nil {
		return err
	}
	step := o.Step
	m := instant{thread: slices.Index(w.s.Names(), o.Thread)}
	if step <= uint64(len(w.moments)) {
		m = w.moments[step-1]
	}
	if o.How == HowSignal || o.How == HowPlaced {
		// It came just before that instruction of the thread, behind any of another one.
		k := slices.IndexFunc(w.log, func(a emu.LogEntry) bool {
			return a.Kind == emu.LogKernel && int(a.Thread) == w.s.MachineThread(m.thread) && at >= a.Addr && at < a.Addr+uint64(a.Size) &&
				a.Step < step+w.base && byte(a.Value>>(8*(at-a.Addr))) == value
		})
		if k < 0 {
			return fmt.Errorf("there is nothing of it before instruction %d", step)
		}
		return w.untouched(mem, i, at, min(step, end), end)
	}
	if mem[step] == nil || mem[step][i] != value {
		return fmt.Errorf("it is not there after instruction %d", step)
	}
	stores := slices.ContainsFunc(w.log, func(a emu.LogEntry) bool {
		return a.Step == step+w.base && a.Kind == map[How]emu.LogEntry{HowStored: {Kind: emu.LogWrite}, HowKernel: {Kind: emu.LogKernel}}[o.How].Kind &&
			at >= a.Addr && at < a.Addr+uint64(a.Size) && byte(a.Value>>(8*(at-a.Addr))) == value
	})
	switch o.How {
	case HowStored:
		if m.calls || !stores {
			return fmt.Errorf("instruction %d does not store it", step)
		}
	case HowKernel:
		if !m.calls || !stores {
			return fmt.Errorf("instruction %d is no system call that writes it", step)
		}
	case HowZeroed, HowMapped:
		if !m.calls || value != 0 || (mem[step-1] == nil) != (o.How == HowMapped) {
			return fmt.Errorf("instruction %d does not empty the page", step)
		}
		if n := pageCalls[w.s.Process().Arch()]; !slices.Contains(n[:], m.number) {
			return fmt.Errorf("instruction %d is system call %d", step, m.number)
		}
	default:
		return fmt.Errorf("what is %q?", o.How)
	}
	return w.untouched(mem, i, at, step, end)
}
