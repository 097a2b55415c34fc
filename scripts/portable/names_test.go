package portable

import "testing"

func TestStem(t *testing.T) {
	for name, want := range map[string]string{
		"_int_free": "_int_free", "_int_free.constprop.0": "_int_free", "f.isra.0.cold": "f", "f.part.3.constprop.12": "f",
		"f.lto_priv.1": "f", "f.cold": "f",
		"f.0":          "f.0", // a static variable of a function
		"f.constprop.": "f.constprop.", ".cold": ".cold", "f.foo": "f.foo", "f.foo.cold": "f.foo.cold", "_int_free_chunk": "_int_free_chunk",
	} {
		if got := stem(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLikenesses(t *testing.T) {
	for _, c := range []struct {
		asked, has string
		first      int // of the likenesses, the first by which the one stands for the other; 3 for none
	}{
		{"f", "f", 0},
		{"f", "f.constprop.0", 0},
		{"f.isra.0", "f.isra.0", 0},
		{"f.isra.0", "f", 1},
		{"f.isra.0", "f.constprop.0", 1},
		{"f", "__libc_f", 2},
		{"__libc_f", "f", 2},
		{"__GI___libc_f", "__f.part.0", 2},
		{"f", "_f", 3},
		{"_int_free", "_int_free_chunk", 3},
		{"__", "f", 3},
	} {
		first := len(likenesses)
		for k := len(likenesses) - 1; k >= 0; k-- {
			if likenesses[k](c.asked, c.has) {
				first = k
			}
		}
		if first != c.first {
			t.Errorf("%s for %s: likeness %d, want %d", c.asked, c.has, first, c.first)
		}
	}
}
