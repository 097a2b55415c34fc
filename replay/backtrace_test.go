package replay

import (
	"strings"
	"testing"

	"emurace/loader"
)

// TestBacktrace follows the calls and returns of the whole race and compares, at
// every fiftieth instruction, the return addresses that are due with those that
// the backtrace has found, of both threads. A tail call leaves none behind.
func TestBacktrace(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		h := f.history(t)
		f.M.System().LoadDebug()
		must(t, f.Restart())
		checked, deepest := 0, 0
		returns := make([][]uint64, len(f.Names())) // of each thread, the innermost last
		for i, e := range h.Events() {
			if i%50 == 0 {
				for thread := range returns {
					if !f.M.Idle(f.MachineThread(thread)) {
						frames := Backtrace(f.M, f.MachineThread(thread))
						compareFrames(t, f, thread, frames, returns[thread])
						checked++
						deepest = max(deepest, len(frames))
					}
				}
			}
			in := h.Inst(e.PC)
			list := &returns[e.Thread]
			switch {
			case in.Call:
				*list = append(*list, e.PC+uint64(in.Len))
			case in.Ret && len(*list) > 0:
				*list = (*list)[:len(*list)-1]
			}
			if ran, err := f.Run(e.Thread, 1); err != nil || ran != 1 {
				t.Fatalf("event %d: ran %d instructions, %v", i, ran, err)
			}
		}
		if checked < 100 || deepest < 4 {
			t.Errorf("%d backtraces, the deepest of %d frames: too few", checked, deepest)
		}
	})
}

func compareFrames(t *testing.T, f find, thread int, frames []Location, returns []uint64) {
	t.Helper()
	m := f.MachineThread(thread)
	pc, err := f.M.PC(m)
	must(t, err)
	if !f.Runnable(thread) || !strings.HasPrefix(f.M.Threads()[m].Call, "setenv(") && !strings.HasPrefix(f.M.Threads()[m].Call, "getenv(") {
		t.Fatalf("%s is in %q", f.Names()[thread], f.M.Threads()[m].Call)
	}
	want := []uint64{pc}
	for i := range returns {
		want = append(want, returns[len(returns)-1-i])
	}
	if _, ok := f.M.Module(pc); !ok && len(frames) <= 1 {
		return // at the trap behind the end of a call
	}
	for i, frame := range frames {
		if i >= len(want) || frame.PC != want[i] {
			t.Fatalf("after %d instructions, %s: frame %d of %s is not among %#x", f.Steps(), f.Names()[thread], i, chain(frames), want)
		}
		if frame.Function == "" && i > 0 { // the linkage table has no symbols
			t.Errorf("frame %d of %s has no name", i, chain(frames))
		}
	}
	if len(frames) != len(want) {
		t.Fatalf("after %d instructions, %s: %s, want %#x", f.Steps(), f.Names()[thread], chain(frames), want)
	}
	// setenv and getenv themselves, or what they jumped to as their last act.
	outermost := strings.TrimPrefix(frames[len(frames)-1].Function, "__GI_")
	if !strings.Contains("getenv setenv __add_to_environ", outermost) {
		t.Errorf("after %d instructions, %s: the outermost frame is %s", f.Steps(), f.Names()[thread], outermost)
	}
}

// TestLocation writes places as they are known.
func TestLocation(t *testing.T) {
	for _, c := range []struct {
		l            Location
		text, source string
	}{
		{Location{PC: 0x10, Function: "getenv", Offset: 0x94, Module: "libc.so.6", File: "stdlib/./getenv.c", Line: 84}, "getenv+0x94", "getenv.c:84"},
		{Location{PC: 0x10, Module: "libc.so.6", Offset: 0x10}, "libc.so.6+0x10", ""},
		{Location{PC: 0x10, Offset: 0x10}, "0x10", ""},
	} {
		if c.l.String() != c.text || c.l.Source() != c.source {
			t.Errorf("%+v is %q and %q, want %q and %q", c.l, c.l, c.l.Source(), c.text, c.source)
		}
	}
	if got := chain([]Location{{Function: "a", Offset: 1}, {PC: 2}, {Module: "m", Offset: 3}}); got != "a+0x1 < 0x2 < m+0x3" {
		t.Error(got)
	}
}
