// What share.c and undo.c have in common.
#ifndef EMURACE_SHARE_H
#define EMURACE_SHARE_H

#include "shim.h"

// An epoch is a thread's slot and its own clock at a moment; 0 is none. It leaves
// the highest bit free.
enum { EM_CLOCK_BITS = 25, EM_CLOCK_MAX = (1 << EM_CLOCK_BITS) - 1 };
#define EM_EPOCH(slot, clock) ((uint32_t)(slot) << EM_CLOCK_BITS | (clock))
#define EM_SLOT_OF(epoch) ((epoch) >> EM_CLOCK_BITS)
#define EM_CLOCK_OF(epoch) ((epoch) & EM_CLOCK_MAX)

// What a byte's `read` is when it is no epoch: the number of a record follows.
#define EM_MANY 0x80000000u

_Static_assert(EM_MAX_THREADS <= 64, "an epoch has six bits for the slot");

// What a run has done to eight bytes of memory. Masks have a bit a byte.
typedef struct em_granule {
    uint64_t key;      // address / 8 + 1; 0 for an empty place
    uint32_t wrote[8]; // epoch of the last write of each byte
    uint32_t read[8];  // of the last read, or EM_MANY and a record
    uint32_t last;     // epoch of the last access
    uint8_t did_read, did_write; // what was accessed in that epoch
    uint8_t shared;    // bytes that make events
    uint8_t told;      // of these, what em_share_add said
    uint8_t recorded;  // bytes whose record holds vector clocks
    bool seen;         // an access of this run has been here
    uint32_t age;      // em_share.age when all but told was last of use
    uint64_t stamp;    // em_share.stamp when it was last saved
} em_granule;

em_granule *em_granule_find(em_share *s, uint64_t key);

// undo.c. Those that tell false have found no memory.
bool em_granule_save(em_share *s, em_granule *g);
bool em_record_new(em_share *s, uint32_t *index);
bool em_record_save(em_share *s, uint32_t index);
bool em_clock_save(em_share *s, int slot);
void em_clock_begin(em_share *s, int slot);
bool em_block_add(em_share *s, uint64_t lo, uint64_t hi, uint32_t epoch);
bool em_object_add(em_share *s, uint64_t class, uint64_t id);
bool em_share_widen(em_share *s, int slot);
void em_share_undo(em_share *s, const em_share_mark *m);

// The clocks of a record: of the last write, and of the reads behind it. They are
// valid until the next record is made.
static inline uint32_t *em_record(em_share *s, uint32_t index) {
    return s->records + (size_t)index * 2 * (size_t)s->width;
}

#endif
