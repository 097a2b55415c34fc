package flow

import (
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
)

// newHost is a machine with an environment of some entries.
func newHost(t *testing.T, sys *emu.System, env ...string) *host {
	t.Helper()
	sys.LoadDebug()
	m, err := emu.New(emu.Options{System: sys, Env: env, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h := &host{m: m}
	h.watcher = newWatcher(t, &m.Process, 0, func() bool {
		stop, err := m.Run(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if stop.Kind != emu.Budget && stop.Kind != emu.Returned {
			t.Fatal(stop)
		}
		return stop.Kind == emu.Budget
	})
	h.every = 0
	return h
}

// TestGetenv: at each read of an entry's first two bytes, where the article's program dies, the
// entry's address was loaded from a word of environ's, and what getenv was called with is known.
func TestGetenv(t *testing.T) {
	testsystem.EachSuite(t, []string{"bookworm", "bullseye"}, func(t *testing.T, suite string, sys *emu.System) {
		var env []string
		for i := range 20 {
			env = append(env, fmt.Sprintf("VARIABLE_%d=%d", i, i))
		}
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
