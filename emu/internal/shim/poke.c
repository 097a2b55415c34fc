#include "shim.h"

#include <stdlib.h>

// What a search under a memory model needs beside: bytes that an instruction is to find in
// memory instead of those that memory holds, and where the instructions stand that have run.

// Changes memory without that being anybody's access: nothing is ordered by it, it makes no
// event, and no monitor loses a byte. It is in the log, so that it is undone like a write.
int em_poke(em_engine *e, uint64_t addr, const uint8_t *from, uint64_t size) {
    uint8_t *host = em_host(e, addr, size);
    if (host == NULL || size == 0 || size > EM_PAGE)
        return UC_ERR_ARG;
    if (em_use(e, addr, size))
        return UC_ERR_NOMEM;
    for (uint64_t page = addr & ~(uint64_t)(EM_PAGE - 1); page < addr + size; page += EM_PAGE)
        if (!(em_page(e, page) & EM_MAPPED) || !em_touch_page(e, page))
            return UC_ERR_ARG;
    if (e->logging) {
        int err = em_log_bulk(e, EM_NO_SLOT, addr, host, from, size, EM_POKE);
        if (err)
            return err;
        e->poked = true;
    }
    for (uint64_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        uint8_t n = size - i < 8 ? (uint8_t)(size - i) : 8;
        memcpy(&word, from + i, n);
        em_put_back(e, addr + i, word, n);
    }
    return UC_ERR_OK;
}

// Bounds the instructions that are kept.
enum { TRACE_MOST = 1 << 24 };

void em_trace_set(em_engine *e, bool on) {
    e->trace.on = on;
    e->trace.failed = false;
    e->trace.since = e->m->step;
}

void em_trace_grow(em_engine *e) {
    em_trace *t = &e->trace;
    size_t cap = t->cap ? 2 * t->cap : 1 << 12;
    while (cap <= e->m->step - t->since && cap <= TRACE_MOST)
        cap *= 2;
    uint64_t *pcs = cap > TRACE_MOST ? NULL : realloc(t->pcs, cap * sizeof *pcs);
    if (pcs == NULL) {
        t->failed = true;
        return;
    }
    t->pcs = pcs;
    t->cap = cap;
}
