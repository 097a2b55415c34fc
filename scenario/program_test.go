package scenario

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
)

// programOf is the plan of a C program that has to exit with 0.
func programOf(t *testing.T, sys *emu.System, source string, flags ...string) *Plan {
	t.Helper()
	return &Plan{
		Files:    map[string][]byte{"/program": guestcode.Program(t, sys.Arch, source, append(flags, "-O1")...)},
		Threads:  []Thread{{Name: Main, Body: Calls(nil)}},
		Endings:  []Ending{{Kind: Exit}},
		Timeouts: WhenDue,
		Program:  &Program{Path: "/program", Argv: []string{"program"}, Folder: "/etc"},
	}
}

const joining = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int ran;
static void *work(void *a) { ran++; return a; }
int main(void) {
	char folder[64];
	for (volatile int i = 0; i < 1000; i++) {}
	pthread_t t;
	if (pthread_create(&t, 0, work, 0)) return 2;
	pthread_join(t, 0);
	printf("%s ran %d\n", getcwd(folder, sizeof folder), ran);
	return STATUS;
}`

// TestProgram: the race of a program begins with its second thread, ends with the process, and
// what it has come to is judged by its status and by what it has printed.
func TestProgram(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name  string
			flags []string
			print string
			kind  Kind
			right bool
			says  string
		}{
			{"as expected", []string{"-DSTATUS=0"}, "^/etc ran 1\n$", Exit, true, ""},
			{"static", []string{"-DSTATUS=0", "-static"}, "", Exit, true, ""},
			{"another status", []string{"-DSTATUS=3"}, "", Exit, false, "status 3"},
			{"another text", []string{"-DSTATUS=0"}, "ran 2", Check, false, `standard output is not as expected: "/etc ran 1\n" does not match "ran 2"`},
		} {
			plan := programOf(t, sys, joining, c.flags...)
			if c.print != "" {
				plan.Program.Prints = []Print{{1, regexp.MustCompile(c.print)}}
			}
			s, err := Start(sys, plan, 1)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if want := []string{"main.1"}; !slices.Equal(s.Made(), want) || s.Process().LogLen() != 0 || s.Base() < 1000 || s.Steps() != 0 {
				t.Errorf("%s: %v are made, %d accesses logged, %d instructions before the race and %d in it", c.name, s.Made(), s.Process().LogLen(), s.Base(), s.Steps())
			}
			if id := s.Libc(); id.Name != "glibc" && len(c.flags) == 1 || id.SHA256 == "" {
				t.Errorf("%s: it runs on %+v", c.name, id)
			}
			if opened := s.Process().Opened(); len(c.flags) == 1 && !slices.ContainsFunc(opened, func(o emu.Opened) bool { return strings.HasSuffix(o.Path, "libc.so.6") }) {
				t.Errorf("%s: it has opened %d files, and not its libc", c.name, len(opened))
			}
			first := ""
			for range 2 { // again from the start: the same
				must(t, s.Restart())
				_, err := s.Run(1, 0)
				must(t, err)
				if _, over := s.Outcome(); over {
					t.Errorf("%s: over before main has ended", c.name)
				}
				_, err = s.Run(0, 0)
				must(t, err)
				o, over := s.Outcome()
				if !over || o.Kind != c.kind || o.Failed() == c.right || !strings.Contains(o.String(), c.says) {
					t.Errorf("%s: %v, over %v", c.name, o, over)
				}
				digest, err := s.Digest()
				must(t, err)
				if first != "" && digest != first {
					t.Errorf("%s: %s, and then %s", c.name, first, digest)
				}
				first = digest
			}
			s.Close()
		}
	})
}

// A program without a second thread has one run, which is over when its race begins; one that
// ends its first thread alone goes on, and one in which all wait is in a deadlock.
func TestProgramEnds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			source string
			kind   Kind
			failed bool
		}{
			{"int main(void) { return 0; }", Exit, false},
			{"int main(void) { return *(volatile int *)8; }", Segv, true},
			{"#include <pthread.h>\nint main(void) { pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&m); pthread_mutex_lock(&m); }", Deadlock, true},
			{"#include <pthread.h>\nstatic void *f(void *a) { return a; }\nint main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_exit(0); }", Exit, false},
			{"#include <pthread.h>\nstatic pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;\nstatic void *f(void *a) { pthread_mutex_lock(&m); return a; }\n" +
				"int main(void) { pthread_t t; pthread_mutex_lock(&m); pthread_create(&t, 0, f, 0); pthread_exit(0); }", Deadlock, true},
		} {
			s, err := Start(sys, programOf(t, sys, c.source), 1)
			must(t, err)
			for _, i := range []int{0, 1} {
				if i < s.Threads() {
					_, err := s.Run(i, 0)
					must(t, err)
				}
			}
			if o, over := s.Outcome(); !over || o.Kind != c.kind || o.Failed() != c.failed {
				t.Errorf("%s: %v, over %v", c.source, o, over)
			}
			s.Close()
		}
	})
}

// TestProgramPlan: what does not go with a program.
func TestProgramPlan(t *testing.T) {
	for _, change := range []func(*Plan){
		func(p *Plan) { p.Program.Argv = nil },
		func(p *Plan) { p.Threads = append(p.Threads, Thread{Name: "worker"}) },
		func(p *Plan) { p.Threads[0].Name = "worker" },
		func(p *Plan) { p.Setup = func(*Setup) error { return nil } },
		func(p *Plan) { p.Check = func(*View) error { return nil } },
		func(p *Plan) { p.Libs = []string{"libz.so.1"} },
		func(p *Plan) { p.BindNow = true },
	} {
		p := &Plan{Threads: []Thread{{Name: Main}}, Program: &Program{Path: "/p", Argv: []string{"p"}}}
		must(t, p.check())
		if change(p); p.check() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

func TestParseExpect(t *testing.T) {
	endings, prints, err := ParseExpect([]string{"exit=3", "abort", "signal=9", "stdout=^a=b$", "stderr="})
	if err != nil || !slices.Equal(endings, []Ending{{Kind: Exit, Code: 3}, {Kind: Abort}, {Kind: Signal, Signal: 9}}) || len(prints) != 2 || prints[0].FD != 1 || !prints[0].Pattern.MatchString("c\na=b\n") || prints[1].FD != 2 {
		t.Errorf("%v, %v, %v", endings, prints, err)
	}
	if endings, prints, err := ParseExpect(nil); err != nil || len(prints) > 0 || !slices.Equal(endings, []Ending{{Kind: Exit}}) {
		t.Errorf("nothing: %v, %v, %v", endings, prints, err)
	}
	for _, wrong := range []string{"", "exit", "exit=256", "exit=x", "signal=0", "signal=17", "stdout=(", "stdin=x", "stdout=" + strings.Repeat("a", 5000)} {
		if _, _, err := ParseExpect([]string{wrong}); err == nil {
			t.Errorf("%.20q is taken", wrong)
		}
	}
}
