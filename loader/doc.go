// Package loader does what the kernel and a debugger do before the first
// instruction runs: it reads ELF files, looks into a sysroot and lays out the
// memory that exec hands to a program. It knows no emulator; everything it
// returns is plain data.
//
// A [Sysroot] is a folder that plays the guest's root directory. Its links are
// resolved inside it, as after chroot, and no path leads out of it.
//
// An [Image] is an ELF file that was read and checked by [Parse]: its segments,
// what the dynamic section says, and on demand its symbols, its unwind tables
// and its source lines, the latter from the separate debug file that
// [Image.LoadDebug] finds by build-id.
//
// [Image.Plan] says how the kernel would map an image, and [BuildStack] builds
// the initial stack with arguments, environment and auxiliary vector. [Stub]
// makes a tiny program in memory whose only purpose is to have the guest's own
// dynamic linker load the libraries under test.
//
// Every byte that is read counts as hostile. Sizes in a file are compared with
// the file before they are used, so that a few bytes cannot ask for a large
// allocation, and errors are one line naming the file and the field.
package loader
