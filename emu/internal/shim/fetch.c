#include "shim.h"

// Fetching an instruction reads its bytes: whether it can be run, and what it is,
// depends on who maps or writes code when. Code that cannot be written as it stands is
// known by the first byte of its page, since only system calls change it, and they
// change pages as a whole. It counts once a page between two events: instructions
// behind the first concern nobody else. Where code can be written, its own bytes count,
// for each instruction. A fetch that is refused is one of both kinds: what the page was
// when others could run it is not known.

// Adds bytes to what a fetch reads, in pieces of eight.
static int add(uint64_t *pieces, int n, uint64_t addr, uint64_t size) {
    for (uint64_t i = 0; i < size; i += 8) {
        pieces[2 * n] = addr + i;
        pieces[2 * n + 1] = size - i < 8 ? size - i : 8;
        n++;
    }
    return n;
}

// Runs before an instruction that is not on the page that its thread is known to read.
void em_fetch(em_engine *e, uint64_t addr, uint32_t size) {
    const uint64_t mask = EM_PAGE - 1;
    e->nfetches = 0;
    uint64_t *known = em_fetch_place(e->fetched, addr);
    *known = addr & ~mask;
    if (!e->sharing)
        return;
    if (size == 0 || size > 16) // Unicorn does not know it, as of an illegal instruction
        size = 1;
    uint64_t pieces[2 * EM_FETCHES]; // addresses and sizes
    int n = 0;
    for (uint64_t lo = addr, left = size; left > 0;) { // behind the last page comes the first
        uint64_t here = EM_PAGE - (lo & mask) < left ? EM_PAGE - (lo & mask) : left;
        uint8_t bits = em_page(e, lo);
        if (!(bits & EM_W))
            n = add(pieces, n, lo & ~mask, 1);
        if (bits & EM_W || !(bits & EM_X)) {
            n = add(pieces, n, lo, here);
            *known = EM_NO_PAGE;
        }
        if (here < size)
            *known = EM_NO_PAGE; // it is on two
        lo += here;
        left -= here;
    }
    uint32_t hits = em_share_reads(e, pieces, n, e->cur);
    if (hits == 0)
        return;
    if (!e->event)
        e->event_of_fetch = true;
    e->event = true;
    em_last(e); // it is the last one
    for (int i = 0; i < n; i++)
        if (hits >> i & 1) {
            e->fetches[2 * e->nfetches] = pieces[2 * i];
            e->fetches[2 * e->nfetches + 1] = pieces[2 * i + 1];
            e->nfetches++;
        }
}

// Makes every thread read its page anew: its mapping has changed.
void em_fetch_forget(em_engine *e) {
    em_fetch_anew(e->fetched);
    for (int i = 0; i < e->nlive; i++)
        em_fetch_anew(e->slots[e->live[i]].fetched);
}
