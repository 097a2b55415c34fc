// Package thorough says how much tests do. Go runs them in one of three ways: with -short a
// few of their cases, usually enough of them to notice a fault, and with TEST_THOROUGH=1 in
// the environment, as `make nightly` has it, all that there are.
package thorough
