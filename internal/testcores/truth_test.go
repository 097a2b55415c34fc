package testcores

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/heap"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
	"emurace/symbolize"
)

// TestTruth: what the table says of a cause is what the replayer knows of the run that the core is of.
func TestTruth(t *testing.T) {
	for i, c := range Causes {
		for k, suite := range c.Suites {
			for a, arch := range Arches {
				// Programs are the same on all of their libcs: of the others, one in four will do.
				if testing.Short() && (i%6 != 0 || k > 0 || arch != loader.ARM64) || c.IsProgram() && k > 0 && (i+k)%4 != 2*a {
					continue
				}
				t.Run(c.Name+"/"+suite+"/"+arch.String(), func(t *testing.T) {
					t.Parallel()
					check(t, c.Emulated(t, suite, arch), c.Truth)
				})
			}
		}
	}
}

// startedWith tells whether a function is on a thread's stack, in C or, with the length before its
// name, in C++.
func startedWith(th replay.ThreadState, function string) bool {
	return th.Name == function || slices.ContainsFunc(th.Backtrace, func(l symbolize.Location) bool {
		return l.Function == function || strings.HasPrefix(l.Function, fmt.Sprintf("_ZL%d%s", len(function), function))
	})
}

func check(t *testing.T, c *Core, truth Truth) {
	t.Helper()
	x := c.Why
	kind := map[int]scenario.Kind{0: scenario.Deadlock, sigsegv: scenario.Segv, sigabrt: scenario.Abort}[truth.Signal]
	if c.Outcome.Kind != kind {
		t.Fatalf("%v, want %s", c.Outcome, kind)
	}
	// Of a recursion without an end one does not see how it began.
	if truth.Signal != 0 && truth.Kind != StackOverflow && !startedWith(x.Threads[c.Outcome.Thread], truth.Thread) {
		t.Errorf("%+v has died, want %s", x.Threads[c.Outcome.Thread], truth.Thread)
	}
	if truth.Bits != 0 && x.Value != truth.Bits {
		t.Errorf("the value is %#x, want %#x", x.Value, truth.Bits)
	}
	checkValue(t, x, truth)
	// Of a message that is printed in parts x has the last one.
	said := strings.Contains(x.Message, truth.Text) || strings.HasSuffix(truth.Text, strings.TrimSpace(x.Message))
	if truth.Signal == sigabrt && truth.Kind != PureVirtual && (!said || x.Message == "") {
		t.Errorf("it said %q, want %q", x.Message, truth.Text)
	}
	if truth.Culprit != "" && x.Allocation != nil {
		checkCulprit(t, x, truth)
	}
	if x.Cycle != len(truth.Cycle) {
		t.Fatalf("a cycle of %d, want %q", x.Cycle, truth.Cycle)
	}
	for i, name := range truth.Cycle {
		th := slices.IndexFunc(x.Threads, func(th replay.ThreadState) bool { return startedWith(th, name) })
		if th < 0 || !slices.ContainsFunc(x.Waits[:x.Cycle], func(w replay.Wait) bool { return w.Thread == x.Threads[th].Name }) {
			t.Errorf("%s is not number %d of the cycle: %+v", name, i, x.Waits)
		}
	}
}

// checkValue: what the value is.
func checkValue(t *testing.T, x *replay.Explanation, truth Truth) {
	t.Helper()
	m := x.Meaning
	var right bool
	switch truth.Value {
	case ChunkSize:
		right = m.Kind == heap.MallocSize && m.Foot && x.Value == truth.Size+8
	case BinLink:
		right = m.Kind == heap.MallocLink && !m.Mangled && x.ValuePlace != "" && strings.HasPrefix(x.ValuePlace, truth.Global)
	case PlainNext:
		right = m.Kind == heap.MallocLink && !m.Mangled
	case SafeLink:
		right = m.Kind == heap.MallocLink && m.Mangled
	case TcacheKey, TcacheAddr:
		right = m.Kind == heap.MallocKey
	case StalePointer:
		right = m.Kind == heap.Data && x.Allocation != nil && x.Unmapped != nil
	case Text:
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], x.Value)
		right = m.Kind == heap.Data && string(b[:]) == truth.Text
	case Null:
		right = x.Value == 0 && x.Outcome.End.Addr == truth.Offset
	case Garbage:
		right = x.Outcome.End.Addr == truth.Bits && x.Outcome.End.PC == truth.Bits
	case GuardPage:
		right = x.Register == "sp" || x.Register == "rsp"
	case NoValue:
		right = x.Load == nil
	}
	if !right {
		t.Errorf("%#x of %s is %+v, of %+v; want %s", x.Value, x.Register, m, x.Allocation, truth.Value)
	}
	if a := x.Allocation; a != nil && (a.Offset != int64(truth.Offset) || a.Size != 0 && a.Size != truth.Size || a.ChunkSize != (truth.Size+8+15)&^15) {
		t.Errorf("at %d of a block of %d bytes, want %d of %d", a.Offset, a.Size, truth.Offset, truth.Size)
	}
}

// checkCulprit: who has freed the block.
func checkCulprit(t *testing.T, x *replay.Explanation, truth Truth) {
	t.Helper()
	if truth.Kind == Overrun || x.Allocation.FreedBy == nil {
		return
	}
	name := x.Allocation.FreedBy.Thread
	i := slices.IndexFunc(x.Threads, func(th replay.ThreadState) bool { return th.Name == name })
	if i < 0 || !startedWith(x.Threads[i], truth.Culprit) && name != truth.Culprit {
		t.Errorf("freed by %s, want %s", name, truth.Culprit)
	}
}

// TestCauses: the table is complete.
func TestCauses(t *testing.T) {
	kinds, names := map[Kind]int{}, map[string]bool{}
	for i, c := range Causes {
		kinds[c.Truth.Kind]++
		if names[c.Name] || Find(c.Name) != &Causes[i] {
			t.Errorf("%s is there twice", c.Name)
		}
		names[c.Name] = true
		if text, err := Source(c.File); err != nil || text == "" || len(c.Suites) == 0 || c.Truth.Thread == "" || len(c.Truth.Stack) == 0 {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if len(kinds) != 13 || len(Causes) < 15 || kinds[Deadlock] != 2 || Find("none") != nil {
		t.Errorf("%d causes of kinds %v", len(Causes), kinds)
	}
}

// TestShipped: the default finding, and the article's order, die of the size of a free chunk; with the tcache, of
// its link or key.
func TestShipped(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		arch     loader.Arch
		value    Value
	}{
		{"article", nil, loader.ARM64, ChunkSize},
		{"getenv-setenv", nil, loader.AMD64, ChunkSize},
		{"getenv-setenv", []string{"tcache=on"}, loader.ARM64, SafeLink},
	} {
		t.Run(c.name+strings.Join(c.settings, " "), func(t *testing.T) {
			if testing.Short() && c.name != "article" {
				t.Skip("one will do")
			}
			t.Parallel()
			x := FromShipped(t, "bookworm", c.arch, c.name, c.settings...).Why
			if c.value == ChunkSize && (x.Value != ArticleValue || !x.Meaning.Foot) || c.value == SafeLink && x.Meaning.Kind != heap.MallocKey && (x.Meaning.Kind != heap.MallocLink || !x.Meaning.Mangled) {
				t.Errorf("%#x: %+v", x.Value, x.Meaning)
			}
			if x.Allocation == nil || x.Allocation.FreedBy == nil || x.Allocation.FreedBy.Thread != "worker" {
				t.Errorf("of %+v", x.Allocation)
			}
		})
	}
}

// TestNothingFails: a scenario in which nothing fails makes no core, and says so.
func TestNothingFails(t *testing.T) {
	f := failing{sys: testsystem.Of(t, "bookworm", loader.ARM64), suite: "bookworm", plan: func() (*scenario.Plan, error) {
		return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{{Func: "getpid"}}}}}, nil
	}}
	if err := f.search(); err == nil || !strings.Contains(err.Error(), "fails") {
		t.Errorf("%v", err)
	}
}
