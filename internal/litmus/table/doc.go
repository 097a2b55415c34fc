// Package table has litmus tests with what is known of them: which memory models allow what they look for, and how many
// executions there are under each. It is the set that tests use where no folder of litmus files is given.
package table
