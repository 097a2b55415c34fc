// What share.c and undo.c have in common.
#ifndef EMURACE_SHARE_H
#define EMURACE_SHARE_H

#include "shim.h"

// An epoch is a thread's lane and its own clock at a moment; 0 is none. It leaves
// the highest bit free.
enum { EM_CLOCK_BITS = 19, EM_CLOCK_MAX = (1 << EM_CLOCK_BITS) - 1, EM_MAX_LANES = 1 << (31 - EM_CLOCK_BITS) };
#define EM_EPOCH(lane, clock) ((uint32_t)(lane) << EM_CLOCK_BITS | (clock))
#define EM_LANE_OF(epoch) ((epoch) >> EM_CLOCK_BITS)
#define EM_CLOCK_OF(epoch) ((epoch) & EM_CLOCK_MAX)

// What a byte's `read` is when it is no epoch: the number of a record follows.
#define EM_MANY 0x80000000u

// em_granule.owner of what several threads have accessed.
enum { EM_SEVERAL = UINT16_MAX };

// em_granule.use: a bit for each of the first threads whose accesses need not be noted:
// its reads, and with EM_WRITTEN, which stands beside one bit only, its writes. None is of
// a granule that nobody has accessed yet, and EM_NOTED of one of which every access is
// noted. See recall.c.
enum { EM_USERS = 7, EM_WRITTEN = 0x80, EM_NOTED = EM_WRITTEN };

// em_turn.slot where the turn is no thread's: sharing was turned on or off.
#define EM_SWITCH UINT32_MAX

// Granules of a page.
enum { EM_GRANULES = EM_PAGE / 8 };

_Static_assert(2 * (int)EM_MAX_THREADS <= (int)EM_MAX_LANES, "a thread that there is has a lane, and one that a search knows");

// What a run has done to eight bytes of memory, if it is noted. Masks have a bit a byte.
// Where only one thread was here, what it has done in the epoch of its last access is here,
// and in a detail only what it did before.
typedef struct em_granule {
    uint64_t stamp;  // em_share.stamp when it was last saved; before born it is of another run
    uint32_t last;   // epoch of the last access
    uint32_t detail; // its number, 0 for none
    uint16_t owner;  // the only lane that was here and one; EM_SEVERAL, 0 for none
    uint8_t did_read, did_write; // what was accessed in the last epoch
    uint8_t shared;  // bytes that make events
    uint8_t told;    // of these, what em_share_add said
    uint8_t use;     // whose accesses need not be noted; it stays when a run goes back
    bool seen : 1;    // an access of this run has been here
    bool pending : 1; // the detail does not have the last epoch yet
    bool recalled : 1; // accesses that were not noted are being looked for
} em_granule;

// What came before, byte by byte.
typedef struct em_detail {
    uint64_t stamp;    // as that of a granule
    uint32_t wrote[8]; // epoch of the last write of each byte
    uint32_t read[8];  // of the last read, or EM_MANY and a record
    uint8_t recorded;  // bytes whose record holds vector clocks
} em_detail;

// What was before a change.
typedef struct em_old_granule {
    em_granule *at, was;
} em_old_granule;

typedef struct em_old_detail {
    uint32_t number;
    em_detail was;
} em_old_detail;

// undo.c. Those that tell false have found no memory.
bool em_room(void **list, size_t len, size_t *cap, size_t size);
bool em_granule_save(em_share *s, em_granule *g);
bool em_detail_change(em_share *s, em_granule *g);
bool em_record_new(em_share *s, uint32_t *index);
bool em_record_save(em_share *s, uint32_t index);
bool em_clock_save(em_share *s, int lane);
bool em_block_add(em_share *s, uint64_t lo, uint64_t hi, uint32_t epoch);
bool em_object_add(em_share *s, uint64_t class, uint64_t id);
bool em_share_widen(em_share *s);

// lanes.c
bool em_lane_take(em_engine *e, int slot, int maker);
bool em_lane_leave(em_engine *e, int slot);
void em_lanes_undo(em_share *s, size_t taken);

// The lane of a thread that has one; -1 otherwise.
static inline int em_lane_of(const em_share *s, int slot) {
    return (size_t)slot < s->lane_of_len ? s->lane_of[slot] - 1 : -1;
}

// The clock of a lane's thread.
static inline uint32_t *em_clock_of(const em_share *s, int lane) {
    return s->clocks + (size_t)lane * (size_t)s->width;
}

// The clocks of a record: of the last write, and of the reads behind it. They are
// valid until the next record is made.
static inline uint32_t *em_record(em_share *s, uint32_t index) {
    return s->records + (size_t)index * 2 * (size_t)s->width;
}

// The detail of a granule that has one, valid until the next one is made.
static inline em_detail *em_detail_of(em_share *s, const em_granule *g) {
    return &s->details[g->detail - 1];
}

// Makes a clock no less than another one.
static inline void em_clock_join(const em_share *s, uint32_t *to, const uint32_t *from) {
    for (int i = 0; i < s->width; i++)
        if (to[i] < from[i])
            to[i] = from[i];
}

// share.c
uint8_t em_share_note(em_share *s, em_granule *g, uint8_t bytes, bool write, uint32_t epoch);

// recall.c
bool em_recall_add(em_engine *e, em_granule *g, uint64_t number);
bool em_recall_added(em_engine *e, size_t end);
bool em_recall(em_engine *e, em_granule *g, uint64_t number, size_t end);
bool em_recall_list(em_share *s, em_granule *g);
bool em_recall_undone(em_engine *e, em_share_mark *m);
bool em_turn_note(em_engine *e, int slot, uint32_t epoch);

// The bits of a thread in em_granule.use, none if it is not one of the first.
static inline uint8_t em_user_bit(int slot) { return slot < EM_USERS ? (uint8_t)(1u << slot) : 0; }

// Tells whether an access need not be noted.
static inline bool em_passes(const em_granule *g, bool write, int slot) {
    uint8_t bit = em_user_bit(slot);
    return write ? bit != 0 && g->use == (bit | EM_WRITTEN) : (g->use & bit) != 0;
}

// records.c
bool em_record_separate(em_share *s, em_detail *d, uint8_t bytes);
bool em_record_begin(em_share *s, em_detail *d, int i, uint8_t bytes);
bool em_record_follow(em_share *s, uint32_t index, bool write, int lane);
bool em_record_lead(em_share *s, uint32_t index, bool write, int lane);

// shadow.c
em_granule *em_shadow_of(em_share *s, uint64_t page, bool make);

// Takes what was learned before em_share_forget out of a granule.
static inline void em_granule_renew(const em_share *s, em_granule *g) {
    if (__builtin_expect(g->stamp < s->born, 0))
        *g = (em_granule){.shared = g->told, .told = g->told, .use = g->use};
}

// The granule with a number, which is its address divided by eight; NULL when there is no
// memory. It stays where it is.
static inline em_granule *em_granule_at(em_share *s, uint64_t number) {
    uint64_t page = number / EM_GRANULES + 1;
    const em_shadow *near = &s->near[page & (EM_NEAR_PAGES - 1)];
    em_granule *list = near->page == page ? near->granules : em_shadow_of(s, page, true);
    if (list == NULL)
        return NULL;
    em_granule *g = &list[number % EM_GRANULES];
    em_granule_renew(s, g);
    return g;
}

#endif
