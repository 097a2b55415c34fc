// Package guestcode gives tests small guest programs: C functions compiled, at
// test time, to one flat piece of position-independent machine code for either
// guest architecture, with its global variables behind it. A test that wants an
// exact instruction writes it as asm volatile. It also compiles shared libraries, and whole
// programs in C, C++ and Rust.
package guestcode
