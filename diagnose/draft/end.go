package draft

import (
	"fmt"

	"emurace/diagnose"
)

// end declares the end to look for.
func (w *draft) end() {
	e := w.End()
	if e == nil {
		return
	}
	if w.depth > 0 { // who has called that in the scenario is nobody
		e.Backtrace = e.Backtrace[:min(len(e.Backtrace), w.depth)]
	}
	w.line("")
	w.line("# The end to look for: this one, or one that comes near to it.")
	w.line("%s", e.Declaration())
}

// deadlock makes the threads of a ring lock in turn what each had, and then what it waited for.
func (w *draft) deadlock(ring []diagnose.Wait) {
	names := map[uint64]string{}
	for i, x := range ring {
		if x.For == "mutex" {
			names[x.Addr] = fmt.Sprintf("mutex_%d", i+1)
		}
	}
	if len(names) != len(ring) || len(ring) < 2 {
		return
	}
	w.mutexes = names
	for i, x := range ring {
		of := w.process(x.Thread)
		if of == nil {
			return
		}
		t := w.thread(of)
		// The one before it in the ring waits for what it has.
		has := ring[(i+len(ring)-1)%len(ring)]
		t.calls = append(t.calls,
			call{text: made("pthread_mutex_lock", []string{names[has.Addr]}), why: w.Title(of) + " had it: " + describe(has)},
			call{text: made("pthread_mutex_lock", []string{names[x.Addr]}), why: "and waited for " + describe(x)})
	}
}

func describe(x diagnose.Wait) string {
	if x.Name != "" {
		return x.Name
	}
	return "the mutex at " + hex(x.Addr)
}
