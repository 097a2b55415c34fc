package step

import (
	"emurace/internal/words"
	"emurace/replay/timeline"
)

// next runs on until the current thread has completed an instruction, and when that
// is a call, until it has returned. Other threads may run meanwhile.
func (m *Model) next() {
	line := m.o.Line
	at := line.At()
	if at >= line.Len() {
		m.atEnd("next")
		return
	}
	pc, _ := line.PC(at)
	sp, _ := line.SP(at)
	thread := line.Thread(at)
	in := m.code.inst(pc)
	own := timeline.Stop(timeline.Turn{Thread: thread})
	if in.Call {
		own = timeline.Return{Thread: thread, SP: sp, PC: pc + uint64(in.Len)}
	}
	if _, _, found := line.Find(at, timeline.Forwards, own); !found && !in.Call {
		m.at(at+1, "next", "", "nexti") // it was the thread's last instruction
		return
	}
	m.runTo(timeline.Forwards, []timeline.Stop{own}, line.Len(), "next", "nexti")
}

// nextBack goes back over the last instruction of the current thread, and when
// that was a return, to before the call.
func (m *Model) nextBack() {
	const command, gdb = "reverse-next", "reverse-nexti"
	line := m.o.Line
	at := line.At()
	if at == 0 || m.now.thread < 0 {
		m.fail(command, "this is the start of the race")
		return
	}
	thread := m.now.thread
	last, _, found := line.Find(at, timeline.Backwards, timeline.Turn{Thread: thread})
	if !found {
		m.at(0, command, "", gdb)
		return
	}
	t := &m.now.threads[thread]
	pc, _ := line.PC(last)
	sp, ok := t.reg(m.s.Process().StackPointerName())
	call, known := m.callBefore(t.pc)
	if !m.code.inst(pc).Ret || !ok || !known {
		m.at(last, command, "", gdb)
		return
	}
	m.runTo(timeline.Backwards, []timeline.Stop{timeline.Return{Thread: thread, SP: sp, PC: call}}, last, command, gdb)
}

// callBefore is the address of the call that lies before a return address.
func (m *Model) callBefore(pc uint64) (uint64, bool) {
	l, ok := m.code.before(pc)
	return l.addr, ok && l.in.Call
}

// finish runs on until the current function has returned.
func (m *Model) finish() {
	const command, gdb = "finish", "finish"
	line := m.o.Line
	if line.At() >= line.Len() {
		m.atEnd(command)
		return
	}
	t := &m.now.threads[m.now.thread]
	sp, ok := t.reg(m.s.Process().StackPointerName())
	if !ok {
		m.fail(command, "there is no stack to come back to")
		return
	}
	if len(t.stack) > 1 {
		m.runTo(timeline.Forwards, []timeline.Stop{timeline.Return{Thread: m.now.thread, SP: sp, PC: t.stack[1].PC}}, line.Len(), command, gdb)
		return
	}
	m.at(m.endOfCall(m.now.thread, sp), command, "", gdb)
}

// endOfCall is the moment after the instruction by which a thread comes back from
// its outermost function: a return after which it stands at the start of another
// function, or never runs again. It is the end of the run when there is none.
func (m *Model) endOfCall(thread int, sp uint64) timeline.Moment {
	line := m.o.Line
	for n := line.At(); n < line.Len(); n++ {
		pc, _ := line.PC(n)
		if here, _ := line.SP(n); line.Thread(n) != thread || here < sp || !m.code.inst(pc).Ret {
			continue
		}
		after, _, found := line.Find(n, timeline.Forwards, timeline.Turn{Thread: thread})
		if !found {
			return n + 1
		}
		to, _ := line.PC(after)
		if _, off, ok := m.s.Process().Symbol(to); ok && off == 0 {
			return n + 1
		}
	}
	return line.Len()
}

// finishBack goes back to the call that the current function was called by, or to
// where the thread's outermost function began.
func (m *Model) finishBack() {
	const command, gdb = "reverse-finish", "reverse-finish"
	line := m.o.Line
	if line.At() == 0 || m.now.thread < 0 {
		m.fail(command, "this is the start of the race")
		return
	}
	t := &m.now.threads[m.now.thread]
	sp, ok := t.reg(m.s.Process().StackPointerName())
	if !ok || len(t.stack) == 0 {
		m.fail(command, "there is no function to go back from")
		return
	}
	target := t.stack[0].PC - t.stack[0].Offset
	if len(t.stack) > 1 {
		call, known := m.callBefore(t.stack[1].PC)
		if !known {
			m.fail(command, "the call before "+words.Hex(t.stack[1].PC)+" is not to be found")
			return
		}
		target = call
	}
	m.runTo(timeline.Backwards, []timeline.Stop{timeline.Return{Thread: m.now.thread, SP: sp, PC: target}}, 0, command, gdb)
}
