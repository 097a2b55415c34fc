// Package guard has a program do its dangerous part in a second process: a copy of the
// program that can be walled in, and that can die without the first one, the supervisor,
// dying with it.
//
// The supervisor starts the engine process from its own executable, with the same
// arguments, files and terminal, passes on signals, and returns how the other one ended.
// Between the two are a record of crashes (package crash) and pipes: one for orders, one
// for reports, and one on which Go's runtime puts what it says when it dies.
//
// A report is believed only as far as its sender can be. Before the engine process has
// raised its walls it runs nothing but the program's own code, and may name files to keep
// states in and a program to be started. After that a guest may have taken it over, and
// it can choose among what was named before.
package guard
