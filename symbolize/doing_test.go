package symbolize_test

import (
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
	"emurace/symbolize"
)

// startProgram is a session of a program, at the moment when it has made its second thread.
func startProgram(t *testing.T, sys *emu.System, source string) *scenario.Session {
	t.Helper()
	file := guestcode.Program(t, sys.Arch, source, "-O1", "-fno-builtin")
	s, err := scenario.Start(sys, &scenario.Plan{
		Files:   map[string][]byte{"/program": file},
		Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
		Program: &scenario.Program{Path: "/program", Argv: []string{"program"}},
	}, 1)
	testrace.Must(t, err)
	t.Cleanup(s.Close)
	return s
}

// doings runs main to its end, instruction by instruction, and lists what it is doing on the
// way, each once in a row.
func doings(t *testing.T, s *scenario.Session) (list []string) {
	t.Helper()
	for {
		if text := symbolize.Doing(s.Process(), 0); len(list) == 0 || list[len(list)-1] != text {
			list = append(list, text)
		}
		if !s.Runnable(0) {
			return list
		}
		_, err := s.Run(0, 1)
		testrace.Must(t, err)
	}
}

const doingSource = `
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static jmp_buf away;
static pthread_once_t once[2];
static int leave = 1;
static void init(void) { if (leave) longjmp(away, 1); }
__attribute__((noinline)) static void begin(int i) { pthread_once(&once[i], init); }
static void *work(void *a) { return a; }
int main(void) {
	static char name[] = "LANGUAGE";
	static volatile char last[80];
	pthread_t t;
	regex_t r;
	for (int i = 0; i < 79; i++) last[i] = 'y';
	if (pthread_create(&t, 0, work, 0)) return 2;
	getenv(name);
	name[0] = 'l';
	setenv(name, "a \"b\"\n", 1);
	getenv(0 ? "" : (char *)last);
	strerror(2);
	close(open("/tmp/new", O_CREAT | O_WRONLY, 0640));
	close(open("/tmp/new", O_RDONLY));
	fopen("/no/such", "r");
	strtol("-12", 0, 10);
	if (regcomp(&r, "a+b", REG_EXTENDED)) return 3;
	if (!setjmp(away)) begin(0);
	leave = 0;
	begin(1);
	_exit(0);
}`

// Each call of a program's is shown with its arguments as they are when it begins, and as
// long as it is in progress; what began before anybody looked is shown without.
func TestDoing(t *testing.T) {
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		s := startProgram(t, sys, doingSource)
		plain := doings(t, s)
		if slices.ContainsFunc(plain, func(text string) bool { return strings.Contains(text, "(") }) {
			t.Errorf("nobody has noted the arguments, and there are some: %q", plain)
		}
		digest, err := s.Digest()
		testrace.Must(t, err)

		testrace.Must(t, s.Restart())
		testrace.Must(t, symbolize.NameCalls(s.Process()))
		list := doings(t, s)
		if again, err := s.Digest(); err != nil || again != digest {
			t.Errorf("with the calls named the run is another one: %v", err)
		}
		if first := list[0]; first == "" || strings.Contains(first, "(") {
			t.Errorf("it begins in %q", first)
		}
		rest := list
		for _, want := range []string{
			`getenv("LANGUAGE")`, `setenv("lANGUAGE", "a \"b\"\n", 1)`, `getenv("` + strings.Repeat("y", 64) + `"...)`, "strerror(2)",
			`open("/tmp/new", 0x41, ...)`, `close(3)`, `open("/tmp/new", 0x0)`, `close(3)`, `fopen("/no/such", "r")`, `strtol("-12", NULL, 10)`,
			"of regcomp", "pthread_once(0x", "init", "pthread_once(0x", "init", "_exit(0)",
		} {
			i := slices.IndexFunc(rest, func(text string) bool { return strings.Contains(text, want) })
			if i < 0 {
				t.Fatalf("after %q there is no %s: %q", list[:len(list)-len(rest)], want, rest)
			}
			rest = rest[i+1:]
		}
		var onces []string
		for _, text := range list {
			if strings.HasPrefix(text, "pthread_once(") && !slices.Contains(onces, text) {
				onces = append(onces, text)
			}
		}
		if len(onces) != 2 {
			t.Errorf("two calls of pthread_once, the first of which is left by longjmp: %q", onces)
		}
	})
}

// At every moment of a call's, and in whichever order they are looked at, the same is said.
func TestDoingAnywhere(t *testing.T) {
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		s := startProgram(t, sys, doingSource)
		testrace.Must(t, symbolize.NameCalls(s.Process()))
		testrace.Must(t, s.Restart())
		var list []string
		for s.Runnable(0) {
			list = append(list, symbolize.Doing(s.Process(), 0))
			_, err := s.Run(0, 1)
			testrace.Must(t, err)
		}
		p, err := scenario.NewPlayback(s, scenario.Schedule{{Thread: 0}})
		testrace.Must(t, err)
		for i := 0; i < len(list); i += 1 + len(list)/97 {
			n := (i * 7919) % len(list)
			testrace.Must(t, p.SeekTo(uint64(n)))
			if text := symbolize.Doing(s.Process(), 0); text != list[n] {
				t.Errorf("after %d instructions: %q, step by step it was %q", n, text, list[n])
			}
		}
	})
}
