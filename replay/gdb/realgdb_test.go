package gdb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
)

// question is something that gdb is told to do and what it has to say then, as
// regular expressions.
type question struct {
	commands string
	want     []string
}

// realGDB runs gdb, connected to a server, and returns what it says to each of the
// questions.
func realGDB(t *testing.T, s shown, before string, list []question) []string {
	t.Helper()
	gdb, err := exec.LookPath("gdb-multiarch")
	if err != nil {
		t.Fatalf("%v; run: make packages-test", err)
	}
	// An error ends a script, but not a list of commands on the command line.
	args := []string{"-nx", "-batch"}
	do := func(commands string) {
		for line := range strings.Lines(commands) {
			args = append(args, "-ex", strings.TrimSuffix(line, "\n"))
		}
	}
	do("set pagination off\nset confirm off\nset width 0\nset height 0\nset style enabled off\n" + before + "\ntarget remote " + s.listen(t))
	for i, q := range list {
		do(fmt.Sprintf("echo \\n==%d==\\n\n%s", i, q.commands))
	}
	do("echo \\n==end==\\n\ndetach")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, gdb, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "DEBUGINFOD_URLS=", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil || !strings.Contains(text, "\n==end==\n") {
		t.Fatalf("gdb: %v\n%s", err, text)
	}
	var answers []string
	for i := range list {
		_, part, _ := strings.Cut(text, fmt.Sprintf("\n==%d==\n", i))
		part, _, _ = strings.Cut(part, "\n==")
		answers = append(answers, part)
	}
	return answers
}

// check compares what gdb says with what it has to say.
func check(t *testing.T, s shown, before string, list []question) []string {
	t.Helper()
	answers := realGDB(t, s, before, list)
	for i, q := range list {
		for _, want := range q.want {
			if !regexp.MustCompile("(?m)" + want).MatchString(answers[i]) {
				t.Errorf("%s\ngdb says:\n%s\nwhich does not match %s", q.commands, answers[i], want)
			}
		}
	}
	return answers
}

// symbols are the settings with which gdb finds everything.
func (s shown) symbols() string {
	return "set sysroot target:\nset debug-file-directory " + filepath.Join(s.Root.Dir(), "usr/lib/debug")
}

// faulting is how gdb writes the instruction that fails.
func faulting(arch loader.Arch) string {
	if arch == loader.ARM64 {
		return `ldrh\s+w2, \[x19\]`
	}
	return `cmp\s+\(%rbx\),%r12w`
}

// TestRealGDB looks at the crash with gdb as a user would.
func TestRealGDB(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		if testing.Short() && arch != loader.ARM64 {
			t.Skip("it is more of the same")
		}
		s := article(t, arch)
		addr, _, _ := s.slot(t)
		environ, entries, ok := replay.Environ(s.m)
		if !ok || entries < 66 {
			t.Fatalf("environ has %d entries", entries)
		}
		bad := map[loader.Arch]string{loader.ARM64: "x19", loader.AMD64: "rbx"}[arch]
		list := []question{
			{"bt", []string{`^#0 .*\b(__GI_)?getenv \(name=.*\) at .*getenv\.c:84$`, `^#1 .* in emurace_program \(\)\n?\z`}},
			{"info threads", []string{
				`^\* 1 +Thread 1 "main" \(failed in getenv\("LANGUAGE"\)\) .*getenv`,
				`^  2 +Thread 2 "worker" \(in setenv\("SSL_CERT_FILE", .*_int_free`}},
			{"p/x $" + bad, []string{`= 0x220$`}},
			{"x/i $pc", []string{`^=> 0x[0-9a-f]+ <(__GI_)?getenv\+\d+>:\s+` + faulting(arch)}},
			{"info sharedlibrary", []string{`^0x\S+ +0x\S+ +Yes +target:/\S+/libc\.so\.6$`, `^0x\S+ +0x\S+ +Yes +target:/\S+/ld-linux`}},
			{"disassemble getenv", []string{`^=> 0x[0-9a-f]+ <\+\d+>:\s+` + faulting(arch)}},
			{fmt.Sprintf("x/66gx %#x", environ), []string{fmt.Sprintf(`\A(%#x.*|0x.*)\n`, environ)}},
			{fmt.Sprintf("x/s *(char**)%#x", environ+8*65), []string{`"[A-Z_0-9]+=`}},
			{"p environ == (char**)" + fmt.Sprintf("%#x", environ), []string{`= 1$`}},
			{"set var $pc = 0", []string{`a recorded run cannot be changed|Could not write`}},
			{fmt.Sprintf("set var *(char*)%#x = 1", environ), []string{`Cannot access memory|cannot be changed`}},
			// Who put it there?
			{fmt.Sprintf("watch *(long*)%#x\nreverse-continue", addr), []string{
				`^Thread 2 "worker" hit Hardware watchpoint 1: `, `^Old value = 544$`, `^New value = 0$`, `^_int_free \(`}},
			{fmt.Sprintf("p *(long*)%#x", addr), []string{`= 0$`}},
			{"bt", []string{`^#0 .*_int_free`, `^#\d .*_int_realloc`, `^#\d .*realloc`, `^#\d .*__add_to_environ`, `^#\d .* in emurace_program \(\)\n?\z`}},
			{"continue", []string{`^Old value = 0$`, `^New value = 544$`, `_int_free \(`}},
			{"delete\ncontinue", []string{`^Thread 1 "main" received signal SIGSEGV, Segmentation fault\.$`, `getenv\.c:84$`}},
			{"continue", []string{`No more reverse-execution history|end of recorded history`}},
			// Back and forth.
			{"info all-registers", nil},
			{"reverse-stepi", nil},
			{"p/x $pc", nil},
			{"stepi", nil},
			{"info all-registers", nil},
			{"break setenv\nreverse-continue", []string{`^Thread 2 "worker" hit Breakpoint 2, (__)?setenv \(`}},
			{"monitor when", []string{`^moment \d+ of \d+(, the start)?: worker is about to run `}},
			{"p (char*)name", []string{`"SSL_CERT_FILE"$`}},
			{"delete\nreverse-continue", []string{`No more reverse-execution history`}},
			{"break getenv thread 1\ncontinue", []string{`^Thread 1 "main" hit Breakpoint 3, (__GI_)?getenv \(name=.*"LANGUAGE"\)`}},
			{"next\nnext", []string{`getenv\.c`}},
			{"reverse-next", []string{`getenv\.c|^\d+`}},
			{"monitor help", []string{`^monitor why `}},
			{"monitor why", []string{`had written 0x220 there last`}},
		}
		answers := check(t, s, s.symbols(), list)
		var states []string
		for i, q := range list {
			if q.commands == "info all-registers" {
				states = append(states, answers[i])
			}
		}
		if len(states) != 2 || states[0] != states[1] || !strings.Contains(states[0], "0x220") || strings.Count(states[0], "\n") < 40 {
			t.Errorf("the registers before and after a step back and forth:\n%s", strings.Join(states, "----\n"))
		}
		if i := answered(list, "x/66gx"); strings.Count(answers[i], "0x") != 33+66 {
			t.Errorf("environ: %s", answers[i])
		}
		for i, a := range answers {
			if strings.Contains(a, "warning:") {
				t.Errorf("%s\ngdb warns:\n%s", list[i].commands, a)
			}
		}
	})
}

func answered(list []question, prefix string) int {
	for i, q := range list {
		if strings.HasPrefix(q.commands, prefix) {
			return i
		}
	}
	return 0
}

// TestRealGDBBare: without any settings, gdb still shows registers and memory; and
// what monitor seek does is seen when gdb is told to forget.
func TestRealGDBBare(t *testing.T) {
	s := article(t, loader.AMD64)
	n := s.tl.Len() - 5 // main's turn
	pc, _ := s.tl.PC(n)
	check(t, s, "set sysroot /nowhere\nset architecture i386:x86-64", []question{
		{"p/x $rbx", []string{`= 0x220$`}},
		{fmt.Sprintf("monitor seek %d\nmaintenance flush register-cache\nmaintenance flush dcache", n), []string{fmt.Sprintf("^moment %d of ", n)}},
		{"p/x $pc", []string{fmt.Sprintf("= %#x$", pc)}},
		{"stepi\nmonitor when", []string{fmt.Sprintf("^moment %d of ", n+1)}},
		{"monitor seek 1000000", []string{`not start, end or a number from 0 to `}},
		{"monitor nothing", []string{`"nothing": no such command; monitor help lists them$`}},
		{"monitor why now", []string{`it takes no argument$`}},
	})
}
