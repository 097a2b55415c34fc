#include "share.h"

#include <stdlib.h>
#include <string.h>

// Which accesses of a run are ordered, and which bytes make events because some
// that conflict are not.
//
// Happens-before is: the order of each thread; the order of conflicting accesses to
// bytes that make events; of uses of kernel objects; and what lets a thread go on or
// makes it (em_share_object, em_share_join). Every thread has a vector clock, whose own
// part grows with each instruction that orders something. Of any other byte the last
// write and the last reads are kept as epochs, a thread with its clock (FastTrack,
// Flanagan and Freund, PLDI 2009). An access that conflicts with one which is not
// ordered before it makes its byte one that makes events, from that access on.
//
// What a run has shown goes back with it (undo.c); which bytes make events does not.

static uint64_t place_of(const em_share *s, uint64_t key) {
    return (key * 0x9e3779b97f4a7c15ULL) >> s->shift; // Fibonacci hashing
}

em_granule *em_granule_find(em_share *s, uint64_t key) {
    uint64_t mask = s->cap - 1;
    for (uint64_t i = place_of(s, key);; i++) {
        em_granule *g = &s->table[i & mask];
        if (g->key == key || g->key == 0)
            return g;
    }
}

static bool grow(em_share *s) {
    em_share old = *s;
    s->cap = old.cap ? 2 * old.cap : 1 << 12;
    s->shift = 64 - __builtin_ctzll(s->cap);
    s->table = calloc(s->cap, sizeof *s->table);
    if (s->table == NULL) {
        *s = old;
        return false;
    }
    for (size_t i = 0; i < old.cap; i++)
        if (old.table[i].key)
            *em_granule_find(s, old.table[i].key) = old.table[i];
    free(old.table);
    return true;
}

// Takes what was learned before em_share_forget out of a granule.
static void renew(const em_share *s, em_granule *g) {
    if (g->age == s->age)
        return;
    *g = (em_granule){.key = g->key, .shared = g->told, .told = g->told, .age = s->age};
}

// The granule with a key, made if need be; NULL when there is no memory.
static em_granule *granule(em_share *s, uint64_t key) {
    if (2 * s->len >= s->cap && !grow(s))
        return NULL;
    em_granule *g = em_granule_find(s, key);
    if (g->key == 0) {
        g->key = key;
        s->len++;
    }
    renew(s, g);
    return g;
}

// Tells whether an access with an epoch is ordered before what the thread does now.
static inline bool ordered(const em_share *s, uint32_t epoch, int slot) {
    return EM_CLOCK_OF(epoch) <= s->clocks[slot][EM_SLOT_OF(epoch)];
}

static void join(const em_share *s, uint32_t *to, const uint32_t *from) {
    for (int i = 0; i < s->width; i++)
        if (to[i] < from[i])
            to[i] = from[i];
}

// Makes a record the one of a byte that makes events: clocks of its last write and of
// its reads. Of what came before that only the epochs are known, not what these threads
// knew of others: it orders a little less than it should, but only in the run in which
// the byte begins to make events.
static bool begin_record(em_share *s, em_granule *g, int i) {
    uint32_t index = g->read[i] & ~EM_MANY;
    if (!(g->read[i] & EM_MANY) && !em_record_new(s, &index))
        return false;
    if (!em_record_save(s, index))
        return false;
    uint32_t *wrote = em_record(s, index), *read = wrote + s->width;
    if (!(g->read[i] & EM_MANY) && g->read[i] != 0)
        read[EM_SLOT_OF(g->read[i])] = EM_CLOCK_OF(g->read[i]);
    if (g->wrote[i] != 0)
        wrote[EM_SLOT_OF(g->wrote[i])] = EM_CLOCK_OF(g->wrote[i]);
    g->read[i] = EM_MANY | index;
    g->recorded |= (uint8_t)(1 << i);
    return true;
}

// The use of a record by a thread: it comes after what conflicts with it, and what
// comes later and conflicts comes after it.
static bool use_record(em_share *s, uint32_t index, bool write, int slot) {
    if (!em_record_save(s, index) || !em_clock_save(s, slot))
        return false;
    uint32_t *wrote = em_record(s, index), *read = wrote + s->width, *mine = s->clocks[slot];
    join(s, mine, wrote);
    if (write)
        join(s, mine, read);
    join(s, write ? wrote : read, mine);
    s->published[slot] = true;
    return true;
}

// Tells whether an access conflicts with one that is not ordered before it, and if not
// takes note of it.
static bool races(em_share *s, em_granule *g, int i, bool write, int slot) {
    if (g->wrote[i] != 0 && !ordered(s, g->wrote[i], slot))
        return true;
    uint32_t r = g->read[i];
    if (!write) {
        if (r == 0 || (!(r & EM_MANY) && ordered(s, r, slot))) {
            g->read[i] = s->epoch[slot];
            return false;
        }
        uint32_t index = r & ~EM_MANY;
        if (!(r & EM_MANY) && !em_record_new(s, &index))
            return true;
        if (!em_record_save(s, index))
            return true;
        uint32_t *reads = em_record(s, index) + s->width;
        if (!(r & EM_MANY))
            reads[EM_SLOT_OF(r)] = EM_CLOCK_OF(r);
        reads[slot] = EM_CLOCK_OF(s->epoch[slot]);
        g->read[i] = EM_MANY | index;
        return false;
    }
    if (r & EM_MANY) {
        const uint32_t *reads = em_record(s, r & ~EM_MANY) + s->width;
        for (int u = 0; u < s->width; u++)
            if (reads[u] > s->clocks[slot][u])
                return true;
    } else if (r != 0 && !ordered(s, r, slot)) {
        return true;
    }
    // Whatever conflicts with a read of before conflicts with this write, which
    // comes behind it: the reads need not be known any more.
    g->wrote[i] = s->epoch[slot];
    g->read[i] = 0;
    return false;
}

// Sets the epochs of bytes.
static inline void set_epochs(uint32_t *of, uint8_t bytes, uint32_t epoch) {
    if (bytes == 0xff) {
        for (int i = 0; i < 8; i++) // two stores for a compiler
            of[i] = epoch;
        return;
    }
    for (int i = 0; i < 8; i++)
        if (bytes >> i & 1)
            of[i] = epoch;
}

// Looks at an access to bytes of a granule: those that race with an access of before make
// events from now on. Tells which of the bytes make events. An access is looked at as a
// whole before any of it orders anything: see settle.
static uint8_t look(em_share *s, em_granule *g, uint8_t bytes, bool write, int slot) {
    if (g->shared == 0 && g->last == s->epoch[slot] &&
        !(bytes & ~(write ? g->did_write : g->did_read | g->did_write)))
        return 0; // again, with nothing in between
    if (!em_granule_save(s, g))
        return bytes; // out of memory: an event is the safe answer
    if (g->last != s->epoch[slot]) {
        g->last = s->epoch[slot];
        g->did_read = g->did_write = 0;
    }
    if (write)
        g->did_write |= bytes;
    else
        g->did_read |= bytes;
    if (g->owner == slot + 1 && g->shared == 0) {
        // Nobody else was here. That a write makes reads of before forgotten is of
        // no use then.
        set_epochs(write ? g->wrote : g->read, bytes, s->epoch[slot]);
        return 0;
    }
    g->owner = g->owner == 0 || g->owner == slot + 1 ? (uint8_t)(slot + 1) : EM_SEVERAL;
    uint8_t found = 0;
    for (int i = 0; i < 8; i++)
        if ((bytes & ~g->shared) >> i & 1 && races(s, g, i, write, slot))
            found |= (uint8_t)(1 << i);
    s->grown += found != 0;
    g->shared |= found;
    return bytes & g->shared;
}

// Orders an access to bytes of a granule that make events. Without memory it orders less
// than it could, which makes more events.
static void settle(em_share *s, em_granule *g, uint8_t bytes, bool write, int slot) {
    for (int i = 0; bytes >> i; i++)
        if (bytes >> i & 1 && (g->recorded >> i & 1 || begin_record(s, g, i)))
            use_record(s, g->read[i] & ~EM_MANY, write, slot);
}

// The bytes of a granule that lie in [lo, hi), which it overlaps.
static uint8_t part(uint64_t key, uint64_t lo, uint64_t hi) {
    uint8_t bytes = 0xff;
    if (key == lo / 8 + 1)
        bytes &= (uint8_t)(0xff << (lo & 7));
    if (key == (hi - 1) / 8 + 1)
        bytes &= (uint8_t)(0xff >> (7 - ((hi - 1) & 7)));
    return bytes;
}

// Takes in, when a granule is first seen in a run, whole blocks that threads have
// written there.
static bool see(em_share *s, em_granule *g) {
    if (g == NULL || g->seen)
        return g != NULL;
    if (!em_granule_save(s, g))
        return false;
    g->seen = true;
    uint64_t lo = (g->key - 1) * 8, hi = lo + 8;
    if (hi <= s->blocks_lo || lo >= s->blocks_hi)
        return true;
    for (size_t k = 0; k < s->blocks_len; k++) {
        em_block *b = &s->blocks[k];
        if (b->hi <= lo || b->lo >= hi)
            continue;
        uint8_t bytes = part(g->key, b->lo, b->hi);
        for (int i = 0; i < 8; i++)
            if (bytes & (1 << i))
                g->wrote[i] = b->epoch;
        g->owner = EM_SEVERAL; // whoever it was
    }
    return true;
}

// Gets ready for an access of a thread's; false when there is no memory.
static inline bool ready(em_share *s, int slot) {
    if (s->recent_slot != slot) {
        s->recent_slot = slot;
        s->serial++;
    }
    if (slot >= s->width && !em_share_widen(s, slot))
        return false;
    if (s->epoch[slot] == 0)
        em_clock_begin(s, slot);
    return true;
}

// Remembers what a thread has done to a granule since the serial number last grew.
static void remember(em_share *s, const em_granule *g) {
    em_recent *r = &s->recent[(g->key - 1) & (EM_RECENT - 1)];
    if (g->shared == 0)
        *r = (em_recent){g->key - 1, s->serial, g->did_read, g->did_write};
    else if (r->key == g->key - 1)
        r->serial = 0;
}

// Notes an access and tells whether it touches a byte that makes events.
bool em_share_access(em_engine *e, uint64_t addr, unsigned size, bool write, int slot) {
    unsigned off = addr & 7;
    unsigned bytes = (size >= 8 ? 0xff : (1u << size) - 1) << off;
    em_share *s = &e->share;
    if (!ready(s, slot))
        return true;
    em_granule *g = granule(s, addr / 8 + 1);
    if (!see(s, g))
        return true;
    uint8_t hit = look(s, g, (uint8_t)bytes, write, slot), more = 0;
    if (__builtin_expect(bytes > 0xff, 0)) {
        em_granule *next = granule(s, addr / 8 + 2);
        if (!see(s, next))
            return true;
        g = em_granule_find(s, addr / 8 + 1); // the table may have grown
        more = look(s, next, (uint8_t)(bytes >> 8), write, slot);
        settle(s, next, more, write, slot);
        remember(s, next);
    }
    settle(s, g, hit, write, slot);
    remember(s, g);
    return (hit | more) != 0;
}

// Notes that one instruction reads pieces of memory, n addresses with their sizes of at
// most eight, and tells which of them touch bytes that make events, a bit each.
uint32_t em_share_reads(em_engine *e, const uint64_t *pieces, int n, int slot) {
    em_share *s = &e->share;
    uint32_t hits = 0;
    s->serial++;
    if (!ready(s, slot))
        return ~0u;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n; i++) {
            uint64_t lo = pieces[2 * i], hi = lo + pieces[2 * i + 1];
            for (uint64_t key = lo / 8 + 1; key <= (hi - 1) / 8 + 1; key++) {
                em_granule *g = granule(s, key);
                uint8_t bytes = part(key, lo, hi);
                if (!see(s, g))
                    return ~0u;
                if (pass == 1)
                    settle(s, g, bytes & g->shared, false, slot);
                else if (look(s, g, bytes, false, slot))
                    hits |= 1u << i;
            }
        }
    return hits;
}

// Notes that a thread wrote the bytes from lo up to hi, however many, and writes
// those of them that make events as pairs of address and mask, in no order;
// returns how many pairs there are, -1 when there is no memory.
//
// Only granules that an access has been to are looked at. The first one of the
// block is made to be one of these: of two blocks that overlap, one holds the
// first byte of the other, and so they meet. All else follows when an access
// comes.
int64_t em_share_block(em_engine *e, uint64_t lo, uint64_t hi, int slot, uint64_t *pairs,
                       size_t room) {
    em_share *s = &e->share;
    s->serial++;
    if (!ready(s, slot) || !see(s, granule(s, lo / 8 + 1)))
        return -1;
    if (!em_block_add(s, lo, hi, s->epoch[slot]))
        return -1;
    uint64_t first = lo / 8 + 1, last = (hi - 1) / 8 + 1;
    bool few = last - first < s->cap;
    size_t n = 0, places = few ? last - first + 1 : s->cap;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < places; i++) {
            em_granule *g = few ? em_granule_find(s, first + i) : &s->table[i];
            if (g->key < first || g->key > last)
                continue;
            renew(s, g);
            if (!g->seen && g->shared == 0)
                continue;
            uint8_t bytes = part(g->key, lo, hi);
            if (pass == 0) {
                if (!see(s, g))
                    return -1;
                look(s, g, bytes, true, slot);
                continue;
            }
            uint8_t hit = bytes & g->shared;
            if (hit == 0)
                continue;
            settle(s, g, hit, true, slot);
            if (n < room) {
                pairs[2 * n] = (g->key - 1) * 8;
                pairs[2 * n + 1] = hit;
            }
            n++;
        }
    return (int64_t)n;
}

// Notes the use of a kernel object. False when there is no memory.
bool em_share_object(em_engine *e, int slot, uint64_t class, uint64_t id, bool write) {
    em_share *s = &e->share;
    if (!ready(s, slot))
        return false;
    size_t k = 0;
    while (k < s->objects_len && (s->objects[k].class != class || s->objects[k].id != id))
        k++;
    if (k == s->objects_len && !em_object_add(s, class, id))
        return false;
    return use_record(s, s->objects[k].record, write, slot);
}

// Notes that what thread `to` does from now on comes after what `from` has done.
bool em_share_join(em_engine *e, int from, int to) {
    em_share *s = &e->share;
    if (!ready(s, from) || !ready(s, to) || !em_clock_save(s, to) || !em_clock_save(s, from))
        return false;
    join(s, s->clocks[to], s->clocks[from]);
    s->published[from] = true;
    return true;
}

// Begins what a thread does after an instruction that has ordered something.
void em_share_step(em_engine *e, int slot) {
    em_share *s = &e->share;
    if (slot >= s->width || !s->published[slot] || !em_clock_save(s, slot))
        return;
    s->serial++;
    s->published[slot] = false;
    if (s->clocks[slot][slot] < EM_CLOCK_MAX)
        s->clocks[slot][slot]++;
    s->epoch[slot] = EM_EPOCH(slot, s->clocks[slot][slot]);
}

// The bytes of the eight at addr/8*8 that make events, as a mask.
uint8_t em_share_mask(em_engine *e, uint64_t addr) {
    if (e->share.cap == 0)
        return 0;
    em_granule *g = em_granule_find(&e->share, addr / 8 + 1);
    return g->age == e->share.age ? g->shared : g->told;
}

// Writes the bytes that make events as pairs of address and mask; returns how many
// there are.
size_t em_share_list(em_engine *e, uint64_t *pairs, size_t room) {
    size_t n = 0;
    for (size_t i = 0; i < e->share.cap; i++) {
        em_granule *g = &e->share.table[i];
        if (g->key)
            renew(&e->share, g);
        if (g->key == 0 || g->shared == 0)
            continue;
        if (n < room) {
            pairs[2 * n] = (g->key - 1) * 8;
            pairs[2 * n + 1] = g->shared;
        }
        n++;
    }
    return n;
}

// Makes bytes make events from now on. That alone is not a reason to say that
// more became known.
bool em_share_add(em_engine *e, uint64_t addr, uint8_t mask) {
    em_granule *g = granule(&e->share, addr / 8 + 1);
    if (g == NULL)
        return false;
    g->shared |= mask;
    g->told |= mask;
    e->share.serial++;
    return true;
}

// Forgets the accesses so far, and with them all that was learned from them:
// only what em_share_add said is known. Granules are renewed when they are next
// looked at, so that this costs the same however many there are.
void em_share_forget(em_engine *e) {
    em_share *s = &e->share;
    em_share_undo(s, &(em_share_mark){.age = s->age});
    if (++s->age == 0) // after 2^32 times, ages could be taken for new ones
        for (size_t i = 0; i < s->cap; i++) {
            s->table[i].age = 1;
            renew(s, &s->table[i]);
        }
}
