// Package scenario describes what a process does before and during a race, and
// runs it slice by slice.
//
// A [Scenario] is a recipe with parameters. Applied to values it is a [Plan]:
// the environment, the calls that set the stage, and one [Body] of calls for
// each racing thread. A [Session] is a plan on a real machine at the moment the
// race begins; it runs threads for exact numbers of instructions, knows when
// the race is over and how it came out, and goes back to marks. A [Schedule] is
// which thread ran for how long, in order: all that is needed beside the plan
// to run the same thing again, bit for bit.
package scenario
