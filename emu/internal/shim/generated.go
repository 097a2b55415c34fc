package shim

// #include "shim.h"
import "C"

// generates tells whether code counts and logs by itself: the libunicorn that the program
// is linked with has our patches, and the host is of a kind for which they make code.
func (e *Engine) generates() bool { return bool(e.c.generates) }

// SetHooked makes all instructions run with the hooks, as they do where Generates is
// false. That changes nothing but how long they take.
func (e *Engine) SetHooked(on bool) { e.c.hooked = C.bool(on) }
