package timeline

import (
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// recorded is the article's crash.
func recorded(t *testing.T, sys *emu.System) *Timeline {
	t.Helper()
	s := article(t, sys)
	line, err := New(s, testrace.Crash(t, s))
	must(t, err)
	t.Cleanup(line.Close)
	return line
}

// Whatever is looked for, forwards and backwards, it is the nearest moment at which
// it holds, by a definition that is written down here a second time.
func TestFind(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r := testrace.Randomness(t)
		line := recorded(t, sys)
		s := line.Session()
		o, _ := line.Outcome()
		slot := lastLoad(t, line)
		getenv, err := s.Process().Lookup("getenv")
		must(t, err)
		touches := func(n Moment, reads, writes bool) bool {
			for _, a := range line.Accesses(n) {
				if a.Addr < slot+8 && slot < a.Addr+uint64(a.Size) && (a.Kind == emu.LogRead && reads || a.Kind != emu.LogRead && writes) {
					return true
				}
			}
			return false
		}
		around := func(n Moment, d Direction) Moment { // the instruction that a watch at n is about
			if d == Forwards {
				return n - 1
			}
			return n
		}
		atEntry := func(thread int) func(Moment, Direction) bool {
			return func(n Moment, _ Direction) bool {
				pc, _ := line.PC(n)
				return pc == getenv && (thread == Any || line.Thread(n) == thread)
			}
		}
		for name, c := range map[string]struct {
			stop  Stop
			holds func(n Moment, d Direction) bool
		}{
			"break":      {Break{getenv, Any}, atEntry(Any)},
			"break main": {Break{getenv, 0}, atEntry(0)},
			"the fault":  {Break{o.End.PC, 0}, func(n Moment, _ Direction) bool { pc, _ := line.PC(n); return pc == o.End.PC }},
			"reach":      {Reach{line.Len() / 3}, func(n Moment, _ Direction) bool { return n == line.Len()/3 }},
			"no break":   {Break{getenv, 1}, func(Moment, Direction) bool { return false }},
			"reads":      {Watch{slot, 8, true, false}, func(n Moment, d Direction) bool { return touches(around(n, d), true, false) }},
			"writes":     {Watch{slot, 8, false, true}, func(n Moment, d Direction) bool { return touches(around(n, d), false, true) }},
			"accesses":   {Watch{slot, 8, true, true}, func(n Moment, d Direction) bool { return touches(around(n, d), true, true) }},
			"nothing":    {Watch{slot, 8, false, false}, func(Moment, Direction) bool { return false }},
			"switch":     {Switch{}, func(n Moment, _ Direction) bool { return n > 0 && line.Thread(n) != line.Thread(n-1) }},
			"turn":       {Turn{1}, func(n Moment, _ Direction) bool { return line.Thread(n) == 1 }},
		} {
			for range 30 {
				from, d := r.Uint64N(line.Len()+1), []Direction{Forwards, Backwards}[r.IntN(2)]
				want, found := from, false
				for !found && (d == Forwards && want < line.Len() || d == Backwards && want > 0) {
					want += Moment(d)
					found = c.holds(want, d)
				}
				got, _, ok := line.Find(from, d, c.stop)
				if ok != found || found && got != want {
					t.Fatalf("%s from %d in direction %d: %d, %v; want %d, %v", name, from, d, got, ok, want, found)
				}
			}
		}
		// The article's story: who wrote last what main loaded, and what it was.
		n, _, ok := line.Find(line.Len(), Backwards, Watch{slot, 8, false, true})
		if !ok || s.Names()[line.Thread(n)] != "worker" {
			t.Fatalf("no write to %#x before the end", slot)
		}
		must(t, line.Seek(n))
		if v, _ := s.Process().Read64(slot); v != 0 {
			t.Errorf("before the write the word is %#x, want NULL", v)
		}
		must(t, line.Seek(n+1))
		if v, _ := s.Process().Read64(slot); v != 0x220 {
			t.Errorf("behind it the word is %#x", v)
		}
		if _, which, ok := line.Find(0, Forwards, Break{1, Any}, Switch{}); !ok || which != 1 {
			t.Errorf("stopped by condition %d, %v", which, ok)
		}
	})
}

// lastLoad is where main loaded from last, eight bytes at a multiple of eight,
// before it died.
func lastLoad(t *testing.T, line *Timeline) uint64 {
	t.Helper()
	for n := line.Len(); n > 0; n-- {
		for _, a := range line.Accesses(n - 1) {
			if a.Kind == emu.LogRead && a.Size == 8 && a.Value == 0x220 {
				return a.Addr
			}
		}
	}
	t.Fatal("nobody loads 0x220")
	return 0
}

// Every system call of a run is found, and nothing else.
func TestFindSyscalls(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan := &scenario.Plan{Threads: []scenario.Thread{
			{Name: scenario.Main, Body: scenario.Calls{{Func: "getppid"}, {Func: "getppid"}}},
			{Name: "other", Body: scenario.Calls{{Func: "getuid"}}},
		}}
		line, err := New(testrace.Start(t, sys, plan), scenario.Schedule{{Thread: 0}, {Thread: 1}})
		must(t, err)
		defer line.Close()
		name := map[loader.Arch]string{loader.ARM64: "x8", loader.AMD64: "rax"}[sys.Arch]
		getppid, getuid := uint64(173), uint64(174)
		if sys.Arch == loader.AMD64 {
			getppid, getuid = 110, 102
		}
		all := func(thread int, d Direction) (numbers []uint64) {
			n := Moment(0)
			if d == Backwards {
				n = line.Len()
			}
			for {
				var ok bool
				if n, _, ok = line.Find(n, d, Syscall{thread}); !ok {
					return numbers
				}
				must(t, line.Seek(n))
				v, _ := line.Session().Process().Register(line.Session().MachineThread(line.Thread(n)), name)
				numbers = append(numbers, v)
			}
		}
		for _, c := range []struct {
			thread int
			d      Direction
			want   []uint64
		}{
			{Any, Forwards, []uint64{getppid, getppid, getuid}},
			{Any, Backwards, []uint64{getuid, getppid, getppid}},
			{0, Forwards, []uint64{getppid, getppid}},
			{1, Backwards, []uint64{getuid}},
		} {
			if got := all(c.thread, c.d); !slices.Equal(got, c.want) {
				t.Errorf("thread %d, direction %d: system calls %d, want %d", c.thread, c.d, got, c.want)
			}
		}
	})
}

// A call is stepped over, and out of, by its stack pointer.
func TestFindReturn(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		line := recorded(t, sys)
		s := line.Session()
		realloc, err := s.Process().Lookup("realloc")
		must(t, err)
		entry, _, ok := line.Find(0, Forwards, Break{realloc, 1})
		if !ok {
			t.Fatal("nobody calls realloc")
		}
		must(t, line.Seek(entry))
		m := s.MachineThread(1)
		sp, _ := line.SP(entry)
		back, _ := s.Process().Register(m, "x30")
		if sys.Arch == loader.AMD64 {
			back, _ = s.Process().Read64(sp)
			sp += 8
		}
		// Not interrupted, the call returns at once; in the crash main dies first.
		out, _, ok := line.Find(entry, Forwards, Return{Thread: 1, SP: sp, PC: back})
		if !ok || out <= entry+100 {
			t.Fatalf("the call of realloc at %d returns at %d, %v", entry, out, ok)
		}
		must(t, line.Seek(out))
		if got, _ := s.Process().StackPointer(m); got != sp || pcOf(t, s, 1) != back {
			t.Errorf("at %d: pc %#x, sp %#x; want %#x, %#x", out, pcOf(t, s, 1), got, back, sp)
		}
		// Backwards from the return, over the call, to the instruction that made it.
		made, _, ok := line.Find(entry, Backwards, Return{Thread: 1, SP: sp})
		if !ok || made+2 < entry { // a jump of the procedure linkage table may lie between
			t.Fatalf("the call at %d is made at %d", entry, made)
		}
		call, _ := line.PC(made)
		before, _, ok := line.Find(out, Backwards, Return{Thread: 1, SP: sp, PC: call})
		if !ok || before != made {
			t.Errorf("before the call is %d, want %d", before, made)
		}
	})
}

// BenchmarkSeek goes to random moments of the article's crash.
func BenchmarkSeek(b *testing.B) {
	for _, arch := range testsystem.Arches() {
		b.Run(arch.String(), func(b *testing.B) {
			s := article(b, testsystem.Of(b, "bookworm", arch))
			line, err := New(s, testrace.Crash(b, s))
			must(b, err)
			defer line.Close()
			at := Moment(0)
			b.ResetTimer()
			for range b.N {
				at = (at*6364136223846793005 + 1442695040888963407) % line.Len()
				must(b, line.Seek(at))
			}
		})
	}
}
