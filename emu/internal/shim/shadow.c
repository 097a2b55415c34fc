#include "share.h"

#include <stdlib.h>

// Where what is known of bytes is found: a table of pages, each with all of its granules,
// made when one of them is first asked for. Neighbours are used together, and so they lie
// together.

// The place of a page in the table, or the free one where it would be.
static em_shadow *place_of(const em_share *s, uint64_t page) {
    uint64_t mask = s->cap - 1;
    for (uint64_t i = (page * 0x9e3779b97f4a7c15ULL) >> s->shift;; i++) { // Fibonacci hashing
        em_shadow *at = &s->pages[i & mask];
        if (at->page == page || at->page == 0)
            return at;
    }
}

static bool grow(em_share *s) {
    em_share old = *s;
    s->cap = old.cap ? 2 * old.cap : 1 << 6;
    s->shift = 64 - __builtin_ctzll(s->cap);
    s->pages = calloc(s->cap, sizeof *s->pages);
    if (s->pages == NULL) {
        *s = old;
        return false;
    }
    for (size_t i = 0; i < old.cap; i++)
        if (old.pages[i].page)
            *place_of(s, old.pages[i].page) = old.pages[i];
    free(old.pages);
    return true;
}

// What is known of a page's bytes. With make, it is made if need be, and NULL means that
// there is no memory.
em_granule *em_shadow_of(em_share *s, uint64_t page, bool make) {
    if (make && 2 * s->len >= s->cap && !grow(s))
        return NULL;
    if (s->cap == 0)
        return NULL;
    em_shadow *at = place_of(s, page);
    if (at->page == 0) {
        s->full = s->full || (make && s->len >= s->most);
        em_granule *list = make && s->len < s->most ? calloc(EM_GRANULES, sizeof *list) : NULL;
        if (list == NULL)
            return NULL;
        *at = (em_shadow){page, list};
        s->len++;
    }
    s->near[page & (EM_NEAR_PAGES - 1)] = *at;
    return at->granules;
}
