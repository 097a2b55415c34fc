package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
)

// queryFlags ask something of a run instead of having its end shown.
func queryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "from", Usage: "list the instructions from number `N` on; they count from 1, the start of the race", DefaultText: "the first"},
		&cli.Uint64Flag{Name: "to", Usage: "list them up to number `N`; for --follow, the value before it", DefaultText: "the last"},
		&cli.StringFlag{Name: "thread", Usage: "list those of one thread, by its `NAME`; for --follow, whose register"},
		&cli.StringFlag{Name: "memory", Usage: "list those that touch `ADDRESS[,SIZE]`, such as environ+8 or 0x5555556565d0,16 (default size: 8)"},
		&cli.StringFlag{Name: "follow", Usage: "who made the value in a `REGISTER` or at an ADDRESS, and who the one before that"},
		&cli.StringFlag{Name: "diff", Usage: "compare, thread by thread, with the run of another `TRACE` of the same scenario, or with " + inOrderName + ", where the threads run one after the other"},
	}
}

// query is what the flags ask; nil when they ask nothing.
type query struct {
	c      *cli.Context
	p      *replay.Printer
	r      *run
	h      *replay.History
	x      *replay.Explanation
	window replay.Window
	json   func(any) error // nil for text
}

// asks tells whether the command line asks something of the run.
func asks(c *cli.Context) bool {
	return slices.ContainsFunc([]string{"from", "to", "thread", "memory", "follow", "diff"}, c.IsSet)
}

// checkQuery refuses what can be refused before anything is run.
func checkQuery(c *cli.Context) error {
	if f := c.String("format"); f != "text" && f != "json" {
		return usage(fmt.Errorf("--format %q: not text or json", f), "")
	}
	from, to := c.Uint64("from"), c.Uint64("to")
	if c.IsSet("from") && from == 0 || c.IsSet("to") && to == 0 {
		return usage(errors.New("--from and --to: instructions count from 1"), "leave a flag out for the first or the last one")
	}
	if c.IsSet("from") && c.IsSet("to") && from > to {
		return usage(fmt.Errorf("--from %d --to %d: nothing lies between", from, to), "")
	}
	if c.IsSet("diff") && slices.ContainsFunc([]string{"from", "to", "thread", "memory", "follow"}, c.IsSet) {
		return usage(errors.New("--diff goes with no other question"), "ask one after the other")
	}
	if c.IsSet("follow") && c.IsSet("memory") {
		return usage(errors.New("--follow and --memory are two questions"), "ask one after the other")
	}
	return nil
}

// answer answers the command line's question.
func answer(c *cli.Context, p *replay.Printer, r *run, x *replay.Explanation, h *replay.History) error {
	q := &query{c: c, p: p, r: r, h: h, x: x, window: replay.Window{From: 1, To: math.MaxUint64, Thread: -1}}
	if c.Bool("json") || c.String("format") == "json" {
		q.json = func(v any) error { return printable.JSON(c.App.Writer, v) }
	}
	if c.IsSet("from") {
		q.window.From = c.Uint64("from")
		if n := h.Session().Steps(); q.window.From > n {
			return usage(fmt.Errorf("--from %d: the run ends before, it has %s", q.window.From, words.Count(n, "instruction")), "emurace replay shows the end of it")
		}
	}
	if c.IsSet("to") {
		q.window.To = c.Uint64("to")
	}
	if name := c.String("thread"); c.IsSet("thread") {
		names := h.Session().Names()
		q.window.Thread = slices.Index(names, name)
		if q.window.Thread < 0 {
			return usage(fmt.Errorf("--thread %q: no such thread, only %s", name, strings.Join(names, ", ")), "")
		}
	}
	var err error
	switch {
	case c.IsSet("diff"):
		err = q.diff()
	case c.IsSet("follow"):
		err = q.follow()
	default:
		err = q.list()
	}
	return errors.Join(err, p.Err())
}

// mostListed bounds what is listed as text when nobody has said how much.
const mostListed = 10_000

func (q *query) list() error {
	list := q.h.In(q.window)
	what := "instructions"
	if q.c.IsSet("memory") {
		addr, size, err := q.bytes(q.c.String("memory"))
		if err != nil {
			return err
		}
		list = q.h.Touching(list, addr, size)
		what = fmt.Sprintf("instructions that touch [%#x, %#x)", addr, addr+size)
		if place := replay.Symbol(q.h.Session().Process(), addr); place != "" {
			what += ", " + place
		}
	}
	if q.json != nil {
		for _, e := range list {
			if err := q.json(q.h.Report(e)); err != nil {
				return err
			}
		}
		return nil
	}
	q.p.Printf("%s\n", q.p.Head(words.Grouped(uint64(len(list)))+" "+what))
	more := 0
	if !q.c.IsSet("to") && len(list) > mostListed {
		more = len(list) - mostListed
		list = list[:mostListed]
	}
	q.h.List(q.p, list)
	if more > 0 {
		q.p.Printf("    and %s more; --from and --to choose\n", words.Grouped(uint64(more)))
	}
	return nil
}

// thread is whose registers a question means: the one named, or the one that
// failed, or the first.
func (q *query) thread() int {
	switch {
	case q.window.Thread >= 0:
		return q.window.Thread
	case q.x.Outcome.Thread >= 0:
		return q.x.Outcome.Thread
	}
	return 0
}

// bytes reads ADDRESS[,SIZE]; registers are those at the end of the run.
func (q *query) bytes(text string) (addr, size uint64, err error) {
	size = 8
	if address, number, found := strings.Cut(text, ","); found {
		if size, err = strconv.ParseUint(number, 0, 32); err != nil || size == 0 {
			return 0, 0, usage(fmt.Errorf("%q: %q is not a number of bytes from 1 up", text, number), "")
		}
		text = address
	}
	if addr, err = q.h.Evaluate(text, q.thread()); err != nil {
		return 0, 0, usage(err, "for example 0x5555556565d0, environ+8 or x20-40")
	}
	return addr, size, nil
}

func (q *query) follow() error {
	text := q.c.String("follow")
	end := q.h.Session().Steps() + 1
	before := min(q.window.To, end)
	var links []replay.Link
	var err error
	if q.h.IsRegister(text, q.thread()) {
		links, err = q.h.FollowRegister(q.thread(), text, before)
	} else {
		addr, size, bad := q.bytes(text)
		if bad != nil {
			return bad
		}
		links, err = q.h.FollowMemory(addr, size, before)
	}
	if err != nil {
		return err
	}
	if q.json != nil {
		for _, l := range links {
			object := struct {
				Event string `json:"event"`
				replay.LinkReport
			}{"link", l.Report()}
			if err := q.json(object); err != nil {
				return err
			}
		}
		return nil
	}
	q.p.Printf("%s\n", q.p.Head(fmt.Sprintf("where %s came from, the latest first", text)))
	replay.TellLinks(q.p, links)
	return nil
}
