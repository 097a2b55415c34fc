package replay

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

func kindsOf(links []Link) []LinkKind {
	var list []LinkKind
	for _, l := range links {
		list = append(list, l.Kind)
	}
	return list
}

// The fatal value is followed from the register through both threads to the size
// field that malloc wrote before the race.
func TestFollow(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		h := f.history(t)
		x := explain(t, h)
		links, err := h.FollowRegister(x.Outcome.Thread, x.Register, x.Steps+1)
		must(t, err)
		// Between the load by main and the store by the worker there is nothing;
		// how the worker came by the size differs between the architectures.
		if len(links) < 4 || links[0].Kind != LinkLoad || links[1].Kind != LinkStore || links[len(links)-1].Kind != LinkOlder {
			t.Fatalf("%v", kindsOf(links))
		}
		load, store := links[0], links[1]
		if load.Value != 0x220 || load.Addr != x.LoadAddr || load.Act.Thread != scenario.Main || load.Act.Location.Function != "getenv" {
			t.Errorf("the load: %+v", load)
		}
		if store.Value != 0x220 || store.Addr != x.LoadAddr || store.Act.Thread != "worker" || store.Act.Location.Function != "_int_free" || store.Act.Step != x.Writer.Step {
			t.Errorf("the store: %+v", store)
		}
		size := links[len(links)-2]
		if size.Kind != LinkLoad || size.Value&^7 != 0x220 || size.Addr != x.LoadAddr-0x218 {
			t.Errorf("the size: %+v", size)
		}
		for i := 1; i < len(links); i++ {
			if a, b := links[i-1].Act, links[i].Act; b != nil && b.Step >= a.Step {
				t.Errorf("link %d is of instruction %d, the one after it of %d", i, b.Step, a.Step)
			}
		}
		// The same way from the place in memory.
		fromMemory, err := h.FollowMemory(x.LoadAddr, 8, x.Steps+1)
		must(t, err)
		if !slices.Equal(kindsOf(fromMemory), kindsOf(links[1:])) {
			t.Errorf("from memory: %v, from the register: %v", kindsOf(fromMemory), kindsOf(links))
		}
		if over, _ := f.Outcome(); over.Kind != scenario.Segv {
			t.Error("the session is not at the end of the run")
		}
		var b strings.Builder
		p := NewPrinter(&b, false)
		TellLinks(p, links)
		for _, want := range []string{"loads 0x220 from 0x", "stores 0x220 at 0x", "has not been written since the race began: the value is older"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("not told: %s\n%s", want, b.String())
			}
		}
		if r := links[1].Report(); r.Kind != LinkStore || r.Value != "0x220" || r.Instruction.Thread != "worker" {
			t.Errorf("%+v", r)
		}
	})
}

// Ways that end otherwise.
func TestFollowEnds(t *testing.T) {
	for _, c := range []struct {
		guestCase
		want []LinkKind
	}{
		{guestCase{main: "load", worker: "store", before: []uint64{0, 0, 0}, schedule: "worker, main"}, []LinkKind{LinkLoad, LinkConst}},
		{guestCase{main: "load", worker: "nothing", before: []uint64{0, 0, 0x660}, schedule: "worker, main"}, []LinkKind{LinkLoad, LinkOlder}},
		{guestCase{main: "argument", worker: "nothing", argument: 0x660, schedule: "worker, main"}, []LinkKind{LinkOlder}},
		{guestCase{main: "constant", worker: "nothing", schedule: "worker, main"}, []LinkKind{LinkConst}},
		{guestCase{main: "compute", worker: "nothing", before: []uint64{0, 0, 0x660}, schedule: "worker, main"}, []LinkKind{LinkComputed, LinkLoad, LinkOlder}},
	} {
		g, x := explainGuest(t, c.guestCase, loader.ARM64)
		h, err := NewHistory(g.Session, x.Schedule)
		must(t, err)
		links, err := h.FollowRegister(0, x.Register, x.Steps+1)
		must(t, err)
		got := kindsOf(links)
		if c.worker == "store" && len(got) == 3 && got[1] == LinkStore {
			got = slices.Delete(got, 1, 2) // mov to a register, then str
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s and %s: %v, want %v", c.main, c.worker, kindsOf(links), c.want)
		}
	}
}

// Addresses as people write them.
func TestEvaluate(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		h := f.history(t)
		getenv, err := f.Process().Lookup("getenv")
		must(t, err)
		sp, _ := f.Process().StackPointer(f.MachineThread(0))
		for text, want := range map[string]uint64{
			"0x10": 0x10, "17": 17, "getenv": getenv, "getenv+4": getenv + 4, "getenv - 0x10 + 8": getenv - 8,
			f.Process().StackPointerName(): sp, f.Process().StackPointerName() + "-40": sp - 40,
		} {
			if got, err := h.Evaluate(text, 0); err != nil || got != want {
				t.Errorf("%q: %#x, %v; want %#x", text, got, err, want)
			}
		}
		for _, text := range []string{"", "+", "1+", "no_such_symbol", "-1", "0xg", "getenv*2"} {
			if v, err := h.Evaluate(text, 0); !errors.Is(err, errAddress) {
				t.Errorf("%q is %#x, %v", text, v, err)
			}
		}
		if _, err := h.Evaluate(f.Process().StackPointerName(), -1); !errors.Is(err, errAddress) {
			t.Error("no thread has registers")
		}
	})
}

// Windows and places choose the instructions that they should.
func TestWindow(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	h := f.history(t)
	all := h.In(Window{From: 1, To: ^uint64(0), Thread: -1})
	if len(all) != len(h.Events()) {
		t.Errorf("%d of %d instructions", len(all), len(h.Events()))
	}
	if some := h.In(Window{From: 10, To: 19, Thread: -1}); len(some) != 10 || some[0].Step != f.Base()+10 {
		t.Errorf("%+v", some)
	}
	mains, workers := h.In(Window{To: ^uint64(0), Thread: 0}), h.In(Window{To: ^uint64(0), Thread: 1})
	if len(mains) == 0 || len(workers) == 0 || len(mains)+len(workers) != len(all) {
		t.Errorf("%d and %d of %d", len(mains), len(workers), len(all))
	}
	x := explain(t, h)
	touching := h.Touching(all, x.LoadAddr, 8)
	if len(touching) < 2 || touching[len(touching)-1].Step != x.Load.Step+f.Base() {
		t.Errorf("%d instructions touch the word", len(touching))
	}
	for _, e := range touching {
		if !slices.ContainsFunc(h.Accesses(e.Step), func(a emu.LogEntry) bool { return a.Addr < x.LoadAddr+8 && x.LoadAddr < a.Addr+uint64(a.Size) }) {
			t.Errorf("instruction %d does not touch it", e.Step)
		}
	}
	r := h.Report(touching[len(touching)-1])
	if r.Function != "getenv" || r.Thread != scenario.Main || len(r.Accesses) == 0 || r.Accesses[0].Value != "0x220" {
		t.Errorf("%+v", r)
	}
}

// A failing run and a passing one: main reads NULL there and 0x220 here, and it is
// said who had written that. Whatever comes before is the same.
func TestDiff(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		failing := f.history(t)
		other := bootRace(t, system(t, "bookworm", arch), f.recipe)
		passing, err := NewHistory(other, scenario.Schedule{{Thread: 0}, {Thread: 1}})
		must(t, err)
		list, err := Diff(failing, passing)
		must(t, err)
		i := slices.IndexFunc(list, func(d Difference) bool { return d.Thread == 0 })
		if i < 0 {
			t.Fatalf("main does the same in both: %+v", list)
		}
		d := list[i]
		if d.Left.Read == nil || d.Right.Read == nil || d.Left.Read.Value == d.Right.Read.Value || d.Left.Read.Addr != d.Right.Read.Addr {
			t.Fatalf("%+v", d)
		}
		if d.Left.Writer == nil || d.Left.Writer.Thread != "worker" || d.Right.Writer != nil {
			t.Errorf("written by %+v and %+v", d.Left.Writer, d.Right.Writer)
		}
		for n := range d.Same {
			a, b := failing.events[failing.byThread[0][n]], passing.events[passing.byThread[0][n]]
			if a.PC != b.PC {
				t.Fatalf("instruction %d of the common ones: %#x and %#x", n, a.PC, b.PC)
			}
		}
		var b strings.Builder
		TellDiff(NewPrinter(&b, false), failing, passing, list)
		for _, want := range []string{" are the same in both runs", "=>", "in this run it reads ", "written by worker at ", "in the other it reads "} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("not told: %s\n%s", want, b.String())
			}
		}
		if r := ReportDiff(failing, passing, d); r.Thread != scenario.Main || r.Left.WrittenBy == nil || r.Right.WrittenBy != nil || r.Left.Value == r.Right.Value {
			t.Errorf("%+v", r)
		}

		// A run and itself.
		again, err := NewHistory(other, failing.schedule)
		must(t, err)
		if list, err := Diff(failing, again); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		// A run in which main dies while the worker is still at it.
		var early scenario.Schedule
		for n := uint64(1000); early == nil; n += 5 {
			must(t, other.Restart())
			try := scenario.Schedule{{Thread: 1, N: n}, {Thread: 0}}
			must(t, other.Play(try))
			if o, over := other.Outcome(); over && o.Kind == scenario.Segv {
				early = try
			}
		}
		short, err := NewHistory(other, early)
		must(t, err)
		list, err = Diff(failing, short)
		must(t, err)
		if len(list) == 0 || list[len(list)-1].Thread != 1 {
			t.Errorf("the worker does the same in both: %+v", list)
		}
		list = slices.DeleteFunc(list, func(d Difference) bool { return d.Thread == 0 })
		for _, d := range list {
			if d.Right.Event != nil || d.Left.Event == nil {
				t.Errorf("%+v", d)
			}
		}
	})
}
