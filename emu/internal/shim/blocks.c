#include "shim.h"

#include <stdlib.h>
#include <string.h>

// Malloc hands out and takes back whole blocks, of any size. Each counts as a
// write of all its bytes, but is kept as one range a thread: the granules of
// share.c are for bytes that instructions access, which are few beside them.

// The index of the first range that ends at addr or behind.
static size_t search(const em_ranges *r, uint64_t addr) {
    size_t lo = 0, hi = r->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].hi < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

// Adds the bytes from lo up to hi, which are one at least. False when there is
// no memory.
bool em_ranges_add(em_ranges *r, uint64_t lo, uint64_t hi) {
    size_t i = search(r, lo), j = i;
    for (; j < r->len && r->at[j].lo <= hi; j++) {
        if (r->at[j].lo < lo)
            lo = r->at[j].lo;
        if (r->at[j].hi > hi)
            hi = r->at[j].hi;
    }
    if (i == j && r->len == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        em_range *at = realloc(r->at, cap * sizeof *at);
        if (at == NULL)
            return false;
        r->at = at;
        r->cap = cap;
    }
    if (j != i + 1 && j < r->len)
        memmove(&r->at[i + 1], &r->at[j], (r->len - j) * sizeof *r->at);
    r->len = r->len - (j - i) + 1;
    r->at[i] = (em_range){lo, hi};
    return true;
}

// Which of the eight bytes at addr are in the ranges, lowest bit first.
uint8_t em_ranges_mask(const em_ranges *r, uint64_t addr) {
    uint8_t mask = 0;
    for (size_t i = search(r, addr); i < r->len && r->at[i].lo < addr + 8; i++)
        for (uint64_t b = 0; b < 8; b++)
            if (addr + b >= r->at[i].lo && addr + b < r->at[i].hi)
                mask |= (uint8_t)(1 << b);
    return mask;
}
