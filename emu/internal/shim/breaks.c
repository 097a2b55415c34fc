#include "shim.h"

#include <stdlib.h>
#include <string.h>

// Breakpoints are few and instructions are many: a bitmap over a hash of the
// address, small enough to stay in the first-level cache, turns nearly every
// instruction away before the table is asked. Addresses are kept plus one, so
// that 0 is an empty place.

static uint64_t hash(uint64_t addr) { return addr * 0x9e3779b97f4a7c15ULL; }

static uint64_t *place(em_breaks *b, uint64_t addr) {
    uint64_t mask = b->cap - 1;
    for (uint64_t i = hash(addr) >> 32;; i++) {
        uint64_t *p = &b->table[i & mask];
        if (*p == 0 || *p == addr + 1)
            return p;
    }
}

static bool grow(em_breaks *b) {
    em_breaks old = *b;
    b->cap = old.cap ? 2 * old.cap : 64;
    b->table = calloc(b->cap, sizeof *b->table);
    if (b->table == NULL) {
        *b = old;
        return false;
    }
    for (size_t i = 0; i < old.cap; i++)
        if (old.table[i])
            *place(b, old.table[i] - 1) = old.table[i];
    free(old.table);
    return true;
}

bool em_break_hit(em_engine *e, uint64_t addr) {
    em_breaks *b = &e->breaks;
    if (b->len == 0)
        return false;
    uint64_t bit = hash(addr) >> (64 - EM_BREAK_BITS);
    return (b->filter[bit / 64] >> bit % 64 & 1) && *place(b, addr) != 0;
}

// Sets a breakpoint; one that is there stays. No instruction is at ~0.
int em_break_add(em_engine *e, uint64_t addr) {
    em_breaks *b = &e->breaks;
    if (addr == ~(uint64_t)0)
        return UC_ERR_ARG;
    if (2 * b->len >= b->cap && !grow(b))
        return UC_ERR_NOMEM;
    uint64_t *p = place(b, addr);
    if (*p == 0) {
        *p = addr + 1;
        b->len++;
        uint64_t bit = hash(addr) >> (64 - EM_BREAK_BITS);
        b->filter[bit / 64] |= 1ULL << bit % 64;
        if (e->generates && (em_page(e, addr) & EM_X)) // blocks end there from now on
            return em_remove_code(e, addr, addr + 1);
    }
    return UC_ERR_OK;
}

// Removes all breakpoints.
void em_break_drop(em_engine *e) {
    for (size_t i = 0; i < e->breaks.cap && e->generates; i++)
        if (e->breaks.table[i] && (em_page(e, e->breaks.table[i] - 1) & EM_X))
            em_remove_code(e, e->breaks.table[i] - 1, e->breaks.table[i]);
    free(e->breaks.table);
    memset(&e->breaks, 0, sizeof e->breaks);
}
