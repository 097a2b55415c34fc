package testcores

import (
	"os"
	"slices"
	"testing"
)

// TestQemu: the notes are those that its comment says, and what may be executed is not there.
func TestQemu(t *testing.T) {
	for _, live := range []bool{false, true} {
		if live && testing.Short() {
			continue
		}
		c := Article(t, ArticleOptions{Writer: Qemu, Live: live})
		notes, err := Notes(c.Bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		var types []uint32
		for _, n := range notes {
			types = append(types, n.Type)
		}
		if want := []uint32{NTPrstatus, NTPrpsinfo, NTAuxv, NTPrstatus}; !slices.Equal(types, want) {
			t.Errorf("notes %v, want %v", types, want)
		}
		loads, err := Loads(c.Bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		empty := 0
		for _, l := range loads {
			if slices.Equal(l.Data[:min(len(l.Data), 4)], []byte("\x7fELF")) {
				t.Errorf("an ELF header at %#x", l.Addr)
			}
			if l.Flags&1 != 0 && len(l.Data) == 0 { // PF_X
				empty++
			}
		}
		if empty != 3 { // the program, libc, ld.so
			t.Errorf("%d mappings of code without bytes", empty)
		}
		// The signal is in the first thread alone: pr_info.si_signo and pr_cursig.
		want := byte(sigsegv)
		if live {
			want = 3 // SIGQUIT
		}
		if notes[0].Data[0] != want || notes[0].Data[12] != want || notes[3].Data[0] != 0 || notes[3].Data[12] != 0 {
			t.Errorf("signals %d and %d", notes[0].Data[0], notes[3].Data[0])
		}
	}
}

// TestQemuCauses: programs end there as they do elsewhere.
func TestQemuCauses(t *testing.T) {
	if testing.Short() {
		t.Skip("the article will do")
	}
	for _, name := range []string{"double-free", "stack-overflow", "deadlock-two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cause := Find(name)
			notes, err := Notes(cause.Qemu(t).Bytes(t))
			if err != nil {
				t.Fatal(err)
			}
			want := cause.Truth.Signal
			if want == 0 {
				want = 3
			}
			if got := int(notes[0].Data[12]); got != want {
				t.Errorf("signal %d, want %d", got, want)
			}
		})
	}
}

// TestOnce: a core is made once.
func TestOnce(t *testing.T) {
	if Find("null-member").Emulated(t, "bookworm", Arches[0]) != sample(t) {
		t.Error("made twice")
	}
}

// TestLarge: a small one of them is what it is said to be.
func TestLarge(t *testing.T) {
	if NativeArch() == 0 {
		t.Skip("no programs for this machine")
	}
	o := LargeOptions{Threads: 20, Blocks: 300, BlockSize: 1<<16 - 8}
	c := Large(t, o)
	notes, err := Notes(c.Bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(notes, func(n Note) bool { return n.Type != NTPrstatus })); n != 21 {
		t.Errorf("%d threads", n)
	}
	if !testing.Short() {
		checkGDB(t, c, LargeTruth(o))
	}
}

// BenchmarkLarge is how long the large core takes to make.
func BenchmarkLarge(b *testing.B) {
	if err := KernelCores(); err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		dir := b.TempDir()
		if _, err := largeRecipe(DefaultLarge).make(dir, Kernel, NativeArch(), "/"); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}
