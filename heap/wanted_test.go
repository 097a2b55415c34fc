package heap

import (
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// TraceWanted tells what Trace tells of the calls that are wanted.
func TestTraceWanted(t *testing.T) {
	wanted := map[string]func(emu.CallEvent) bool{
		"all":      func(emu.CallEvent) bool { return true },
		"none":     func(emu.CallEvent) bool { return false },
		"releases": func(c emu.CallEvent) bool { return Releases(c.Func) },
		"returned": func(c emu.CallEvent) bool { return c.Returned },
	}
	// calls are those of a process of its own, as it is traced.
	calls := func(trace func(*emu.Process, func(emu.CallEvent)) error) (list []emu.CallEvent) {
		m, err := emu.New(emu.Options{System: testsystem.Of(t, "bookworm", loader.ARM64), Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := trace(&m.Process, func(c emu.CallEvent) { list = append(list, c) }); err != nil {
			t.Fatal(err)
		}
		call := func(name string, args ...uint64) uint64 {
			addr, err := m.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			result, err := m.Call(0, addr, name, args...)
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		block := call("malloc", 40)
		block = call("realloc", block, 4000)
		call("free", block)
		call("free", 0)
		return list
	}
	all := calls(Trace)
	if len(all) < 8 {
		t.Fatalf("%d calls: %+v", len(all), all)
	}
	for name, w := range wanted {
		got := calls(func(m *emu.Process, f func(emu.CallEvent)) error { return TraceWanted(m, w, f) })
		want := slices.DeleteFunc(slices.Clone(all), func(c emu.CallEvent) bool { return !w(c) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %+v, not %+v", name, got, want)
		}
	}
}
