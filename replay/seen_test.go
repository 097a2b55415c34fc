package replay

import (
	"context"
	"strings"
	"testing"

	"emurace/explore"
	"emurace/explore/graph"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestSeenSources: who has written what a load got is who has written what it was given, and not who has written
// what memory held; and what a write has been behind already is not what memory is said to hold of it.
func TestSeenSources(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sb := testrace.NewBuffering(arch)
		plan, err := sb.Scenario().Build(nil)
		must(t, err)
		s := testrace.Start(t, testsystem.Of(t, "bookworm", arch), plan)
		base, x := s.Base(), sb.Words()[0]
		zero, one := make([]byte, 4), []byte{1, 0, 0, 0}
		h, err := NewHistory(s, sb.Schedule())
		must(t, err)
		if w, ok := h.lastWrite(x, 4, base+3); ok {
			t.Errorf("worker's load has 0 from step %d", w.Step)
		}
		if w, ok := h.lastWrite(x, 4, base+4); !ok || w.Step != base+1 {
			t.Errorf("behind it memory has what step %d wrote", w.Step)
		}
		src, err := h.sources(x, zero, base+3)
		must(t, err)
		if src.Older != 4 || src.Unknown != 0 || len(src.Writers) != 0 {
			t.Errorf("its bytes are from %+v", src)
		}
		if src, err = h.sources(x, one, base+3); err != nil || src.Unknown != 1 {
			t.Errorf("other bytes: %+v, %v", src, err)
		}
		must(t, h.SeekEnd())
		x0, err := Explain(h)
		must(t, err)
		if text := x0.String(); strings.Contains(text, "is not known") || strings.Count(text, "saw 0x0") != 2 {
			t.Errorf("it is told as:\n%s", text)
		}

		// worker's load is given what main's store writes, which others have overwritten before it ran.
		nine := []byte{9, 0, 0, 0}
		schedule := scenario.Schedule{
			{Thread: 1, N: 1},
			{Thread: 0, N: 1, Seeing: &scenario.Seeing{Leaves: []scenario.Bytes{{Addr: x, Data: zero}}}},
			{Thread: 1, N: 1, Seeing: &scenario.Seeing{Sees: []scenario.Seen{{Bytes: scenario.Bytes{Addr: x, Data: one}, Step: 2}}}},
			{Thread: 1}, {Thread: 0},
		}
		h, err = NewHistory(s, schedule)
		must(t, err)
		if src, err = h.sources(x, one, base+3); err != nil || len(src.Writers) != 1 || src.Writers[0].step != base+2 || len(src.Writers[0].Data) != 4 {
			t.Errorf("given a write that is covered: %+v, %v", src, err)
		}
		if w, ok := h.lastWrite(x, 4, base+3); !ok || w.Step != base+2 {
			t.Errorf("given a write that is covered: step %d", w.Step)
		}
		if w, ok := h.lastWrite(x, 4, base+4); ok {
			t.Errorf("memory has what step %d wrote, which is covered", w.Step)
		}
		if src, err = h.sources(x, zero, base+4); err != nil || src.Older != 4 {
			t.Errorf("behind it: %+v, %v", src, err)
		}
		if src, err = h.sources(x, nine, base+4); err != nil || src.Unknown != 1 {
			t.Errorf("what nobody wrote: %+v, %v", src, err)
		}

		// A write that another one was behind already.
		schedule = scenario.Schedule{
			{Thread: 0, N: 1}, {Thread: 1, N: 1, Seeing: &scenario.Seeing{Leaves: []scenario.Bytes{{Addr: sb.Words()[1], Data: nine}}}}, {Thread: 0}, {Thread: 1},
		}
		h, err = NewHistory(s, schedule)
		must(t, err)
		if list := h.stale(); len(list) != 0 {
			t.Errorf("nobody has written what memory holds, and %+v is told", list)
		}
	})
}

// TestOverwrittenAlready: of a litmus test in which a write comes too late it is said behind which it is.
func TestOverwrittenAlready(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	for _, l := range testrace.Litmuses() {
		if l.Name != "2+2W" && l.Name != "S" {
			continue
		}
		plan := l.Plan(t, sys.Arch)
		start := func() (*scenario.Session, error) { return scenario.Start(sys, plan, 1) }
		found, err := explore.Graphs(context.Background(), start, graph.ARM, explore.Options{Jobs: 1})
		must(t, err)
		h, err := NewHistory(testrace.Start(t, sys, plan), found.Findings[0].Schedule)
		must(t, err)
		x, err := Explain(h)
		must(t, err)
		f, ok := x.Fact(FactStale)
		if !ok || len(x.Stale) != 1 || !x.Stale[0].Over || x.Stale[0].Saw != 1 || x.Stale[0].Held != 2 || f.Thread != 1 || f.After != x.Stale[0].Read.Step {
			t.Fatalf("%s: %+v, %+v", l.Name, x.Stale, f)
		}
		if text := x.String(); !strings.Contains(text, "wrote 0x1 at ") || !strings.Contains(text, "and memory holds 0x2 there.\n      main had written that, at ") {
			t.Errorf("%s is told as:\n%s", l.Name, text)
		}
	}
}
