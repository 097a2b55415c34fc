package scripts

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/scenario"
)

// GetenvSetenv is the race of the article: main walks environ inside getenv
// while worker's setenv makes it grow.
var GetenvSetenv = &scenario.Scenario{
	Name:    "getenv-setenv",
	Summary: "getenv walks environ while setenv on another thread reallocates it",
	Params: []scenario.Param{
		{Name: "entries", Default: "66", Help: "variables in the environment when the race begins", Check: number(2, 4096)},
		{Name: "tcache", Default: "off", Help: "malloc's thread cache: off, on, or full (the worker's bin for environ's size is filled)", Check: oneOf("off", "on", "full")},
		{Name: "setenvs", Default: "2", Help: "how many variables the worker sets, 1 or 2", Check: oneOf("1", "2")},
		{Name: "name", Default: "LANGUAGE", Help: "the variable that main asks for; when it is set as the race begins, getenv must return its value", Check: variable},
		{Name: "file", Default: "/etc/ssl/certs/ca-certificates.crt", Help: "what the worker sets SSL_CERT_FILE to"},
		{Name: "dir", Default: "/etc/ssl/certs", Help: "what the worker then sets SSL_CERT_DIR to"},
	},
	Build: buildGetenvSetenv,
	Notes: []scenario.Note{
		{Title: "Why it is rare", Text: []string{
			"One thread has to be inside getenv while another one's setenv moves the array of the environment, in a window of some thousand instructions. " +
				"The array moves only when it grows and there is no room behind it; and only with an even number of variables is its end overwritten by something that is no address.",
			"On the server where it was found it took an input error, whose message was looked up in a catalogue, which asks getenv for LANGUAGE, just when a library for encrypted connections set SSL_CERT_FILE and SSL_CERT_DIR for the first time. " +
				"It was seen on ARM64 only because that many things happened to meet there; the same crash can be shown on x86-64.",
		}},
		{Title: "What avoids it", Text: []string{
			"Set the environment before the second thread is started, and leave it alone afterwards: POSIX lets setenv be unsafe while other threads read the environment.",
			"Or let one lock protect every getenv and every setenv, also those in libraries, such as the getenv that strerror, localtime and setlocale call.",
			"glibc 2.41 and newer never free an array of the environment once it was in use (commit 7a61e7f557): whoever walks an old one reads what was there. " +
				"emurace explore --sysroot debian:trixie --keep-going shows that no schedule of this scenario fails with it.",
		}},
	},
}

func buildGetenvSetenv(v scenario.Values) (*scenario.Plan, error) {
	entries, err := strconv.Atoi(v["entries"])
	if err != nil {
		return nil, err
	}
	// All but the last variable are there from the start, on the stack. Setting
	// the last one moves environ to the heap, into a block that holds exactly
	// the entries and the NULL behind them.
	var env []string
	if v["tcache"] == "off" {
		env = append(env, "GLIBC_TUNABLES=glibc.malloc.tcache_count=0")
	}
	for i := len(env); i < entries-1; i++ {
		env = append(env, fmt.Sprintf("EMURACE_%03d=value %d", i, i))
	}
	worker := scenario.Calls{{Func: "setenv", Args: []scenario.Arg{scenario.Str("SSL_CERT_FILE"), scenario.Str(v["file"]), scenario.Int(1)}}}
	if v["setenvs"] == "2" {
		worker = append(worker, scenario.Call{Func: "setenv", Args: []scenario.Arg{scenario.Str("SSL_CERT_DIR"), scenario.Str(v["dir"]), scenario.Int(1)}})
	}
	const workerName = "worker"
	return &scenario.Plan{
		Env:   env,
		Check: alwaysSet(v["name"], append(slices.Clone(env), last+"=1")),
		Threads: []scenario.Thread{
			{Name: scenario.Main, Body: scenario.Calls{{Func: "getenv", Args: []scenario.Arg{scenario.Str(v["name"])}}}},
			{Name: workerName, Body: worker},
		},
		Setup: func(u *scenario.Setup) error {
			if err := succeed(u, scenario.Main, "setenv", scenario.Str(last), scenario.Str("1"), scenario.Int(1)); err != nil {
				return err
			}
			// Something in use behind environ's block, as in any program that
			// has gone on working.
			if _, err := allocate(u, scenario.Main, 24); err != nil {
				return err
			}
			// The worker has worked too: it owns an arena.
			if _, err := allocate(u, workerName, 24); err != nil {
				return err
			}
			if v["tcache"] == "full" {
				return fillBin(u, workerName, uint64(entries+1)*8)
			}
			return nil
		},
	}, nil
}

// last is the variable that moves environ to the heap.
const last = "EMURACE_LAST"

// alwaysSet is a check that getenv gave what is the value of a variable all the
// time; nil when it has none when the race begins, or is one that the worker
// sets.
func alwaysSet(name string, env []string) func([][]uint64, func(uint64) (string, bool)) error {
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	if i < 0 {
		return nil
	}
	want := env[i][len(name)+1:]
	return func(results [][]uint64, read func(uint64) (string, bool)) error {
		got := results[0][0]
		if got == 0 {
			return fmt.Errorf("getenv(%q) returned NULL, though it was %q all the time", name, want)
		}
		if value, ok := read(got); !ok || value != want {
			return fmt.Errorf("getenv(%q) returned %q, though it was %q all the time", name, value, want)
		}
		return nil
	}
}

// fillBin frees as many blocks of a size on a thread as its tcache bin holds
// (TCACHE_FILL_COUNT in glibc's malloc.c).
func fillBin(u *scenario.Setup, thread string, size uint64) error {
	const count = 7
	var blocks []uint64
	for range count {
		p, err := allocate(u, thread, size)
		if err != nil {
			return err
		}
		blocks = append(blocks, p)
	}
	for _, p := range blocks {
		if _, err := u.Call(thread, "free", scenario.Int(p)); err != nil {
			return err
		}
	}
	return nil
}

func allocate(u *scenario.Setup, thread string, size uint64) (uint64, error) {
	p, err := u.Call(thread, "malloc", scenario.Int(size))
	if err == nil && p == 0 {
		err = fmt.Errorf("malloc(%d) on %s returned NULL", size, thread)
	}
	return p, err
}

func succeed(u *scenario.Setup, thread, fn string, args ...scenario.Arg) error {
	rc, err := u.Call(thread, fn, args...)
	if err == nil && int32(rc) != 0 {
		err = fmt.Errorf("%s returned %d", scenario.Call{Func: fn, Args: args}, int32(rc))
	}
	return err
}

func number(lo, hi int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < lo || n > hi {
			return fmt.Errorf("not a number from %d to %d", lo, hi)
		}
		return nil
	}
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		for _, w := range words {
			if s == w {
				return nil
			}
		}
		return fmt.Errorf("not one of %q", words)
	}
}

func variable(s string) error {
	if s == "" {
		return errors.New("a variable's name is not empty")
	}
	for _, c := range s {
		if c == '=' {
			return errors.New("a variable's name holds no =")
		}
	}
	return nil
}
