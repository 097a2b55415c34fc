package flow

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// host calls functions of a machine that runs no program.
type host struct {
	*watcher
	m *emu.Machine
}

// newHost is a machine with an environment of some entries.
func newHost(t *testing.T, sys *emu.System, env ...string) *host {
	t.Helper()
	m, err := emu.New(emu.Options{System: sys, Env: env, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h := &host{m: m}
	h.watcher = newWatcher(t, &m.Process, 0, func() bool {
		stop, err := m.Run(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if stop.Kind != emu.Budget && stop.Kind != emu.Returned {
			t.Fatal(stop)
		}
		return stop.Kind == emu.Budget
	})
	h.every = 0
	return h
}

func (h *host) text(s string) uint64 {
	addr, err := h.m.Alloc(uint64(len(s) + 1))
	if err == nil {
		err = h.m.Write(0, addr, append([]byte(s), 0))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return addr
}

func (h *host) call(name string, args ...uint64) uint64 {
	fn, err := h.m.Lookup(name)
	if err != nil {
		return 0
	}
	if err := h.m.Begin(0, fn, name, args...); err != nil {
		h.t.Fatal(err)
	}
	returns := h.register("x30")
	if h.p.Arch() == loader.AMD64 {
		returns, _ = h.p.Read64(h.register("rsp"))
	}
	h.begin(fn, returns)
	h.run(1 << 20)
	v, err := h.m.Result(0)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// arity has how many integer arguments functions have.
var arity = map[string]int{
	"getenv": 1, "setenv": 3, "__add_to_environ": 4, "malloc": 1, "calloc": 2, "realloc": 2, "free": 1, "_int_malloc": 2, "_int_free": 3, "_int_realloc": 4,
	"strlen": 1, "strerror": 1, "__dcigettext": 6, "dcgettext": 3, "fopen64": 2, "fopen": 2, "__fopen_internal": 3, "_IO_new_file_fopen": 4, "fclose": 1, "_IO_new_fclose": 1,
	"qsort": 4, "__qsort_r": 5, "msort_with_tmp.part.0": 3, "pthread_mutex_lock": 1, "___pthread_mutex_lock": 1, "regcomp": 3, "regexec": 8, "re_compile_internal": 4,
	"puts": 1, "_IO_puts": 1, "_IO_new_file_write": 3, "_IO_new_do_write": 3, "snprintf": 3, "strtol": 3, "mktime": 1, "__mktime_internal": 3, "tzset_internal": 1,
	"unsetenv": 1, "__unsetenv": 1, "putenv": 1, "strdup": 1, "__strdup": 1, "parse_expression": 6, "parse_reg_exp": 6, "parse_branch": 6,
}

func (h *host) workload() {
	buf := h.text(strings.Repeat("-", 4096))
	h.call("setenv", h.text("NAME"), h.text("value"), 1)
	h.call("setenv", h.text("NAME"), h.text("another value"), 1)
	h.call("getenv", h.text("LANGUAGE"))
	h.call("strerror", 2)
	h.call("strerror", 1234)
	h.call("unsetenv", h.text("NAME"))
	h.call("putenv", h.text("OTHER=1"))
	h.call("snprintf", buf, 4000, h.text("%-10d %5lx %s|"), 12345, 0xabcdef, h.text("text"))
	h.call("strtol", h.text(" -7654321x"), buf, 0)
	h.call("strtod", h.text("3.14159265358979323846e-100"), buf)
	tm := h.text(strings.Repeat("\x00", 56))
	h.call("gmtime_r", h.text("\x12\x34\x56\x67\x00\x00\x00\x00"), tm)
	h.call("mktime", tm)
	h.call("strftime", buf, 4000, h.text("%A %d %B %Y %H:%M:%S %Z %j"), tm)
	regex := h.text(strings.Repeat("\x00", 64))
	h.call("regcomp", regex, h.text("^(a|b*)c[d-f]{2,3}$"), 1)
	h.call("regexec", regex, h.text("bbbcdef"), 0, 0, 0)
	h.call("regfree", regex)
	for n := range uint64(6) {
		p := h.call("malloc", 24<<(2*n))
		q := h.call("calloc", 3, 100<<n)
		p = h.call("realloc", p, 100<<(2*n))
		h.call("free", q)
		h.call("free", p)
	}
	if f := h.call("fopen", h.text("/etc/hosts"), h.text("r")); f != 0 {
		h.call("fclose", f)
	}
	h.call("qsort", h.text("zyxwvutsrqponmlkjihgfedc"), 6, 4, h.lookup("strcmp"))
	h.call("pthread_mutex_lock", h.text(strings.Repeat("\x00", 48)))
	h.call("sem_post", h.text(strings.Repeat("\x00", 32)))
	h.call("puts", h.text("a line"))
}

func (h *host) lookup(name string) uint64 {
	addr, err := h.m.Lookup(name)
	if err != nil {
		h.t.Fatal(err)
	}
	return addr
}

// TestAgainstMachine runs functions of the real C library in the emulator, one instruction at a
// time, and compares what is said of the frames with what the run has shown.
func TestAgainstMachine(t *testing.T) {
	suites := []string{"bookworm", "bullseye", "trixie"}
	testsystem.EachSuite(t, suites, func(t *testing.T, suite string, sys *emu.System) {
		sys.LoadDebug()
		h := newHost(t, sys, "HOME=/", "TZ=CET-1CEST", "LANG=de_DE.UTF-8", "LANGUAGE=de")
		h.every = 150
		h.arity = arity
		h.workload()
		h.report(suite, 2500, 0.7)
	})
}

// TestStripped does the same with the names only that the libraries export.
func TestStripped(t *testing.T) {
	if testing.Short() {
		t.Skip("as TestAgainstMachine, with less that is known")
	}
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys, err := emu.OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
		if err != nil {
			t.Fatal(err)
		}
		h := newHost(t, sys, "HOME=/", "TZ=CET-1CEST", "LANG=de_DE.UTF-8", "LANGUAGE=de")
		h.every, h.arity = 150, arity
		h.workload()
		h.report("stripped", 500, 0.5)
	})
}
