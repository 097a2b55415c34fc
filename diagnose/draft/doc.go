// Package draft writes a scenario that looks for a way to the crash of a core file: the calls of the
// C library that the threads were in, as far as their arguments are known, and those that must have
// been made before; an environment of the same size; what malloc was told by tunables; and the end
// to look for. It is a file of Starlark that a person can read and mend: what was not known is
// said in it.
package draft
