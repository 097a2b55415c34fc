package core

import (
	"bytes"
	"debug/elf"
	"path/filepath"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

var must = testrace.Must

// together is testsystem.EachArch for tests that mostly wait for a debugger: both at a time.
func together(t *testing.T, test func(t *testing.T, arch loader.Arch)) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		t.Parallel()
		test(t, arch)
	})
}

// start boots a plan on Debian bookworm's libc.
func start(t testing.TB, arch loader.Arch, plan *scenario.Plan) *scenario.Session {
	t.Helper()
	return testrace.Start(t, testsystem.Of(t, "bookworm", arch), plan)
}

// crash is the article's scenario at the moment when main has died in getenv, and
// the schedule that leads there: main is taken off after some instructions, and the
// worker runs until its free has spoilt the list that main walks.
func crash(t testing.TB, arch loader.Arch) (*scenario.Session, scenario.Schedule) {
	t.Helper()
	s := start(t, arch, testrace.DefaultPlan(t))
	if n, ok := crashes.Load(arch); ok {
		schedule := crashAfter(n.(uint64))
		must(t, s.Play(schedule))
		return s, schedule
	}
	for n := uint64(1000); n < 4000; n += 8 {
		schedule := crashAfter(n)
		must(t, s.Restart())
		must(t, s.Play(schedule))
		if o, _ := s.Outcome(); o.Kind == scenario.Segv && o.Thread == 0 && o.End.Addr == 0x220 {
			crashes.Store(arch, n)
			return s, schedule
		}
	}
	t.Fatal("no schedule crashes")
	return nil, nil
}

func crashAfter(n uint64) scenario.Schedule {
	return scenario.Schedule{{Thread: 1, N: n}, {Thread: 0}}
}

// crashes are the numbers of instructions that crash has found, once for all tests.
var crashes sync.Map

// deadlock is a process whose threads wait for each other's semaphores for ever.
func deadlock(t testing.TB, arch loader.Arch) *scenario.Session {
	t.Helper()
	var sems [2]uint64
	wait := func(i int) scenario.Body {
		return testrace.Called(func() scenario.Calls {
			return scenario.Calls{{Func: "sem_wait", Args: []scenario.Arg{scenario.Int(sems[i])}}}
		})
	}
	s := start(t, arch, &scenario.Plan{
		Setup: func(u *scenario.Setup) error {
			for i := range sems {
				addr, err := u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(32))
				if err != nil {
					return err
				}
				sems[i] = addr
				if _, err := u.Call(scenario.Main, "sem_init", scenario.Int(addr), scenario.Int(0), scenario.Int(0)); err != nil {
					return err
				}
			}
			return nil
		},
		Threads: []scenario.Thread{{Name: scenario.Main, Body: wait(0)}, {Name: "a", Body: wait(1)}, {Name: "b", Body: wait(1)}},
	})
	must(t, s.Play(scenario.Schedule{{Thread: 2}, {Thread: 0}, {Thread: 1}}))
	if o, _ := s.Outcome(); o.Kind != scenario.Deadlock {
		t.Fatalf("the outcome is %v", o)
	}
	return s
}

// of is Of for a session that stands somewhere.
func of(t testing.TB, s *scenario.Session, first int) *Process {
	t.Helper()
	p, err := Of(s, first)
	must(t, err)
	return p
}

// parsed is a core in memory, read back.
type parsed struct {
	*elf.File
	data []byte
}

func written(t rapid.TB, p *Process) parsed {
	t.Helper()
	var b bytes.Buffer
	must(t, p.Write(&b))
	f, err := elf.NewFile(bytes.NewReader(b.Bytes()))
	must(t, err)
	return parsed{f, b.Bytes()}
}

// saved writes a core and its program to a folder of the test's own.
func saved(t testing.TB, p *Process) Files {
	t.Helper()
	f, err := p.Save(filepath.Join(t.TempDir(), "a.core"))
	must(t, err)
	return f
}
