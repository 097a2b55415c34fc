#include "shim.h"

// Fetching an instruction reads its bytes: whether it can be run, and what it is,
// depends on who maps or writes code when. Code that cannot be written as it stands is
// known by the first byte of its page, since only system calls change it, and they
// change pages as a whole. It counts once a page between two events: instructions
// behind the first concern nobody else. Where code can be written, its own bytes count,
// for each instruction. A fetch that is refused is one of both kinds: what the page was
// when others could run it is not known.

// Adds bytes to what a fetch reads, in pieces of eight.
static int add(uint64_t *pieces, int n, uint64_t lo, uint64_t hi) {
    for (; lo < hi; lo += 8) {
        pieces[2 * n] = lo;
        pieces[2 * n + 1] = hi - lo < 8 ? hi - lo : 8;
        n++;
    }
    return n;
}

// Runs before an instruction that is not on the page that its thread is known to read.
void em_fetch(em_engine *e, uint64_t addr, uint32_t size) {
    const uint64_t mask = EM_PAGE - 1;
    uint64_t page = addr & ~mask;
    e->nfetches = 0;
    uint64_t *known = em_fetch_place(e->fetched, addr);
    *known = page;
    if (!e->sharing)
        return;
    if (size == 0 || size > 16) // Unicorn does not know it, as of an illegal instruction
        size = 1;
    uint64_t pieces[2 * EM_FETCHES]; // addresses and sizes
    int n = 0;
    for (uint64_t end = addr + size; page < end; page += EM_PAGE) {
        uint8_t bits = em_page(e, page);
        if (!(bits & EM_W))
            n = add(pieces, n, page, page + 1);
        if (bits & EM_W || !(bits & EM_X)) {
            n = add(pieces, n, addr > page ? addr : page, end < page + EM_PAGE ? end : page + EM_PAGE);
            *known = EM_NO_PAGE;
        }
    }
    if (page - (addr & ~mask) > EM_PAGE)
        *known = EM_NO_PAGE; // it was on two
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
    for (int i = 0; i < e->nslots; i++)
        em_fetch_anew(e->slots[i].fetched);
}
