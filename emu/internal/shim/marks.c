#include "share.h"

#include <string.h>

// Which accesses generated code need not tell of. Each byte of guest memory has a mark, at
// a constant distance on the host: em_granule.use of the eight bytes that it is one of, or
// 0, with which nothing goes untold. A mark is set when an access was told, and is taken
// away when accesses to its bytes must be noted. Since it only says what holds for all
// runs, it stays when the machine goes back.

static uint64_t word(uint8_t mark) { return mark * 0x0101010101010101ULL; }

// Tells generated code which marks let the thread's accesses go untold: for a read its own
// bit, for a write its own bit and EM_WRITTEN, and no other.
void em_marks_begin(em_engine *e, int slot) {
    uint8_t bit = em_user_bit(slot);
    if (!em_share_ready(&e->share, slot) || bit == 0) { // EM_NOTED, which is no mark
        e->m->mask = ~0ULL;
        e->m->read_mark = e->m->write_mark = word(EM_NOTED);
        return;
    }
    e->m->mask = e->m->read_mark = word(bit);
    e->m->write_mark = word(bit | EM_WRITTEN);
}

// Marks the granules of an access that was told of and is no event.
void em_marks_set(em_engine *e, uint64_t addr, unsigned size, uint8_t *host) {
    uint8_t *marks = host + e->m->shadow - (addr & 7);
    for (uint64_t number = addr / 8; number <= (addr + size - 1) / 8; number++, marks += 8) {
        const em_granule *g = em_granule_at(&e->share, number);
        if (g == NULL || g->use == EM_NOTED)
            continue;
        uint64_t mark = word(g->use);
        memcpy(marks, &mark, sizeof mark);
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
