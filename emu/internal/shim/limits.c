#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// What a guest may take of the host's memory. It is counted in pages that were touched,
// and a run that is taken back gives its pages back, so that where the limit is reached
// follows from the run alone, whatever was run before on the same machine.

// What is known of the bytes of a page that is first touched in the race, and their marks, take this many
// pages more; see shadow.c and marks.c. It counts whether or not anybody wants to know it: who runs the
// schedule again may not.
enum { RECORD = 4 };

// Pages whose memory is not given back at once, so that a run that touches few pages, as
// most do, costs no system calls.
enum { STALE = 4096, AT_ONCE = 64 };

// Shadow pages that there may be beside those that are counted: of pages that were touched
// before the race, or that hold zeros and are only read.
enum { MORE_SHADOW = 1 << 14 };

void em_limit_memory(em_engine *e, uint64_t bytes) {
    e->memory.most = bytes >> EM_PAGE_SHIFT;
    e->share.most = MORE_SHADOW + e->memory.most / (RECORD + 1);
}

// The race begins: what was touched so far stays.
void em_limit_begin(em_engine *e) {
    em_memory *m = &e->memory;
    uint64_t left = m->most > m->counted ? m->most - m->counted : 0;
    e->share.most = MORE_SHADOW + left / (RECORD + 1);
    m->racing = true;
}

// Notes that a page may hold something from now on; false when that is too much, and then
// the page is not touched.
bool em_touch_page(em_engine *e, uint64_t addr) {
    em_zone *z = em_zone_of(e, addr);
    uint8_t *used = &z->used[(addr - z->base) >> EM_PAGE_SHIFT];
    em_memory *m = &e->memory;
    if (*used == EM_TOUCHED)
        return true;
    uint64_t more = m->racing ? RECORD + 1 : 1;
    if (m->counted + more > m->most) {
        e->limit = EM_LIMIT_MEMORY;
        return false;
    }
    if (m->racing) {
        if (m->len == m->cap) {
            size_t cap = m->cap ? 2 * m->cap : 64;
            uint64_t *pages = realloc(m->pages, cap * sizeof *pages);
            if (pages == NULL) {
                e->limit = EM_LIMIT_MEMORY;
                return false;
            }
            m->pages = pages;
            m->cap = cap;
        }
        m->pages[m->len++] = addr & ~(uint64_t)(EM_PAGE - 1);
    }
    m->counted += more;
    *used = EM_TOUCHED;
    return true;
}

// Gives memory of pages that hold zeros back to the host. Pages that lie side by side are
// given back together.
static void give_back(em_engine *e, const uint64_t *pages, size_t n) {
    for (size_t i = 0; i < n;) {
        em_zone *z = em_zone_of(e, pages[i]);
        if (z->used[(pages[i] - z->base) >> EM_PAGE_SHIFT] == EM_TOUCHED) {
            i++; // touched anew since
            continue;
        }
        size_t j = i + 1;
        while (j < n && pages[j] == pages[j - 1] + EM_PAGE && pages[j] - z->base < z->size &&
               z->used[(pages[j] - z->base) >> EM_PAGE_SHIFT] != EM_TOUCHED)
            j++;
        // A host that does not take it back has less memory, and nothing is wrong.
        uint8_t *host = z->host + (pages[i] - z->base);
        (void)madvise(host, (j - i) << EM_PAGE_SHIFT, MADV_DONTNEED);
        (void)madvise(host + e->m->shadow, (j - i) << EM_PAGE_SHIFT, MADV_DONTNEED); // marks that mean nothing any more
        i = j;
    }
}

// Takes back which pages were touched since there were len of them. What they hold was
// taken back before, so that they are zeros. Unicorn must ask again before they are
// written to.
void em_untouch(em_engine *e, size_t len) {
    em_memory *m = &e->memory;
    size_t n = m->len - len;
    if (n == 0)
        return;
    for (size_t i = len; i < m->len; i++) {
        em_zone *z = em_zone_of(e, m->pages[i]);
        z->used[(m->pages[i] - z->base) >> EM_PAGE_SHIFT] = EM_WRITABLE;
    }
    m->counted -= n * (RECORD + 1);
    m->len = len;
    if (n >= AT_ONCE) {
        give_back(e, m->pages + len, n);
    } else {
        if (m->stale == NULL)
            m->stale = malloc(STALE * sizeof *m->stale);
        if (m->stale == NULL) {
            give_back(e, m->pages + len, n);
        } else {
            if (m->stale_len + n > STALE) {
                give_back(e, m->stale, m->stale_len);
                m->stale_len = 0;
            }
            memcpy(m->stale + m->stale_len, m->pages + len, n * sizeof *m->stale);
            m->stale_len += n;
        }
    }
    em_flush_tlb(e);
}

// Forgets which pages were touched when: that can not be undone any more.
void em_limit_settle(em_engine *e) { e->memory.len = 0; }

void em_limit_drop(em_engine *e) {
    free(e->memory.pages);
    free(e->memory.stale);
    e->memory = (em_memory){0};
}
