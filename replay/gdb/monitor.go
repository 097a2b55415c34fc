package gdb

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"emurace/heap"
	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// command is a command of gdb's monitor.
type command struct {
	name, args, help string
	do               func(c *client, out *strings.Builder, arg string) error
}

// commands are in the order in which help shows them.
func commands() []command {
	return []command{
		{"why", "", "why the run failed", (*client).sayWhy},
		{"when", "", "the present moment, the thread whose turn it is, and the slice", (*client).sayWhen},
		{"seek", "N", "go to moment N, or to start or end", (*client).doSeek},
		{"schedule", "", "which thread runs which instructions of the race", (*client).saySchedule},
		{"env", "", "environ at the present moment", (*client).sayEnv},
		{"heap", "[ADDRESS]", "malloc's blocks at the present moment, all or around an address", (*client).sayHeap},
		{"help", "", "this list", (*client).sayHelp},
	}
}

// monitor answers qRcmd: a command's text in hexadecimal.
func (c *client) monitor(arg string) string {
	text, err := hex.DecodeString(arg)
	if err != nil {
		return errInvalid
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	list := commands()
	i := slices.IndexFunc(list, func(m command) bool { return m.name == name })
	var out strings.Builder
	switch {
	case i < 0:
		fmt.Fprintf(&out, "monitor %q: no such command; monitor help lists them\n", name)
	case list[i].args == "" && strings.TrimSpace(rest) != "":
		fmt.Fprintf(&out, "monitor %s: it takes no argument\n", name)
	default:
		if err := list[i].do(c, &out, strings.TrimSpace(rest)); err != nil {
			fmt.Fprintf(&out, "monitor %s: %v\n", name, err)
		}
	}
	c.say(printable.Text(out.String())) // gdb shows it as it is
	return replyOK
}

// say sends text for gdb's console.
func (c *client) say(text string) {
	const most = packetSize/2 - 1
	for text != "" && c.err == nil {
		n := min(len(text), most)
		c.send("O" + hex.EncodeToString([]byte(text[:n])))
		text = text[n:]
	}
}

func (c *client) sayHelp(out *strings.Builder, _ string) error {
	for _, m := range commands() {
		fmt.Fprintf(out, "monitor %-16s %s\n", strings.TrimSpace(m.name+" "+m.args), m.help)
	}
	return nil
}

func (c *client) sayWhy(out *strings.Builder, _ string) error {
	out.WriteString(c.Why)
	return nil
}

func (c *client) sayWhen(out *strings.Builder, _ string) error {
	at, end := c.tl.At(), c.tl.Len()
	fmt.Fprintf(out, "moment %d of %d", at, end)
	switch {
	case at == end:
		fmt.Fprintf(out, ", the end: %s\n", c.Headline)
		return nil
	case at == 0:
		out.WriteString(", the start")
	}
	names, total := c.tl.Session().Names(), 0
	slice := 0
	for _, sl := range c.slices() {
		if sl.from <= at {
			slice = total + 1
		}
		total++
	}
	fmt.Fprintf(out, ": %s is about to run instruction %d, in slice %d of %d\n", names[c.tl.Thread(at)], at+1, slice, total)
	return nil
}

// span is a thread running without a break.
type span struct {
	thread   int
	from, to timeline.Moment
}

// slices are the spans of the run.
func (c *client) slices() []span {
	var list []span
	for at := timeline.Moment(0); at < c.tl.Len(); {
		to, _, found := c.tl.Find(at, timeline.Forwards, timeline.Switch{})
		if !found {
			to = c.tl.Len()
		}
		list = append(list, span{c.tl.Thread(at), at, to})
		at = to
	}
	return list
}

func (c *client) saySchedule(out *strings.Builder, _ string) error {
	const most = 1000
	names, ticks := c.tl.Session().Names(), c.tl.Ticks()
	for i, sl := range c.slices() {
		if i == most {
			fmt.Fprintf(out, "and more; only the first %d slices are shown\n", most)
			break
		}
		mark := "  "
		if at := c.tl.At(); at >= sl.from && (at < sl.to || at == c.tl.Len() && sl.to == at) {
			mark = "=>"
		}
		fmt.Fprintf(out, "%s %8d to %-8d  %-12s %s\n", mark, sl.from+1, sl.to, names[sl.thread], words.Count(sl.to-sl.from, "instruction"))
		for ; len(ticks) > 0 && ticks[0].At <= sl.to; ticks = ticks[1:] {
			fmt.Fprintf(out, "   behind   %-8d  %-12s %s\n", ticks[0].At, scenario.ClockName, ticks[0].Text)
		}
	}
	fmt.Fprintf(out, "   behind   %-8d  the end: %s\n", c.tl.Len(), c.Headline)
	return nil
}

func (c *client) doSeek(out *strings.Builder, arg string) error {
	n, err := strconv.ParseUint(arg, 10, 64)
	switch {
	case arg == "start":
		n = 0
	case arg == "end":
		n = c.tl.Len()
	case err != nil || n > c.tl.Len():
		return fmt.Errorf("%q: not start, end or a number from 0 to %d", arg, c.tl.Len())
	}
	if _, err := c.seek(n); err != nil {
		return err
	}
	if err := c.sayWhen(out, ""); err != nil {
		return err
	}
	fmt.Fprintf(out, "gdb does not notice by itself: maintenance flush register-cache, maintenance flush dcache, thread %d\n", c.current()+1)
	return nil
}

func (c *client) sayEnv(out *strings.Builder, _ string) error {
	const most = 100
	addr, n, ok := replay.Environ(c.m)
	if !ok {
		return fmt.Errorf("the process has no environ")
	}
	fmt.Fprintf(out, "environ = %#x, %d entries\n", addr, n)
	for i := 0; i <= n; i++ {
		at := addr + 8*uint64(i)
		v, ok := c.m.Read64(at)
		switch {
		case !ok:
			fmt.Fprintf(out, "[%3d] %#x: not mapped\n", i, at)
		case v == 0:
			fmt.Fprintf(out, "[%3d] %#x: NULL\n", i, at)
		default:
			text, _ := replay.Quoted(c.m, v, most)
			fmt.Fprintf(out, "[%3d] %#x: %#x %s\n", i, at, v, cmp.Or(text, replay.NoString))
		}
	}
	return nil
}

func (c *client) sayHeap(out *strings.Builder, arg string) error {
	near := uint64(0)
	if arg != "" {
		var err error
		if near, err = strconv.ParseUint(arg, 0, 64); err != nil {
			return fmt.Errorf("%q: not an address", arg)
		}
	}
	history, err := c.Heap()
	if err != nil {
		return err
	}
	done := c.tl.Session().Base() + c.tl.At() // instructions of the process
	var list []*heap.Block
	for _, b := range history.Blocks() {
		if b.Allocated == nil || b.Allocated.Done <= done {
			list = append(list, b)
		}
	}
	if arg == "" {
		list = slices.DeleteFunc(list, func(b *heap.Block) bool { return b.FreedBy(done) })
		fmt.Fprintf(out, "%d blocks in use that were handed out since the process had booted\n", len(list))
	} else {
		list = around(list, near)
	}
	const most = 1000
	for i, b := range list {
		if i == most {
			fmt.Fprintf(out, "and %d more\n", len(list)-most)
			break
		}
		mark := "  "
		if lo, hi := b.Extent(); arg != "" && near-lo < hi-lo {
			mark = "=>"
		}
		fmt.Fprintf(out, "%s %s\n", mark, tellBlock(b, done))
	}
	return nil
}

// around picks the blocks that a byte belongs to or belonged to, and the nearest
// ones on both sides.
func around(list []*heap.Block, near uint64) []*heap.Block {
	const each = 4
	sort.SliceStable(list, func(i, j int) bool { return list[i].Addr < list[j].Addr })
	before, after := 0, 0
	for _, b := range list {
		if _, hi := b.Extent(); hi <= near {
			before++
		}
		if lo, _ := b.Extent(); lo > near {
			after++
		}
	}
	return list[max(0, before-each):min(len(list), len(list)-after+each)]
}

// tellBlock says what a block is and who had it.
func tellBlock(b *heap.Block, done uint64) string {
	s := fmt.Sprintf("%#x", b.Addr)
	if b.Allocated != nil {
		s += fmt.Sprintf("  %#x bytes", b.Size)
	}
	if b.ChunkSize != 0 {
		s += fmt.Sprintf(", chunk of %#x", b.ChunkSize)
	}
	if b.Allocated != nil {
		s += ", allocated by " + b.Allocated.Text()
	}
	if b.FreedBy(done) {
		s += ", freed by " + b.Freed.Text()
	}
	return s
}
