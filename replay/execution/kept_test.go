package execution

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// message is message passing: main writes the message and then the flag, worker reads the flag and then the message,
// each with something in between. Worker has seen the flag, and not the message.
type message struct {
	arch          loader.Arch
	write, read   string // main's instructions, and worker's: the message at %0, the flag at %1
	writes, reads string // what keeps them in order, "" for nothing
	alternatives  int
}

func (m message) graph(t *testing.T) *Graph {
	t.Helper()
	source := fmt.Sprintf(`
		unsigned long words[64];
		void wr(void) { __asm__ volatile(%q :: "r"(&words[0]), "r"(&words[32]) : "memory", "cc", %s); }
		void rd(void) { __asm__ volatile(%q :: "r"(&words[0]), "r"(&words[32]) : "memory", "cc", %[2]s); }`,
		strings.ReplaceAll(m.write, "; ", "\n"), map[loader.Arch]string{loader.ARM64: `"x9", "x10", "x11"`, loader.AMD64: `"r9", "r10", "r11"`}[m.arch], strings.ReplaceAll(m.read, "; ", "\n"))
	sys := testsystem.Of(t, "bookworm", m.arch)
	code := guestcode.Build(t, m.arch, source)
	base := uint64(0)
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	for i, fn := range []string{"wr", "rd"} {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: []string{scenario.Main, "worker"}[i], Body: testrace.Called(func() scenario.Calls {
			return scenario.Calls{{Func: fn, Addr: base + code.Symbols[fn]}}
		})})
	}
	s := testrace.Start(t, sys, plan)
	x := base + code.Symbols["words"]
	must(t, s.Play(scenario.Schedule{{Thread: 0}}))
	first := s.Steps()
	must(t, s.Play(scenario.Schedule{{Thread: 1}}))
	at := uint64(0)
	for a := range s.Process().Log().From(s.StartLog()).All() {
		if a.Addr == x && a.Kind == emu.LogRead {
			at = a.Step - s.Base()
		}
	}
	g, err := Of(lineOf(t, s, scenario.Schedule{
		{Thread: 0},
		{Thread: 1, N: at - first, Seeing: &scenario.Seeing{Sees: []scenario.Seen{{Bytes: scenario.Bytes{Addr: x, Data: make([]byte, 8)}}}}},
		{Thread: 1},
	}))
	must(t, err)
	return g
}

// TestKept: what keeps a program's order is found, and who has seen what is told of the orders that are left.
func TestKept(t *testing.T) {
	const write, read = "str %1, [%0]; str %0, [%1]", "ldr x9, [%1]; ldr x10, [%0]"
	const writeX86, readX86 = "movq %1, (%0); movq %0, (%1)", "movq (%1), %%r9; movq (%0), %%r10"
	for name, m := range map[string]message{
		"plain":         {write: write, read: read, alternatives: 2},
		"store barrier": {write: "str %1, [%0]; dmb ishst; str %0, [%1]", read: read, writes: "a store barrier", alternatives: 1},
		"full barrier":  {write: "str %1, [%0]; dmb ish; str %0, [%1]", read: read, writes: "a full barrier", alternatives: 1},
		"load barrier":  {write: "str %1, [%0]; dmb ishld; str %0, [%1]", read: "ldr x9, [%1]; dmb ishld; ldr x10, [%0]", reads: "a load barrier", alternatives: 1},
		"release":       {write: "str %1, [%0]; stlr %0, [%1]", read: read, writes: "a store-release", alternatives: 1},
		"acquire":       {write: write, read: "ldar x9, [%1]; ldr x10, [%0]", reads: "an acquire load", alternatives: 1},
		"address":       {write: write, read: "ldr x9, [%1]; eor x11, x9, x9; ldr x10, [%0, x11]", reads: "an address dependency", alternatives: 1},
		"pair":          {write: write, read: "ldp x9, x10, [%1]; eor x11, x9, x9; ldr x10, [%0, x11]", reads: "an address dependency", alternatives: 1},
		"private half":  {write: write, read: "ldp x9, x10, [%1]; eor x11, x10, x10; ldr x10, [%0, x11]", alternatives: 2},
		"other of pair": {write: write + "; str %0, [%1, #8]", read: "ldp x9, x10, [%1]; eor x11, x10, x10; ldr x10, [%0, x11]", alternatives: 2},
		"branch":        {write: write, read: "ldr x9, [%1]; cbz x9, 1f; 1: ldr x10, [%0]", alternatives: 2},
		"isb":           {write: write, read: "ldr x9, [%1]; cbz x9, 1f; 1: isb; ldr x10, [%0]", reads: "a dependency and isb", alternatives: 1},
		"isb alone":     {write: write, read: "ldr x9, [%1]; isb; ldr x10, [%0]", alternatives: 2},
		"both":          {write: "str %1, [%0]; dmb ishst; str %0, [%1]", read: "ldar x9, [%1]; ldr x10, [%0]", writes: "a store barrier", reads: "an acquire load"},
		"x86":           {arch: loader.AMD64, write: writeX86, read: readX86, writes: "the processor", reads: "the processor"},
	} {
		t.Run(name, func(t *testing.T) {
			if m.arch == 0 {
				m.arch = loader.ARM64
			}
			g := m.graph(t)
			var kept []string
			for _, a := range g.Arrows {
				if a.Kind == Program {
					for len(kept) <= g.Events[a.From].Thread {
						kept = append(kept, "")
					}
					kept[g.Events[a.From].Thread] = a.Kept
				}
			}
			if !slices.Equal(kept, []string{m.writes, m.reads}) {
				t.Errorf("kept by %q, want %q and %q", kept, m.writes, m.reads)
			}
			text := strings.Join(g.Says, "\n")
			got := 0
			if strings.Contains(text, "\nSo ") {
				got = 1 + strings.Count(text, "; or ")
			}
			if got != m.alternatives || strings.Contains(text, "at least one") != (m.alternatives > 1) || strings.Contains(text, "in their order") != (m.writes+m.reads != "") {
				t.Errorf("it is told with %d ways, want %d:\n%s", got, m.alternatives, text)
			}
		})
	}
}
