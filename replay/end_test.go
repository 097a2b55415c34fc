package replay

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/explore/target"
	"emurace/heap"
	"emurace/loader"
	"emurace/scenario"
)

// TestEndWords: the kinds of ends and of values that package target knows, which stands above all, are those
// of outcomes and of words of memory.
func TestEndWords(t *testing.T) {
	known := map[string]bool{}
	for _, k := range []scenario.Kind{scenario.Segv, scenario.Illegal, scenario.Abort, scenario.Signal, scenario.Exit, scenario.Deadlock, scenario.Livelock, scenario.Check} {
		known[string(k)] = true
		if !(scenario.Outcome{Kind: k}).Failed() {
			t.Errorf("%s is no failure", k)
		}
	}
	if len(target.Kinds()) != len(known) {
		t.Errorf("ends are %v, failures %v", target.Kinds(), known)
	}
	for _, k := range target.Kinds() {
		if !known[k] {
			t.Errorf("%s is no kind of failure", k)
		}
	}
	for value, meaning := range map[target.Value]heap.MeaningKind{
		target.MallocSize: heap.MallocSize, target.MallocLink: heap.MallocLink, target.MallocKey: heap.MallocKey, target.StalePointer: heap.StalePointer, target.Data: heap.Data,
	} {
		if string(value) != string(meaning) {
			t.Errorf("%s is called %s", meaning, value)
		}
	}
}

// TestEndValue: what a value is, as far as that is known.
func TestEndValue(t *testing.T) {
	for _, c := range []struct {
		register string
		value    uint64
		meaning  heap.MeaningKind
		want     target.Value
	}{
		{"x19", 0, "", target.Null},
		{"x19", 0, heap.MallocLink, target.Null}, // a core tells no more of it
		{"x19", 0x220, heap.MallocSize, target.MallocSize},
		{"x19", 0x1234, heap.MallocLink, target.MallocLink},
		{"x19", 0x1234, heap.MallocKey, target.MallocKey},
		{"x19", 0x555555556000, heap.StalePointer, target.StalePointer},
		{"x19", 0x545245435f4c5353, heap.Data, target.Text},
		{"x19", 0x545245435f4c5353, "", target.Text},
		{"x19", 0x1234, heap.Data, target.Data},
		{"x19", 0x1234, "", ""}, // nobody has looked
		{"", 0, "", ""},         // and there is none
	} {
		x := &Explanation{Register: c.register, Value: c.value, Meaning: heap.Meaning{Kind: c.meaning}}
		if e := x.End(); e.Value != c.want || e.Register != c.register {
			t.Errorf("%+v: %+v", c, e)
		}
	}
}

// TestEndOfTheRace: the end of a run is known without its explanation but for the value, is the nearest
// there can be to itself, and that of another build or architecture is in the same function by the same
// kind of value. The backtrace is the explanation's, each frame at its place in the module's file.
func TestEndOfTheRace(t *testing.T) {
	type seen struct {
		name    string
		end     target.End
		process target.Process
	}
	var all []seen
	eachLibc(t, []string{"bullseye", "bookworm"}, func(t *testing.T, suite string, arch loader.Arch) {
		f := findRace(t, suite, arch)
		h := f.history(t)
		x := explain(t, h)
		must(t, x.AddHeap(h, f.heap(t)))
		got := x.End()
		quick := EndOf(h.s)
		quick.Register, quick.Value = got.Register, got.Value
		if d := cmp.Diff(got, quick); d != "" {
			t.Errorf("with the explanation and without:\n%s", d)
		}
		if got.Value != target.MallocSize || got.Register != x.Register || got.Thread != "main" || got.Access != "read" || got.Arch != arch.String() || len(got.Backtrace) != len(x.At.Backtrace) {
			t.Errorf("%+v", got)
		}
		if err := got.Check(); err != nil {
			t.Error(err)
		}
		for i, l := range x.At.Backtrace {
			fr := got.Backtrace[i]
			mod, ok := h.s.Process().Module(l.PC)
			if !ok || fr.Function != l.Function || *fr.Offset != l.Offset || fr.Module != l.Module || fr.BuildID != mod.Image.BuildID || *fr.ModuleOffset+mod.Base != l.PC {
				t.Errorf("frame %d: %v, %v", i, fr, l)
			}
			if sym, _, ok := mod.Image.SymbolAt(*fr.ModuleOffset); !ok || sym.Addr+*fr.Offset != *fr.ModuleOffset {
				t.Errorf("frame %d: %v is in %+v", i, fr, sym)
			}
		}
		all = append(all, seen{suite + " " + arch.String(), got, EndProcess(h.s)})
	})
	for i, want := range all {
		for k, got := range all {
			grade := target.SameValue
			if i == k {
				grade = target.Instruction
			}
			m := target.Compare(&want.end, &got.end, got.process)
			if best, why := target.Best(&want.end, got.process); m.Grade != grade || best != grade {
				t.Errorf("%s of %s: %v (%q), best %v (%s), want %v", got.name, want.name, m.Grade, m.Differs, best, why, grade)
			}
		}
	}
}
