package emu

import (
	"reflect"
	"strings"
	"testing"

	"emurace/loader"
)

// TestProcessEnds: how a process ends is a value, exact to the address.
func TestProcessEnds(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		text := p.fn("getenv")
		ro := p.rodata()
		data := p.bytes(make([]byte, 16))
		page := p.call(0, "mmap", 0, loader.PageSize, 0, 0x22, ^uint64(0), 0) // no access
		start := p.mark()
		fault := func(addr uint64, access Access, mapped bool) End {
			return End{Kind: EndFault, Addr: addr, Access: access, Mapped: mapped}
		}
		cases := []struct {
			name string
			fn   uint64
			args []uint64
			want End // with the pc where it is known
		}{
			{"exit(3)", p.fn("exit"), []uint64{3}, End{Kind: EndExit, Code: 3}},
			{"_exit(257)", p.fn("_exit"), []uint64{257}, End{Kind: EndExit, Code: 1}},
			{"abort()", p.fn("abort"), nil, End{Kind: EndSignal, Signal: 6}},
			{"raise(SIGTERM)", p.fn("raise"), []uint64{15}, End{Kind: EndSignal, Signal: 15}},
			{"strlen(NULL)", p.fn("strlen"), []uint64{0}, fault(0, AccessRead, false)},
			{"strlen of a hole", p.fn("strlen"), []uint64{0x1230}, fault(0x1230, AccessRead, false)},
			{"strlen without permission", p.fn("strlen"), []uint64{page}, fault(page, AccessRead, true)},
			{"strcpy to NULL", p.fn("strcpy"), []uint64{0, p.str("x")}, fault(0, AccessWrite, false)},
			{"memset of read-only data", p.fn("memset"), []uint64{ro, 1, 1}, fault(ro, AccessWrite, true)},
			{"memset of code", p.fn("memset"), []uint64{text, 1, 1}, fault(text, AccessWrite, true)},
			{"call of NULL", 0, nil, fault(0, AccessExec, false)},
			{"call of a hole", 0x4000, nil, fault(0x4000, AccessExec, false)},
			{"call between all mappings", 0x1234_5678_9000, nil, fault(0x1234_5678_9000, AccessExec, false)},
			{"call of data", data, nil, fault(data, AccessExec, true)},
			{"call of a page without permission", page + 8, nil, fault(page+8, AccessExec, true)},
		}
		for _, c := range cases {
			for n := range []int{0, worker} {
				for round := range 2 { // the second time from a rewound machine
					if err := p.Begin(n, c.fn, c.name, c.args...); err != nil {
						t.Fatal(err)
					}
					s := p.run(n, 1<<22)
					if s.Kind != Ended || s.End == nil || s.End != p.End() {
						t.Fatalf("%s on thread %d: %v", c.name, n, s)
					}
					pc, err := p.PC(n)
					if err != nil {
						t.Fatal(err)
					}
					got, want := *s.End, c.want
					want.Thread, want.PC = n, pc
					if want.Access == AccessExec {
						want.PC = want.Addr
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%s on thread %d, round %d: %+v, want %+v", c.name, n, round, got, want)
					}
					if again := p.run(1-n, 1); again.Kind != Ended || again.End != s.End || again.Ran != 0 || p.Runnable(0) {
						t.Errorf("%s: the other thread goes on: %v", c.name, again)
					}
					p.rewind(start)
					if p.End() != nil || !p.Idle(n) {
						t.Fatalf("%s: rewinding did not bring the process back", c.name)
					}
				}
			}
		}
	})
}

// rodata is the address of libc's own first bytes: its ELF header, which is
// mapped for reading only.
func (p *process) rodata() uint64 {
	libc, ok := p.Libc()
	if !ok {
		p.t.Fatal("no libc")
	}
	return libc.Lo
}

// TestAborts: what glibc says before it gives up is in the output.
func TestAborts(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		freed := p.call(0, "malloc", 2000)
		p.call(0, "malloc", 16)
		p.call(0, "free", freed)
		cases := []struct {
			fn, says string
			args     []uint64
		}{
			{"free", "double free or corruption", []uint64{freed}},
			{"free", "free(): invalid pointer", []uint64{p.bytes(make([]byte, 64)) + 8}},
			{"__stack_chk_fail", "stack smashing detected", nil},
			{"__assert_fail", "the.c:12: f: Assertion `1 == 2' failed.", []uint64{p.str("1 == 2"), p.str("the.c"), 12, p.str("f")}},
			{"__fortify_fail", "*** too much ***", []uint64{p.str("too much")}},
		}
		start := p.mark()
		for _, c := range cases {
			fn, err := p.Lookup(c.fn)
			if err != nil {
				if c.fn == "__fortify_fail" {
					continue // glibc's own business
				}
				t.Fatal(err)
			}
			_, err = p.Call(0, fn, c.fn, c.args...)
			end := p.End()
			if end == nil || end.Kind != EndSignal || end.Signal != 6 || !strings.Contains(p.output(), c.says) {
				t.Errorf("%s: %v, said %q", c.fn, end, p.output())
			}
			if err == nil || !strings.Contains(err.Error(), "killed by SIGABRT; it said: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", c.fn, err)
			}
			p.rewind(start)
			if p.output() != "" {
				t.Errorf("%s: rewinding left the output %q", c.fn, p.output())
			}
		}
	})
}

// TestFaultTwice: going on after a fault is refused, and a rewind to just
// before it leads to the very same fault again.
func TestFaultTwice(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		p.begin(0, "strlen", 0x220)
		before := p.mark()
		first := p.run(0, 1000)
		p.rewind(before)
		s := p.run(0, first.Ran)
		if s.Kind != Budget || s.Ran != first.Ran {
			t.Fatalf("up to the fault: %v, then %v", first, s)
		}
		regs, err := p.Registers(0)
		if err != nil {
			t.Fatal(err)
		}
		s = p.run(0, 1)
		if s.Ran != 0 || s.Kind != Ended || !reflect.DeepEqual(s.End, first.End) {
			t.Errorf("the fault: %+v, before %+v", s.End, first.End)
		}
		after, err := p.Registers(0)
		if err != nil || !reflect.DeepEqual(regs, after) {
			t.Errorf("the fault changed registers (%v)", err)
		}
	})
}

// TestEndText: what an end says, in words.
func TestEndText(t *testing.T) {
	for want, end := range map[string]End{
		"exit with status 3": {Kind: EndExit, Code: 3},
		"killed by SIGABRT":  {Kind: EndSignal, Signal: 6},
		"read at 0x220 faults: nothing is mapped there (pc 0x5)":  {Kind: EndFault, Addr: 0x220, Access: AccessRead, PC: 5},
		"write at 0x8 faults: the page forbids it (pc 0x5)":       {Kind: EndFault, Addr: 8, Access: AccessWrite, Mapped: true, PC: 5},
		"execute at 0x0 faults: nothing is mapped there (pc 0x0)": {Kind: EndFault, Access: AccessExec},
		"illegal instruction at 0x5":                              {Kind: EndIllegal, PC: 5},
		"processor exception 3 at 0x5":                            {Kind: EndException, Detail: "processor exception 3", PC: 5},
		"stopped at the limit of memory (pc 0x5)":                 {Kind: EndLimit, Limit: MemoryLimit, PC: 5},
	} {
		if got := end.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNoSuchThread: asking about a thread that is not there is answered.
func TestNoSuchThread(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		for _, n := range []int{-1, 1, MaxThreads - 1, MaxThreads, 1 << 30} {
			if regs, err := p.Registers(n); len(regs) != 0 {
				t.Errorf("thread %d: %d registers, %v", n, len(regs), err)
			}
			if v, ok := p.Register(n, "sp"); ok {
				t.Errorf("thread %d: sp %#x", n, v)
			}
			if p.Runnable(n) || p.Waiting(n) || p.Idle(n) {
				t.Errorf("thread %d can do something", n)
			}
			if pc, err := p.PC(n); err == nil {
				t.Errorf("thread %d: pc %#x", n, pc)
			}
		}
		if v, ok := p.Register(0, "no such register"); ok {
			t.Errorf("a register that does not exist: %#x", v)
		}
	})
}
