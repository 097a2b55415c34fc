#include "shim.h"

#include <stdlib.h>
#include <string.h>

// What the threads have done to eight bytes of memory. Masks have a bit a byte.
// A byte is shared when more than one thread has touched it and any of them has
// written: then one of two threads wrote what the other touched.
typedef struct em_granule {
    uint64_t key; // address / 8 + 1; 0 for an empty place
    uint64_t first; // of each byte, the slot + 1 of the thread that came first; 0 for none
    uint8_t many, written, shared;
    uint8_t told; // of shared, what em_share_add said
    bool seen;    // an access has been here, or em_share_add: blocks.c
    uint32_t age; // em_share.age when all but told was last of use
} em_granule;

_Static_assert(EM_MAX_THREADS < 256, "first has a byte for slot + 1");

// A byte of ones for each bit of the mask.
static uint64_t lanes(uint8_t mask) {
    uint64_t bits = mask * 0x0101010101010101ULL & 0x8040201008040201ULL;
    return ((bits + 0x7f7f7f7f7f7f7f7fULL) >> 7 & 0x0101010101010101ULL) * 0xff;
}

static uint64_t place_of(const em_share *s, uint64_t key) {
    return (key * 0x9e3779b97f4a7c15ULL) >> s->shift; // Fibonacci hashing
}

static em_granule *find(em_share *s, uint64_t key) {
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
            *find(s, old.table[i].key) = old.table[i];
    free(old.table);
    return true;
}

// Takes what was learned before em_share_forget out of a granule.
static void renew(const em_share *s, em_granule *g) {
    if (g->age == s->age)
        return;
    *g = (em_granule){.key = g->key, .shared = g->told, .told = g->told, .seen = g->told, .age = s->age};
}

// Notes who has touched bytes of a granule.
static void mark(em_granule *g, uint8_t bytes, bool write, int slot) {
    uint64_t reach = lanes(bytes);
    uint64_t mine = reach & (uint64_t)(slot + 1) * 0x0101010101010101ULL;
    if ((g->first & reach) != mine) {
        for (int i = 0; i < 8; i++) {
            uint64_t byte = reach & 0xffULL << 8 * i;
            if ((g->first & byte) == 0)
                g->first |= mine & byte;
            else if ((g->first & byte) != (mine & byte))
                g->many |= (uint8_t)(1 << i);
        }
    }
    if (write)
        g->written |= bytes;
}

// The granule with a key, made if need be; NULL when there is no memory. What
// threads have done to whole blocks is taken in when it is first seen.
static em_granule *see(em_share *s, uint64_t key) {
    if (2 * s->len >= s->cap && !grow(s))
        return NULL;
    em_granule *g = find(s, key);
    if (g->key == 0) {
        g->key = key;
        s->len++;
    }
    renew(s, g);
    if (!g->seen)
        for (int slot = 0; slot < EM_MAX_THREADS; slot++)
            if (s->blocks[slot].len)
                mark(g, em_ranges_mask(&s->blocks[slot], (key - 1) * 8), true, slot);
    g->seen = true;
    return g;
}

// Notes an access to a granule and returns which of its bytes are shared.
static uint8_t note(em_share *s, em_granule *g, uint8_t bytes, bool write, int slot) {
    if (g == NULL)
        return bytes; // out of memory: shared is the safe answer
    mark(g, bytes, write, slot);
    uint8_t conflict = g->many & g->written & bytes;
    if (conflict & ~g->shared) {
        g->shared |= conflict;
        s->grown++;
    }
    return bytes & g->shared;
}

// Tells whether an access touches a byte that two threads touch, at least one
// writing, as far as is known; and learns from it.
bool em_share_access(em_engine *e, uint64_t addr, unsigned size, bool write, int slot) {
    unsigned off = addr & 7;
    unsigned bytes = (size >= 8 ? 0xff : (1u << size) - 1) << off;
    em_share *s = &e->share;
    uint8_t hit = note(s, see(s, addr / 8 + 1), (uint8_t)bytes, write, slot);
    if (bytes > 0xff)
        hit |= note(s, see(s, addr / 8 + 2), (uint8_t)(bytes >> 8), write, slot);
    return hit != 0;
}

// Notes that a thread wrote the bytes from lo up to hi, however many, and writes
// those of them that are shared as pairs of address and mask, in no order;
// returns how many pairs there are, -1 when there is no memory.
//
// Only granules that an access has been to are looked at. The first one of the
// block is made to be one of these: of two blocks that overlap, one holds the
// first byte of the other, and so they meet. All else follows when an access
// comes.
int64_t em_share_block(em_engine *e, uint64_t lo, uint64_t hi, int slot, uint64_t *pairs,
                       size_t room) {
    em_share *s = &e->share;
    if (!em_ranges_add(&s->blocks[slot], lo, hi) || see(s, lo / 8 + 1) == NULL)
        return -1;
    uint64_t first = lo / 8 + 1, last = (hi - 1) / 8 + 1;
    bool few = last - first < s->cap;
    size_t n = 0, places = few ? last - first + 1 : s->cap;
    for (size_t i = 0; i < places; i++) {
        em_granule *g = few ? find(s, first + i) : &s->table[i];
        if (g->key < first || g->key > last)
            continue;
        renew(s, g);
        if (!g->seen)
            continue;
        uint8_t bytes = 0xff;
        if (g->key == first)
            bytes &= (uint8_t)(0xff << (lo & 7));
        if (g->key == last)
            bytes &= (uint8_t)(0xff >> (7 - ((hi - 1) & 7)));
        uint8_t hit = note(s, g, bytes, true, slot);
        if (hit == 0)
            continue;
        if (n < room) {
            pairs[2 * n] = (g->key - 1) * 8;
            pairs[2 * n + 1] = hit;
        }
        n++;
    }
    return (int64_t)n;
}

// The bytes of the eight at addr/8*8 that are shared, as a mask.
uint8_t em_share_mask(em_engine *e, uint64_t addr) {
    if (e->share.cap == 0)
        return 0;
    em_granule *g = find(&e->share, addr / 8 + 1);
    return g->age == e->share.age ? g->shared : g->told;
}

void em_share_drop(em_engine *e) {
    free(e->share.table);
    for (int i = 0; i < EM_MAX_THREADS; i++)
        free(e->share.blocks[i].at);
    memset(&e->share, 0, sizeof e->share);
}

// Writes what is known as pairs of address and mask; returns how many there are.
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

// Takes bytes for shared from now on. That alone is not a reason to say that
// more became known.
bool em_share_add(em_engine *e, uint64_t addr, uint8_t mask) {
    em_granule *g = see(&e->share, addr / 8 + 1);
    if (g == NULL)
        return false;
    g->shared |= mask;
    g->told |= mask;
    return true;
}

// Forgets the accesses so far, and with them all that was learned from them:
// only what em_share_add said is known. Granules are renewed when they are next
// looked at, so that this costs the same however many there are.
void em_share_forget(em_engine *e) {
    em_share *s = &e->share;
    for (int i = 0; i < EM_MAX_THREADS; i++)
        s->blocks[i].len = 0;
    if (++s->age == 0) // after 2^32 times, ages could be taken for new ones
        for (size_t i = 0; i < s->cap; i++) {
            s->table[i].age = 1;
            renew(s, &s->table[i]);
        }
}
