package execution

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var must = testrace.Must

// eachArch runs a test for both guest architectures.
func eachArch(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	t.Helper()
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) { test(t, testsystem.Of(t, "bookworm", arch)) })
}

// lineOf is the timeline of a schedule.
func lineOf(t *testing.T, s *scenario.Session, schedule scenario.Schedule) *timeline.Timeline {
	t.Helper()
	line, err := timeline.New(s, schedule)
	must(t, err)
	t.Cleanup(line.Close)
	return line
}

// buffering is the execution in which both threads have loaded 0.
func buffering(t *testing.T, sys *emu.System) (*testrace.Buffering, *Graph) {
	t.Helper()
	sb := testrace.NewBuffering(sys.Arch)
	plan, err := sb.Scenario().Build(nil)
	must(t, err)
	s := testrace.Start(t, sys, plan)
	g, err := Of(lineOf(t, s, sb.Schedule()))
	must(t, err)
	return sb, g
}
