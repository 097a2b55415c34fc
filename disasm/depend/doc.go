// Package depend says what a memory model needs to know of the instructions
// that a thread ran: the barriers between its accesses, which accesses acquire
// or release, and for arm64 on which earlier reads an address, a stored value
// or a branch depends. Dependencies are syntactic, as in the Arm Architecture
// Reference Manual (DDI 0487, B2.3): eor x0, x1, x1 depends on x1.
//
// No order is claimed that the architecture does not give. Where one may exist
// that is not known, it is told as such: MayAddr, MayData, May, MayFull, MayRelease, and Order.Unsure of anything else.
//
// What a thread does with memory of its own orders its events too, by what it reads there, and where it acquires,
// releases or stores before a barrier. Such accesses are no events; they are told as items between them.
package depend
