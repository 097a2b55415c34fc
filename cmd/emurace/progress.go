package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/internal/words"
)

// lineEvery is the pause between two lines of progress where there is no
// terminal.
const lineEvery = 5 * time.Second

// progress shows on standard error how far a search is: as a bar on a terminal,
// as a line now and then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	drawn    bool // schedules are drawn at random, so nothing is known of how many there are
	bar      *progressbar.ProgressBar
	level    int
	began    time.Time
	lastLine time.Time
}

func newProgress(c *cli.Context) *progress {
	now := time.Now()
	return &progress{w: c.App.ErrWriter, terminal: isTerminal(c.App.ErrWriter), drawn: drawn(strategy(c)), level: -1, began: now, lastLine: now}
}

func (p *progress) describe(u explore.Progress) string {
	rate := rateText(float64(u.Schedules) / time.Since(p.began).Seconds())
	if p.drawn {
		of := ""
		if u.Units > 0 {
			of = " of " + words.Grouped(uint64(u.Units))
		}
		learned := ""
		if u.Both+u.One > 0 {
			learned = fmt.Sprintf(", pairs: %s in both orders, %s in one", words.Grouped(uint64(u.Both)), words.Grouped(uint64(u.One)))
		}
		if u.Corpus > 0 {
			learned += fmt.Sprintf(", %s reads of writes, corpus of %s", words.Grouped(uint64(u.Pairs)), words.Grouped(uint64(u.Corpus)))
		}
		if u.Moments > 0 {
			learned += fmt.Sprintf(", %s moments to go on from", words.Grouped(uint64(u.Moments)))
		}
		return fmt.Sprintf("%s%s schedules, %s/s, %s of them failing%s", words.Grouped(u.Schedules), of, rate, words.Grouped(u.Failing), learned)
	}
	if u.Preemptions < 0 {
		return fmt.Sprintf("%s interleavings, %s/s, %s events deep, done perhaps %.0f%%", words.Grouped(u.Schedules), rate, words.Grouped(uint64(u.Depth)), 100*u.Share)
	}
	return fmt.Sprintf("%s: %s schedules, %s/s, %s of %s parts", plural(uint64(u.Preemptions), "preemption", "preemptions"), words.Grouped(u.Schedules), rate, words.Grouped(uint64(u.Done)), words.Grouped(uint64(u.Units)))
}

// rateText is how many in a second, with a digit behind the point where that says more.
func rateText(rate float64) string {
	if rate < 9.95 { // which is 10.0 when it is rounded
		return fmt.Sprintf("%.1f", rate)
	}
	return words.Grouped(uint64(math.Round(rate)))
}

// update is called by the search. What it prints is a courtesy: a standard
// error that cannot be written does not stop the search.
func (p *progress) update(u explore.Progress) {
	if !p.terminal {
		if time.Since(p.lastLine) >= lineEvery {
			p.lastLine = time.Now()
			_, _ = fmt.Fprintf(p.w, "emurace: %s\n", p.describe(u))
		}
		return
	}
	if p.bar == nil || u.Preemptions != p.level {
		p.finish()
		p.level = u.Preemptions
		units := int64(u.Units)
		if units == 0 {
			units = -1 // how many there will be is not known: a spinner
		}
		p.bar = progressbar.NewOptions64(units,
			progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(24),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true),
			// The bar is drawn here, and not also by a goroutine that has no end.
			progressbar.OptionSetSpinnerChangeInterval(0))
	}
	p.bar.Describe(p.describe(u))
	if u.Units == 0 {
		_ = p.bar.Add(1)
		return
	}
	_ = p.bar.Set64(int64(min(u.Done, u.Units)))
}

// finish removes the bar.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
