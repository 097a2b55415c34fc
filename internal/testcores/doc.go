// Package testcores makes core files whose cause is known, for tests of what reads and explains
// them.
//
// [Causes] is the table of them: what each one is made of, a scenario or a program of
// testdata/diagnose, on which C libraries, and in plain data the truth that an explanation has to
// come to. A [Cause] is made in several dialects of the format: [Cause.Emulated] runs it in the
// emulator, where [replay.Explain] knows more than any core says, and has replay/core write it;
// [Cause.Native] has the machine's own kernel or gdb's gcore do so, and [Cause.Qemu] qemu's user
// emulation, whose cores say the least. [Article] is the crash that the project began with, and
// [Large] a core of 500 threads and some GiB. Truncate, Unfile and the like make worse cores of one.
//
// A core is made once for the life of a test's process, in a folder that [Main] removes.
package testcores
