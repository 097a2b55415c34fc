// Package corefile reads ELF core files as plain data: what the kernel, gdb's gcore, qemu's
// user mode, systemd-coredump and emurace itself leave of a process, of arm64 and amd64.
//
// Open reads a file, or anything that can only be read from front to back, as it is or
// compressed with zstd, lz4, xz or gzip. A File has the threads with their registers, the
// signal, the auxiliary vector, the list of mapped files, and the memory, page by page:
// each byte is in the core, or it was mapped and left out, or the file ends before it, or
// nothing was mapped. Those are told apart, since a core that says nothing of a page does
// not say that it was zero.
//
// Nothing that the file claims is believed before it is checked: all sizes are bounded by
// the bytes that are there, and by limits of the package's own. What is wrong with a part of
// it is kept in Problems, and the rest is read.
package corefile
