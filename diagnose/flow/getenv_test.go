package flow

import (
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
)

// TestGetenv: at each read of an entry's first two bytes, where the article's program dies, the
// entry's address was loaded from a word of environ's, and what getenv was called with is known.
func TestGetenv(t *testing.T) {
	testsystem.EachSuite(t, []string{"bookworm", "bullseye"}, func(t *testing.T, suite string, sys *emu.System) {
		var env []string
		for i := range 20 {
			env = append(env, fmt.Sprintf("VARIABLE_%d=%d", i, i))
		}
		sys.LoadDebug()
		h := newHost(t, sys, env...)
		name := h.text("LANGUAGE")
		environ, ok := h.p.Read64(h.lookup("environ"))
		if !ok {
			t.Fatal("no environ")
		}
		seen, first := 0, 0
		h.look = func(pc uint64) {
			frames := h.frames(pc)
			fn := h.fl.function(&frames[0])
			if fn == nil || !strings.Contains(fn.name, "getenv") {
				return
			}
			in := fn.insts[pc]
			if v := h.fl.Arguments(frames, 0, 1)[0]; in != nil && pc != fn.entry && len(in.Mem) == 1 && in.Mem[0].Size == 2 && in.Mem[0].Read && in.Mem[0].Disp == 0 {
				if !v.Known || !v.Certain || v.Value != name {
					t.Errorf("at +%#x getenv's argument is %+v, not %#x", pc-fn.entry, v, name)
				}
				base := in.Mem[0].Base
				o := h.fl.Origin(frames[0], base)
				at := environ + 8*uint64(first)
				if h.register(base) == name {
					return // the name itself
				}
				if o.Kind != Loaded || !o.Certain || !o.Holds || o.Addr != at || o.Base == "" {
					t.Errorf("at +%#x: %+v, and it was loaded from %#x", pc-fn.entry, o, at)
				}
				if seen == 0 {
					t.Log(o.How)
				}
				seen++
				first++
			}
		}
		h.call("getenv", name)
		if seen < len(env) {
			t.Errorf("only %d entries were looked at", seen)
		}
	})
}

// TestPassed: what a library calls getenv with is known by its code, when getenv itself no longer
// has it too.
func TestPassed(t *testing.T) {
	testsystem.EachSuite(t, []string{"bookworm", "bullseye"}, func(t *testing.T, suite string, sys *emu.System) {
		sys.LoadDebug()
		h := newHost(t, sys, "HOME=/", "LANG=de_DE.UTF-8")
		seen := map[string]int{}
		h.look = func(pc uint64) {
			if name, _, _ := h.p.Symbol(pc); name != "getenv" {
				return
			}
			v := h.fl.passed(h.frames(pc), 0, 0, maxDepth)
			if !v.Known {
				seen["unknown"]++ // LC_ALL and the like come out of a table
				return
			}
			text, ok := h.p.CString(v.Value, 40)
			if !v.Certain || !ok {
				t.Errorf("%+v", v)
			}
			seen[text]++
		}
		h.call("setlocale", 6, h.text(""))
		h.call("setlocale", 6, h.text("C.UTF-8"))
		h.call("dcgettext", 0, h.text("message"), 5)
		h.call("tzset")
		t.Log(seen)
		for _, name := range []string{"LC_ALL", "LANGUAGE", "TZ"} {
			if seen[name] < 10 {
				t.Errorf("getenv(%q) is seen at %d moments", name, seen[name])
			}
		}
	})
}
