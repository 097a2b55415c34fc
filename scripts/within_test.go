package scripts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore"
)

// settingsWithin are those of shipped scenarios with which the schedules of a few preemptions can be run, or that fail
// in other ways than the usual ones.
var settingsWithin = []string{
	"abba order=same", "abba order=try", "cond-signal flag=unlocked", "cond-signal flag=unchecked",
	"counter threads=3", "counter n=2", "counter lock=mutex", "counter lock=atomic",
	"drand48-drand48 function=erand48", "getenv-clearenv entries=4", "getenv-putenv what=change", "getenv-setenv entries=4 setenvs=1",
	"getenv-unsetenv entries=2 removed=1", "once once=false", "philosophers seats=2", "philosophers seats=2 order=lowest",
	"rand-rand n=1", "reorder setters=1", "reorder setters=2", "rwlock lock=off entries=2", "stdio-printf function=fputs_unlocked",
	"strtok-strtok function=strtok_r", "strtok-strtok words=1", "twostage sections=one", "twostage readers=2",
}

// waysToFail are those that a search has found: what happens, where, and to whom.
func waysToFail(r *explore.Result) (list []string) {
	for _, f := range r.Findings {
		way := fmt.Sprint(f.Outcome.Kind, " ", f.Outcome.Thread, " ", f.Outcome.Message)
		if e := f.Outcome.End; e != nil {
			way += fmt.Sprintf(" %#x", e.PC)
		}
		list = append(list, way)
	}
	slices.Sort(list)
	return list
}

// Within two preemptions each scenario fails in the same ways whether classes of schedules are run or all of them, for which a
// tenth of the runs is enough, and where all schedules are too many, in all the ways that the first of them show. A
// scenario of so few schedules that there are hardly ten for a class is compared only.
func TestClassesWithin(t *testing.T) {
	const tenth, few = 10, 200
	most, least := uint64(20_000), 12
	if testing.Short() {
		most, least = 2_000, 1
	}
	eachSystem(t, []string{"bookworm"}, func(t *testing.T, sys *emu.System) {
		names := slices.Clone(settingsWithin)
		for _, sc := range All() {
			names = append(names, sc.Name)
		}
		ended := 0
		for i, name := range names {
			if testing.Short() && i%4 != 0 {
				continue
			}
			fields := strings.Fields(name)
			begin := starterOf(t, sys, fields[0], fields[1:]...)
			o := explore.Options{Preemptions: 2, KeepGoing: true, Jobs: 2, Schedules: most}
			classes, err := explore.DPORWithin(t.Context(), begin, o)
			must(t, err)
			all, err := explore.Bounded(t.Context(), begin, o)
			must(t, err)
			have, want := waysToFail(classes), waysToFail(all)
			if !classes.Complete && !all.Complete && classes.Schedules >= most {
				continue // with threads that wait for each other again and again, classes are too many, too
			}
			if !classes.Complete || classes.Preemptions != 2 {
				t.Errorf("%s: %+v", name, classes)
			}
			if !all.Complete {
				for _, way := range want {
					if !slices.Contains(have, way) {
						t.Errorf("%s: no class is %q", name, way)
					}
				}
				continue
			}
			ended++
			t.Logf("%s: %d runs in place of %d, %d ways to fail", name, classes.Schedules, all.Schedules, len(have))
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s (-all +classes):\n%s", name, diff)
			}
			if all.Schedules >= few && classes.Schedules*tenth > all.Schedules {
				t.Errorf("%s: %d runs are more than a tenth of %d", name, classes.Schedules, all.Schedules)
			}
		}
		if ended < least {
			t.Errorf("of %d searches only %d came to their end", len(names), ended)
		}
	})
}
