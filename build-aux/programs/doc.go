// Command programs has emurace search the programs of testdata/programs and their repaired
// twins, for both architectures and in several builds, with each strategy that draws, from
// several seeds, and writes docs/programs.md: who finds what in how many schedules, and what is
// proved of the twins.
//
// What was measured is in measured.json beside it, from which the page is made. Flags say what to
// measure anew; the rest stays.
package main
