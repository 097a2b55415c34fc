package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

func TestPlanErrors(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	idle := func(names ...string) *Plan {
		p := &Plan{}
		for _, n := range names {
			p.Threads = append(p.Threads, Thread{n, Calls{}})
		}
		return p
	}
	first := func(c Call) *Plan { return &Plan{Threads: []Thread{{Main, Calls{c}}}} }
	setup := func(f func(u *Setup) error) *Plan {
		p := idle(Main)
		p.Setup = f
		return p
	}
	var many []string
	for i := range MaxPlanned + 1 {
		many = append(many, fmt.Sprint("w", i))
	}
	for name, c := range map[string]struct {
		plan *Plan
		want string
	}{
		"no threads":     {&Plan{}, "scenario: no threads race"},
		"empty name":     {idle(Main, ""), `scenario: thread 1: the name is empty`},
		"name twice":     {idle(Main, "a", "b", "a"), `scenario: thread 3: the name "a" is taken`},
		"two mains":      {idle(Main, Main), `scenario: thread 1: the name "main" is taken`},
		"name of two":    {idle(Main, "a 5"), `scenario: thread 1: the name "a 5" is not one printable word`},
		"name of lines":  {idle("a\nb"), `scenario: thread 0: the name "a\nb" is not one printable word`},
		"many threads":   {idle(many...), "scenario: 258 threads, with the process's first; at most 256"},
		"one too many":   {idle(many[:MaxPlanned]...), "scenario: 257 threads"},
		"no such call":   {first(call("no_such_function")), `no library of the process exports "no_such_function"`},
		"long string":    {first(call("puts", Str(strings.Repeat("x", textArea)))), "main calls puts: the texts and data of the thread's calls take more than 32768 bytes"},
		"many arguments": {first(call("getpid", make([]Arg, emu.MaxArgs+1)...)), "65 arguments"},
		"failing setup":  {setup(func(*Setup) error { return errors.New("out of luck") }), "setup: out of luck"},
		"setup's thread": {setup(func(u *Setup) error { _, err := u.Call("other", "getpid"); return err }), `setup: call getpid: no thread "other"`},
		"setup dies":     {setup(func(u *Setup) error { _, err := u.Call(Main, "abort"); return err }), "setup: call abort() on main: killed by SIGABRT"},
		"setup hangs": {setup(func(u *Setup) error {
			m, err := u.Call(Main, "calloc", Int(1), Int(64))
			for range 2 {
				if err == nil {
					_, err = u.Call(Main, "pthread_mutex_lock", Int(m))
				}
			}
			return err
		}), "on main: waits after"},
		"code too long": {setup(func(u *Setup) error { _, err := u.Code(make([]byte, 5), 4); return err }), "setup: code: 5 bytes do not fit into 4"},
		"code too big":  {setup(func(u *Setup) error { _, err := u.Code(make([]byte, 5), 1<<60); return err }), "setup: code: mmap gives no 1152921504606846976 bytes"},
	} {
		s, err := Start(sys, c.plan, 1)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The stage is set before the race begins, by threads that are the guest's.
func TestSetup(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		data := []byte("some data")
		var at, copied uint64
		var text string
		s := begin(t, sys, &Plan{
			Env:  []string{"HOME=/nowhere"},
			Libs: []string{"libm.so.6"},
			Threads: []Thread{
				{Main, Calls{call("getenv", Str("HOME"))}}, {"left", Calls{call("gettid")}}, {"right", Calls{}},
			},
			Setup: func(u *Setup) (err error) {
				if at, err = u.Code(data, 8192); err != nil {
					return err
				}
				if copied, err = u.Call("right", "strdup", Str("copied")); err != nil {
					return err
				}
				text, _ = u.CString(copied)
				_, err = u.Call("left", "cbrt") // libm is there
				return err
			},
		})
		if text != "copied" {
			t.Errorf("strdup gave %q", text)
		}
		if got, ok := s.m.Read(at, 8192); !ok || !bytes.Equal(got, append(data, make([]byte, 8192-len(data))...)) {
			t.Errorf("Code placed something else at %#x", at)
		}
		if s.Steps() != 0 || s.Base() != s.m.Steps() {
			t.Errorf("%d steps at the start, base %d of %d", s.Steps(), s.Base(), s.m.Steps())
		}
		for i := range s.Names() {
			if len(s.Results(i)) != 0 || s.Runnable(i) != (i < 2) {
				t.Errorf("thread %d: %d results, runnable %v", i, len(s.Results(i)), s.Runnable(i))
			}
			if m := s.MachineThread(i); m != i || s.RacingThread(m) != i || s.m.Threads()[m].Name != s.Names()[i] {
				t.Errorf("thread %d is the machine's %d", i, m)
			}
		}
		if n := s.RacingThread(3); n != -1 {
			t.Errorf("thread 3 of the machine is racing thread %d", n)
		}
		if o := play(t, s, Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}); o.Failed() {
			t.Fatal(o)
		}
		if home, _ := s.m.CString(s.Results(0)[0], 64); home != "/nowhere" {
			t.Errorf("HOME is %q", home)
		}
	})
}

// A plan without main leaves the first thread of the process idle.
func TestNoMain(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, &Plan{Threads: []Thread{{"a", Calls{call("gettid")}}, {"b", Calls{call("gettid")}}}})
		if s.MachineThread(0) != 1 || s.RacingThread(0) != -1 || s.RacingThread(2) != 1 {
			t.Errorf("threads are the machine's %d and %d", s.MachineThread(0), s.MachineThread(1))
		}
		if o := play(t, s, Schedule{{Thread: 1, N: 0}, {Thread: 0, N: 0}}); o.Failed() || s.Results(0)[0]+1 != s.Results(1)[0] {
			t.Errorf("%v, %d, %d", o, s.Results(0), s.Results(1))
		}
	})
}

// Which libc runs is what the libc itself says.
func TestLibc(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, &Plan{Threads: []Thread{{Main, Calls{}}}})
		id := s.Libc()
		if id.Version != "2.36" || len(id.BuildID) != 40 || len(id.SHA256) != 64 || !strings.HasSuffix(id.Path, "/libc.so.6") {
			t.Errorf("%+v", id)
		}
		if o, over := s.Outcome(); !over || o.Failed() {
			t.Errorf("a race of no calls: %v, over %v", o, over)
		}
	})
}
