package shim

// #include "shim.h"
import "C"

// UserMode tells whether the guest is a process to the processor, which takes our patches
// to Unicorn. Without them it runs with the rights of a kernel.
const UserMode = C.EMURACE_UNICORN_PATCHED == 1
