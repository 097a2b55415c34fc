// Package process is a process as its core file and the files of its modules show it: which
// images were mapped where, whose files they are, memory out of both, and the threads' call
// stacks.
//
// Modules are found by NT_FILE, by the dynamic linker's list (r_debug), and by ELF headers in
// memory; each way alone is enough. A module's file is taken only when it has the build-id that
// memory has: Module.Found says which file that is, or why there is none.
package process
