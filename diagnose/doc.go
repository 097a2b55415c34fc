// Package diagnose explains a core file: what the process died of, what the bad value is and
// where it comes from, which block of malloc's it lies in and whose that is, what became of the
// environment, who waits for whom.
//
// All of it is found in the core and in the files of its modules; nothing is known of any
// particular bug. Each Fact is certain or likely. Certain is what follows from the bytes that are
// there, from the processor's and the C library's own rules; likely is what explains them best.
// What cannot be told for want of a file or of memory is in Gaps, and no fact.
package diagnose
