package gdb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/replay/timeline"
)

// maxStops bounds how many breakpoints and watchpoints a client can have.
const maxStops = 4096

// stopPoint is a breakpoint or watchpoint. The types are those of the packets Z0 to
// Z4: software and hardware breakpoints, write, read and access watchpoints.
type stopPoint struct {
	kind       byte
	addr, size uint64
}

// isWatch tells watchpoints from breakpoints.
func (p stopPoint) isWatch() bool { return p.kind >= '2' }

// condition is what the timeline looks for.
func (p stopPoint) condition() timeline.Stop {
	if !p.isWatch() {
		return timeline.Break{PC: p.addr, Thread: timeline.Any}
	}
	return p.watch()
}

func (p stopPoint) watch() timeline.Watch {
	return timeline.Watch{Addr: p.addr, Size: p.size, Writes: p.kind != '3', Reads: p.kind != '2'}
}

// changeStop answers Z and z: "type,addr,kind", maybe with conditions, which gdb
// checks itself unless it is told that they are taken.
func (c *client) changeStop(arg string, insert bool) string {
	what, rest, ok := strings.Cut(arg, ",")
	if !ok || len(what) != 1 {
		return errInvalid
	}
	if what[0] < '0' || what[0] > '4' {
		return "" // not supported, as the protocol says it
	}
	rest, _, _ = strings.Cut(rest, ";")
	addr, size, err := twoHex(rest)
	if err != nil {
		return errInvalid
	}
	p := stopPoint{kind: what[0], addr: addr, size: size}
	if p.isWatch() && (size == 0 || addr+size < addr) {
		return errInvalid
	}
	i := slices.Index(c.stops, p)
	switch {
	case insert && i < 0 && len(c.stops) >= maxStops:
		return errFull
	case insert && i < 0:
		c.stops = append(c.stops, p)
	case !insert && i >= 0:
		c.stops = slices.Delete(c.stops, i, i+1)
	}
	return replyOK
}

// The signals that stops are told by, in gdb's numbering (include/gdb/signals.def
// of its sources).
const (
	sigINT  = 2
	sigILL  = 4
	sigTRAP = 5
	sigSEGV = 11
)

// gdbSignal is gdb's number of a Linux signal.
func gdbSignal(linux int) int {
	others := map[int]int{
		7: 10, 10: 30, 12: 31, 16: 143, 17: 20, 18: 19, 19: 17, 20: 18, 23: 16, 29: 23, 30: 32, 31: 12,
	}
	if n, ok := others[linux]; ok {
		return n
	}
	if linux <= 0 || linux > 31 {
		return sigTRAP // gdb has names for real-time signals only
	}
	return linux
}

// stop is why the run stands still, as a stop reply says it.
type stop struct {
	signal int
	thread int    // by the machine's numbers
	reason string // "watch", "swbreak" and the like; "" for none
	value  string // of the reason
	say    string // to be told on gdb's console before
}

// text is the stop reply. swbreak and hwbreak are sent only to who knows them.
func (c *client) text(s stop) string {
	var b strings.Builder
	fmt.Fprintf(&b, "T%02xthread:%s;", s.signal, threadText(s.thread))
	if s.reason != "" && (c.features[s.reason] || !strings.HasSuffix(s.reason, "break")) {
		fmt.Fprintf(&b, "%s:%s;", s.reason, s.value)
	}
	return b.String()
}

// breakStop is a stop at a breakpoint.
func breakStop(p stopPoint, thread int) stop {
	reason := "swbreak"
	if p.kind == '1' {
		reason = "hwbreak"
	}
	return stop{signal: sigTRAP, thread: thread, reason: reason}
}

// watchStop is a stop at a watchpoint.
func watchStop(p stopPoint, thread int) stop {
	reason := map[byte]string{'2': "watch", '3': "rwatch", '4': "awatch"}[p.kind]
	return stop{signal: sigTRAP, thread: thread, reason: reason, value: strconv.FormatUint(p.addr, 16)}
}

// begin and end of the recording.
func beginStop(thread int) stop {
	return stop{signal: sigTRAP, thread: thread, reason: "replaylog", value: "begin"}
}

func endStop(thread int) stop {
	return stop{signal: sigTRAP, thread: thread, reason: "replaylog", value: "end"}
}
