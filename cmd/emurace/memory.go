package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/replay"
	"emurace/scenario"
)

// memoryFlag is --guest-memory of every command that runs a guest.
func memoryFlag(usual string) cli.Flag {
	return &cli.StringFlag{Name: "guest-memory", Usage: "what the process may take of this machine's memory, a `SIZE` such as 512MiB, for each job", DefaultText: usual, EnvVars: []string{"EMURACE_GUEST_MEMORY"}}
}

// usualMemory is what there is without the flag.
var usualMemory = sizeText(emu.DefaultMemory)

// mostMemory bounds what --guest-memory takes: as much as a process has addresses.
const mostMemory = 84 << 30

var units = []struct {
	name  string
	bytes uint64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// sizeText writes a size with the largest unit that it is a multiple of.
func sizeText(n uint64) string {
	for _, u := range units {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatUint(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10)
}

// parseSize reads a size: a whole number, and behind it KiB, MiB or GiB, of which the
// first letter is enough.
func parseSize(text string) (uint64, error) {
	number, bytes := strings.TrimSpace(text), uint64(1)
	for _, u := range units {
		for _, name := range []string{u.name, u.name[:1]} {
			if n := len(number) - len(name); n >= 0 && strings.EqualFold(number[n:], name) && bytes == 1 {
				number, bytes = strings.TrimSpace(number[:n]), u.bytes
			}
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > mostMemory/bytes {
		return 0, fmt.Errorf("not a size up to %s", sizeText(mostMemory))
	}
	return n * bytes, nil
}

// guestMemory is what --guest-memory says, or 0.
func guestMemory(c *cli.Context) (uint64, error) {
	text := c.String("guest-memory")
	if text == "" {
		return 0, nil
	}
	n, err := parseSize(text)
	if err == nil && n < emu.LeastMemory {
		err = fmt.Errorf("less than %s, with which nothing boots", sizeText(emu.LeastMemory))
	}
	if err != nil {
		return 0, usage(fmt.Errorf("--guest-memory %q: %w", text, err), "for example --guest-memory 4GiB")
	}
	return n, nil
}

// traceMemory is what the process of a trace may take. A trace is anybody's, and gets no
// more than there is without the flag: only who runs it can give it that.
func traceMemory(c *cli.Context, t *replay.Trace) (uint64, error) {
	n, err := guestMemory(c)
	if err != nil || n > 0 {
		return n, err
	}
	return min(t.Memory(), emu.DefaultMemory), nil
}

// limitHint says what can be done about a limit that was reached before the race.
func limitHint(e *emu.LimitError) string {
	switch e.Limit {
	case emu.MemoryLimit:
		return "give it more with --guest-memory SIZE"
	case emu.BootLimit:
		return fmt.Sprintf("what comes before the race, the boot or a call of setup, may take %d million instructions", emu.BootInstructions/1_000_000)
	case emu.OutputLimit, emu.MappingLimit, emu.FileLimit, emu.LogLimit: // nobody can have more of these
	}
	return "README.md has the limits"
}

// withTime is a context that also ends when the search's time is up: what is done before
// the search counts too.
func withTime(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// noRace tells whether a search has ended before a race has begun, in a way that is a
// result: the process has come to a limit, or there was no time for more. The result is
// then that of no schedules.
func noRace(err error) (*explore.Result, bool) {
	r := &explore.Result{Verdict: explore.Undecided, Preemptions: -1}
	var limit *emu.LimitError
	switch {
	case errors.As(err, &limit):
		r.Doubts = []explore.Doubt{{Doubt: scenario.BeforeRace(limit)}}
		return r, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return r, true
	}
	return nil, false
}
