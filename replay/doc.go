// Package replay keeps what a search has found and tells what happened in it.
//
// A [Trace] is a scenario, a schedule, an outcome and a digest in one file that
// a person can read; [Verify] runs it again, bit for bit. A [History] is a run
// instruction by instruction, from which [Explain] finds out why a thread
// failed: which register held what, where it was loaded from, who had written
// that and how they came to it. A [HeapTracer] runs it once more with the calls
// of malloc traced, which tells what block that was in and whether the value is
// malloc's own. It knows how to read any run and nothing of how
// it was found, and nothing of getenv.
package replay
