#include "shim.h"

// Fetching an instruction reads its bytes: whether it can be run, and what it is,
// depends on who maps or writes code when. Code that cannot be written as it stands is
// known by the first byte of its page, since only system calls change it, and they
// change pages as a whole. It counts once a page between two events: instructions
// behind the first concern nobody else. Where code can be written, its own bytes count,
// for each instruction. A fetch that is refused is one of both kinds: what the page was
// when others could run it is not known.

static void note(em_engine *e, uint64_t addr, uint64_t size) {
    if (!em_share_access(e, addr, (unsigned)size, false, e->cur))
        return;
    if (!e->event)
        e->event_of_fetch = true;
    e->event = true;
    e->left = 0; // it is the last one
    e->fetches[e->nfetches] = addr;
    e->fetches[e->nfetches + 1] = size;
    e->nfetches += 2;
}

// Runs before an instruction that is not on the page that its thread is known to read.
void em_fetch(em_engine *e, uint64_t addr, uint32_t size) {
    const uint64_t mask = EM_PAGE - 1;
    uint64_t page = addr & ~mask;
    if (!e->sharing) {
        e->fetched = page;
        return;
    }
    if (size == 0 || size > 16) // Unicorn does not know it, as of an illegal instruction
        size = 1;
    e->nfetches = 0;
    e->fetched = page;
    for (uint64_t end = addr + size; page < end; page += EM_PAGE) {
        uint8_t bits = em_page(e, page);
        if (!(bits & EM_W))
            note(e, page, 1);
        if (bits & EM_W || !(bits & EM_X)) {
            uint64_t lo = addr > page ? addr : page, hi = end < page + EM_PAGE ? end : page + EM_PAGE;
            for (; hi - lo > 8; lo += 8)
                note(e, lo, 8);
            note(e, lo, hi - lo);
            e->fetched = EM_NO_PAGE;
        }
    }
    if (page - e->fetched > EM_PAGE)
        e->fetched = EM_NO_PAGE; // it was on two
}

// Makes every thread read its page anew: its mapping has changed.
void em_fetch_forget(em_engine *e) {
    e->fetched = EM_NO_PAGE;
    for (int i = 0; i < e->nslots; i++)
        e->slots[i].fetched = EM_NO_PAGE;
}
