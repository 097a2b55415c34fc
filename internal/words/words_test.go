package words

import "testing"

func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 1<<64 - 1: "18,446,744,073,709,551,615"} {
		if got := Grouped(n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, c := range []struct {
		n          uint64
		noun, want string
	}{{0, "byte", "0 bytes"}, {1, "byte", "1 byte"}, {1, "entry", "1 entry"}, {2, "copy", "2 copies"}, {1000, "entry", "1,000 entries"}} {
		if got := Count(c.n, c.noun); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := Hex(0) + " " + Hex(1<<64-1) + " " + Both(0x220) + " " + Bytes([]byte{1, 0x20, 0}); got != "0x0 0xffffffffffffffff 0x220 (544) 0x002001" {
		t.Error(got)
	}
}

func TestCapital(t *testing.T) {
	for text, want := range map[string]string{"": "", "main dies": "Main dies", "Main": "Main", "été": "Été", "0x220": "0x220"} {
		if got := Capital(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
