// Package graph explores the executions of a concurrent program as graphs, each once, under a memory
// model: sequential consistency, x86-TSO or ARMv8.
//
// A graph has the events of the threads, the order in which they were added, for each read the write
// that it reads from (rf), and for each cell of memory the order of its writes (co). The exploration is
// that of TruSt (Kokologiannakis, Marmanis, Gladstein and Vafeiadis, Truly stateless, optimal dynamic
// partial order reduction, POPL 2022). It comes to every consistent graph in which program order and
// rf together have no cycle, and to none twice. Memory is linear in the number of events, times the
// number of revisits that are under way.
//
// The axioms of ARMv8 are those of Pulte et al. (Simplifying ARM concurrency, POPL 2018) and
// of Alglave et al. (Armed cats, TOPLAS 2021); those of TSO those of Owens, Sarkar and Sewell (TPHOLs 2009).
// Events of several cells are single-copy atomic: while a graph grows their parts are ordered each by
// itself, and the graph that is complete is tested with the parts of an access made one.
//
// The package knows no machine: what threads do is told by a Program.
package graph
