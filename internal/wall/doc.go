// Package wall lets a process shut itself in: behind Landlock, which bounds the files
// and ports that it can reach, and behind seccomp, which refuses the system calls that
// it has no use for. What it has opened before stays open.
//
// Both are of the kernel and hold for every thread, now and later, and for whatever code
// runs in the process, also when that code is a guest's that has broken out of the
// emulator. Neither can be taken down again. A kernel may have one of them, both or
// none; Raise takes what there is, and Available says what that is and why not more.
//
// See Documentation/userspace-api/landlock.rst and seccomp_filter.rst of Linux.
package wall
