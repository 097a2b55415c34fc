// Package core writes a moment of a run as the core file that Linux would have
// left of it, for gdb and every other program that reads those.
//
// A [Process] is what goes into one: the threads' registers, the mappings, the
// auxiliary vector, and the signal, if the process died of one. [Of] takes it from
// a session, which may stand at any moment of its run; [Process.Write] streams the
// file, and [Process.Save] makes one on disk, with holes where there are zeros and
// with the program beside it. [GDBCommand] opens both.
//
// The file is what fs/binfmt_elf.c of Linux writes (elf_core_dump), with five
// differences. Libraries are in it completely, so that it says everything about the
// process by itself, where the kernel leaves out what can be read from a file. A
// mapping that begins with pages never touched, as a stack does, is two segments,
// so that those pages take no room. The list of mapped files (NT_FILE) has only
// files that are there: not the made-up program, whose pages are in the core. A
// build-id says which program file belongs to it, see [Process.ProgramFile],
// and a note of our own, EMURACE, that what a segment does not store is zeros: of a
// kernel's core that is not known.
package core
