package step

import (
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/replay/timeline"
)

// registers is all that the threads' registers hold.
func registers(m *Model) string {
	var b strings.Builder
	for _, t := range m.now.threads {
		fmt.Fprintf(&b, "%s %x %v\n", t.name, t.pc, t.regs)
	}
	return b.String()
}

func at(t *testing.T, m *Model, want timeline.Moment) {
	t.Helper()
	if m.now.at != want {
		t.Fatalf("at moment %d, want %d: %+v", m.now.at, want, m.said)
	}
}

// Each key goes where the timeline says.
func TestMoves(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		line := m.o.Line
		end := line.Len()
		find := func(from timeline.Moment, d timeline.Direction, s timeline.Stop) timeline.Moment {
			t.Helper()
			n, _, ok := line.Find(from, d, s)
			if !ok {
				t.Fatalf("%+v is not to be found from %d", s, from)
			}
			return n
		}
		at(t, m, end)
		press(t, m, "s")
		at(t, m, end)
		if !m.said.bad || !strings.Contains(m.said.result, "the end of the run") {
			t.Errorf("a step at the end: %+v", m.said)
		}
		press(t, m, "S", "S", "S", "s")
		at(t, m, end-2)
		if m.said.command != "step" || m.said.gdb != "stepi" {
			t.Errorf("a step says %+v", m.said)
		}
		press(t, m, "T")
		back := find(end-2, timeline.Backwards, timeline.Switch{})
		at(t, m, back)
		press(t, m, "T", "t")
		at(t, m, back)
		press(t, m, "home")
		at(t, m, 0)
		press(t, m, "S", "C", "T", "N", "F")
		at(t, m, 0)
		if !m.said.bad {
			t.Errorf("at the start: %+v", m.said)
		}
		press(t, m, "c")
		at(t, m, end)
		press(t, m, "C")
		at(t, m, 0)
		press(t, m, "g")
		typed(t, m, "1,234")
		at(t, m, 1234)
		press(t, m, "g")
		typed(t, m, "+10")
		press(t, m, "g")
		typed(t, m, "-4")
		at(t, m, 1240)
		press(t, m, "g")
		typed(t, m, "99999999")
		at(t, m, 1240)
		press(t, m, "g")
		typed(t, m, "x")
		at(t, m, 1240)
		press(t, m, "g", "7", "esc")
		at(t, m, 1240)
		press(t, m, "end")
		at(t, m, end)

		// The lesson's moments, one by one, both ways.
		press(t, m, "home")
		var moments []timeline.Moment
		for _, x := range m.lesson().Moments {
			if x.At > 0 && (len(moments) == 0 || moments[len(moments)-1] != x.At) {
				moments = append(moments, x.At)
			}
		}
		if len(moments) < 5 {
			t.Fatalf("the lesson has the moments %v", moments)
		}
		for _, n := range moments {
			press(t, m, "m")
			at(t, m, n)
		}
		press(t, m, "m")
		at(t, m, moments[len(moments)-1])
		for i := len(moments) - 2; i >= 0; i-- {
			press(t, m, "M")
			at(t, m, moments[i])
		}
	})
}

// Breakpoints and watchpoints are what c and C go to.
func TestStops(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		line := m.o.Line
		x := m.story.Explanation
		// The word that the fatal value came from is selected at the end: its row is
		// the block's that matters.
		r := m.selected()
		if r == nil || r.addr != x.LoadAddr || r.value != 0x220 || !r.focus {
			t.Fatalf("selected: %+v", r)
		}
		press(t, m, "w", "C")
		watch := timeline.Watch{Addr: x.LoadAddr, Size: 8, Writes: true}
		n, _, _ := line.Find(line.Len(), timeline.Backwards, watch)
		at(t, m, n)
		if n != x.Writer.Step-1 || !strings.Contains(m.said.result, "worker writes 0x220 (was 0x0) at _int_free+") || m.said.gdb != "reverse-continue" {
			t.Errorf("going back to the write: at %d, %+v", n, m.said)
		}
		// Another w makes it one for reads too; main's load comes behind the write.
		press(t, m, "w")
		watch.Reads = true
		press(t, m, "c", "c")
		first, _, _ := line.Find(n, timeline.Forwards, watch)
		second, _, _ := line.Find(first, timeline.Forwards, watch)
		at(t, m, second)
		if second != x.Load.Step || !strings.Contains(m.said.result, "main reads 0x220 at getenv+") {
			t.Errorf("going on to the load: %+v", m.said)
		}
		press(t, m, "w")
		if len(m.stops) != 0 {
			t.Errorf("the third w leaves %v", m.stops)
		}

		// A breakpoint at the load: both ways to the same places.
		press(t, m, "end", "S", "S", "b", "C")
		pc, _ := line.PC(line.Len() - 2)
		before, _, _ := line.Find(line.Len()-2, timeline.Backwards, timeline.Break{PC: pc, Thread: timeline.Any})
		at(t, m, before)
		press(t, m, "c")
		at(t, m, line.Len()-2)
		if m.breakpoint(pc) < 0 || !strings.Contains(m.screen(), "●") {
			t.Error("the breakpoint is not to be seen")
		}
		press(t, m, "b")
		if len(m.stops) != 0 {
			t.Errorf("a second b leaves %v", m.stops)
		}

		// By name and by register, from the command line.
		press(t, m, "home", ":")
		typed(t, m, "break _int_free")
		press(t, m, "c")
		if name, off, _ := m.s.Process().Symbol(m.pickedThread().pc); name != "_int_free" || off != 0 {
			t.Errorf("stopped at %s+%#x", name, off)
		}
		sp, _ := m.pickedThread().reg(m.s.Process().StackPointerName())
		press(t, m, ":")
		typed(t, m, "watch $"+m.s.Process().StackPointerName())
		if m.watchpoint(sp) < 0 {
			t.Errorf("%v", m.stops)
		}
		press(t, m, ":")
		typed(t, m, "x $"+m.s.Process().StackPointerName())
		if v := m.now.views[addressView]; m.view != addressView || v.rows[0].addr != sp {
			t.Errorf("%s", v.title)
		}
		press(t, m, "D")
		if len(m.stops) != 0 {
			t.Error("D leaves some")
		}
		for _, bad := range []string{"break nonesuch", "watch nonesuch", "x $nonesuch", "go", "dance", "watch"} {
			press(t, m, ":")
			typed(t, m, bad)
			if !m.said.bad || len(m.stops) != 0 {
				t.Errorf("%s: %+v", bad, m.said)
			}
		}
	})
}

// Over and out of calls, and back.
func TestCalls(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		line := m.o.Line
		// The worker's calls that return in the run, and are not interrupted.
		tried := 0
		for n := timeline.Moment(0); n < line.Len() && tried < 12; n++ {
			pc, _ := line.PC(n)
			in := m.code.inst(pc)
			if !in.Call || line.Thread(n) != 1 {
				continue
			}
			sp, _ := line.SP(n)
			back, _, found := line.Find(n, timeline.Forwards, timeline.Return{Thread: 1, SP: sp, PC: pc + uint64(in.Len)})
			if !found || back == line.Len() {
				continue
			}
			tried++
			must(t, line.Seek(n))
			m.look()
			before := registers(m)
			press(t, m, "n")
			at(t, m, back)
			press(t, m, "N")
			at(t, m, n)
			if registers(m) != before {
				t.Fatalf("%d: other registers after n and N", n)
			}
			// Into the function, and out of it.
			press(t, m, "s")
			press(t, m, "f")
			at(t, m, back)
			press(t, m, "N")
			press(t, m, "s", "F")
			at(t, m, n)
			// A few instructions into it, where the stack has changed.
			if back > n+8 {
				press(t, m, "s", "s", "s", "s", "F")
				if m.now.at != n {
					// Another call may have been made by then; then that is gone back to.
					if pc, _ := line.PC(m.now.at); !m.code.inst(pc).Call {
						t.Fatalf("F from %d goes to %d, no call", n+4, m.now.at)
					}
				}
			}
		}
		if tried < 5 {
			t.Fatalf("only %d calls were tried", tried)
		}
		// Out of the outermost function: to the worker's next call, or its end.
		press(t, m, "home", "t")
		worker := m.now.at
		press(t, m, "f")
		if m.now.at <= worker || m.now.threads[1].status == "runs next" && len(m.now.threads[1].stack) > 0 && m.now.threads[1].stack[0].Offset != 0 {
			t.Errorf("out of the outermost function: moment %d, %+v", m.now.at, m.now.threads[1].stack)
		}
		press(t, m, "s", "s", "s", "F")
		if st := m.now.threads[1].stack; len(st) == 0 || st[0].Offset != 0 {
			t.Errorf("back to the start of it: %+v", st)
		}
		// n of what is no call is the thread's next instruction, whoever runs between.
		press(t, m, "home", "t", "S")
		thread := m.now.thread
		want, _, _ := line.Find(m.now.at, timeline.Forwards, timeline.Turn{Thread: thread})
		press(t, m, "n")
		at(t, m, want)
	})
}

// Wherever one is, s and S, and S and s, come back to the same registers.
func TestThereAndBack(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		r := testrace.Randomness(t)
		line := m.o.Line
		for range rounds {
			n := r.Uint64N(line.Len()-1) + 1
			must(t, line.Seek(n))
			m.look()
			here := registers(m)
			for _, keys := range [][]string{{"s", "S"}, {"S", "s"}, {"s", "s", "s", "S", "S", "S"}} {
				if keys[1] == "s" && n+3 > line.Len() {
					continue
				}
				press(t, m, keys...)
				if m.now.at != n || registers(m) != here {
					t.Fatalf("moment %d: %v leads to moment %d with other registers", n, keys, m.now.at)
				}
			}
		}
	})
}

// A search stops at each instruction that has to do with what is looked for, and at
// no other.
func TestSearch(t *testing.T) {
	m, _ := article(t, loader.ARM64)
	line := m.o.Line
	x := m.story.Explanation
	// A number is a value that is read, written or overwritten, or an address.
	touches := func(v uint64) func(timeline.Moment) bool {
		return func(n timeline.Moment) bool {
			for _, a := range line.Accesses(n) {
				if a.Value == v || a.Kind != emu.LogRead && a.Old == v || a.Addr <= v && v < a.Addr+uint64(a.Size) {
					return true
				}
			}
			pc, _ := line.PC(n)
			return pc == v
		}
	}
	for text, is := range map[string]func(n timeline.Moment) bool{
		"0x220":               touches(0x220),
		words.Hex(x.LoadAddr): touches(x.LoadAddr),
		"bl": func(n timeline.Moment) bool {
			pc, _ := line.PC(n)
			return m.code.inst(pc).Op == "bl"
		},
		"_int_free": func(n timeline.Moment) bool {
			pc, _ := line.PC(n)
			name, off, _ := m.s.Process().Symbol(pc)
			return strings.Contains(name, "_int_free") && off == 0
		},
	} {
		var want []timeline.Moment
		for n := timeline.Moment(1); n <= line.Len(); n++ {
			if is(n) {
				want = append(want, n)
			}
		}
		if len(want) == 0 {
			t.Fatalf("%s: nothing to find", text)
		}
		const most = 12
		want = want[:min(len(want), most)]
		press(t, m, "home", "/")
		typed(t, m, text)
		var got []timeline.Moment
		for !m.said.bad && len(got) < len(want) {
			got = append(got, m.now.at)
			press(t, m, ">")
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		if len(want) < most { // then all are known, and the search goes round
			at(t, m, want[0])
			if !strings.Contains(m.said.result, "from the run's beginning on") {
				t.Errorf("%s: %+v", text, m.said)
			}
			press(t, m, "<")
			at(t, m, want[len(want)-1])
			if !strings.Contains(m.said.result, "from the run's end back") {
				t.Errorf("%s: %+v", text, m.said)
			}
			if len(want) > 1 {
				press(t, m, "<")
				at(t, m, want[len(want)-2])
			}
		}
	}
	press(t, m, "home", "/")
	typed(t, m, "nonesuch")
	at(t, m, 0)
	if !m.said.bad {
		t.Errorf("%+v", m.said)
	}
}
