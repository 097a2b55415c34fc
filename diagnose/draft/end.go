package draft

import (
	"fmt"
	"strings"

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
	w.line("%s", declared(e))
}

// declared is an end as the language has it.
func declared(e *diagnose.End) string {
	args := []string{quoted(e.Kind)}
	if e.Arch != "" {
		args = append(args, "arch = "+quoted(e.Arch))
	}
	put := func(name, value string) {
		if value != "" {
			args = append(args, name+" = "+quoted(value))
		}
	}
	if len(e.Backtrace) > 0 {
		var list []string
		for _, f := range e.Backtrace {
			list = append(list, quoted(f))
		}
		args = append(args, "backtrace = ["+strings.Join(list, ", ")+"]")
	}
	put("access", e.Access)
	put("value", e.Value)
	put("message", e.Message)
	if e.Signal != 0 {
		args = append(args, fmt.Sprintf("signal = %d", e.Signal))
	}
	if len(e.Waits) > 0 {
		var list []string
		for _, x := range e.Waits {
			var trace []string
			for _, f := range x.Backtrace {
				trace = append(trace, quoted(f))
			}
			list = append(list, fmt.Sprintf(`{"thread": %s, "what": %s, "backtrace": [%s]}`, quoted(strings.ReplaceAll(x.Thread, " ", "_")), quoted(x.What), strings.Join(trace, ", ")))
		}
		args = append(args, "waits = ["+strings.Join(list, ", ")+"]")
	}
	return "end(" + strings.Join(args, ", ") + ")"
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
