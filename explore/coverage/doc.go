// Package coverage keeps account of what the runs of a search have shown: which conflicting
// accesses came next to each other, and in which order. From how many things were seen once
// and how many twice it estimates how much has not been seen. It promises nothing: what is
// estimated is what further runs of the same kind would show.
//
// A conflict is two accesses of different threads to a byte or kernel object that one of them
// writes, with no write to it in between. Its place is the two instructions, whoever runs them
// and however often. This is the measure of Wang, Said and Gupta, Coverage Guided Systematic
// Concurrency Testing, ICSE 2011 (HaPSet), less the calling context, and of Hong, Ahn, Park,
// Kim and Harrold, Testing Concurrent Programs to Achieve High Synchronization Coverage, ISSTA
// 2012, for all accesses in place of synchronization alone.
package coverage
