package gdb

import (
	"fmt"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// when is the present moment, as the server tells it.
func (r *remote) when() timeline.Moment {
	r.t.Helper()
	text := r.monitor("when")
	var n timeline.Moment
	if _, err := fmt.Sscanf(text, "moment %d of ", &n); err != nil {
		r.t.Fatalf("%q: %v", text, err)
	}
	return n
}

// at fails the test unless the run stands at a moment.
func (r *remote) at(want timeline.Moment) {
	r.t.Helper()
	if got := r.when(); got != want {
		r.t.Fatalf("moment %d, want %d", got, want)
	}
}

// The article's run: worker runs up to the moment turn, then main to the end.
const main, worker = 0, 1

func (s shown) turn(t testing.TB) timeline.Moment {
	t.Helper()
	n, _, found := s.tl.Find(0, timeline.Forwards, timeline.Switch{})
	if !found || s.tl.Thread(0) != worker || s.tl.Thread(n) != main {
		t.Fatalf("the run is another one: %v", s.tl.Schedule())
	}
	return n
}

// TestSteps: a step is one instruction of the thread that it is for, the other
// thread doing meanwhile what it did.
func TestSteps(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		end, turn := s.tl.Len(), s.turn(t)
		r := connect(t, s.listen(t))
		for i, c := range []struct {
			packet, want string
			at           timeline.Moment
		}{
			{"bs", "T05thread:1;", end - 1},
			{"bs", "T05thread:1;", end - 2},
			{"vCont;s:1;c", "T05thread:1;", end - 1},
			{"vCont;s:1", "T05thread:1;", end}, // where main is about to fail
			{"vCont;s:1", "T0bthread:1;", end}, // and does
			{"vCont;s:1", "T05thread:1;replaylog:end;", end},
			{"vCont;C0b:1;c", "T05thread:1;replaylog:end;", end},
			{"vCont;s:2;c", "T05thread:1;replaylog:end;", end},
			{"Hc2", "OK", end},
			{"bs", "T05thread:2;", turn - 1}, // worker's last
			{"s", "T05thread:2;", turn},
			{"vCont;s:1", "T05thread:1;", turn + 1},
			{"Hc0", "OK", turn + 1},
			{"Hg1", "OK", turn + 1},
			{"bs", "T05thread:1;", turn},
			{"Hg2", "OK", turn},
			{"bs", "T05thread:2;", turn - 1},
			{"bs", "T05thread:2;", turn - 2},
			{"vCont;s:1;c:2", "T05thread:1;", turn + 1}, // over worker's instructions
			{"bc", "T05thread:2;replaylog:begin;", 0},
			{"bc", "T05thread:2;replaylog:begin;", 0},
			{"bs", "T05thread:2;replaylog:begin;", 0},
			{"S0b", "T05thread:2;", 1},
			{"vCont;s", "T05thread:2;", 2},
			{"vCont;c:2;s:1", "T05thread:1;", turn + 1},
			{"Hg1", "OK", turn + 1},
			{"vCont;c", "T0bthread:1;", end},
			{"bc", "T05thread:2;replaylog:begin;", 0},
			{"C0b", "T0bthread:1;", end},
			{"c", "T05thread:1;replaylog:end;", end},
		} {
			if got := r.ask(c.packet); got != c.want {
				t.Fatalf("%d: %s is answered %q, want %q", i, c.packet, got, c.want)
			}
			r.at(c.at)
		}
	})
}

// TestBreakpoints: going on stops before the next instruction at any of the
// addresses, in both directions, and memory does not show it.
func TestBreakpoints(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		end := s.tl.Len()
		r := connect(t, s.listen(t))
		random := testrace.Randomness(t)
		for range 40 {
			var addrs []uint64
			for range 1 + random.IntN(3) {
				pc, _ := s.tl.PC(random.Uint64N(end + 1))
				addrs = append(addrs, pc)
			}
			code := r.ask(fmt.Sprintf("m%x,4", addrs[0]))
			kind := random.IntN(2)
			for _, a := range addrs {
				r.want(fmt.Sprintf("Z%d,%x,4", kind, a), "OK")
			}
			r.want(fmt.Sprintf("m%x,4", addrs[0]), code)
			for range 6 {
				from := r.when()
				packet, step := "vCont;c", timeline.Moment(1)
				if random.IntN(2) == 0 {
					packet, step = "bc", ^timeline.Moment(0)
				}
				reply := r.ask(packet)
				// The same without Find.
				want := from
				hit := false
				for n := from + step; n <= end && !hit; n += step {
					pc, _ := s.tl.PC(n)
					for _, a := range addrs {
						hit = hit || a == pc
					}
					want = n
				}
				r.at(want)
				reason := map[bool]string{true: "swbreak:;", false: "hwbreak:;"}[kind == 0]
				if hit != strings.HasSuffix(reply, reason) {
					t.Fatalf("from %d %s to %d: %q", from, packet, want, reply)
				}
				if hit {
					pc, _ := s.tl.PC(want)
					if got := le.Uint64(unhex(t, r.register(s, s.m.PCName()))); got != pc {
						t.Fatalf("pc %#x, want %#x", got, pc)
					}
				}
			}
			for _, a := range addrs {
				r.want(fmt.Sprintf("z%d,%x,4", kind, a), "OK")
			}
		}
	})
}

// TestUnknownStops: who does not know of swbreak is not told of it.
func TestUnknownStops(t *testing.T) {
	s := article(t, loader.ARM64)
	r := dial(t, s.listen(t))
	pc, _ := s.tl.PC(0)
	r.want(fmt.Sprintf("Z0,%x,4", pc), "OK")
	r.want("bc", "T05thread:2;")
	r.at(0)
	r.want("qSupported:swbreak-;xmlRegisters=i386;hwbreak+", supported)
	r.want("c", "T0bthread:1;")
	r.want("bc", "T05thread:2;")
}

// slot is where environ's NULL was, which worker overwrites and main then reads:
// its address and the instructions that do so.
func (s shown) slot(t testing.TB) (addr uint64, write, read timeline.Moment) {
	t.Helper()
	for n := s.tl.Len(); n > 0; {
		n--
		for _, a := range s.tl.Accesses(n) {
			if a.Value == 0x220 && a.Size == 8 && s.tl.Thread(n) == main {
				w := timeline.Watch{Addr: a.Addr, Size: 8, Writes: true}
				at, _, found := s.tl.Find(n, timeline.Backwards, w)
				if !found {
					t.Fatal("nobody has written there")
				}
				return a.Addr, at, n
			}
		}
	}
	t.Fatal("nobody has read 0x220")
	return 0, 0, 0
}

// TestWatchpoints: on amd64 the access has happened, or been taken back, when the
// run stops; on arm64 gdb expects to stop on the near side, and makes the last step
// itself.
func TestWatchpoints(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		addr, write, read := s.slot(t)
		far := timeline.Moment(1) // how far behind the access a stop is, forwards
		if arch == loader.ARM64 {
			far = 0
		}
		near := 1 - far
		end := s.tl.Len()
		watch := fmt.Sprintf("watch:%x;", addr)
		for _, c := range []struct{ kind, reason string }{{"2", watch}, {"4", "a" + watch}} {
			r := connect(t, s.listen(t))
			r.want(fmt.Sprintf("Z%s,%x,8", c.kind, addr), "OK")
			if c.kind == "4" {
				r.want("bc", "T05thread:1;"+c.reason)
				r.at(read + near)
				r.want(fmt.Sprintf("z4,%x,8", addr), "OK")
				r.want("bs", "T05thread:1;")
				r.want(fmt.Sprintf("Z4,%x,8", addr), "OK")
			}
			r.want("bc", "T05thread:2;"+c.reason)
			r.at(write + near)
			if got, want := r.word(addr), []uint64{0, 0x220}[near]; got != want {
				t.Errorf("the word is %#x, want %#x", got, want)
			}
			// Without the watchpoint, one step back and one forward.
			r.want(fmt.Sprintf("z%s,%x,8", c.kind, addr), "OK")
			if near == 1 {
				r.want("bs", "T05thread:2;")
			}
			r.at(write)
			if got := r.word(addr); got != 0 {
				t.Errorf("the word was %#x", got)
			}
			r.want(fmt.Sprintf("Z%s,%x,8", c.kind, addr), "OK")
			for _, packet := range []string{"vCont;c", "vCont;s:2;c"} {
				r.want(packet, "T05thread:2;"+c.reason)
				r.at(write + far)
				if far == 1 && packet == "vCont;c" {
					r.want(fmt.Sprintf("z%s,%x,8", c.kind, addr), "OK")
					r.want("bs", "T05thread:2;")
					r.want(fmt.Sprintf("Z%s,%x,8", c.kind, addr), "OK")
				}
			}
			must(t, r.conn.Close())
		}
		// Reading, and accesses on the way of another thread's step.
		r := connect(t, s.listen(t))
		r.want(fmt.Sprintf("Z3,%x,8", addr+1), "OK") // any byte of it
		r.want("bc", fmt.Sprintf("T05thread:1;rwatch:%x;", addr+1))
		r.at(read + near)
		r.want(fmt.Sprintf("z3,%x,8", addr+1), "OK")
		r.monitor(fmt.Sprintf("seek %d", write-5))
		r.want(fmt.Sprintf("Z2,%x,1", addr), "OK")
		r.want("vCont;s:1;c", fmt.Sprintf("T05thread:2;watch:%x;", addr))
		r.at(write + far)
		r.monitor("seek end")
		r.at(end)
	})
}

// TestBackAndForth: a step back and a step forwards end with the registers that
// were there, wherever and with whichever thread.
func TestBackAndForth(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		r := connect(t, s.listen(t))
		random := testrace.Randomness(t)
		for range 30 {
			r.monitor(fmt.Sprintf("seek %d", random.Uint64N(s.tl.Len()+1)))
			thread := 1 + random.IntN(2)
			r.want(fmt.Sprintf("Hg%d", thread), "OK")
			before := r.ask("g")
			if reply := r.ask("bs"); strings.Contains(reply, "replaylog:begin") {
				continue // main has not run yet
			}
			r.want(fmt.Sprintf("Hg%d", thread), "OK")
			if r.ask("g") == before {
				t.Errorf("a step back changes no register")
			}
			if reply := r.ask(fmt.Sprintf("vCont;s:%d;c", thread)); !strings.HasPrefix(reply, "T05") {
				t.Fatalf("a step is answered %q", reply)
			}
			if r.ask("g") != before {
				t.Errorf("the registers are others")
			}
		}
	})
}

// TestOtherEnds: a run that ends without a signal says so on the console, once;
// with one, it is the signal.
func TestOtherEnds(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.AMD64)
	for _, c := range []struct {
		funcs  []string // that main calls, with a mutex
		signal int
		end    string
	}{
		{[]string{"pthread_mutex_lock", "pthread_mutex_lock"}, 0, "deadlock: main waits for itself"},
		{[]string{"pthread_mutex_lock", "pthread_mutex_unlock"}, 0, "nothing failed"},
		{[]string{"_exit"}, 0, "main exits with status 0"},
		{[]string{"abort"}, 6, ""},
	} {
		var mutex uint64
		plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
			mutex, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(256))
			return err
		}}
		plan.Threads = []scenario.Thread{{Name: scenario.Main, Body: testrace.Called(func() scenario.Calls {
			var list scenario.Calls
			for _, f := range c.funcs {
				arg := scenario.Int(mutex)
				if f == "_exit" {
					arg = scenario.Int(0)
				}
				list = append(list, scenario.Call{Func: f, Args: []scenario.Arg{arg}})
			}
			return list
		})}}
		s := show(t, sys, plan, scenario.Schedule{{Thread: 0}})
		r := connect(t, s.listen(t))
		last := "T05thread:1;"
		if c.signal != 0 {
			last = fmt.Sprintf("T%02xthread:1;", c.signal)
		}
		r.want("?", last)
		r.want("c", "T05thread:1;replaylog:end;")
		if r.out.Len() != 0 {
			t.Errorf("%q", r.out.String())
		}
		r.want("bc", "T05thread:1;replaylog:begin;")
		if c.signal != 0 {
			r.want("c", last)
		} else {
			r.want("c", last+"replaylog:end;")
			if got, want := r.out.String(), "The run ends here: "+c.end+".\n"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		must(t, r.conn.Close())
	}
}

// TestInterrupt: a long way is broken off by Ctrl-C, whichever way it goes, and the
// run can go on from there.
func TestInterrupt(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.AMD64)
	const source = `
		unsigned long count(unsigned long n)
		{
			volatile unsigned long sum = 0;
			for (unsigned long i = 0; i < n; i++)
				sum += i;
			return sum;
		}`
	plan := testrace.Guest(t, sys.Arch, source, scenario.Call{Func: "count", Args: []scenario.Arg{scenario.Int(50_000)}})
	session := testrace.Start(t, sys, plan)
	tl, err := timeline.New(session, scenario.Schedule{{Thread: 0}})
	must(t, err)
	s := shown{New(Options{Timeline: tl, Root: sys.Root, Headline: "nothing failed"}), sys, plan}
	s.chunk = 1 << 12
	end := tl.Len()
	if end < 50*s.chunk {
		t.Fatalf("the run has %d instructions only", end)
	}
	r := connect(t, s.listen(t))
	r.write("$bc#c5\x03")
	if got := r.answer(); got != "T02thread:1;" {
		t.Fatalf("bc is answered %q", got)
	}
	first := r.when()
	if first == 0 || first == end {
		t.Errorf("it was not broken off on the way, but at %d", first)
	}
	r.want("bc", "T05thread:1;replaylog:begin;")
	r.write("$c#63\x03")
	if got := r.answer(); got != "T02thread:1;" {
		t.Fatalf("c is answered %q", got)
	}
	if n := r.when(); n == 0 || n == end {
		t.Errorf("it was not broken off on the way, but at %d", n)
	}
	// A packet that comes too early waits for its turn.
	r.write("$c#63$qC#b4")
	if a, b := r.answer(), r.answer(); a != "T05thread:1;replaylog:end;" || b != "QC1" {
		t.Errorf("%q, %q", a, b)
	}
	r.write("\x03") // nothing is under way
	r.want("bs", "T05thread:1;")
	r.at(end - 1)
}

// TestSignals: gdb's numbers of signals are not Linux's.
func TestSignals(t *testing.T) {
	for linux, gdb := range map[int]int{6: 6, 7: 10, 8: 8, 10: 30, 11: 11, 15: 15, 31: 12, 0: 5, -1: 5, 34: 5} {
		if got := gdbSignal(linux); got != gdb {
			t.Errorf("signal %d: %d, want %d", linux, got, gdb)
		}
	}
}
