// arm64's exclusive monitor. A load exclusive arms it, and the store exclusive
// behind it succeeds only when no other thread has written to the bytes in
// between (Arm ARM, B2.9).
//
// Unicorn keeps the address and the value that were loaded, and its store
// exclusive is a compare-and-swap on the value: it does not notice a store of
// the same value, or one that another store has undone. So what the others
// wrote is looked up in the log when a thread comes back to the processor, and
// a store exclusive that must fail is made to, by a value to compare with that
// memory does not hold. It then reads memory and finds out, as it does when the
// value has changed. That is an access like any other: it is in the log, and
// orders the store exclusive and the store that made it fail.
//
// A byte is lost when the load exclusive has read it and another thread has
// written it since, and a store exclusive fails when it would write a lost one.
#include "shim.h"

#include <string.h>

// LDXP and STXP of two eight-byte registers reach over so many bytes.
enum { WIDEST = 16 };

static uint16_t first_bytes(unsigned n) { return (uint16_t)((1u << n) - 1); }

// How many bytes the instruction at pc accesses if it is a load or a store
// exclusive, and which of the two; 0 if it is another one (Arm ARM, C4.1,
// "Load/store exclusive register" and "exclusive pair").
static unsigned exclusive_size(em_engine *e, uint64_t pc, bool *load) {
    const uint8_t *host = em_host(e, pc, 4);
    if (host == NULL)
        return 0;
    uint32_t word;
    memcpy(&word, host, sizeof word);
    bool pair = word >> 21 & 1;
    if ((word & 0x3f800000) != 0x08000000 || (pair && !(word >> 31))) // the latter is CASP
        return 0;
    *load = word >> 22 & 1;
    return (1u << (word >> 30)) << pair;
}

bool em_store_exclusive(em_engine *e, uint64_t pc) {
    bool load;
    return e->arch == UC_ARCH_ARM64 && exclusive_size(e, pc, &load) != 0 && !load;
}

bool em_load_exclusive(em_engine *e, uint64_t pc) {
    bool load;
    return e->arch == UC_ARCH_ARM64 && exclusive_size(e, pc, &load) != 0 && load;
}

static uint64_t get_word(em_ctx *c, ptrdiff_t at) {
    uint64_t v;
    memcpy(&v, (char *)c->uc + at, sizeof v);
    return v;
}

static void set_word(em_ctx *c, ptrdiff_t at, uint64_t v) {
    memcpy((char *)c->uc + at, &v, sizeof v);
}

// Tells whether entry i of the log changes memory, as seen by other threads. An
// atomic instruction that puts back what it has read does not: to swap it with
// one that only reads makes no difference, and it must make none here either.
bool em_log_changes(em_engine *e, size_t i) {
    em_access *w = &e->log[i];
    if (w->kind != EM_WRITE || w->old != w->value)
        return w->kind != EM_READ && w->kind != EM_POKE;
    while (i-- > 0 && e->log[i].step == w->step) {
        em_access *a = &e->log[i];
        if (a->kind == EM_READ && a->addr == w->addr && a->size == w->size)
            return !em_indivisible(e, w->pc);
    }
    return true;
}

// The size of the load exclusive at addr that armed the thread's monitor, which
// is the last one before entry n of the log. When the log began later than that,
// any size may be.
static unsigned watched_size(em_engine *e, int slot, uint64_t addr, size_t n) {
    while (n-- > 0) {
        em_access *a = &e->log[n];
        if (a->thread != slot || a->kind != EM_READ || a->addr != addr)
            continue;
        bool load;
        unsigned size = exclusive_size(e, a->pc, &load);
        if (size != 0 && load)
            return size;
    }
    return WIDEST;
}

// The bytes at base that a piece of the log overlaps, a bit each.
static uint16_t overlap(const em_access *a, uint64_t base) {
    if (a->addr >= base + WIDEST || a->addr + a->size <= base)
        return 0;
    uint32_t bytes = first_bytes(a->size);
    return (uint16_t)(a->addr < base ? bytes >> (base - a->addr) : bytes << (a->addr - base));
}

// Finds out what the thread's monitor has lost since the thread last ran. Its
// registers have just been put into the engine.
void em_monitor_check(em_engine *e, int slot) {
    em_slot *s = &e->slots[slot];
    if (e->monitor_at < 0)
        return;
    uint64_t watched = get_word(s->ctx, e->monitor_at);
    if (watched == EM_MONITOR_OPEN) {
        s->lost = 0;
        return;
    }
    if (s->log_gen != e->log_gen || !e->logging) {
        s->lost = first_bytes(WIDEST); // nobody knows what was written
        return;
    }
    uint64_t base = em_untagged(e, watched);
    uint16_t lost = 0;
    for (size_t i = s->left_at; i < e->log_len; i++) {
        em_access *a = &e->log[i], piece;
        uint64_t size = a->size | a->length; // one is 0
        if (a->thread == slot || a->addr >= base + WIDEST || a->addr + size <= base || !em_log_changes(e, i))
            continue;
        for (uint32_t at = 0; em_piece(e, a, &at, &piece);)
            lost |= overlap(&piece, base);
    }
    if (lost != 0)
        s->lost |= lost & first_bytes(watched_size(e, slot, base, s->left_at));
}

// Runs before each instruction of a thread whose monitor has lost bytes. It
// tells whether the instruction is a store exclusive that must fail.
bool em_monitor_fails(em_engine *e, uint64_t pc) {
    bool load;
    unsigned size = exclusive_size(e, pc, &load);
    if (size == 0)
        return false;
    if (!load && (e->lost & first_bytes(size)))
        return true;
    e->lost = 0; // behind this instruction the monitor is armed anew, or open
    return false;
}

// Makes the thread's next store exclusive at the watched address fail: it will
// find other bytes in memory than it compares with.
int em_monitor_spoil(em_engine *e, int slot) {
    e->lost = 0;
    int err = em_park(e);
    if (err)
        return err;
    em_ctx *c = e->slots[slot].ctx;
    // A zone's reservation on the host is a page longer than the zone.
    const uint8_t *host = em_host(e, em_untagged(e, get_word(c, e->monitor_at)), 1);
    if (host != NULL) {
        uint64_t held;
        memcpy(&held, host, sizeof held);
        set_word(c, e->value_at, ~held);
    }
    em_context_restore(e, c->uc);
    e->dirty = true; // it goes on running
    return err;
}

// Opens the monitor of a thread that has stopped for an exception, a system
// call for one: the return from it does that (Arm ARM, B2.9.4, ERET).
int em_monitor_open(em_engine *e, int slot) {
    if (e->monitor_at < 0)
        return UC_ERR_OK;
    int err = em_park(e);
    em_slot *s = &e->slots[slot];
    s->lost = 0;
    if (err || get_word(s->ctx, e->monitor_at) == EM_MONITOR_OPEN)
        return err;
    em_ctx *c = em_ctx_own(e, s);
    if (c == NULL)
        return UC_ERR_NOMEM;
    set_word(c, e->monitor_at, EM_MONITOR_OPEN);
    if (e->cur == slot)
        e->cur = -1; // what the engine holds is older now
    return UC_ERR_OK;
}

// Has the thread's next store exclusive succeed if memory holds what its load exclusive has read,
// whatever others have written since.
int em_monitor_keep(em_engine *e, int slot) {
    int err = em_load(e, slot);
    if (!err)
        e->lost = e->slots[slot].lost = 0;
    return err;
}

// The address that the thread's monitor watches, EM_MONITOR_OPEN when it is
// open or has lost a byte.
uint64_t em_monitor(em_engine *e, int slot) {
    if (e->monitor_at < 0 || em_load(e, slot) || em_park(e) || e->slots[slot].lost)
        return EM_MONITOR_OPEN;
    return get_word(e->slots[slot].ctx, e->monitor_at);
}

// Finds where a saved context keeps exclusive_addr and exclusive_val, which
// Unicorn gives no names: the words that a load exclusive just run has turned
// from ~0 into its address, and into what it has read. scratch is a readable,
// executable page that begins with `ldxr xzr, [x1]`; it loads itself.
int em_monitor_find(em_engine *e, uint64_t scratch) {
    uc_context *before = NULL, *after = NULL;
    const uint8_t *host = em_host(e, scratch, EM_PAGE);
    uint64_t loaded;
    if (host == NULL)
        return UC_ERR_ARG;
    memcpy(&loaded, host, sizeof loaded);
    int err = uc_context_alloc(e->uc, &before);
    if (!err)
        err = uc_context_alloc(e->uc, &after);
    if (!err)
        err = uc_context_save(e->uc, before);
    if (!err)
        err = uc_reg_write(e->uc, UC_ARM64_REG_X1, &scratch);
    if (!err) {
        e->m->end = e->m->step + 1;
        e->m->mode = 0;
        err = uc_emu_start(e->uc, scratch, 0, 0, 0);
    }
    if (!err)
        err = uc_context_save(e->uc, after);
    int addresses = 0, values = 0;
    ptrdiff_t monitor_at = -1;
    for (size_t at = 0; !err && at + 8 <= e->ctx_bytes; at += 8) {
        uint64_t was, is;
        memcpy(&was, (char *)before + at, 8);
        memcpy(&is, (char *)after + at, 8);
        if (was == EM_MONITOR_OPEN && is == scratch) {
            monitor_at = (ptrdiff_t)at;
            addresses++;
        } else if (was != loaded && is == loaded) {
            e->value_at = (ptrdiff_t)at;
            values++;
        }
    }
    if (!err)
        err = uc_context_restore(e->uc, before);
    uc_context_free(before);
    uc_context_free(after);
    e->m->step = 0;
    if (!err && (addresses != 1 || values != 1))
        err = UC_ERR_RESOURCE;
    if (!err)
        e->monitor_at = monitor_at;
    return err;
}
