// Package axioms is an oracle for memory models: it tells whether an execution of a litmus test can be
// seen, and how many executions there are, under sequential consistency, x86-TSO and ARMv8, by the axioms of the
// literature. It reads the instructions itself, as text, and goes through all that is thinkable, every
// source of each read and every order of the writes, so that it shares no code and no idea with what it judges.
//
// Sources: the Arm Architecture Reference Manual's section "The AArch64 application level memory model" and
// the form of it in Pulte et al., "Simplifying ARM concurrency" (POPL 2018); Owens, Sarkar, Sewell, "A better
// x86 memory model: x86-TSO" (TPHOLs 2009); Alglave, Maranget, Tautschnig, "Herding cats" (TOPLAS 2014).
package axioms
