#include "share.h"

#include <string.h>

// Which accesses generated code need not tell of. Each byte of guest memory has a mark, at
// a constant distance on the host; with 0 nothing goes untold. Where accesses need not be
// noted, the marks of eight bytes are their em_granule.use. Since that only says what holds
// for all runs, such marks stay when the machine goes back.
//
// Where accesses are noted, a mark says what the thread that runs has done to the byte in
// its present epoch, in the same way: its bit, with EM_WRITTEN if it has written. To do so
// again is nothing new, as long as nobody else has come in between. These marks are taken
// away when another thread comes, or another epoch, or the machine goes back.

static uint64_t word(uint8_t mark) { return mark * 0x0101010101010101ULL; }

// Takes away the marks of the thread that runs.
void em_marks_wipe(em_engine *e) {
    em_marks *k = &e->marks;
    for (size_t i = 0; i < k->len; i++) {
        uint64_t held, none = 0;
        memcpy(&held, k->places[i], sizeof held);
        if (held != 0) // the page may have been given back to the host
            memcpy(k->places[i], &none, sizeof none);
    }
    k->len = 0;
}

// Tells generated code which marks let the thread's accesses go untold: for a read its own
// bit, for a write its own bit and EM_WRITTEN, and no other.
void em_marks_begin(em_engine *e, int slot) {
    em_marks *k = &e->marks;
    uint8_t bit = em_user_bit(slot);
    bool ready = em_share_ready(e, slot);
    if (k->len > 0 && (!ready || k->slot != slot || k->epoch != em_share_epoch(&e->share, slot)))
        em_marks_wipe(e);
    if (!ready || bit == 0) { // EM_NOTED, which is no mark
        e->m->mask = ~0ULL;
        e->m->read_mark = e->m->write_mark = word(EM_NOTED);
        return;
    }
    k->slot = slot;
    k->epoch = em_share_epoch(&e->share, slot);
    e->m->mask = e->m->read_mark = word(bit);
    e->m->write_mark = word(bit | EM_WRITTEN);
}

// Marks bytes of one place, a bit each, as accessed by the thread that runs. Without memory
// for the place they go without, and the access is told of again.
static void mark(em_marks *k, uint8_t *place, unsigned bytes, uint8_t bit, bool write) {
    uint64_t held;
    memcpy(&held, place, sizeof held);
    if (held == 0) {
        if (!em_room((void **)&k->places, k->len, &k->cap, sizeof *k->places))
            return;
        k->places[k->len++] = place;
    }
    if (bytes == 0xff && (write || held == 0)) {
        held = word(write ? bit | EM_WRITTEN : bit);
        memcpy(place, &held, sizeof held);
        return;
    }
    for (int i = 0; bytes >> i; i++)
        if ((bytes >> i & 1) && (write || place[i] != (bit | EM_WRITTEN)))
            place[i] = write ? bit | EM_WRITTEN : bit;
}

// Marks the bytes of an access that was told of and is no event.
void em_marks_set(em_engine *e, uint64_t addr, unsigned size, uint8_t *host, bool write) {
    uint8_t *place = host + e->m->shadow - (addr & 7), bit = em_user_bit(e->cur);
    unsigned bytes = (size >= 8 ? 0xff : (1u << size) - 1) << (addr & 7);
    for (uint64_t number = addr / 8; bytes != 0; number++, place += 8, bytes >>= 8) {
        const em_granule *g = em_granule_at(&e->share, number);
        if (g == NULL || bit == 0)
            continue;
        if (g->use == EM_NOTED) {
            mark(&e->marks, place, bytes & 0xff, bit, write);
            continue;
        }
        uint64_t use = word(g->use);
        memcpy(place, &use, sizeof use);
    }
}

// Takes the marks of a granule away.
void em_marks_clear(em_engine *e, uint64_t number) {
    uint64_t held, none = 0;
    const uint8_t *host = e->generates ? em_host(e, number * 8, 8) : NULL;
    if (host == NULL)
        return;
    memcpy(&held, host + e->m->shadow, sizeof held);
    if (held != 0) // to read a page that was never used costs nothing, to write it does
        memcpy((uint8_t *)(uintptr_t)host + e->m->shadow, &none, sizeof none);
}
