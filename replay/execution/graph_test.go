package execution

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/scenario"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "golden", "execution", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s\nIf the new text is right: go test ./replay/execution -run %s -update", file, d, t.Name())
	}
}

// TestBuffering: store buffering has both reads before the writes, and either program's order must have been given up.
func TestBuffering(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		sb, g := buffering(t, sys)
		if len(g.Events) != 4 || g.Left != 0 || !g.Odd() {
			t.Fatalf("%d events, %d left out", len(g.Events), g.Left)
		}
		want := []Arrow{
			{Kind: FromRead, From: 2, To: 0}, {Kind: FromRead, From: 3, To: 1},
			{Kind: ReadsFrom, From: Before, To: 2}, {Kind: Program, From: 1, To: 2},
			{Kind: ReadsFrom, From: Before, To: 3}, {Kind: Program, From: 0, To: 3},
		}
		if d := cmp.Diff(want, g.Arrows); d != "" {
			t.Errorf("arrows (-want +got):\n%s", d)
		}
		for i, e := range g.Events {
			p := e.Parts[0]
			if len(e.Parts) != 1 || e.At != uint64(i) || p.Write != (i < 2) || p.Addr != sb.Words()[[]int{0, 1, 0, 1}[i]] || e.Stale != (i > 1) || p.Old != (i > 1) {
				t.Errorf("event %d is %+v", i, e)
			}
		}
		golden(t, "buffering-"+sys.Arch.String()+".txt", strings.Join(g.Says, "\n")+"\n\n"+strings.Join(g.Lines(80), "\n")+"\n")
		golden(t, "buffering-"+sys.Arch.String()+".svg", g.SVG("execution"))
	})
}

// TestSequential: a run in which each instruction finds memory as it is has no read of an older value, and every
// relation goes on in time, whatever its schedule is.
func TestSequential(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan, draw := testrace.Odd(t, sys, testrace.Randomness(t), 10)
		s := testrace.Start(t, sys, plan)
		for range 4 {
			schedule := draw()
			for i := range schedule {
				schedule[i].Seeing = nil
			}
			r := collect(lineOf(t, s, schedule))
			r.relate()
			checkArrows(t, r)
			for _, a := range r.arrows {
				if a.From != Before && a.From >= a.To {
					t.Errorf("%+v goes back in time", a)
				}
			}
			if len(r.odd) > 0 {
				t.Errorf("reads of older values: %+v", r.odd)
			}
			g, err := r.choose([]uint64{r.events[0].Number()})
			must(t, err)
			if g.Odd() || len(g.Says) > 0 || len(g.Events) > mostShown || g.Left+len(g.Events) != len(r.events) || g.Events[0].At != r.events[0].At {
				t.Errorf("%d of %d events are shown, %q", len(g.Events), len(r.events), g.Says)
			}
		}
	})
}

// TestOdd: with reads of any bytes each relation is the one that another way of counting has.
func TestOdd(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan, draw := testrace.Odd(t, sys, testrace.Randomness(t), 10)
		s := testrace.Start(t, sys, plan)
		odd := map[Kind]int{}
		for range 20 {
			r := collect(lineOf(t, s, draw()))
			r.relate()
			checkArrows(t, r)
			for _, o := range r.odd {
				odd[o.kind]++
			}
			links := r.links()
			for _, x := range r.odd {
				checkCycle(t, r, r.cycle(links, x), x)
			}
			g, err := r.choose(nil)
			must(t, err)
			if len(g.Events) > mostShown+4*mostOdd || len(g.Lines(80)) < 2*len(g.Events) {
				t.Errorf("%d events", len(g.Events))
			}
			wellFormed(t, g.SVG("a"))
		}
		if odd[FromRead] == 0 || odd[Coherence] == 0 {
			t.Errorf("reads of older values, and writes that come too late: %v", odd)
		}
	})
}

// checkCycle: the way begins at the read and comes back there, by arrows that there are.
func checkCycle(t *testing.T, r *run, w way, s oddity) {
	t.Helper()
	for i, a := range w {
		if a.To != w[(i+1)%len(w)].From {
			t.Fatalf("%+v is no circle", w)
		}
		if a.Kind == Program {
			if r.events[a.From].Thread != r.events[a.To].Thread || a.From >= a.To {
				t.Errorf("%+v is no order of a program", a)
			}
		} else if !r.known[Arrow{Kind: a.Kind, From: a.From, To: a.To}] {
			t.Errorf("%+v is no arrow", a)
		}
	}
	if len(w) > 0 && (w[0].From != s.event || w[0].Kind != s.kind || !slices.Contains(s.later, w[0].To)) {
		t.Errorf("%+v does not begin as %+v", w[0], s)
	}
}

// checkArrows recomputes the relations from the log, byte by byte and from behind, and compares.
func checkArrows(t *testing.T, r *run) {
	t.Helper()
	type access struct {
		event int
		write bool
		under bool // overwritten already
		from  int  // of a read: whom it has been given, -2 for nobody in particular
	}
	want := map[Arrow]bool{}
	for at := range r.shared {
		var list []access
		for i := range r.events {
			e := &r.events[i]
			y := r.line.Seeing(e.At)
			for _, p := range e.Parts {
				if at < p.Addr || at >= p.Addr+uint64(p.Size) {
					continue
				}
				a := access{event: i, write: p.Write, from: -2}
				if y != nil {
					for _, b := range slices.Backward(y.Sees) { // the first one counts
						if b.Addr <= at && at < b.Addr+uint64(len(b.Data)) {
							a.from = Before
							if b.Step > 0 {
								a.from = slices.IndexFunc(r.events, func(e Event) bool { return e.At+1 == b.Step && writesByte(e, at) })
								if a.from < 0 {
									a.from = -3 // an instruction that has not written it
								}
							}
						}
					}
					for _, b := range y.Leaves {
						a.under = a.under || b.Addr <= at && at < b.Addr+uint64(len(b.Data))
					}
				}
				list = append(list, a)
			}
		}
		holder := func(k int) int { // in front of access k
			for k--; k >= 0; k-- {
				if list[k].write && !list[k].under {
					return list[k].event
				}
			}
			return Before
		}
		next := func(k int) int { // the first write that stands, from access k on
			for ; k < len(list); k++ {
				if list[k].write && !list[k].under {
					return list[k].event
				}
			}
			return -2
		}
		arrow := func(kind Kind, from, to int) {
			if from != to && to >= 0 && from > -2 {
				want[Arrow{Kind: kind, From: from, To: to}] = true
			}
		}
		for k, a := range list {
			h := holder(k)
			switch {
			case a.write && a.under && h != Before:
				arrow(Coherence, a.event, h)
			case a.write && !a.under && h != Before:
				arrow(Coherence, h, a.event)
			case a.write:
			case a.from == -2, a.from == h:
				arrow(ReadsFrom, h, a.event)
				arrow(FromRead, a.event, next(k+1))
			case a.from >= Before:
				arrow(ReadsFrom, a.from, a.event)
				of := slices.IndexFunc(list, func(x access) bool { return x.write && x.event == a.from })
				switch {
				case of > k:
				case of >= 0 && list[of].under && holder(of) != Before:
					arrow(FromRead, a.event, holder(of))
				case of < 0 || !list[of].under:
					arrow(FromRead, a.event, next(of+1))
				}
			}
		}
	}
	for a := range want {
		if !r.known[a] {
			t.Errorf("%+v is missing", a)
		}
	}
	for a := range r.known {
		if !want[a] {
			t.Errorf("%+v is too much", a)
		}
	}
}

func writesByte(e Event, at uint64) bool {
	return slices.ContainsFunc(e.Parts, func(p Part) bool { return p.Write && p.Addr <= at && at < p.Addr+uint64(p.Size) })
}

// wellFormed: the picture is XML, and every number in it one of a picture.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"svg", "title", "desc", "g", "rect", "text", "tspan", "path"}, e.Name.Local) {
			t.Errorf("the picture has an element %s", e.Name.Local)
		}
	}
}

// TestHostile: whatever names and texts are, they are texts.
func TestHostile(t *testing.T) {
	const bad = `"><script>alert(1)</script>&'` + "\x1b[31m"
	g := &Graph{
		Threads: []string{bad, "b"},
		Events: []Event{
			{At: 0, Thread: 0, Parts: []Part{{Write: true, Addr: 1, Size: 1, Place: bad}}, Where: bad, Text: bad},
			{At: 1, Thread: 1, Parts: []Part{{Addr: 1, Size: 1, Place: bad}}, Stale: true, Where: bad, Text: bad},
		},
		Arrows: []Arrow{{Kind: ReadsFrom, From: 0, To: 1}, {Kind: Program, From: 0, To: 0, Kept: bad}},
		Says:   []string{bad},
	}
	svg := g.SVG("a")
	wellFormed(t, svg)
	if strings.Contains(svg, "<script") || strings.Contains(svg, "\x1b") {
		t.Errorf("it is in the picture:\n%s", svg)
	}
}

// TestNothing: threads that share nothing have no execution to tell.
func TestNothing(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		const source = `
			volatile unsigned long a[64];
			void touch(unsigned long which) { a[which]++; }`
		call := func(n uint64) scenario.Call {
			return scenario.Call{Func: "touch", Args: []scenario.Arg{scenario.Int(n)}}
		}
		s := testrace.Start(t, sys, testrace.Guest(t, sys.Arch, source, call(0), call(32)))
		g, err := Of(lineOf(t, s, scenario.Schedule{{Thread: 0}, {Thread: 1}}))
		if must(t, err); g != nil {
			t.Errorf("it is %+v", g)
		}
	})
}

// TestBehind: which write comes next in a byte's order.
func TestBehind(t *testing.T) {
	b := byteOrder{order: []int{3, 7}, under: map[int]int{5: 7}}
	for w, want := range map[int]int{Before: 3, 3: 7, 5: 7, 7: 0, 9: 0} {
		if got, ok := b.behind(w); got != want || ok != (want != 0) {
			t.Errorf("behind %d comes %d, %v, want %d", w, got, ok, want)
		}
	}
	if _, ok := (&byteOrder{}).behind(Before); ok {
		t.Error("behind what was before the race something comes that is not there")
	}
}
