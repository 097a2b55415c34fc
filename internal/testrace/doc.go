// Package testrace gives tests real races to look at: sessions of the scenario
// that ships and of guest code of a test's own, on a real libc, and schedules of
// them that end as a test needs it. The packages that show a run are all tested
// with the same few runs, and find them here.
package testrace
