package explore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// program is a guest program in C and what its threads call. The calls of one
// thread are separated by semicolons, each a function of the program or of
// libc and its arguments: numbers, or &name for the address of a variable.
type program struct {
	name    string
	source  string
	threads []string
}

// prelude is what every program can use. A shared variable is volatile: the
// compiler then makes one access of each that is written, in their order.
const prelude = `
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
`

// times is the same thread several times.
func times(n int, thread string) []string { return slices.Repeat([]string{thread}, n) }

// each is one thread for each number from 1 to n, put in for the %d.
func each(n int, thread string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(thread, i+1))
	}
	return out
}

// guest is a program on a machine, at the start of its race.
type guest struct {
	s    *scenario.Session
	arch loader.Arch
	code guestcode.Code
	base uint64
	// exchangesWrite makes the oracles count an atomic exchange as a write also
	// when it puts back what it has read.
	exchangesWrite bool
	// blocks are those that calls have freed or handed out since the event
	// began, first and last byte; see heapProgram.
	blocks [][2]uint64
	// timeouts is when waits with a deadline end by themselves; "" is at any time.
	timeouts scenario.Timeouts
	began    []uint64 // the words of its variables when the race began; see guest.told
}

// plan compiles the program. The machine's address for its code is put into g.
func (p program) plan(t testing.TB, arch loader.Arch, g *guest) *scenario.Plan {
	t.Helper()
	g.arch = arch
	g.code = guestcode.Build(t, arch, prelude+p.source)
	plan := &scenario.Plan{
		Timeouts: g.timeouts,
		Setup: func(u *scenario.Setup) (err error) {
			g.base, err = u.Code(g.code.Bytes, uint64(len(g.code.Bytes)))
			return err
		},
	}
	for i, thread := range p.threads {
		name := scenario.Main
		if i > 0 {
			name = fmt.Sprintf("thread%d", i)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: calledOnce(func() scenario.Calls {
			var calls scenario.Calls
			for _, text := range strings.Split(thread, ";") {
				c, err := g.call(strings.Fields(text))
				must(t, err)
				calls = append(calls, c)
			}
			return calls
		})})
	}
	return plan
}

// call reads a call such as "put &x 1".
func (g *guest) call(words []string) (scenario.Call, error) {
	c := scenario.Call{Func: words[0]}
	if offset, ok := g.code.Symbols[c.Func]; ok {
		c.Addr = g.base + offset
	}
	for _, w := range words[1:] {
		if name, isAddr := strings.CutPrefix(w, "&"); isAddr {
			offset, ok := g.code.Symbols[name]
			if !ok {
				return c, fmt.Errorf("call %v: no variable %s", words, name)
			}
			c.Args = append(c.Args, scenario.Int(g.base+offset))
			continue
		}
		n, err := strconv.ParseUint(w, 0, 64)
		if err != nil {
			return c, fmt.Errorf("call %v: %w", words, err)
		}
		c.Args = append(c.Args, scenario.Int(n))
	}
	return c, nil
}

// starter makes sessions of the program.
func (p program) starter(t testing.TB, sys *emu.System) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		s, err := scenario.Start(sys, p.plan(t, sys.Arch, &guest{}), 1)
		if err == nil {
			s.Limit = 100_000 // far more than any of these programs needs
		}
		return s, err
	}
}

// start is the program at the start of its race, with events wanted.
func (p program) start(t testing.TB, sys *emu.System) *guest {
	t.Helper()
	return p.startWith(t, sys, nil)
}

// startWith is start with files of the process.
func (p program) startWith(t testing.TB, sys *emu.System, files map[string][]byte) *guest {
	t.Helper()
	return p.startAs(t, sys, &guest{}, files)
}

// startAs is startWith for a guest that says something of it.
func (p program) startAs(t testing.TB, sys *emu.System, g *guest, files map[string][]byte) *guest {
	t.Helper()
	plan := p.plan(t, sys.Arch, g)
	plan.Files = files
	s, err := scenario.Start(sys, plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	s.Limit = 100_000
	s.WantEvents(true)
	g.s = s
	return g
}

// end tells how the race came out: its outcome, what the calls returned, and
// the program's variables. It does not tell two runs apart that only took
// different ways.
func (g *guest) end() string {
	o, _ := g.s.Outcome()
	var b strings.Builder
	fmt.Fprint(&b, o.Kind, o.Thread)
	if o.End != nil {
		fmt.Fprintf(&b, " %+v", *o.End)
	}
	for i := range g.s.Threads() {
		fmt.Fprint(&b, " ", g.s.Results(i))
	}
	from := uint64(guestcode.PageSize)
	if m, ok := g.code.Symbols["m"]; ok { // code that has more than a page is not to be compared
		from = m &^ (guestcode.PageSize - 1)
	}
	if size := uint64(len(g.code.Bytes)); size > from {
		memory, _ := g.s.Process().Read(g.base+from, size-from)
		fmt.Fprintf(&b, " %x", memory)
	}
	return b.String()
}

// visible is end, but of a crash without what the other threads had done until
// then that concerned nobody: an event takes in all such instructions before it,
// so that the search cannot tell how many had run.
func (g *guest) visible() string {
	o, _ := g.s.Outcome()
	if o.End == nil {
		return g.end()
	}
	return fmt.Sprintf("%s%d %+v %v", o.Kind, o.Thread, *o.End, g.s.Results(o.Thread))
}
