// Package unwind finds the call stack of a thread from its registers, its
// memory and the call frame information of the images mapped there, as a
// debugger does.
//
// The information is DWARF's, in .eh_frame: for every function a table, in the
// form of a little program, that says for each address of the function where
// its frame begins (the canonical frame address, CFA), where its return address
// is and where the registers of its caller are. The formats are those of the
// DWARF 5 standard, section 6.4, with the changes that the Linux Standard Base
// Core specification, "DWARF Extensions", makes for .eh_frame, and with the
// additions of the "DWARF for the Arm 64-bit Architecture" ABI.
//
// An [Unwinder] keeps what it has parsed; [Stack] is for a single call. What
// is read counts as hostile: a broken table ends the stack early, with the
// frames found so far and the reason, an [End].
//
// The package has its own reader of the tables rather than that of Delve,
// github.com/go-delve/delve/pkg/dwarf/frame, because the latter is made for
// code that the Go compiler wrote: after DW_CFA_restore it has no rule for a
// register that the function did not save initially, which every epilogue of a
// C library needs; a return address that is undefined, the mark of the
// outermost frame, looks the same to it; and it does not know the signing of
// return addresses on arm64.
package unwind
