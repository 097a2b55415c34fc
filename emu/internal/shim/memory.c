#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Host memory of [addr, addr+size), or NULL when that is not in one zone.
uint8_t *em_host(em_engine *e, uint64_t addr, uint64_t size) {
    em_zone *z = em_zone_of(e, addr);
    if (z == NULL || size > z->size - (addr - z->base))
        return NULL;
    return z->host + (addr - z->base);
}

uint8_t em_page(em_engine *e, uint64_t addr) {
    em_zone *z = em_zone_of(e, addr);
    return z == NULL ? 0 : z->pages[(addr - z->base) >> EM_PAGE_SHIFT];
}

// Entries kept beyond the limit for the instruction that reaches it, so that
// it can be undone: FXSAVE, the widest, has some 70.
enum { LOG_SLACK = 1024 };

// Makes room for n more entries, if that is within the limit.
bool em_log_reserve(em_engine *e, size_t n) {
    size_t max = e->log_max + LOG_SLACK, cap = e->log_cap ? e->log_cap : 1 << 14;
    while (cap < e->log_len + n && cap < max)
        cap *= 2;
    if (cap > max)
        cap = max;
    if (cap <= e->log_cap)
        return e->log_len + n <= e->log_cap;
    em_access *log = realloc(e->log, cap * sizeof *log);
    if (log == NULL)
        return false;
    e->log = log;
    e->log_cap = cap;
    return e->log_len + n <= cap;
}

// Tells whether an access is one that is waited for: it overlaps the watch.
bool em_watches(const em_engine *e, uint64_t addr, uint64_t size, bool write) {
    const em_watch *w = &e->watch;
    return addr - w->addr + size - 1 < w->size + size - 1 && (write ? w->writes : w->reads);
}

// Tells whether a write leaves its bytes as they were, and its instruction has read
// them: to other threads it is a read, as a failed compare-and-swap is. Where others may come
// between the two it is not.
bool em_changes_nothing(em_engine *e, const em_access *w) {
    if (w->old != w->value)
        return false;
    for (const em_access *a = w; a-- > e->log && a->step == w->step;)
        if (a->kind == EM_READ && a->addr == w->addr && a->size == w->size)
            return em_indivisible(e, w->pc);
    return false;
}

// Where x86-64 writes to a page of code, what Unicorn has translated of these bytes is
// dropped before the write: otherwise a write to the block that runs would make Unicorn
// begin its instruction a second time. What follows in the block is translated anew if the
// write is not to bytes in front of it.
static void write_code(em_engine *e, uint64_t addr, uint64_t size) {
    enum { BOTH = EM_W | EM_X };
    if ((em_page(e, addr) & BOTH) != BOTH && (em_page(e, addr + size - 1) & BOTH) != BOTH)
        return;
    em_remove_code(e, addr, addr + size);
    if (addr + size > e->m->last && addr < e->m->last + EM_PAGE) { // no block is longer
        e->stale = true;
        e->quiet_size = 0;
    }
}

// Runs before the access itself, so memory still holds the old value. Unicorn
// may announce one access twice when the page is first touched. In a block of generated
// code, an access that ends the run has its instruction begun anew: that code stops
// between blocks only.
void em_on_mem(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
               void *user) {
    em_engine *e = user;
    struct emurace *m = e->m;
    (void)uc;
    if (__builtin_expect(e->wx, 0) && type == UC_MEM_WRITE && e->arch == UC_ARCH_X86 && !e->probing)
        write_code(e, addr, (uint64_t)size);
    bool generated = em_in_generated(e), write = type == UC_MEM_WRITE;
    if (__builtin_expect(e->hold == EM_HOLD_NOW, 0) && em_holds(e, addr, write)) {
        em_hold(e, addr, (unsigned)size);
        return;
    }
    if (!e->logging)
        return;
    if (generated)
        e->log_len = ((uintptr_t)m->log - (uintptr_t)e->log) / sizeof *e->log;
    uint64_t step = emurace_now(m);
    uint8_t kind = write ? EM_WRITE : EM_READ;
    if (e->log_len > 0) {
        em_access *p = &e->log[e->log_len - 1];
        if (p->step == step && p->addr == addr && p->size == size &&
            p->kind == kind && p->thread == e->cur) {
            if (kind == EM_WRITE)
                p->value = (uint64_t)value;
            return;
        }
    }
    const uint8_t *host = em_host(e, addr, (uint64_t)size);
    if (host == NULL || size > 8)
        return;
    em_access *a = em_log_next(e);
    if (__builtin_expect(a == NULL || e->log_len >= e->log_max, 0)) {
        if (generated) {
            em_generated_again(e, EMURACE_HOOKED);
            return;
        }
        e->log_full = true; // the next instruction does not begin
        em_last(e);
        if (a == NULL)
            return; // no memory: this one goes on unlogged
    }
    uint64_t old = 0;
    memcpy(&old, host, (size_t)size);
    uint64_t mask = size == 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
    a->step = step;
    a->pc = generated ? m->pc : e->m->last;
    a->addr = addr;
    a->old = old;
    a->value = kind == EM_WRITE ? (uint64_t)value & mask : old;
    a->size = (uint8_t)size;
    a->kind = kind;
    a->thread = (uint16_t)e->cur;
    bool last = false;
    if (e->sharing) {
        if (em_splits_at(e, a->pc, addr, (unsigned)size, write)) {
            em_hold_again(e);
            return;
        }
        write = write && !em_changes_nothing(e, a);
        last = em_share_access(e, addr, (unsigned)size, write, e->cur, (size_t)(a - e->log));
        if (!last && (m->mode & EMURACE_SHARED))
            em_marks_set(e, addr, (unsigned)size, (uint8_t *)(uintptr_t)host, write);
    }
    bool seen = e->watch.size != 0 && em_watches(e, addr, (uint64_t)size, kind == EM_WRITE);
    if (generated && (last || seen) && !m->alone) {
        em_generated_again(e, EMURACE_ALONE);
        return;
    }
    em_generated_logged(e);
    if (last) {
        em_event(e);
        em_half_done(e, a->pc, kind == EM_WRITE, e->log_len);
    }
    if (seen) {
        e->watched = true;
        em_last(e);
    }
}

// How many changes of the page table can be undone at most.
enum { MAPS_MAX = 1 << 21 };

static em_mapundo *undo_next(em_engine *e) {
    if (e->maps_len == MAPS_MAX) {
        e->limit = EM_LIMIT_LOG;
        return NULL;
    }
    if (e->maps_len == e->maps_cap) {
        size_t cap = e->maps_cap ? 2 * e->maps_cap : 64;
        em_mapundo *maps = realloc(e->maps, cap * sizeof *maps);
        if (maps == NULL)
            return NULL;
        e->maps = maps;
        e->maps_cap = cap;
    }
    em_mapundo *u = &e->maps[e->maps_len++];
    memset(u, 0, sizeof *u);
    u->at = e->log_len;
    return u;
}

// The host pages that become writable together. Each change of what neighbours allow is a
// mapping of the host's, of which a process may have some 65,000.
enum { TOGETHER = 1 << 10 };

// Makes the host pages of [addr, addr+size) writable, once.
int em_use(em_engine *e, uint64_t addr, uint64_t size) {
    em_zone *z = em_zone_of(e, addr);
    uint64_t i = (addr - z->base) >> EM_PAGE_SHIFT, all = z->size >> EM_PAGE_SHIFT;
    uint64_t end = (addr + size - z->base + EM_PAGE - 1) >> EM_PAGE_SHIFT;
    while (i < end && z->used[i] != EM_UNUSED)
        i++;
    if (i == end)
        return UC_ERR_OK;
    uint64_t from = i & ~(uint64_t)(TOGETHER - 1), to = (end + TOGETHER - 1) & ~(uint64_t)(TOGETHER - 1);
    if (to > all)
        to = all;
    uint8_t *host = z->host + (from << EM_PAGE_SHIFT), *marks = host + e->m->shadow;
    size_t bytes = (to - from) << EM_PAGE_SHIFT;
    if (mprotect(host, bytes, PROT_READ | PROT_WRITE) || mprotect(marks, bytes, PROT_READ | PROT_WRITE))
        return UC_ERR_NOMEM;
    for (i = from; i < to; i++)
        if (z->used[i] == EM_UNUSED)
            z->used[i] = EM_WRITABLE;
    return UC_ERR_OK;
}

// Gives every page of the range the same page byte.
int em_set_pages(em_engine *e, uint64_t addr, uint64_t size, uint8_t bits) {
    if (size == 0 || ((addr | size) & (EM_PAGE - 1)) || em_host(e, addr, size) == NULL)
        return UC_ERR_ARG;
    if ((bits & (EM_R | EM_W | EM_X)) && em_use(e, addr, size))
        return UC_ERR_NOMEM;
    e->wx = e->wx || (bits & (EM_W | EM_X)) == (EM_W | EM_X);
    em_zone *z = em_zone_of(e, addr);
    uint8_t *p = z->pages + ((addr - z->base) >> EM_PAGE_SHIFT);
    uint64_t n = size >> EM_PAGE_SHIFT;
    for (uint64_t i = 0; i < n;) {
        uint64_t j = i;
        while (j < n && p[j] == p[i])
            j++;
        if (e->logging) {
            em_mapundo *u = undo_next(e);
            if (u == NULL)
                return UC_ERR_NOMEM;
            u->addr = addr + (i << EM_PAGE_SHIFT);
            u->count = j - i;
            u->old = p[i];
        }
        i = j;
    }
    memset(p, bits, n);
    // Unicorn forgets code only where it may be run, so what is left of pages
    // that lost the permission is forgotten when they get it.
    if (bits & EM_X)
        em_remove_code(e, addr, addr + size);
    em_fetch_forget(e);
    return em_flush_tlb(e);
}

// Logs that the kernel zeroes a page. Who shares the bytes is not asked here: pages that
// are taken away count as a whole (em_share_block).
static int log_zeroes(em_engine *e, uint64_t addr, const uint8_t *host) {
    size_t from = e->log_len;
    int err = em_log_zeroes(e, addr, host);
    em_access piece;
    for (size_t k = from; e->watch.size != 0 && k < e->log_len; k++)
        for (uint32_t at = 0; em_piece(e, &e->log[k], &at, &piece);)
            if (em_watches(e, piece.addr, piece.size, true))
                e->watched = true;
    return err;
}

// Zeroes what the range holds, as the kernel hands out zeroed pages. The log has what
// was there.
int em_forget(em_engine *e, uint64_t addr, uint64_t size) {
    if (((addr | size) & (EM_PAGE - 1)) || em_host(e, addr, size) == NULL)
        return UC_ERR_ARG;
    em_zone *z = em_zone_of(e, addr);
    for (uint64_t a = addr; a < addr + size; a += EM_PAGE) {
        uint8_t *host = z->host + (a - z->base);
        if (z->used[(a - z->base) >> EM_PAGE_SHIFT] != EM_TOUCHED || em_all_zero(host, EM_PAGE))
            continue;
        int err = e->logging ? log_zeroes(e, a, host) : UC_ERR_OK;
        if (err)
            return err;
        memset(host, 0, EM_PAGE);
    }
    return UC_ERR_OK;
}

// Asks who shares the bytes of an entry that the kernel has logged, of eight at a time. A
// range has, meanwhile, only what was asked for already: what is found in the log has
// happened.
static void share_entry(em_engine *e, size_t number) {
    em_access *a = &e->log[number];
    uint32_t length = a->length, size = a->size | length;
    e->log_len = number + 1;
    for (uint32_t i = 0; i < size; i += 8) {
        unsigned n = size - i < 8 ? size - i : 8;
        a->length = i;
        if (em_share_access(e, a->addr + i, n, a->kind != EM_READ, a->thread, i == 0 ? number : number + 1))
            e->event = true;
    }
    a->length = length;
    em_recall_entry(e, number);
}

// Logs what the kernel does to memory on behalf of slot: a write, or a read, of which old
// and value are the same.
static int log_kernel(em_engine *e, int slot, uint64_t addr, const uint8_t *old,
                      const uint8_t *value, uint64_t size, uint8_t kind) {
    bool write = kind != EM_READ;
    if (!e->logging || size == 0)
        return UC_ERR_OK;
    size_t from = e->log_len;
    int err = em_log_bulk(e, slot, addr, old, value, size, kind);
    if (err)
        return err;
    if (e->sharing)
        for (size_t i = from, end = e->log_len; i < end; i++)
            share_entry(e, i);
    if (e->watch.size != 0 && em_watches(e, addr, size, write))
        e->watched = true;
    return UC_ERR_OK;
}

// A write by the kernel on behalf of slot: no permission is asked.
int em_store(em_engine *e, int slot, uint64_t addr, const uint8_t *from, uint64_t size) {
    uint8_t *host = em_host(e, addr, size);
    if (host == NULL)
        return UC_ERR_ARG;
    if (size == 0)
        return UC_ERR_OK;
    if (em_use(e, addr, size))
        return UC_ERR_NOMEM;
    uint64_t page = addr & ~(uint64_t)(EM_PAGE - 1);
    for (uint64_t at = page; at < addr + size; at += EM_PAGE)
        if (!em_touch_page(e, at))
            return UC_ERR_NOMEM;
    if (e->monitor_at >= 0 && slot != e->cur) {
        // What another thread does may concern the monitor of this one, which
        // is looked after when a thread is loaded.
        int err = em_park(e);
        if (err)
            return err;
        e->cur = -1;
    }
    int err = log_kernel(e, slot, addr, host, from, size, EM_KERNEL);
    if (err)
        return err;
    memcpy(host, from, size);
    for (; page < addr + size; page += EM_PAGE)
        if (em_page(e, page) & EM_X)
            em_remove_code(e, page, page + EM_PAGE);
    return UC_ERR_OK;
}

// Logs a read by the kernel on behalf of slot.
int em_touch(em_engine *e, int slot, uint64_t addr, uint64_t size) {
    uint8_t *host = em_host(e, addr, size);
    if (host == NULL)
        return UC_ERR_ARG;
    return log_kernel(e, slot, addr, host, host, size, EM_READ);
}

// Puts size bytes back, of which some are others now. Of bytes on two pages, one page may
// be read-only, with bytes that need not be put back. To copy a number of bytes that the
// compiler knows is no call.
static void put_back(uint8_t *host, uint64_t addr, uint64_t old, uint8_t size) {
    if ((addr & (EM_PAGE - 1)) + size > EM_PAGE) {
        for (int i = 0; i < size; i++, old >>= 8)
            if (host[i] != (uint8_t)old)
                host[i] = (uint8_t)old;
    } else if (size == 8) {
        memcpy(host, &old, 8);
    } else {
        memcpy(host, &old, size);
    }
}

// put_back of bytes that memory may hold already, as it does where a page has refused them:
// then the host's page may be read-only. Translated code goes with what it was made of.
void em_put_back(em_engine *e, uint64_t addr, uint64_t old, uint8_t size) {
    uint8_t *host = em_host(e, addr, size);
    uint64_t held;
    memcpy(&held, host, sizeof held); // a zone has a page behind it
    if ((held ^ old) << (64 - 8 * size) == 0)
        return;
    put_back(host, addr, old, size);
    if ((em_page(e, addr) | em_page(e, addr + size - 1)) & EM_X)
        em_remove_code(e, addr & ~(uint64_t)(EM_PAGE - 1), ((addr + size - 1) | (EM_PAGE - 1)) + 1);
}

static void undo_accesses(em_engine *e, size_t to) {
    while (e->log_len > to) {
        em_access *a = &e->log[e->log_len - 1];
        if (__builtin_expect(a->length != 0, 0)) {
            em_bulk_undo(e);
            continue;
        }
        e->log_len--;
        if (a->kind == EM_READ)
            continue;
        uint8_t *host = em_host(e, a->addr, a->size);
        // A write that a page refused is in the log too; there memory still holds the
        // old bytes, and the host page may be read-only.
        uint64_t held;
        memcpy(&held, host, sizeof held); // a zone has a page behind it
        if ((held ^ a->old) << (64 - 8 * a->size) == 0)
            continue;
        put_back(host, a->addr, a->old, a->size);
        if (em_page(e, a->addr) & EM_X)
            em_remove_code(e, a->addr & ~(uint64_t)(EM_PAGE - 1),
                           (a->addr | (EM_PAGE - 1)) + 1);
    }
}

// Takes memory and page table back to when the logs had these lengths.
void em_undo(em_engine *e, size_t log_len, size_t maps_len) {
    em_share *s = &e->share;
    s->recall_base = s->recall_base < log_len ? s->recall_base : log_len;
    if (s->recall_from > log_len) {
        s->recall_from = log_len;
        s->recall_turn = 0;
    }
    bool flush = e->maps_len > maps_len;
    while (e->maps_len > maps_len) {
        em_mapundo *u = &e->maps[--e->maps_len];
        undo_accesses(e, u->at);
        em_zone *z = em_zone_of(e, u->addr);
        uint8_t *p = z->pages + ((u->addr - z->base) >> EM_PAGE_SHIFT);
        uint64_t end = u->addr + (u->count << EM_PAGE_SHIFT);
        if (*p & EM_X)
            em_remove_code(e, u->addr, end);
        memset(p, u->old, u->count);
    }
    undo_accesses(e, log_len);
    if (flush)
        em_flush_tlb(e);
}

// Forgets the logs: nothing before this moment can be undone any more.
void em_log_drop(em_engine *e) {
    if (!em_recall_settle(e))
        e->share.full = true;
    em_clock_settle(e);
    e->maps_len = 0;
    e->log_len = 0;
    em_bulk_drop(e);
    em_limit_settle(e);
    e->log_gen++;
}
