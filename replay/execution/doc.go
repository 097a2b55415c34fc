// Package execution tells a run as memory models do: which accesses to shared bytes its threads made, which write
// each read has seen, and in which order the writes of a byte came. It is made of the run alone, so that it is there
// for any trace.
//
// Of a run in which a read has seen an older value than memory held it finds what makes that one which no order of
// the instructions has: a way from the newer write back to the read, along the programs and along what was seen. The
// orders of a program on that way are those of which the processor has not kept at least one.
package execution
