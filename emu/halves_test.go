package emu

import (
	"bytes"
	"testing"

	"emurace/loader"
)

// A real process that ends every instruction in its middle which has one comes to where it
// comes otherwise: with the same memory, but for what it has read of the processor's counter,
// which before a race counts steps.
func TestHalvesBoot(t *testing.T) {
	t.Run("amd64", func(t *testing.T) { bootHalved(t, loader.AMD64, 50) })
	t.Run("arm64", func(t *testing.T) { bootHalved(t, loader.ARM64, 2000) })
}

// bootHalved expects at least so many instructions that are two steps.
func bootHalved(t *testing.T, arch loader.Arch, least int) {
	whole, halves := loaded(t, "bookworm", arch, true), loaded(t, "bookworm", arch, true)
	if s := whole.run(0, pastTheEnd); s.Kind != Trapped {
		t.Fatalf("boot: %v", s)
	}
	divided := 0
	for {
		pc, err := halves.PC(0)
		if err != nil {
			t.Fatal(err)
		}
		s, err := halves.RunHalf(0)
		if err != nil {
			t.Fatal(err)
		}
		if s.Half != halves.Holds(0) {
			t.Fatalf("%+v, it holds %v", s, halves.Holds(0))
		}
		if s.Half {
			divided++
			at, stores := halves.Held(0)
			if now, _ := halves.PC(0); at != pc || now != pc || len(stores) == 0 || halves.Indivisible(pc) {
				t.Fatalf("at %#x it holds %+v of %#x", now, stores, at)
			}
			if divided%(6*least) == 1 { // a mark has what is held, and so has the digest
				held := halves.digest()
				mark := halves.mark()
				if s, err = halves.Run(0, 1); err != nil || s.Ran != 1 || halves.digest() == held {
					t.Fatalf("%+v %v", s, err)
				}
				if err := mark.Rewind(); err != nil || halves.digest() != held {
					t.Fatalf("going back has lost what it holds: %v", err)
				}
				mark.Drop()
			}
		}
		if s.Kind != Budget {
			if s.Kind != Trapped {
				t.Fatalf("boot: %v", s)
			}
			break
		}
	}
	if n := halves.Steps() - whole.Steps(); divided < least || n != uint64(divided) {
		t.Errorf("%d instructions were two steps, and there are %d steps more", divided, n)
	}
	differ := 0
	for _, v := range whole.kernel.State().VMAs {
		for at := v.Start; at < v.End; at += 4096 {
			a, okA := whole.Read(at, 4096)
			b, okB := halves.Read(at, 4096)
			if okA != okB {
				t.Fatalf("%#x can be read by one", at)
			}
			if !bytes.Equal(a, b) {
				differ++
			}
		}
	}
	if differ > 3 {
		t.Errorf("%d pages differ", differ)
	}
	t.Logf("%d of %d instructions were two steps; %d pages differ", divided, whole.Steps(), differ)
}
