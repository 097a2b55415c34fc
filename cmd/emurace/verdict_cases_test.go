package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

// verdictCase is a scenario of testdata/verdict with settings, and what searches of it
// have to say.
type verdictCase struct {
	file, settings string
	searches       string // flags, those of one search apart from the next by a bar
	suites         string // all when empty
	verdict        string // and the kinds of failures behind it
}

// Strategies that end by themselves or after some schedules, and find what there is to
// find when it does not take luck.
const (
	byItself = "|--preemptions 1|--preemptions 1 --strategy dpor"
	atRandom = "--strategy surw --schedules 40|--strategy pct --schedules 40|--strategy pos --schedules 40|--strategy random --schedules 40|--strategy fuzz --schedules 40"
	one      = "bookworm"
)

// verdictCases are the kinds of question that a search has been wrong about: what the
// kernel reads and changes, code, waits with a deadline, threads that spin or that wait
// for nobody, races that are over at once, locks as one thing each, and what is a fault
// of memory.
var verdictCases = []verdictCase{
	{"state", "what=uptime", byItself, one, "failing check"},
	{"state", "what=usage", byItself, one, "failing check"},
	{"state", "what=handler", byItself, one, "failing signal"},
	{"state", "what=break", byItself, one, "failing check"},
	{"state", "what=offset", byItself, one, "failing check"},
	{"state", "what=descriptor", byItself, one, "failing check"},
	{"timeouts", "what=equal", byItself + "|" + atRandom + "|--timeouts idle", one, "failing check"},
	{"timeouts", "what=signal", byItself, one, "failing check"},
	{"timeouts", "what=lock", byItself, one, "failing check"},
	{"timeouts", "what=owner", byItself, one, "failing check"},
	{"timeouts", "what=sleep", byItself + "|" + atRandom, one, "failing check"},
	{"timeouts", "what=signal", "--timeouts idle|--timeouts idle --preemptions 1|--timeouts idle --preemptions 1 --strategy dpor", one, "clean"},
	{"timeouts", "what=lock", "--timeouts idle|--timeouts idle --preemptions 1|--timeouts idle --preemptions 1 --strategy dpor", one, "clean"},
	{"timeouts", "what=owner", "--timeouts idle|--timeouts idle --preemptions 1|--timeouts idle --preemptions 1 --strategy dpor", one, "clean"},

	{"looks", "what=results", byItself, one, "failing check"},
	{"looks", "what=returned", byItself, one, "failing check"},
	{"clock", "", byItself, one, "clean"},

	{"timeouts", "what=equal", byItself + "|" + atRandom, "", "failing check"},
	{"timeouts", "what=sleep", byItself + "|" + atRandom, one, "failing check"},
	{"timeouts", "what=shorter", byItself + "|" + atRandom, one, "failing check"},
	{"timeouts", "what=signal", byItself, "", "failing check"},
	{"timeouts", "what=lock", byItself, "", "failing check"},
	{"timeouts", "what=owner", byItself, "", "failing check"},
	{"timeouts", "what=owner", "--timeouts idle|--timeouts idle --preemptions 1|--timeouts idle --preemptions 1 --strategy dpor", one, "clean"},

	{"early", "what=thread", byItself + "|" + atRandom, one, "failing check"},
	{"early", "what=second", byItself + "|" + atRandom, one, "failing check"},
	{"early", "what=check", byItself + "|" + atRandom, one, "failing check"},
	{"early", "what=nothing", byItself, one, "clean"},
	{"early", "what=one", byItself, one, "clean"},
	{"early", "what=check threads=1", byItself, one, "failing check"},
	{"early", "what=nothing threads=63", byItself, one, "clean"},

	{"waits", "what=semaphore", byItself, "bullseye trixie", "failing deadlock"},
	{"waits", "what=mutex", byItself, "bullseye trixie", "failing deadlock"},
	{"waits", "what=condition", byItself, "bullseye trixie", "failing deadlock"},
	{"waits", "what=one,post", byItself, "bullseye trixie", "failing deadlock"},
	{"waits", "what=itself", byItself, "bullseye trixie", "clean"},

	{"barrier", "what=destroy", byItself + "|--locks abstract", "", "clean"},
	{"barrier", "what=free", "|--locks abstract", "", "clean"},
	{"barrier", "what=fill", "|--locks abstract", "", "failing abort"},
	{"barrier", "what=reuse", byItself + "|--detect data-race", "", "clean"},
	{"barrier", "what=destroy", "--locks abstract", "", "clean"},
	{"barrier", "what=reuse", "--locks abstract", "", "clean"},
	{"barrier", "what=fill", "|--locks abstract", "", "failing abort"},
	{"barrier", "what=free", "|--locks abstract", "", "clean"},
	{"waits", "what=mutex", "--locks abstract", "", "failing deadlock"},
	{"waits", "what=condition", "--locks abstract", "", "failing deadlock"},
	{"waits", "what=itself", "--locks abstract", "", "clean"},
	{"lookup", "what=user", "--locks abstract", "", "clean"},
	{"lookup", "what=host", "--locks abstract", "bullseye", "clean"},
	{"ends", "what=exit", "|--detect use-after-free", "", "clean"},
	{"ends", "what=ask", "", "bullseye", "failing check"}, // ESRCH, up to glibc 2.33
	{"ends", "what=ask", "", "bookworm trixie forky", "clean"},
	{"ends", "what=return", "|--detect use-after-free", "", "clean"},
	{"spins", "what=rwlock", "|--locks abstract", "", "clean"},
	{"spins", "what=writers", "|--locks abstract", one, "clean"},
	{"spins", "what=spinlock", "|--locks abstract", "", "clean"},
	{"spins", "what=barrier", "|--locks abstract", "", "clean"},
	{"spins", "what=once", "|--locks abstract", "", "clean"},
	{"spins", "what=locale", "|--locks abstract", "", "clean"},
	{"spins", "what=held", "|--preemptions 0|--preemptions 0 --strategy dpor", one, "failing livelock"},

	{"loops", "what=looks", byItself, one, "clean"},
	{"loops", "what=yields", byItself, one, "clean"},
	{"loops", "what=yields", atRandom, one, "undecided"},
	{"loops", "what=tries", byItself + "|--locks abstract", "", "clean"},
	{"loops", "what=swaps", byItself, one, "clean"},
	{"loops", "what=takes", byItself, one, "clean"},
	{"loops", "what=asks", byItself, one, "clean"},
	{"loops", "what=both", byItself, one, "clean"},
	{"loops", "what=nobody", byItself, one, "failing livelock"},
	{"loops", "what=counts", byItself, one, "failing check"},
	{"loops", "what=lists", byItself, one, "failing check"},
	{"loops", "what=helper", byItself, one, "failing check"},
	{"loops", "what=captured", byItself, one, "failing check"},
	{"loops", "what=again", byItself, one, "failing check"},

	{"signals", "what=owner", "", "", "clean"},
	{"signals", "what=blocked", byItself, "", "clean"},
	{"signals", "what=unblocked", byItself, "", "failing signal"},
	{"signals", "what=later", "", "", "failing signal"},
	{"signals", "what=sent", byItself, "", "clean"},
	{"signals", "what=queued", byItself, one, "clean"},
	{"signals", "what=races", byItself, one, "failing signal"},
	{"signals", "what=freed", byItself, one, "failing signal"},
	{"signals", "what=all", byItself, "", "clean"},
	{"signals", "what=any", byItself, one, "failing signal"},
	{"signals", "what=ignored", byItself, one, "clean"},
	{"signals", "what=limit", byItself, one, "undecided"},

	{"joins", "what=join", byItself + "|" + atRandom, "", "undecided"},
	{"joins", "what=polls", byItself, "", "undecided"},
	{"joins", "what=yields", byItself, one, "undecided"},
	{"joins", "what=robust", byItself, one, "undecided"},
	{"joins", "what=ends", "", "", "clean"},
	{"joins", "what=stuck", byItself, one, "failing deadlock"},
	{"joins", "what=apart", byItself, one, "failing deadlock"},

	{"code", "what=closes", "|--preemptions 0|--preemptions 0 --strategy dpor", one, "failing segv"},
	{"code", "what=unmaps", "|--preemptions 0|--preemptions 0 --strategy dpor", one, "failing segv"},
	{"code", "what=protects", "|--preemptions 0|--preemptions 0 --strategy dpor", one, "failing segv"},
	{"code", "what=nothing", byItself, one, "clean"},

	{"frees", "what=twice", "--detect double-free", "", "failing double-free"},
	{"frees", "what=inside", "--detect invalid-free", one, "failing abort invalid-free"},
	{"frees", "what=data", "--detect invalid-free", one, "failing abort invalid-free"},
	{"frees", "what=own", "--detect double-free --detect invalid-free --detect use-after-free", "", "clean"},

	{"endings", "what=exits handlers=40", "--detect use-after-free --strategy surw --schedules 60 --seed 1", "bookworm", "failing segv use-after-free"},
	{"endings", "what=exits handlers=40", "--detect use-after-free --strategy surw --schedules 60 --seed 1", "trixie", "undecided"},
	{"endings", "what=other", byItself, one, "failing exit"},
	{"endings", "what=aborts", byItself, one, "clean"},
	{"endings", "what=dies", byItself, one, "clean"},
	{"endings", "what=never", byItself, one, "failing check"},
	{"endings", "what=hangs", byItself, "", "clean"},
	{"endings", "what=stream", "", "bullseye bookworm", "clean"},
	{"endings", "what=stream", "", "trixie forky", "failing deadlock"},

	{"files", "what=folder", byItself, one, "clean"},
	{"files", "what=stream", "", one, "clean"},
	{"missing", "what=fanotify_init", byItself, one, "undecided"},
	{"missing", "what=inotify_init", byItself, one, "undecided"},
	{"inside", "", byItself + "|--locks abstract", "", "clean"},
	{"inside", "what=unended", byItself + "|" + atRandom, one, "failing deadlock"},
	{"inside", "what=early", byItself, one, "clean"},
	{"inside", "what=pool", byItself, "", "clean"},
	{"inside", "what=writes", byItself + "|" + atRandom, one, "failing check"},

	{"texts", "what=strerror", "", "bookworm trixie forky", "clean"},
	{"texts", "what=strsignal", "", "bookworm trixie forky", "clean"},
}

// TestVerdictCases runs them by the command line.
func TestVerdictCases(t *testing.T) {
	atHome(t)
	versions := suiteVersions(t)
	for i, c := range verdictCases {
		sc := verdictScenario(t, c.file)
		words := strings.Fields(c.verdict)
		for k, suite := range sysroot.Suites() {
			if c.suites != "" && !slices.Contains(strings.Fields(c.suites), suite) {
				continue
			}
			for _, arch := range sysroot.Arches() {
				if testing.Short() && (i%8 != 0 || suite != "bookworm" || arch != "arm64") {
					continue
				}
				for n, search := range strings.Split(c.searches, "|") {
					draws := strings.HasPrefix(search, "--strategy") // which knows no architecture
					if draws && arch != "arm64" || !draws && !inTurn(i+k+n, arch) {
						continue
					}
					t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s/%s/%s/%s", c.file, c.settings, suite, arch, search), " ", ","), func(t *testing.T) {
						t.Parallel()
						var settings []string
						for _, s := range strings.Fields(c.settings) {
							settings = append(settings, strings.ReplaceAll(s, ",", " "))
						}
						want := scenario.Expected{Verdict: words[0], Kinds: words[1:], Search: search}
						checkSearch(t, sc, verdictFile(c.file), suite, versions[suite], arch, settings, want)
					})
				}
			}
		}
	}
}

func verdictFile(name string) string {
	return filepath.Join("..", "..", "testdata", "verdict", name+".star")
}

func verdictScenario(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	script, err := scripts.Read(verdictFile(name))
	if err != nil {
		t.Fatal(err)
	}
	sc, err := script.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	return sc
}
