package replay

import (
	"fmt"
	"strconv"

	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Print is what a thread printed by a system call.
type Print struct {
	symbolize.Act
	FD   int // 1 for standard output, 2 for standard error
	Data []byte
}

// print is a Print of which only the moment is known.
type print struct {
	thread   int
	pc, step uint64
	fd       int
	data     []byte
}

// Bounds of what is kept of a run's output, and of each part of it.
const (
	mostPrints = 6
	mostOfOne  = 200
)

// prints are the latest parts of what a process has printed, as a history goes through a run.
type prints struct {
	list []print
	more int    // how many came before those
	last [2]int // how much there was: parts, and bytes of the last one
}

// look notes what a step has printed.
func (p *prints) look(s *scenario.Session, thread int, pc, step uint64) {
	all := s.Process().Output()
	n := len(all)
	if n == 0 {
		return
	}
	c := all[n-1]
	now, from := [2]int{n, len(c.Data)}, 0
	if now == p.last {
		return
	}
	if n == p.last[0] {
		from = min(p.last[1], len(c.Data))
	}
	p.last = now
	if len(p.list) == mostPrints {
		p.list, p.more = p.list[1:], p.more+1
	}
	data := c.Data[from:]
	p.list = append(p.list, print{thread, pc, step, c.FD, append([]byte(nil), data[max(0, len(data)-mostOfOne):]...)})
}

// prints finds out who printed what a check of a program's output finds fault with.
func (h *History) addPrints(x *Explanation) error {
	for _, p := range h.printed.list {
		if err := h.SeekTo(p.step - 1 - h.s.Base()); err != nil {
			return err
		}
		x.Prints = append(x.Prints, Print{*h.act(p.thread, p.pc, p.step), p.fd, p.data})
	}
	x.Unprinted = h.printed.more
	return h.SeekEnd()
}

// prints says who printed what, in the order of the run.
func (x *Explanation) prints() (list []Fact) {
	if x.Unprinted > 0 {
		list = append(list, Fact{Kind: factPrinted, Thread: -1, Short: []Text{say("Before what follows the process printed %s.", times(x.Unprinted))}})
	}
	for i := range x.Prints {
		p := &x.Prints[i]
		to := "standard output"
		if p.FD == 2 {
			to = "standard error"
		}
		f := x.fact(FactPrinted, &p.Act)
		f.Title = fmt.Sprintf("%s prints", p.Thread)
		text := say("%s printed %s to %s at instruction %s, in its call of %s", name(p.Thread), number(strconv.Quote(string(p.Data))), to, words.Grouped(p.Step), written(&p.Act))
		f.Short = []Text{say("%s.", text)}
		if chain := symbolize.Chain(p.Backtrace); chain != "" {
			f.Short = []Text{say("%s:", text), say("  %s", chain)}
		}
		f.Long = []string{words.Capital(text.String()) + "."}
		list = append(list, f)
	}
	return list
}

// PrintReport is a Print in the result object.
type PrintReport struct {
	*symbolize.Report
	FD   int    `json:"fd"`
	Text string `json:"text"`
}

func (p *Print) report() PrintReport { return PrintReport{p.Act.Report(), p.FD, string(p.Data)} }
