package crash

import (
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// pair is a record and another process's view of it.
func pair(t testing.TB) (mine, other *Record, f *os.File) {
	t.Helper()
	mine, f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	other, err = Attach(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Use(nil)
		for _, err := range []error{mine.Close(), other.Close(), f.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return mine, other, f
}

var example = Process{
	Arch: "arm64", Root: "/sysroot", Threads: []string{"main", "worker"},
	Modules: []Module{{Path: "/lib/libc.so.6", Base: 0x7000, Lo: 0x7000, Hi: 0x9000}},
}

// TestDeath: what one process writes, the other one reads.
func TestDeath(t *testing.T) {
	mine, other, _ := pair(t)
	if d := mine.Death(); d.Signal != 0 || d.Thread != "" || d.PC != 0 {
		t.Errorf("before anything was written: %+v", d)
	}
	Use(other)
	first, i := Enter()
	second, j := Enter()
	if i != 0 || j != 1 {
		t.Fatalf("slots %d and %d", i, j)
	}
	first.Describe(Process{Threads: []string{"idle"}})
	second.Describe(example)
	first.Thread, second.Thread, second.Running, second.PC = 0, 1, 1, 0x7094
	// Killed: no handler has run, and the engine that was running is the one.
	if d := mine.Death(); d.Signal != 0 || d.Thread != "worker" || d.PC != 0x7094 || len(d.Modules) != 1 || d.Modules[0] != example.Modules[0] {
		t.Errorf("%+v", d)
	}
	h := other.Head()
	h.Signal, h.Addr, h.Engine, h.Died = int32(unix.SIGSEGV), 0x10, 0, 1
	if d := mine.Death(); d.Signal != unix.SIGSEGV || d.Thread != "idle" || d.Addr != 0x10 {
		t.Errorf("%+v", d)
	}
	h.Engine = -1
	if d := mine.Death(); d.Thread != "worker" {
		t.Errorf("%+v", d)
	}
	second.Leave()
	if d := mine.Death(); d.Thread != "idle" {
		t.Errorf("when the other one has left: %+v", d)
	}
	if third, k := Enter(); k != 1 || third.Thread != -1 {
		t.Errorf("slot %d again: %+v", k, third.Thread)
	}
}

// TestSlots: there is an end to them, and without a record none is needed.
func TestSlots(t *testing.T) {
	if s, i := Enter(); s != nil || i != -1 {
		t.Errorf("without a record: slot %d", i)
	}
	var none *Slot
	none.Describe(example)
	none.Leave()
	_, other, _ := pair(t)
	Use(other)
	for want := range Engines {
		if s, i := Enter(); s == nil || i != want {
			t.Fatalf("slot %d, want %d", i, want)
		}
	}
	if s, i := Enter(); s != nil || i != -1 {
		t.Errorf("one too many: slot %d", i)
	}
}

// TestTooLarge: a process that cannot be described costs nothing but its description.
func TestTooLarge(t *testing.T) {
	mine, other, _ := pair(t)
	Use(other)
	s, _ := Enter()
	s.Describe(example)
	large := example
	large.Root = strings.Repeat("x", textSize)
	s.Describe(large)
	s.Thread = 0
	if d := mine.Death(); d.Root != example.Root || d.Thread != "main" {
		t.Errorf("%+v", d)
	}
}

// TestNoRecord: what is none is refused, and the file cannot be cut.
func TestNoRecord(t *testing.T) {
	_, _, f := pair(t)
	if err := f.Truncate(0); err == nil {
		t.Error("the file could be cut")
	}
	name := t.TempDir() + "/file"
	for _, n := range []int64{0, int64(size), math.MaxInt32} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, n); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := Attach(f); err == nil || r != nil {
			t.Errorf("a file of %d bytes is a record: %v", n, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHostile: a process that has been taken over can write what it likes.
func TestHostile(t *testing.T) {
	mine, other, _ := pair(t)
	rapid.Check(t, func(t *rapid.T) {
		h, s := other.Head(), other.slot(0)
		h.Died, h.Engine, h.Signal = rapid.Uint32().Draw(t, "died"), rapid.Int32().Draw(t, "engine"), rapid.Int32().Draw(t, "signal")
		s.used, s.Thread, s.Running = rapid.Uint32().Draw(t, "used"), rapid.Int32().Draw(t, "thread"), rapid.Uint32().Draw(t, "running")
		text := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "text")
		if rapid.Bool().Draw(t, "json") {
			text = []byte(`{"Threads":["a",null,"b"],"Modules":[{"Lo":18446744073709551615}],"Root":"\u0000"}`)
		}
		copy(s.text[:], text)
		s.length = uint32(len(text))
		if rapid.Bool().Draw(t, "long") {
			s.length = rapid.Uint32().Draw(t, "length")
		}
		if d := mine.Death(); d.Thread != "" && d.Thread != "a" && d.Thread != "b" && !strings.HasPrefix(d.Thread, "thread ") {
			t.Errorf("%+v", d)
		}
	})
}
