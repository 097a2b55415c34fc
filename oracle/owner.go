package oracle

import "emurace/emu"

// half is four bytes of memory, by address divided by four.
type half uint64

// owner is what four bytes are set to: parts of a word of eight with the address of
// a thread's descriptor, or a thread's number.
type owner struct {
	foreign bool // to something else once at least
	named   bool // to such a thing once at least
	number  bool // it was a number
	// distance of the address before the thread pointer of the thread that writes it,
	// the same for all.
	distance uint64
}

// threadArea bounds the distance of a thread's descriptor, by which glibc knows
// it, from the thread pointer. On amd64 it is 0; on arm64 the descriptor ends at
// the thread pointer (sysdeps/aarch64/nptl/tls.h).
const threadArea = 16 << 10

// set takes in that a thread with the given thread pointer and number writes there.
func (o *owner) set(e *emu.LogEntry, pointer, number uint64) {
	word, part := e.Size == 8 && e.Addr%8 == 0, e.Size == 4 && e.Addr%4 == 0
	distance := pointer - e.Value
	switch {
	case !word && !part:
		o.foreign = true
	case e.Value == 0:
	case word && distance < threadArea && (!o.named || !o.number && distance == o.distance):
		o.named, o.distance = true, distance
	case part && e.Value == number && (!o.named || o.number):
		o.named, o.number = true, true
	default:
		o.foreign = true
	}
}

// owned takes in a write.
func (s *survey) owned(e *emu.LogEntry) {
	var number uint64
	if int(e.Thread) < len(s.numbers) {
		number = s.numbers[e.Thread]
	}
	for h := half(e.Addr / 4); uint64(h)*4 < e.Addr+uint64(e.Size); h++ {
		o := s.owners[h]
		o.set(e, s.pointer[e.Thread], number)
		s.owners[h] = o
	}
}

// lockReach is how far behind a lock its owner may be noted, in words of eight bytes:
// pthread_rwlock_t has four words before it.
const lockReach = 4

// ownerBytes are the bytes of a word that name the owner of a lock before it: see the
// package comment.
func (s *survey) ownerBytes(w word) (mask uint8) {
	for i := range half(2) {
		if o := s.owners[half(w)*2+i]; o.named && !o.foreign {
			mask |= 0xf << (4 * i)
		}
	}
	if mask == 0 {
		return 0
	}
	for i := word(1); i <= lockReach; i++ {
		if s.atomic[w-i] != 0 {
			return mask
		}
	}
	return 0
}
