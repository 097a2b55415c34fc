package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"emurace/explore"
	"emurace/scripts/sandbox"
	"emurace/sysroot"
)

func TestFlagsFirst(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"explore", "explore"},
		{"explore getenv-setenv --json", "explore --json getenv-setenv"},
		{"explore getenv-setenv --arch amd64 -j 2", "explore --arch amd64 -j 2 getenv-setenv"},
		{"explore --arch=amd64 getenv-setenv", "explore --arch=amd64 getenv-setenv"},
		{"--json explore x", "explore --json x"},
		{"explore --jobs -1 x", "explore --jobs -1 x"},
		{"explore --json true", "explore --json true"},
		{"explore --set explore replay", "explore --set explore replay"},
		{"explore explore", "explore explore"},
		{"explore -- --json", "explore -- --json"},
		{"explore x -- y --json", "explore x -- y --json"},
		{"explore --output", "explore --output"},
		{"explore -", "explore -"},
		{"explore x --help", "explore --help"},
		{"sysroot pull debian:bookworm zlib1g --arch arm64", "sysroot pull --arch arm64 debian:bookworm zlib1g"},
		{"sysroot list --help", "sysroot list --help"},
		{"nonsense --json", "--json nonsense"},
	} {
		args := append([]string{"emurace"}, strings.Fields(c.args)...)
		want := append([]string{"emurace"}, strings.Fields(c.want)...)
		if got := flagsFirst(app, args); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", c.args, got, want)
		}
	}
	if got := flagsFirst(app, nil); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
}

// TestFlagsFirstProperty: no word is lost or made up, and no flag stands behind
// an argument.
func TestFlagsFirstProperty(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	word := rapid.SampledFrom([]string{
		"explore", "replay", "sysroot", "list", "pull", "x", "", "-", "-1", "--json", "--arch", "arm64", "--arch=amd64",
		"-o", "--set", "a=b", "--jobs", "--nonsense", "--", "-j", "=", "ä",
	})
	rapid.Check(t, func(t *rapid.T) {
		args := append([]string{"emurace"}, rapid.SliceOfN(word, 0, 12).Draw(t, "args")...)
		got := flagsFirst(app, args)
		a, b := slices.Clone(args), slices.Clone(got)
		slices.Sort(a)
		slices.Sort(b)
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("%q became %q", args, got)
		}
		// Before the command is known, nobody knows which flags take a value;
		// once it comes first, doing it again changes nothing.
		if len(args) == 1 || args[1] != "explore" && args[1] != "replay" {
			return
		}
		if again := flagsFirst(app, got); !slices.Equal(got, again) {
			t.Fatalf("%q became %q and then %q", args, got, again)
		}
	})
}

func TestFinish(t *testing.T) {
	_, invalid := sysroot.Parse("debian:potato")
	path := &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: fs.ErrClosed}
	const report = "hint: if the files and limits of this machine are in order, it is a fault of emurace: please report it\n"
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{exit(exitOK), 0, ""},
		{exit(exitFound), 1, ""},
		{errors.Join(nil, exit(exitDiverged)), 4, ""},
		{usage(errors.New("a: b"), "c"), 2, "emurace: a: b\nhint: c\n"},
		{fmt.Errorf("more: %w", environmentError(errors.New("a"), "c")), 3, "emurace: a\nhint: c\n"},
		{errors.New("a: b"), 3, "emurace: a: b\n" + report},
		{errors.Join(errors.New("a"), errors.New("b")), 3, "emurace: a b\n" + report},
		{errors.New("a\x1b[31m\tb\r\n"), 3, "emurace: a\\x1b[31m b\n" + report},
		{fmt.Errorf("pull: %w", context.Canceled), 130, "emurace: interrupted\nhint: nothing was left half-done; run it again when there is time\n"},
		{path, 3, "emurace: write /dev/stdout: file already closed\nhint: direct standard output to a place that can be written\n"},
		{invalid, 2, "emurace: sysroot \"debian:potato\": no such Debian suite \"potato\"\nhint: use debian:bullseye, debian:bookworm, debian:trixie, debian:forky, one of these with /musl behind it, host, or a folder\n"},
		{environmentError(fmt.Errorf("the trace: %w", invalid), "c"), 3, "emurace: the trace: sysroot \"debian:potato\": no such Debian suite \"potato\"\nhint: c\n"},
	} {
		var b bytes.Buffer
		if code := finish(c.err, &b); code != c.code || b.String() != c.want {
			t.Errorf("%v: exit code %d, %q\n  want %d, %q", c.err, code, b.String(), c.code, c.want)
		}
	}
}

// TestProgress: where there is no terminal a line comes only now and then, and
// a standard error that cannot be written stops nothing.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b, level: -1}
	for n := range 1000 {
		p.update(explore.Progress{Preemptions: 1, Schedules: uint64(n), Done: 3, Units: 9})
	}
	p.finish()
	// The time of the last line is that of the year 1, so the first one is due.
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "emurace: 1 preemption: 0 schedules, ") || !strings.HasSuffix(got, ", 3 of 9 parts\n") {
		t.Errorf("%q", got)
	}
	b.Reset()
	bar := &progress{w: &b, level: -1, terminal: true}
	for level := range 3 {
		for n := range 5 {
			bar.update(explore.Progress{Preemptions: level, Schedules: 7, Done: uint64(n), Units: 4})
		}
	}
	bar.finish()
	if got := b.String(); !strings.Contains(got, "2 preemptions: 7 schedules") || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
	b.Reset()
	for rate, want := range map[float64]string{0: "0.0", 0.44: "0.4", 9.94: "9.9", 9.96: "10", 1234.5: "1,235"} {
		if got := rateText(rate); got != want {
			t.Errorf("%v in a second: %q, want %q", rate, got, want)
		}
	}
	drawn := &progress{w: &b, level: -1, drawn: true}
	drawn.update(explore.Progress{Preemptions: -1, Schedules: 5, Failing: 2})
	if got := b.String(); !strings.HasPrefix(got, "emurace: 5 schedules, ") || !strings.HasSuffix(got, "/s, 2 of them failing\n") {
		t.Errorf("%q", got)
	}
	b.Reset()
	drawn = &progress{w: &b, level: -1, drawn: true}
	drawn.update(explore.Progress{Preemptions: -1, Schedules: 5, Done: 5, Units: 30})
	if got := b.String(); !strings.HasPrefix(got, "emurace: 5 of 30 schedules, ") {
		t.Errorf("%q", got)
	}
	b.Reset()
	drawn = &progress{w: &b, level: -1, drawn: true}
	drawn.update(explore.Progress{Preemptions: -1, Schedules: 5, Both: 40, One: 7, Learned: explore.Learned{Pairs: 9, Corpus: 3}})
	if got := b.String(); !strings.HasSuffix(got, " of them failing, pairs: 40 in both orders, 7 in one, 9 reads of writes, corpus of 3\n") {
		t.Errorf("%q", got)
	}
	none := &progress{w: closed{}, level: -1, terminal: true}
	none.update(explore.Progress{Preemptions: -1, Schedules: 7, Units: 0})
	none.finish()
}

// closed is a standard error that nobody holds.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// TestSearched: how a search ended, and whether its result is shown.
func TestSearched(t *testing.T) {
	script := &sandbox.Error{Msg: "no", Pos: "s.star:1:1"}
	deep := fmt.Errorf("%w: a run has more than 9", explore.ErrDeep)
	for _, c := range []struct {
		err               error
		failing           uint64
		interrupted       bool
		late, fatal, hint string
	}{
		{nil, 0, false, "", "", ""},
		{context.Canceled, 0, true, "", "", ""},
		{script, 0, false, "", "s.star:1:1: no", ""},
		{script, 1, false, "s.star:1:1: no", "", ""},
		{&explore.SaveError{Err: errors.New("full")}, 0, false, "full", "", ""},
		{deep, 0, false, "too many events for a systematic search: a run has more than 9", "", "use --strategy surw"},
		{errors.New("broken"), 1, false, "", "broken", ""},
	} {
		interrupted, late, fatal := job{}.searched(&explore.Result{Failing: c.failing}, c.err, "")
		text := func(err error) string {
			if err == nil {
				return ""
			}
			return err.Error()
		}
		if interrupted != c.interrupted || text(late) != c.late || text(fatal) != c.fatal {
			t.Errorf("%v: %v, %v, %v", c.err, interrupted, late, fatal)
		}
		var b bytes.Buffer
		if c.hint != "" && (finish(late, &b) != exitEnvironment || !strings.Contains(b.String(), c.hint)) {
			t.Errorf("%v: %q", c.err, b.String())
		}
	}
}
