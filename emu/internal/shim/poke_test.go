package shim

import (
	"testing"

	"emurace/loader"
)

// TestPoke: what is poked is seen by instructions, is nobody's access, is no event, and goes back with a rewind,
// with generated code and with hooks.
func TestPoke(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, hooks := range []bool{true, false} {
			e := newEngine(t, arch, loops[arch], 1, true)
			e.SetHooked(hooks)
			m := mustMark(t, e)
			run(t, e, 0, 60)
			logged := 0
			for range e.Log().All() {
				logged++
			}
			before := e.View(dataAt, 8)[3]
			inner := mustMark(t, e)
			if err := e.Poke(dataAt+3, []byte{before + 7}); err != nil {
				t.Fatal(err)
			}
			now := 0
			for range e.Log().All() {
				now++
			}
			for range e.Log().Backward() {
				now--
			}
			if now != 0 || e.LogLen() != logged+1 || e.View(dataAt, 8)[3] != before+7 {
				t.Errorf("hooks %t: the log has %d entries, %d before; memory %v", hooks, e.LogLen(), logged, e.View(dataAt, 8)[:8])
			}
			run(t, e, 0, 60)
			read := false
			for a := range e.Log().From(logged).All() {
				if a.Kind == AccessRead && a.Addr <= dataAt+3 && dataAt+3 < a.Addr+uint64(a.Size) {
					read = read || byte(a.Value>>(8*(dataAt+3-a.Addr))) == before+7
					break
				}
			}
			if !read {
				t.Errorf("hooks %t: the first read behind it has not seen it", hooks)
			}
			if err := inner.Rewind(); err != nil {
				t.Fatal(err)
			}
			if e.View(dataAt, 8)[3] != before {
				t.Errorf("hooks %t: it stays after a rewind", hooks)
			}
			if err := m.Rewind(); err != nil {
				t.Fatal(err)
			}
			if err := e.Poke(1<<46, []byte{1}); err == nil {
				t.Errorf("hooks %t: poked where nothing is", hooks)
			}
		}
	})
}

// TestTrace: the instructions that have run are kept, each once, and a rewind takes them back.
func TestTrace(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		m := mustMark(t, e)
		from := e.Steps()
		e.SetTrace(true)
		var want []uint64
		for range 50 {
			pc, err := e.ReadReg(0, e.pcReg())
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, pc)
			run(t, e, 0, 1)
		}
		for range 2 {
			if err := m.Rewind(); err != nil {
				t.Fatal(err)
			}
			run(t, e, 0, 50)
			got, err := e.Trace(from)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d instructions, want %d (%v)", len(got), len(want), err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("instruction %d at %#x, want %#x", i, got[i], want[i])
				}
			}
		}
		if _, err := e.Trace(from - 1); err == nil {
			t.Error("a trace of before it was on")
		}
	})
}
