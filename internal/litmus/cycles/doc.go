// Package cycles makes litmus tests of cycles of relations between accesses, as the tool diy does: what
// "PodWW Rfe PodRR Fre" says is message passing, MP. Each relation leads from one access to the next: of the same thread
// (program order, with a barrier or a dependency) or of the next one (reads from, from-reads, coherence order). The test
// asks whether the execution that the cycle describes can be seen.
//
// The names are those of Alglave, Maranget, Sarkar, Sewell, "Fences in weak memory models" (CAV 2010),
// and of diy's documentation.
package cycles
