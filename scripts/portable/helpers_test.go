package portable_test

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/portable"
)

// suites are those whose setenv frees the block that environ has left.
var suites = []string{"bookworm", "bullseye"}

// eachSystem runs a test on both libcs, on both architectures.
func eachSystem(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	for _, suite := range suites {
		for _, arch := range testsystem.Arches() {
			t.Run(fmt.Sprintf("%s/%v", suite, arch), func(t *testing.T) { test(t, testsystem.Of(t, suite, arch)) })
		}
	}
}

// starter makes sessions of the article's scenario.
func starter(t testing.TB, sys *emu.System, settings ...string) func() (*scenario.Session, error) {
	t.Helper()
	sc, ok := scripts.Find("getenv-setenv")
	if !ok {
		t.Fatal("no scenario getenv-setenv")
	}
	v, err := sc.Settle(settings)
	testrace.Must(t, err)
	return func() (*scenario.Session, error) {
		plan, err := sc.Build(v)
		if err != nil {
			return nil, err
		}
		return scenario.Start(sys, plan, 1)
	}
}

func start(t testing.TB, sys *emu.System, settings ...string) *scenario.Session {
	t.Helper()
	s, err := starter(t, sys, settings...)()
	testrace.Must(t, err)
	t.Cleanup(s.Close)
	return s
}

// at, loc and name make words of their texts.
func at(t testing.TB, text string) portable.Until {
	t.Helper()
	p, err := portable.ParsePlace(text)
	testrace.Must(t, err)
	return portable.At{Place: p}
}

func loc(t testing.TB, text string) portable.Loc {
	t.Helper()
	l, err := portable.ParseLoc(text)
	testrace.Must(t, err)
	return l
}

func name(text string) portable.Symbol { return portable.Symbol{Name: text} }

func reads(l portable.Loc) portable.Until           { return portable.Access{Way: portable.Reads, Loc: l} }
func writes(l portable.Loc) portable.Until          { return portable.Access{Way: portable.Writes, Loc: l} }
func calls(f string) portable.Until                 { return portable.Calls{Func: name(f)} }
func returns(f string) portable.Until               { return portable.Returns{Func: name(f)} }
func wordAt(l portable.Loc, off int64) portable.Loc { return portable.Loc{Word: &l, Off: off} }

// sessions are of the article's scenario with its own settings, one for each system.
var sessions = map[string]*scenario.Session{}

func sessionOf(t testing.TB, suite string, arch loader.Arch) *scenario.Session {
	t.Helper()
	key := suite + arch.String()
	if sessions[key] == nil {
		s, err := starter(t, testsystem.Of(t, suite, arch))()
		testrace.Must(t, err)
		sessions[key] = s
	}
	return sessions[key]
}
