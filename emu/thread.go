package emu

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
)

// Thread is the machine's view of one guest thread; its number is its index.
type Thread struct {
	// Name is what Spawn was given. A thread that the process makes itself is called after
	// the one that made it, a dot, and the how-manieth that was: it does not depend on what
	// other threads do at the time.
	Name string
	Idle bool   // waits for a call to make
	Call string // the call in progress, as in `setenv("A", "1", 1)`, or the last one
	// MadeIn is the call in progress, as in Call, of the thread MadeBy that made this
	// one, or that in which that one was made; "" for the process's first.
	MadeIn string
	MadeBy int
	self   uint64    // what pthread_create has called it, 0 for the others
	home   uint64    // stack pointer while idle
	open   *openCall // innermost traced call in progress
	made   int       // how many threads it has made, Spawn's apart
}

// Threads lists the threads that there are and were, main first. A thread's index stays its
// number, which no other one gets.
func (p *Process) Threads() []Thread { return slices.Clone(p.st.threads) }

// Thread is one of Threads.
func (p *Process) Thread(t int) Thread { return p.st.threads[t] }

// Doing is the call in progress, or the last one; of a thread that makes no calls, since the
// process has made it itself, what it is.
func (t Thread) Doing() string {
	if function, _, _ := strings.Cut(t.MadeIn, "("); t.Call == "" && function != "" && !t.Idle {
		return "a function that " + function + " has started"
	}
	return t.Call
}

// Made is how many threads there are and were, with the process's first.
func (p *Process) Made() int { return len(p.st.threads) }

// changed is a thread that is about to change. Marks may have the list.
func (p *Process) changed(t int) *Thread {
	if p.kept {
		p.st.threads, p.kept = slices.Clone(p.st.threads), false
	}
	return &p.st.threads[t]
}

// Runnable tells whether Run would run the thread: it exists, has a call to
// make and does not wait in the kernel.
func (p *Process) Runnable(t int) bool {
	return p.st.end == nil && p.kernel.State().Status(t) == linux.Runnable && !p.st.threads[t].Idle
}

// Waiting tells whether the thread is in a call and waits in the kernel.
func (p *Process) Waiting(t int) bool {
	return p.kernel.State().Status(t) == linux.Blocked
}

// Alive tells whether the thread is there and has not ended.
func (p *Process) Alive(t int) bool {
	status := p.kernel.State().Status(t)
	return status == linux.Runnable || status == linux.Blocked
}

// Idle tells whether the thread has finished its call.
func (p *Process) Idle(t int) bool {
	return t >= 0 && t < len(p.st.threads) && p.st.threads[t].Idle
}

// makeIdle notes that the thread has reached a trap where it can be given a
// call, and where its stack is then.
func (m *Machine) makeIdle(t int) error {
	sp, err := m.eng.ReadReg(t, m.arch.sp)
	if err != nil {
		return err
	}
	th := m.changed(t)
	th.Idle, th.home = true, sp
	return nil
}

// redZone is left alone below an idle thread's stack pointer (System V ABI,
// AMD64 supplement, 3.2.2).
const redZone = 128

// MaxArgs is how many arguments a call may have.
const MaxArgs = 64

// Arg is an argument of a call: a number or address, or the bits of a float or double.
type Arg struct {
	Value uint64
	Float bool
}

// words are arguments none of which is a floating point number.
func words(values ...uint64) []Arg {
	args := make([]Arg, len(values))
	for i, v := range values {
		args[i].Value = v
	}
	return args
}

// Begin lets an idle thread call the function at fn: registers and return
// address are set, nothing runs yet. The text is what the call is shown as.
func (m *Machine) Begin(t int, fn uint64, text string, args ...uint64) error {
	return m.BeginWith(t, fn, text, words(args...))
}

// BeginWith is Begin for arguments of any kind.
//
// Arguments go where both C ABIs have them: numbers and floating point numbers each
// into registers of their own, and those for which there is none left on the stack, in
// order, eight bytes each (System V ABI, AMD64 supplement, 3.2.3; AAPCS64, 6.8.2).
func (m *Machine) BeginWith(t int, fn uint64, text string, args []Arg) error {
	if !m.Idle(t) {
		return fmt.Errorf("call %s: thread %d is not idle", text, t)
	}
	if len(args) > MaxArgs {
		return fmt.Errorf("call %s: %d arguments, at most %d", text, len(args), MaxArgs)
	}
	var stack []byte
	words, floats := m.arch.args, m.arch.floats
	for _, a := range args {
		list := &words
		if a.Float {
			list = &floats
		}
		if len(*list) == 0 {
			stack = le.AppendUint64(stack, a.Value)
			continue
		}
		if err := m.eng.WriteReg(t, (*list)[0], a.Value); err != nil {
			return err
		}
		*list = (*list)[1:]
	}
	sp := (m.st.threads[t].home - redZone - uint64(len(stack))) &^ 15
	if len(stack) > 0 {
		if err := m.eng.Store(t, sp, stack); err != nil {
			return err
		}
	}
	if m.arch.link == nil {
		sp -= 8
		if err := m.eng.Store(t, sp, le.AppendUint64(nil, m.ret)); err != nil {
			return err
		}
		// A variadic callee reads the number of vector registers from al.
		if err := m.eng.WriteReg(t, m.arch.result, uint64(len(m.arch.floats)-len(floats))); err != nil {
			return err
		}
	} else if err := m.eng.WriteReg(t, *m.arch.link, m.ret); err != nil {
		return err
	}
	if err := m.eng.WriteReg(t, m.arch.sp, sp); err != nil {
		return err
	}
	if err := m.eng.WriteReg(t, m.arch.pc, fn); err != nil {
		return err
	}
	th := m.changed(t)
	th.Idle, th.Call = false, text
	return nil
}

// ForgetCall makes an idle thread one that has made no call: what it did before is of
// no interest any more.
func (m *Machine) ForgetCall(t int) { m.changed(t).Call = "" }

// CallRegisters are the registers of a call's arguments, of its floating point
// arguments, both in order, and of its result.
func (p *Process) CallRegisters() (args, floats []string, result string) {
	for _, r := range p.arch.args {
		args = append(args, r.Name)
	}
	for _, r := range p.arch.floats {
		floats = append(floats, r.Name)
	}
	return args, floats, p.arch.result.Name
}

// Result is what the thread's last call returned.
func (p *Process) Result(t int) (uint64, error) { return p.eng.ReadReg(t, p.arch.result) }

// FloatResult is the bits of the floating point number that the thread's last call
// returned: all eight bytes of a double, the low four of a float.
func (p *Process) FloatResult(t int) (uint64, error) { return p.eng.ReadReg(t, p.arch.floats[0]) }

// Call makes a call on an idle thread and runs it, and no other thread, to its
// end.
func (m *Machine) Call(t int, fn uint64, text string, args ...uint64) (uint64, error) {
	if err := m.CallWith(t, fn, text, words(args...)); err != nil {
		return 0, err
	}
	return m.Result(t)
}

// CallWith is Call for arguments of any kind. Result and FloatResult tell what the
// function has returned.
func (m *Machine) CallWith(t int, fn uint64, text string, args []Arg) error {
	if err := m.BeginWith(t, fn, text, args); err != nil {
		return err
	}
	// What is run in one go has no use for events, and teaches nothing of the
	// race.
	defer m.WantEvents(m.events)
	m.WantEvents(false)
	s, err := m.runAlone(t)
	if err != nil {
		return err
	}
	if err := m.unfinished(s, text); err != nil {
		return err
	}
	if s.Kind != Returned {
		return fmt.Errorf("call %s on %s: %v%s", text, m.st.threads[t].Name, s, m.lastOutput())
	}
	return nil
}

// Spawn makes a thread with the guest's own pthread_create, called by the idle
// thread main, and runs it until it is idle too.
func (m *Machine) Spawn(name string) (int, error) {
	create, err := m.Lookup("pthread_create")
	if err != nil {
		return 0, err
	}
	handle, err := m.Alloc(8)
	if err != nil {
		return 0, err
	}
	before := len(m.st.threads)
	rc, err := m.Call(0, create, "pthread_create", handle, 0, m.start, 0)
	if err != nil {
		return 0, err
	}
	if rc != 0 || len(m.st.threads) != before+1 {
		return 0, fmt.Errorf("thread %s: pthread_create returned %d", name, int32(rc))
	}
	t := before
	made := m.changed(t)
	made.Name = name
	m.changed(0).made--
	m.describe()
	if b, ok := m.Read(handle, 8); ok {
		made.self = binary.LittleEndian.Uint64(b)
	}
	s, err := m.runAlone(t)
	if err != nil {
		return 0, err
	}
	if err := m.unfinished(s, "pthread_create"); err != nil {
		return 0, err
	}
	if pc, err := m.PC(t); s.Kind != Trapped || err != nil || pc != m.start {
		return 0, fmt.Errorf("thread %s: its start routine was not reached: %v%s", name, s, m.lastOutput())
	}
	return t, m.makeIdle(t)
}

// threads is the machine as the kernel changes its processor's threads.
type threads Machine

// Clone makes a thread; see linux.Threads.
func (m *threads) Clone(slot, parent int, stack, tls uint64, setTLS bool) error {
	if slot != len(m.st.threads) {
		return fmt.Errorf("thread slot %d, expected %d", slot, len(m.st.threads))
	}
	if err := m.eng.AddThread(slot, parent); err != nil {
		return err
	}
	if err := m.eng.NoteJoin(parent, slot); err != nil {
		return err
	}
	maker := (*Machine)(m).changed(parent)
	maker.made++
	m.awaited = m.awaited || m.awaits
	m.st.threads = append(m.st.threads, Thread{Name: fmt.Sprintf("%s.%d", maker.Name, maker.made), MadeIn: cmp.Or(maker.Call, maker.MadeIn), MadeBy: parent})
	if slot < described {
		(*Machine)(m).describe()
	}
	set := []struct {
		reg   shim.Reg
		value uint64
		do    bool
	}{{m.arch.sp, stack, stack != 0}, {m.arch.tls, tls, setTLS}, {m.arch.result, 0, true}}
	for _, s := range set {
		if !s.do {
			continue
		}
		if err := m.eng.WriteReg(slot, s.reg, s.value); err != nil {
			return err
		}
	}
	return nil
}

// SetTLS sets the thread pointer.
func (m *threads) SetTLS(t int, tls uint64) error { return m.eng.WriteReg(t, m.arch.tls, tls) }

// SetResult sets what a system call returns.
func (m *threads) SetResult(t int, v uint64) error { return m.eng.WriteReg(t, m.arch.result, v) }

// Again has a thread make the system call once more that it stands behind.
func (m *threads) Again(t int) error {
	pc, err := m.eng.ReadReg(t, m.arch.pc)
	if err != nil {
		return err
	}
	return m.eng.WriteReg(t, m.arch.pc, pc-m.arch.sysSize)
}

// Registers are all registers of a thread by their names, little-endian.
func (m *threads) Registers(t int) (map[string][]byte, error) {
	block, err := m.eng.ReadRegs(t)
	if err != nil {
		return nil, err
	}
	list := map[string][]byte{}
	for _, r := range shim.Regs(m.arch.id) {
		list[r.Name], block = block[:r.Size], block[r.Size:]
	}
	return list, nil
}

// SetRegisters sets those registers of a thread that are named.
func (m *threads) SetRegisters(t int, values map[string][]byte) error {
	for _, r := range shim.Regs(m.arch.id) {
		if b, ok := values[r.Name]; ok {
			if err := m.eng.WriteRegBytes(t, r, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// Drop ends a thread.
func (m *threads) Drop(t int) { m.eng.DropThread(t) }

// FormatCall writes a call as in C.
func FormatCall(name string, args ...string) string {
	return name + "(" + strings.Join(args, ", ") + ")"
}
