#include "shim.h"

#include <stdlib.h>
#include <string.h>

// Which accesses generated code need not tell of. Each byte of guest memory has a mark, at
// a constant distance on the host: that of the thread that has accessed it last, in the
// epoch that the thread is in now, with the highest bit set if it has written it. Such an
// access again is nothing new to share.c, as long as nobody else has come in between. A
// mark is only ever set where share.c knows of the access, and is taken away where it
// learns of another one.
//
// There are 127 marks. When a thread's epoch changes or the machine goes back, its mark
// means nothing any more, and it is given the next one; when all are used up, the bytes
// that have marks are gone through. That costs less than the accesses that made them.

enum { WRITTEN = 0x80, MARKS = 0x7f };

static uint8_t *mark_of(em_engine *e, uint64_t addr) {
    uint8_t *host = em_host(e, addr, 1);
    return host == NULL ? NULL : host + e->m->shadow;
}

static uint64_t word(uint8_t mark) { return mark * 0x0101010101010101ULL; }

// Makes all marks free.
static void wipe(em_marks *k) {
    for (size_t i = 0; i < k->len; i++) {
        uint64_t held, none = 0;
        memcpy(&held, k->places[i], sizeof held);
        if (held != 0) // the page may have been given back to the host
            memcpy(k->places[i], &none, sizeof none);
    }
    k->len = 0;
    k->last = 0;
    memset(k->of, 0, sizeof k->of);
}

// Sees to it that the thread has a mark that says what it has done in its present epoch.
void em_marks_begin(em_engine *e, int slot) {
    em_marks *k = &e->marks;
    if (!em_share_ready(&e->share, slot)) { // no memory: everything is told, as no byte has this
        e->m->read_mark = e->m->write_mark = word(WRITTEN);
        return;
    }
    if (k->of[slot] == 0 || k->epoch[slot] != e->share.epoch[slot]) {
        if (k->last == MARKS)
            wipe(k);
        k->of[slot] = ++k->last;
        k->epoch[slot] = e->share.epoch[slot];
    }
    e->m->read_mark = word(k->of[slot]);
    e->m->write_mark = word(k->of[slot] | WRITTEN);
}

// Notes the place of marks of which none is set so far; false when there is no memory.
static bool note(em_marks *k, uint8_t *place) {
    if (k->len == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 1 << 10;
        uint8_t **places = realloc(k->places, cap * sizeof *places);
        if (places == NULL)
            return false;
        k->places = places;
        k->cap = cap;
    }
    k->places[k->len++] = place;
    return true;
}

// Marks bytes of one place, a bit each.
static void set(em_marks *k, uint8_t *place, unsigned bytes, uint8_t mine, bool write) {
    uint64_t held;
    memcpy(&held, place, sizeof held);
    if (held == 0 && !note(k, place))
        return;
    if (bytes == 0xff && (write || held == 0)) {
        held = word(write ? mine | WRITTEN : mine);
        memcpy(place, &held, sizeof held);
        return;
    }
    for (int i = 0; bytes >> i; i++)
        if ((bytes >> i & 1) && (write || place[i] != (mine | WRITTEN)))
            place[i] = write ? mine | WRITTEN : mine;
}

// Marks bytes that the running thread has accessed, of which share.c knows.
void em_marks_set(em_engine *e, uint8_t *host, unsigned size, bool write) {
    em_marks *k = &e->marks;
    uint8_t *mark = host + e->m->shadow, mine = k->of[e->cur];
    unsigned at = (unsigned)((uintptr_t)mark & 7), bytes = ((1u << size) - 1) << at;
    if (mine == 0)
        return;
    set(k, mark - at, bytes & 0xff, mine, write);
    if (bytes > 0xff)
        set(k, mark - at + 8, bytes >> 8, mine, write);
}

// Takes the marks of bytes away that somebody else has accessed.
void em_marks_clear(em_engine *e, uint64_t addr, uint64_t size) {
    uint8_t *mark = e->marks.len == 0 ? NULL : mark_of(e, addr);
    if (mark == NULL || em_host(e, addr, size) == NULL)
        return;
    for (; size > 0 && *mark == 0; size--) // to read a page that was never used costs nothing
        mark++;
    if (size > 0)
        memset(mark, 0, size);
}

// What all threads have done is not known any more.
void em_marks_forget(em_engine *e) { memset(e->marks.of, 0, sizeof e->marks.of); }
