package step

import (
	"slices"

	"emurace/emu"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/symbolize"
)

// snapshot is all that is shown of one moment of a run.
type snapshot struct {
	at, len timeline.Moment
	thread  int // that runs next, or that has failed; -1 for none
	over    bool
	outcome scenario.Outcome // valid when over
	threads []threadSnapshot
	views   [viewCount]view
	just    *effect // the instruction that ran last
	next    *effect // the one that runs next in the record, or that has failed
	// meanings are what the values of registers point to.
	meanings map[uint64]string
}

// threadSnapshot is one racing thread.
type threadSnapshot struct {
	name, title, call, status string // title is the name, and what the program calls it
	pc                        uint64
	regs                      []emu.Register
	stack                     []symbolize.Location
	code                      *function
	runnable                  bool
	failed                    bool
}

// reg is a register of at most eight bytes.
func (t *threadSnapshot) reg(name string) (uint64, bool) {
	for _, r := range t.regs {
		if r.Name == name && len(r.Value) <= 8 {
			return r.Uint64(), true
		}
	}
	return 0, false
}

// look reads the present moment. What was seen before stays for comparison.
func (m *Model) look() {
	line, s := m.o.Line, m.s
	now := &snapshot{at: line.At(), len: line.Len(), thread: line.Thread(line.At())}
	now.outcome, now.over = s.Outcome()
	for i, name := range s.Names() {
		now.threads = append(now.threads, m.lookThread(i, name, now))
	}
	m.was, m.now = m.now, now
	if m.was == nil {
		m.was = now
	}
	m.env, m.entries, _ = replay.Environ(m.s.Process())
	m.lookStory()
	if now.at > 0 {
		now.just = m.effect(now.at-1, now, true)
	}
	if pc, ok := line.PC(now.at); ok && now.thread >= 0 && pc == now.threads[now.thread].pc {
		now.next = m.effect(now.at, now, false)
	}
	now.views = m.lookMemory()
	now.meanings = map[uint64]string{}
	for _, t := range now.threads {
		for _, r := range t.regs {
			if len(r.Value) <= 8 && r.Name != m.s.Process().PCName() {
				now.meanings[r.Uint64()] = m.meaning(r.Uint64(), now)
			}
		}
	}
	m.slices = slicesOf(line)
	m.picked = max(now.thread, 0)
	m.codeSel = m.current()
	m.follow()
}

func (m *Model) lookThread(i int, name string, now *snapshot) threadSnapshot {
	s := m.s
	n := s.MachineThread(i)
	t := threadSnapshot{name: clean(name), title: clean(symbolize.Title(name, s.Process().Called(n))), runnable: s.Runnable(i)}
	if threads := s.Process().Threads(); n >= 0 && n < len(threads) {
		t.call = clean(symbolize.Doing(s.Process(), n))
	}
	t.failed = now.over && now.outcome.Thread == i
	switch {
	case t.failed:
		t.status = "failed"
	case s.Process().Waiting(n):
		t.status = "waits"
	case s.Process().Idle(n):
		t.status = "done"
	case i == now.thread && now.at < now.len:
		t.status = "runs next"
	case i == now.thread && t.runnable:
		t.status = "ran last"
	case t.runnable:
		t.status = "ready"
	case n < 0:
		t.status = "not made"
	case !s.Process().Alive(n):
		t.status = "ended"
	default:
		t.status = "stopped"
	}
	// A thread that has ended has no registers; then there is nothing to show.
	t.regs, _ = s.Process().Registers(n)
	t.pc, _ = s.Process().PC(n)
	if t.status == "done" || len(t.regs) == 0 {
		return t
	}
	t.code = m.code.of(t.pc)
	t.stack = symbolize.Backtrace(s.Process(), n)
	for k := range t.stack {
		l := &t.stack[k]
		l.Function, l.Module, l.File = clean(l.Function), clean(l.Module), clean(l.File)
	}
	return t
}

// current is the line of the picked thread's listing where it stands.
func (m *Model) current() int {
	t := m.pickedThread()
	if t == nil || t.code == nil {
		return 0
	}
	return max(0, t.code.index(t.pc))
}

// pickedThread is the thread whose registers are shown; nil in a run without one.
func (m *Model) pickedThread() *threadSnapshot {
	if m.picked < 0 || m.picked >= len(m.now.threads) {
		return nil
	}
	return &m.now.threads[m.picked]
}

// slicesOf is which thread runs from which moment on.
func slicesOf(line *timeline.Timeline) []segment {
	var list []segment
	at := timeline.Moment(0)
	for _, sl := range line.Schedule() {
		n := sl.N
		if line.Session().IsClock(sl.Thread) {
			continue // it runs no instruction
		}
		if n == 0 {
			n = line.Len() - at
		}
		list = append(list, segment{sl.Thread, at, at + n})
		at += n
	}
	return list
}

// segment is a thread running for the moments [from, to).
type segment struct {
	thread   int
	from, to timeline.Moment
}

// lookStory finds out what is to be known of a run of one's own: where malloc's
// blocks are, and, if it has failed, why.
func (m *Model) lookStory() {
	if !m.left {
		m.story, m.storyOf = m.o.Story, nil
		return
	}
	schedule := m.o.Line.Schedule()
	if slices.Equal(schedule, m.storyOf) {
		return
	}
	m.storyOf = schedule
	m.story = Story{}
	const most = 1 << 20 // tracing a longer run again after each key would be felt
	if len(schedule) == 0 || m.now.len > most {
		return
	}
	// Without malloc's blocks the picture is poorer, but right.
	m.story.Heap, _ = m.o.Bench.Heap(schedule)
	if !m.now.over {
		return
	}
	m.explainOwn(schedule)
}
