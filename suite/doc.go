// Package suite is scenarios held to what they expect: which of a scenario's expectations is
// about a system, whether a search's result is as expected, and the results as CI systems
// read them. It also writes expectations into a scenario's file. It runs no search.
package suite
