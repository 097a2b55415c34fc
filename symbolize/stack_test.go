package symbolize_test

import (
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
)

// TestBacktrace follows the calls and returns of the whole race and compares, at
// every fiftieth instruction, the return addresses that are due with those that
// the backtrace has found, of both threads. A tail call leaves none behind.
func TestBacktrace(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		f := testrace.Start(t, testsystem.Of(t, "bookworm", arch), testrace.DefaultPlan(t))
		schedule := testrace.Crash(t, f)
		f.Process().System().LoadDebug()
		testrace.Must(t, f.Restart())
		checked, deepest := 0, 0
		returns := make([][]uint64, len(f.Names())) // of each thread, the innermost last
		for ran := uint64(0); ; ran++ {
			next := 0 // main runs first, then the worker for as long as it can
			if ran >= schedule[0].N && f.Runnable(1) {
				next = 1
			}
			if _, over := f.Outcome(); over {
				break
			}
			if ran%50 == 0 {
				for thread := range returns {
					if !f.Process().Idle(f.MachineThread(thread)) {
						frames := symbolize.Backtrace(f.Process(), f.MachineThread(thread))
						compareFrames(t, f, thread, frames, returns[thread])
						checked++
						deepest = max(deepest, len(frames))
					}
				}
			}
			pc, err := f.Process().PC(f.MachineThread(next))
			testrace.Must(t, err)
			in := symbolize.Disassemble(f.Process(), pc)
			if n, err := f.Run(next, 1); err != nil || n > 1 {
				t.Fatalf("after %d: ran %d instructions, %v", ran, n, err)
			}
			list := &returns[next]
			switch {
			case in.Call:
				*list = append(*list, pc+uint64(in.Len))
			case in.Ret && len(*list) > 0:
				*list = (*list)[:len(*list)-1]
			}
		}
		if checked < 100 || deepest < 4 {
			t.Errorf("%d backtraces, the deepest of %d frames: too few", checked, deepest)
		}
	})
}

func compareFrames(t *testing.T, f *scenario.Session, thread int, frames []symbolize.Location, returns []uint64) {
	t.Helper()
	m := f.MachineThread(thread)
	pc, err := f.Process().PC(m)
	testrace.Must(t, err)
	if !f.Runnable(thread) || !strings.HasPrefix(f.Process().Threads()[m].Call, "setenv(") && !strings.HasPrefix(f.Process().Threads()[m].Call, "getenv(") {
		t.Fatalf("%s is in %q", f.Names()[thread], f.Process().Threads()[m].Call)
	}
	want := []uint64{pc}
	for i := range returns {
		want = append(want, returns[len(returns)-1-i])
	}
	if _, ok := f.Process().Module(pc); !ok && len(frames) <= 1 {
		return // at the trap behind the end of a call
	}
	for i, frame := range frames {
		if i >= len(want) || frame.PC != want[i] {
			t.Fatalf("after %d instructions, %s: frame %d of %s is not among %#x", f.Steps(), f.Names()[thread], i, symbolize.Chain(frames), want)
		}
		if frame.Function == "" && i > 0 { // the linkage table has no symbols
			t.Errorf("frame %d of %s has no name", i, symbolize.Chain(frames))
		}
	}
	if len(frames) != len(want) {
		t.Fatalf("after %d instructions, %s: %s, want %#x", f.Steps(), f.Names()[thread], symbolize.Chain(frames), want)
	}
	// setenv and getenv themselves, or what they jumped to as their last act.
	outermost := strings.TrimPrefix(frames[len(frames)-1].Function, "__GI_")
	if !strings.Contains("getenv setenv __add_to_environ", outermost) {
		t.Errorf("after %d instructions, %s: the outermost frame is %s", f.Steps(), f.Names()[thread], outermost)
	}
}
