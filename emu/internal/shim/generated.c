#include "shim.h"

#include <string.h>

// Code that counts and logs by itself (build-aux/unicorn-patch), and when it is used. It
// runs whole blocks of instructions about which nothing is to be decided. Before each
// other one it asks here, and that one runs with the hooks; so all that is exact is
// decided in one place, step.c, and generated code knows nothing of breakpoints, traps,
// fetches of code that is shared, or the log's limit.

#if EMURACE_UNICORN_PATCHED
static bool ends(void *user, uint64_t pc) {
    const em_engine *e = user;
    return em_in_traps(e, pc) || (e->breaks.len != 0 && em_break_hit((em_engine *)e, pc));
}

// Tells whether a write leaves its bytes as they were, and its instruction has read them;
// see changes_nothing of memory.c.
static bool puts_back(em_engine *e, uint64_t addr, uint64_t value, unsigned size, const uint8_t *host) {
    uint64_t held;
    memcpy(&held, host, sizeof held); // a zone has a page behind it
    if ((held ^ value) << (64 - 8 * size) != 0)
        return false;
    uint64_t step = emurace_now(e->m);
    for (const em_access *a = (em_access *)(uintptr_t)e->m->log; a-- > e->log && a->step == step;)
        if (a->kind == EM_READ && a->addr == addr && a->size == size)
            return em_indivisible(e, e->m->pc);
    return false;
}

static bool watched(void *user, uint64_t page) {
    const em_watch *w = &((em_engine *)user)->watch;
    return w->size != 0 && page < w->addr + w->size && w->addr < page + EM_PAGE;
}

// Looks at an access whose bytes do not have the marks of one that was told. Where it makes
// an event and is not alone in its block, the instruction begins anew: generated code stops
// between blocks only.
static bool look(void *user, uint64_t addr, uint64_t value, uint32_t what, uint8_t *host) {
    em_engine *e = user;
    unsigned size = what & 0xff;
    bool write = (what & EMURACE_WRITES) && !puts_back(e, addr, value, size, host);
    e->log_len = ((uintptr_t)e->m->log - (uintptr_t)e->log) / sizeof *e->log;
    if (em_splits_at(e, e->m->pc, addr, size, what & EMURACE_WRITES)) {
        em_hold_again(e);
        return true;
    }
    if (!em_share_access(e, addr, size, write, e->cur, e->log_len)) {
        em_marks_set(e, addr, size, host, write);
        return false;
    }
    if (e->m->alone) {
        em_event(e);
        em_half_done(e, e->m->pc, what & EMURACE_WRITES, e->log_len + 1);
        return false;
    }
    em_generated_again(e, EMURACE_ALONE);
    return true;
}

// Says what is to happen at pc, where a block of n instructions did not run. What stops a
// run is looked at in the order in which the hook before an instruction does it.
static int refused(void *user, uint64_t pc, unsigned n, bool whole) {
    em_engine *e = user;
    struct emurace *m = e->m;
    em_generated_sync(e);
    uint64_t left = em_left(e);
    if (em_in_traps(e, pc) || left == 0) {
        em_stop(e, pc);
        return EMURACE_STOP;
    }
    if (!whole)
        return EMURACE_HOOK; // it stops there, if it is to stop
    if (e->sharing && *em_fetch_place(e->fetched, pc) != (pc & EMURACE_PAGE)) {
        if ((em_page(e, pc) & (EM_W | EM_X)) != EM_X)
            return EMURACE_HOOK; // each instruction is read by itself
        em_fetch(e, pc, 1);
        if (e->nfetches == 0)
            return EMURACE_RETRY;
        m->end = m->step + 1; // the instruction that is fetched is the last one
        return 1;
    }
    if (left < n)
        return (int)left;
    if (e->logging && e->m->log > e->m->log_last) {
        em_generated_log(e);
        return e->m->log > e->m->log_last ? EMURACE_HOOK : EMURACE_RETRY;
    }
    return EMURACE_HOOK;
}
#endif

void em_generated_init(em_engine *e) {
    e->m = &e->own;
#if EMURACE_UNICORN_PATCHED
    struct emurace *m = uc_emurace(e->uc);
    if (m != NULL) {
        e->m = m;
        e->generates = true;
        m->user = e;
        m->ends = ends;
        m->watched = watched;
        m->refused = refused;
        m->look = look;
    }
#endif
    e->m->k = EMURACE_BETWEEN;
    e->fetched = e->m->code_pages;
}

// Tells generated code where the log goes on. It begins no block that might not find
// room; without a log's end, it begins none.
static void tell_log(em_engine *e) {
    size_t cap = e->log_cap < e->log_max ? e->log_cap : e->log_max;
    size_t slack = EMURACE_SLACK / sizeof *e->log;
    e->m->log = (uint64_t)(uintptr_t)(e->log + e->log_len);
    e->m->log_last = cap > slack ? (uint64_t)(uintptr_t)(e->log + (cap - slack)) : 0;
}

// Makes room in the log for another block, if its limit allows it.
void em_generated_log(em_engine *e) {
    em_log_reserve(e, EMURACE_SLACK / sizeof *e->log + 1);
    tell_log(e);
}

// Decides how the thread runs from now on. Where a stop is to be looked for before every
// instruction, or the monitor has lost bytes, or code that runs may be written, it runs
// with the hooks alone.
void em_generated_begin(em_engine *e) {
    struct emurace *m = e->m;
    m->mode = 0;
    m->k = EMURACE_BETWEEN;
    m->again = 0;
    if (!e->generates || e->hooked || e->probing || e->trace.on || e->back != EM_NOWHERE || e->lost != 0 ||
        (e->wx && e->arch == UC_ARCH_X86))
        return;
    m->mode = EMURACE_COUNTED;
    if (!e->logging)
        return;
    m->mode |= EMURACE_LOGGED;
    m->who = (uint64_t)(uint16_t)e->cur << 16;
    if (e->log_cap - e->log_len < EMURACE_SLACK / sizeof *e->log)
        em_generated_log(e);
    else
        tell_log(e);
    if (e->sharing) {
        m->mode |= EMURACE_SHARED;
        em_marks_begin(e, e->cur);
    }
}

// Takes over what generated code has counted and logged, up to the instruction that is
// under way, if one is.
void em_generated_sync(em_engine *e) {
    struct emurace *m = e->m;
    if (!(m->mode & EMURACE_COUNTED))
        return;
    if (m->k != EMURACE_BETWEEN) {
        m->step = emurace_now(m);
        m->k = EMURACE_BETWEEN;
        e->m->last = m->pc;
    }
    if (m->mode & EMURACE_LOGGED)
        e->log_len = ((uintptr_t)m->log - (uintptr_t)e->log) / sizeof *e->log;
}

// Has the instruction that is under way begun anew, as a block of its own, behind which the
// run can end, or with the hooks. What it has done so far is undone.
void em_generated_again(em_engine *e, int how) {
    struct emurace *m = e->m;
    uint64_t step = emurace_now(m);
    size_t n = e->log_len;
    while (n > 0 && e->log[n - 1].step == step)
        n--;
    em_undo(e, n, e->maps_len);
    m->step = step - 1;
    m->k = EMURACE_BETWEEN;
    m->log = (uint64_t)(uintptr_t)(e->log + n);
    m->again = how;
}

// Tells generated code of an entry that a hook has added.
void em_generated_logged(em_engine *e) {
    if (e->m->mode & EMURACE_LOGGED)
        tell_log(e);
}

// The guest's pc of what the host runs at host_pc, 0 for what is not known, for a handler
// of signals: the process does not go on after that.
uint64_t em_generated_pc(em_engine *e, uint64_t host_pc) {
    struct emurace *m = e->m;
    uint64_t pc = m->k == EMURACE_BETWEEN ? m->last : m->pc;
    if ((m->mode & EMURACE_COUNTED) && host_pc != 0 && m->restore(e->uc, host_pc))
        uc_reg_read(e->uc, e->arch == UC_ARCH_ARM64 ? UC_ARM64_REG_PC : UC_X86_REG_RIP, &pc);
    return pc;
}
