package main

import (
	"fmt"
	"time"

	"emurace/internal/programs"
	"emurace/loader"
)

// How much each tool may do.
const (
	// mostRuns is how often a program runs by itself: as often as somebody who looks for a
	// rare crash has it run over lunch in a test, and not over night.
	mostRuns = 10_000
	// budget is for how long a tool looks for the bug of a program. Nearly all that is found
	// is found by the first run, and a longer time would not fit twenty minutes in all.
	budget = 40 * time.Second
	// hangs is when a run counts as one that waits for ever. Without a deadlock it takes a
	// few milliseconds by itself, a tenth of a second with ThreadSanitizer and half a second
	// in Valgrind.
	hangs = 10 * time.Second
	// twinRuns is how often a tool sees the twin. What it reports falsely it nearly always
	// reports in the first run too.
	twinRuns = 20
	// twinRunsAlone is how often the twin runs by itself, which is quick.
	twinRunsAlone = 1_000
	// twinSchedules is how many schedules of the twin emurace runs.
	twinSchedules = twinRunsAlone
)

// reportName is the file that a tool writes its reports to, in the folder where it runs.
const reportName = "report"

// setting is a flag or variable of a tool's, and why it has it.
type setting struct{ flag, why string }

// tool is something that may find a bug.
type tool struct {
	name     string
	version  []string // a command whose first line of output says the version
	arch     loader.Arch
	flags    []string                     // of the compiler, beside those of guestcode.Compile
	cannot   map[programs.Language]string // why it is not for programs of a language
	command  command
	onTwin   command // if it is another one
	read     func(ended) (finding, error)
	runs     int           // at most so many
	budget   time.Duration // and for so long
	limit    time.Duration // of one run
	twinRuns int
	unit     string // what a run is called, "run" without it
	settings []setting
}

// command is how a tool is started on the file of a program, with what of an environment.
type command func(p programs.Program, file string) (argv, env []string)

// itself reads a run that has no report.
func itself(e ended) (finding, error) { return failing(e), nil }

// tools are all of them, in the order of the columns. One that ends with a report of its own
// needs a command and a function that reads how it ended.
func tools(host loader.Arch) []*tool {
	return []*tool{
		{
			name: "emurace", version: []string{binary(), "version"}, arch: host,
			command: explores("--time", fmt.Sprint(budget)), onTwin: explores("--schedules", fmt.Sprint(twinSchedules)),
			// One command is many runs. It ends by itself, and has time to explain what it has found.
			read: explored, runs: 1, budget: budget, limit: 2 * budget, twinRuns: 1, unit: "schedule",
			settings: []setting{
				{"`explore -- ./program`", "README, Your own program: the default strategy, on all processors"},
				{fmt.Sprintf("`--time %v`", budget), "as long as the others have; without it, it goes on until something fails"},
				{fmt.Sprintf("`--schedules %d` in place of it for the twin", twinSchedules), "as often as the twin runs by itself"},
				{"`--json`", "to be read by a program"},
			},
		},
		{
			name: "by itself", version: []string{"gcc", "--version"}, arch: host,
			command: func(_ programs.Program, file string) ([]string, []string) { return []string{file}, nil },
			read:    itself,
			// The number of runs is what bounds it.
			runs: mostRuns, budget: time.Hour, limit: hangs, twinRuns: twinRunsAlone,
			settings: []setting{{"`-O1 -g`", "as for all others, so that all look at the same code"}},
		},
		{
			name: "ThreadSanitizer", version: []string{"gcc", "--version"}, arch: host, flags: []string{"-fsanitize=thread"},
			cannot: map[programs.Language]string{programs.Rust: "rustc has it only where it is a nightly build (`-Z sanitizer=thread`), and libc's getenv and setenv would not be instrumented"},
			command: func(_ programs.Program, file string) ([]string, []string) {
				return []string{file}, []string{"TSAN_OPTIONS=log_path=" + reportName + " second_deadlock_stack=1 history_size=7"}
			},
			read: tsan, runs: mostRuns, budget: budget, limit: hangs, twinRuns: twinRuns,
			settings: []setting{
				{"`-fsanitize=thread -O1 -g`", "Clang's documentation, ThreadSanitizer, Usage: for reasonable speed and for lines in reports"},
				{"`second_deadlock_stack=1`", "ThreadSanitizer's own hint below a report of a deadlock: both places that took the lock"},
				{"`history_size=7`", "the wiki page ThreadSanitizerFlags: the most that it can remember of earlier accesses"},
				{"`halt_on_error=0`, the default", "it goes on behind a report, so that the program may still fail in the same run"},
			},
		},
		{
			name: "Helgrind", version: []string{"valgrind", "--version"}, arch: host,
			command: func(_ programs.Program, file string) ([]string, []string) {
				return valgrindCommand("helgrind", "--history-level=full", "--free-is-write=yes", "--sim-hints=no-nptl-pthread-stackcache", file), nil
			},
			read: valgrind, runs: mostRuns, budget: budget, limit: hangs, twinRuns: twinRuns,
			settings: []setting{
				fairSched,
				{"`--history-level=full`, the default", "7.6, Helgrind Command-line Options: the others are faster and tell less"},
				{"`--free-is-write=yes`", "7.6: shows what is freed by one thread and used by another; not the default because of allocators of one's own, which the programs do not have"},
				{"`--sim-hints=no-nptl-pthread-stackcache`", "valgrind(1), and 7.5, Hints and Tips: without it there may be false reports of thread-local variables"},
			},
		},
		{
			name: "DRD", version: []string{"valgrind", "--version"}, arch: host,
			command: func(p programs.Program, file string) ([]string, []string) {
				flags := []string{"--check-stack-var=yes"}
				if p.Language != programs.Cxx {
					flags = append(flags, "--free-is-write=yes")
				}
				return valgrindCommand("drd", append(flags, file)...), nil
			},
			read: valgrind, runs: mostRuns, budget: budget, limit: hangs, twinRuns: twinRuns,
			settings: []setting{
				fairSched,
				{"`--check-stack-var=yes`", "8.2.1, DRD Command-line Options: off by default, since most programs share nothing on a stack; to look there as well costs little in programs as small as these"},
				{"`--free-is-write=yes`, but for C++", "8.2.1: shows what is freed by one thread and used by another, and is not for objects that count references"},
			},
		},
		{
			name: "qemu-user", version: []string{"qemu-aarch64", "--version"}, arch: loader.ARM64,
			command: func(_ programs.Program, file string) ([]string, []string) {
				return []string{"qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", file}, nil
			},
			read: itself, runs: mostRuns, budget: budget, limit: hangs, twinRuns: twinRuns,
			settings: []setting{
				{"`-L /usr/aarch64-linux-gnu`", "User space emulator, Command line options: where the program's interpreter and libraries are; the program is the same source for arm64"},
			},
		},
	}
}

var fairSched = setting{"`--fair-sched=try`", "2.8.1, Scheduling and Multi-Thread Performance: threads take turns, which it says helps Helgrind and DRD above all"}

func valgrindCommand(tool string, more ...string) []string {
	return append([]string{"valgrind", "--tool=" + tool, "--fair-sched=try", "--xml=yes", "--xml-file=" + reportName}, more...)
}
