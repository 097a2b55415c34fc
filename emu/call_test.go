package emu

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

func TestCalls(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		t.Run("integers", func(t *testing.T) {
			for _, c := range []struct {
				fn   string
				args []uint64
				want uint64
			}{
				{"abs", []uint64{1<<64 - 5}, 5},
				{"llabs", []uint64{1 << 40}, 1 << 40},
				{"toupper", []uint64{'q'}, 'Q'},
				{"getpid", nil, 1000},
				{"getuid", nil, 1000},
				{"ffsll", []uint64{1 << 33}, 34},
			} {
				if got := p.call(0, c.fn, c.args...); got != c.want {
					t.Errorf("%s(%d): %d, want %d", c.fn, c.args, got, c.want)
				}
			}
		})
		t.Run("strings", func(t *testing.T) {
			s := p.str("the quick brown fox")
			if n := p.call(0, "strlen", s); n != 19 {
				t.Errorf("strlen: %d", n)
			}
			if got := p.text(p.call(0, "strchr", s, 'q')); got != "quick brown fox" {
				t.Errorf("strchr: %q", got)
			}
			if got := p.text(p.call(0, "strstr", s, p.str("fox"))); got != "fox" {
				t.Errorf("strstr: %q", got)
			}
			if c := int32(p.call(0, "strcmp", s, p.str("the quick red fox"))); c >= 0 {
				t.Errorf("strcmp: %d", c)
			}
			copied := p.call(0, "strdup", s)
			if p.text(copied) != "the quick brown fox" || copied == s {
				t.Errorf("strdup: %q at %#x", p.text(copied), copied)
			}
			p.call(0, "free", copied)
			if v := p.call(0, "strtoul", p.str("0x1234zz"), 0, 16); v != 0x1234 {
				t.Errorf("strtoul: %#x", v)
			}
		})
		t.Run("environment", func(t *testing.T) {
			if got := p.text(p.call(0, "getenv", p.str("HOME"))); got != "/nowhere" {
				t.Errorf("HOME is %q", got)
			}
			if a := p.call(0, "getenv", p.str("PATH")); a != 0 {
				t.Errorf("PATH of the host came in: %q", p.text(a))
			}
			for i, value := range []string{"first", "a longer second value", ""} {
				if rc := p.call(0, "setenv", p.str("NEW"), p.str(value), 1); rc != 0 {
					t.Fatalf("setenv %d: %d", i, rc)
				}
				if got := p.text(p.call(0, "getenv", p.str("NEW"))); got != value {
					t.Errorf("NEW is %q, want %q", got, value)
				}
			}
			p.call(0, "unsetenv", p.str("NEW"))
			if a := p.call(0, "getenv", p.str("NEW")); a != 0 {
				t.Errorf("NEW is still %q", p.text(a))
			}
		})
		t.Run("snprintf", func(t *testing.T) {
			buf := p.call(0, "malloc", 64)
			n := p.call(0, "snprintf", buf, 64, p.str("%d %s %#lx"), 1<<64-7, p.str("is"), 0xfeed)
			if got := p.text(buf); got != "-7 is 0xfeed" || n != uint64(len(got)) {
				t.Errorf("%q, %d", got, n)
			}
			p.call(0, "free", buf)
		})
		t.Run("callback", func(t *testing.T) {
			// qsort calls a function of the guest by its address.
			words := []string{"pear", "apple", "fig", "date", "cherry", "banana"}
			var table []byte
			for _, w := range words {
				var e [8]byte
				copy(e[:], w)
				table = append(table, e[:]...)
			}
			a := p.bytes(table)
			p.call(0, "qsort", a, uint64(len(words)), 8, p.fn("strcmp"))
			slices.Sort(words)
			for i, w := range words {
				if got := p.text(a + uint64(8*i)); got != w {
					t.Errorf("entry %d is %q, want %q", i, got, w)
				}
			}
		})
		t.Run("output", func(t *testing.T) {
			if n := p.call(0, "puts", p.str("one line")); int32(n) < 0 {
				t.Errorf("puts: %d", int32(n))
			}
			p.call(0, "fflush", 0)
			if n := p.call(0, "write", 2, p.str("error\n"), 6); n != 6 {
				t.Errorf("write: %d", int64(n))
			}
			if got := p.output(); got != "one line\nerror\n" {
				t.Errorf("output %q", got)
			}
		})
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// TestMemcpyEverywhere copies across page borders at every small offset and
// length, which drives each variant of memcpy's loops.
func TestMemcpyEverywhere(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		const area = 3 * loader.PageSize
		src, dst := p.call(0, "malloc", area), p.call(0, "malloc", area)
		pattern := make([]byte, area)
		for i := range pattern {
			pattern[i] = byte(i*31 + i>>8)
		}
		if err := p.Write(0, src, pattern); err != nil {
			t.Fatal(err)
		}
		start := p.mark()
		lengths := []uint64{0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 4096, 5000}
		for i, n := range lengths {
			for _, off := range []uint64{0, 1, 7, 8, 15} {
				from := (src+loader.PageSize)&^(loader.PageSize-1) - off - uint64(i)
				to := (dst+loader.PageSize)&^(loader.PageSize-1) - off/2 - 2*uint64(i)
				if r := p.call(0, "memcpy", to, from, n); r != to {
					t.Fatalf("memcpy returned %#x, want %#x", r, to)
				}
				want := pattern[from-src:][:n]
				got, ok := p.Read(to, n)
				if !ok || !bytes.Equal(got, want) {
					t.Errorf("memcpy of %d bytes from ..%03x to ..%03x: wrong bytes", n, from&0xfff, to&0xfff)
				}
				before, _ := p.Read(to-1, 1)
				after, _ := p.Read(to+n, 1)
				p.rewind(start)
				was, _ := p.Read(to-1, 1)
				is, _ := p.Read(to+n, 1)
				if before[0] != was[0] || after[0] != is[0] {
					t.Errorf("memcpy of %d bytes wrote beside its target", n)
				}
			}
		}
		// Overlapping, both ways.
		for _, d := range []int64{-300, -17, -1, 1, 16, 300} {
			at := src + 5000
			p.call(0, "memmove", at+uint64(d), at, 3000)
			if got, _ := p.Read(at+uint64(d), 3000); !bytes.Equal(got, pattern[5000:8000]) {
				t.Errorf("memmove by %d: wrong bytes", d)
			}
			p.rewind(start)
		}
	})
}

func TestMalloc(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		type block struct{ at, size uint64 }
		var blocks []block
		for i := range 200 {
			size := uint64(i*i%5000 + 1)
			if i%50 == 49 {
				size = 300 << 10 // beyond M_MMAP_THRESHOLD: a mapping of its own
			}
			b := block{p.call(0, "malloc", size), size}
			if b.at == 0 || b.at%16 != 0 {
				t.Fatalf("malloc(%d): %#x", size, b.at)
			}
			for _, o := range blocks {
				if o.size > 0 && b.at < o.at+o.size && o.at < b.at+b.size {
					t.Fatalf("malloc(%d) at %#x overlaps %d bytes at %#x", size, b.at, o.size, o.at)
				}
			}
			blocks = append(blocks, b)
			if i%3 == 2 {
				p.call(0, "free", blocks[i/3].at)
				blocks[i/3].size = 0 // freed
			}
		}
		if rc := p.call(0, "malloc", 1<<62); rc != 0 {
			t.Errorf("malloc of far too much: %#x", rc)
		}
		if got := p.End(); got != nil {
			t.Errorf("ended: %v", got)
		}
	})
}

// TestMisuse: what a caller gets wrong is an error, and changes nothing.
func TestMisuse(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		before := p.digest()
		strlen := p.fn("strlen")
		for _, c := range []struct {
			what string
			err  error
			want string
		}{
			{"begin on no thread", p.Begin(1, strlen, "strlen", 0), "not idle"},
			{"begin on a negative thread", p.Begin(-1, strlen, "strlen", 0), "not idle"},
			{"too many arguments", p.Begin(0, strlen, "strlen", make([]uint64, MaxArgs+1)...), "65 arguments, at most 64"},
			{"write to nowhere", p.Write(0, 0x10, []byte{1}), "not mapped"},
			{"write across an end", p.Write(0, stackTop-2, make([]byte, 4)), "not mapped"},
		} {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%s: %v", c.what, c.err)
			}
		}
		if a, err := p.Alloc(1 << 63); err == nil {
			t.Errorf("alloc of far too much: %#x", a)
		}
		if s := p.run(0, 100); s.Kind != Unready || s.Ran != 0 {
			t.Errorf("running an idle thread: %v", s)
		}
		if s := p.run(7, 100); s.Kind != Unready || s.Ran != 0 {
			t.Errorf("running no thread: %v", s)
		}
		if _, ok := p.Read(0, 8); ok {
			t.Error("read at 0")
		}
		if _, ok := p.Read(stackTop-4, 8); ok {
			t.Error("read across the end of the stack")
		}
		if s, ok := p.CString(stackTop-1, 10); ok && s != "" {
			t.Errorf("string at the end of the stack: %q", s)
		}
		if _, ok := p.Read64(^uint64(0) - 3); ok {
			t.Error("read at the very end")
		}
		p.begin(0, "strlen", p.str("busy"))
		if err := p.Begin(0, strlen, "strlen", 0); err == nil {
			t.Error("began a call while another is in progress")
		}
		p.finish(0)
		if after := p.digest(); after == before {
			t.Error("a call left no trace in the digest")
		}
	})
}
