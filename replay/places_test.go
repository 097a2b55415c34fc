package replay

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// A block that static data points to is known by that, and only where it does: what is named is read
// from the run's memory.
func TestPointedBy(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		x := explainHeap(t, f)
		if p := x.Allocation.PointedBy; p != nil {
			t.Errorf("environ is another block by then, and this one is pointed to by %v", p)
		}
		// The worker stops where it has written the word, and has not changed environ yet.
		before := f.schedule[0]
		f.schedule = scenario.Schedule{before, {Thread: 1, N: x.Writer.Step - before.N}, {Thread: 0}}
		x = explainHeap(t, f)
		a := x.Allocation
		slices.Sort(a.PointedBy)
		if !slices.Equal(a.PointedBy, []string{"environ", "last_environ"}) {
			t.Fatalf("pointed to by %v", a.PointedBy)
		}
		h := f.history(t)
		must(t, h.SeekTo(x.Load.Step-1))
		for _, name := range a.PointedBy {
			at, err := h.Evaluate(name, -1)
			must(t, err)
			if v, ok := f.Process().Read64(at); !ok || v != a.Addr {
				t.Errorf("%s holds %#x, and the block is at %#x", name, v, a.Addr)
			}
		}
		if text := x.String(); !strings.Contains(text, " point to the block.\n") {
			t.Errorf("it is not told:\n%s", text)
		}
		if r := x.Finding().Cause.Allocation; len(r.PointedBy) != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// An address in a library's data is told with its name, also one that only the debug file has, in
// whatever is told of it.
func TestPlaces(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		var times [2]uint64
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				for i := range times {
					if times[i], err = u.Alloc(64); err == nil {
						err = u.Write(times[i]+12, []byte{byte(1 + i)}) // tm_mday
					}
				}
				return err
			},
			Check: func(v *scenario.View) error {
				v.Read(v.Results(0)[0], 8)
				return &scenario.Failure{Message: "always"}
			},
		}
		for i, name := range []string{scenario.Main, "worker"} {
			plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: late(func() scenario.Calls {
				return scenario.Calls{{Func: "asctime", Args: []scenario.Arg{scenario.Int(times[i])}}}
			})})
		}
		s, err := starter(system(t, "bookworm", arch), plan)(func(*emu.Process) error { return nil })
		must(t, err)
		defer s.Close()
		h, err := NewHistory(s, scenario.Schedule{{Thread: 0}, {Thread: 1}})
		must(t, err)
		x := explain(t, h)
		result, err := h.Evaluate("result", -1)
		must(t, err)
		look := x.Looks[slices.IndexFunc(x.Looks, func(l Look) bool { return l.Load == nil })]
		if look.Addr != result || look.Place != "result" || len(look.Writers) == 0 {
			t.Fatalf("%+v, and result is at %#x", look, result)
		}
		w := look.Writers[0]
		if want := "result+0x7"; w.Addr != result+7 || w.Place != want || !strings.Contains(x.String(), " ("+want+"), in its call of asctime(") {
			t.Errorf("written at %#x, %q:\n%s", w.Addr, w.Place, x)
		}
		if r := x.Finding().Looks[0].WrittenBy; len(r) == 0 || r[0].Place != "result+0x7" {
			t.Errorf("%+v", r)
		}
		races, err := h.Races([][2]Point{{{Thread: 1, Step: w.Step}, {Thread: 1, Step: w.Step}}})
		must(t, err)
		first := races[0].First
		tells := first.tell()
		if text := tells.String(); !strings.Contains(text, ", result+0x7] <- ") || first.report().Accesses[0].Place != "result+0x7" {
			t.Errorf("%s", text)
		}
		links, err := h.FollowMemory(result+7, 1, s.Steps()+1)
		must(t, err)
		var text bytes.Buffer
		TellLinks(NewPrinter(&text, false), links[:1])
		if !strings.Contains(text.String(), "(result+0x7)") || links[0].Place != "result+0x7" || links[0].Report().Place != "result+0x7" {
			t.Errorf("%+v\n%s", links[0], &text)
		}
		events := h.Touching(h.Events(), result+7, 1)
		if r := h.Report(events[len(events)-1]); len(r.Accesses) != 1 || r.Accesses[0].Place != "result+0x7" {
			t.Errorf("%+v", r)
		}
		text.Reset()
		h.List(NewPrinter(&text, false), events)
		if !strings.Contains(text.String(), ", result+0x7] <- ") {
			t.Errorf("%s", &text)
		}
	})
}
