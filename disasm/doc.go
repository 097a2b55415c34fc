// Package disasm decodes one guest instruction at a time, for arm64 and amd64
// alike: its text, its length, where it may branch to, the memory it reads and
// writes, and the registers it reads and writes. An explanation of a crash
// stands on the latter: from the register that faulted, back over [Move]s and
// [Inst.Src], to the load that brought the bad value in.
//
// The text follows GNU objdump, which is also what gdb prints: for arm64
//
//	ldr x19, [x20, #8]!
//
// and for amd64 the Intel flavour in lower case, with a blank after a comma
//
//	mov rbp, qword ptr [r12+0x8]
//
// Comments that objdump adds (// b.lo, b.ul, b.last) are left out, except for
// the target of a rip-relative operand.
//
// Registers go by the name of the whole register: x0 to x30, sp, v0 to v31 and
// nzcv; rax to r15, xmm0 to xmm31 and eflags. xzr, which is no storage, never
// appears. The x87 stack is not followed: st0 is its top before the
// instruction. [Canonical] maps any other spelling to these names.
//
// golang.org/x/arch does the table-driven part of the work. It keeps some
// operands to itself (an arm64 offset, for one) and says nothing of implicit
// registers and of reading or writing, so that part is derived here, for arm64
// from the encoding as the Arm Architecture Reference Manual (DDI 0487,
// chapter C4) gives it, and for amd64 from a table after the instruction
// reference in volume 2 of the Intel Software Developer's Manual.
package disasm
