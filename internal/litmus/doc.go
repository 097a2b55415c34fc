// Package litmus reads litmus tests, the small concurrent programs in the format of the tools herd
// and diy, for AArch64 and x86: what the threads run stands in columns, and behind them a condition
// on what registers and memory may hold at the end. It makes guest code of them, and scenarios that
// fail in exactly the executions that a test asks for. It is for tests, and knows nothing of how
// executions are searched: package explore's tests import it.
//
// Packages below it make tests (cycles) and tell what the memory models' axioms say of them (axioms).
package litmus
