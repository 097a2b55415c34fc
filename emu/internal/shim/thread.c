#include "shim.h"

#include <stdlib.h>
#include <string.h>

em_ctx *em_ctx_new(em_engine *e) {
    em_ctx *c = e->free_ctx;
    if (c != NULL) {
        e->free_ctx = c->next_free;
    } else {
        c = calloc(1, sizeof *c);
        if (c == NULL || uc_context_alloc(e->uc, &c->uc)) {
            free(c);
            return NULL;
        }
        // What is never copied, see context.c, is nothing of the host's either.
        memset((char *)c->uc + EMURACE_UC_CONTEXT_DATA, 0, e->ctx_bytes - EMURACE_UC_CONTEXT_DATA);
    }
    c->refs = 1;
    c->next_free = NULL;
    return c;
}

void em_ctx_drop(em_engine *e, em_ctx *c) {
    if (c == NULL || --c->refs > 0)
        return;
    c->next_free = e->free_ctx;
    e->free_ctx = c;
}

// A context of the slot's own, which may be written.
em_ctx *em_ctx_own(em_engine *e, em_slot *s) {
    if (s->ctx != NULL && s->ctx->refs == 1)
        return s->ctx;
    em_ctx *c = em_ctx_new(e);
    if (c == NULL)
        return NULL;
    if (s->ctx != NULL) {
        memcpy(c->uc, s->ctx->uc, e->ctx_bytes);
        em_ctx_drop(e, s->ctx);
    }
    s->ctx = c;
    return c;
}

// Saves the running thread's registers, if newer than its context.
int em_park(em_engine *e) {
    if (e->cur < 0 || !e->dirty)
        return UC_ERR_OK;
    em_slot *s = &e->slots[e->cur];
    if (s->ctx == NULL || s->ctx->refs > 1) {
        em_ctx *c = em_ctx_new(e);
        if (c == NULL)
            return UC_ERR_NOMEM;
        em_ctx_drop(e, s->ctx);
        s->ctx = c;
    }
    em_context_save(e, s->ctx->uc);
    e->dirty = false;
    return UC_ERR_OK;
}

// Puts the thread's registers into the engine.
int em_load(em_engine *e, int slot) {
    if (!em_there(e, slot))
        return UC_ERR_ARG;
    if (e->cur == slot)
        return UC_ERR_OK;
    int err = em_park(e);
    if (err)
        return err;
    em_context_restore(e, e->slots[slot].ctx->uc);
    e->cur = slot;
    e->dirty = false;
    em_monitor_check(e, slot);
    return UC_ERR_OK;
}

// Makes room for a slot. Those that were never used hold nothing.
static bool slot_room(em_engine *e, int slot) {
    if (slot < e->slots_cap)
        return true;
    int n = e->slots_cap ? e->slots_cap : 8;
    while (n <= slot)
        n *= 2;
    em_slot *list = realloc(e->slots, (size_t)n * sizeof *list);
    if (list == NULL)
        return false;
    memset(list + e->slots_cap, 0, (size_t)(n - e->slots_cap) * sizeof *list);
    e->slots = list;
    e->slots_cap = n;
    return true;
}

// A new thread with a copy of parent's registers; parent -1: the engine's.
int em_thread_add(em_engine *e, int slot, int parent) {
    if (slot < 0 || slot >= EM_MOST_MADE || em_there(e, slot) || e->nlive == EM_MAX_THREADS || (parent >= 0 && !em_there(e, parent)))
        return UC_ERR_ARG;
    if (!slot_room(e, slot))
        return UC_ERR_NOMEM;
    em_slot *s = &e->slots[slot];
    int err = em_park(e);
    if (err)
        return err;
    em_ctx *c = em_ctx_new(e);
    if (c == NULL)
        return UC_ERR_NOMEM;
    if (parent >= 0)
        memcpy(c->uc, e->slots[parent].ctx->uc, e->ctx_bytes);
    else
        em_context_save(e, c->uc);
    *s = (em_slot){.ctx = c, .at = (uint32_t)e->nlive};
    e->live[e->nlive++] = slot;
    if (e->nslots <= slot)
        e->nslots = slot + 1;
    s->left_at = e->log_len;
    s->log_gen = e->log_gen;
    em_fetch_anew(s->fetched);
    if (parent >= 0)
        em_clock_wake(e, parent, slot);
    if (!err)
        err = em_monitor_open(e, slot);
    return err;
}

void em_thread_drop(em_engine *e, int slot) {
    if (!em_there(e, slot))
        return;
    em_slot *s = &e->slots[slot];
    e->live[s->at] = e->live[--e->nlive];
    e->slots[e->live[s->at]].at = s->at;
    if (e->cur == slot) {
        e->cur = -1;
        e->dirty = false;
    }
    em_ctx_drop(e, s->ctx);
    s->ctx = NULL;
    em_held_drop(e, s->held);
    s->held = NULL;
}

// What is left of the instruction with which a thread's last step has ended, NULL for nothing.
em_held *em_held_of(const em_engine *e, int slot) { return em_there(e, slot) ? e->slots[slot].held : NULL; }

int em_reg_read(em_engine *e, int slot, int reg, void *value) {
    if (!em_there(e, slot))
        return UC_ERR_ARG;
    if (e->cur == slot)
        return uc_reg_read(e->uc, reg, value);
    return uc_context_reg_read(e->slots[slot].ctx->uc, reg, value);
}

// What a debugger can change of x86's flags on Linux (FLAG_MASK of
// arch/x86/kernel/ptrace.c), and what is always set of a process's.
static const uint64_t user_flags = 0x54dd5, always_flags = 0x202;

int em_reg_write(em_engine *e, int slot, int reg, const void *value) {
    int err = em_load(e, slot);
    if (err)
        return err;
    e->dirty = true;
    if (e->arch == UC_ARCH_X86 && reg == UC_X86_REG_RFLAGS) {
        uint64_t flags;
        memcpy(&flags, value, sizeof flags);
        flags = (flags & user_flags) | always_flags;
        return uc_reg_write(e->uc, reg, &flags);
    }
    return uc_reg_write(e->uc, reg, value);
}

// Reads n registers in one crossing; values points at each one's bytes.
int em_regs_read(em_engine *e, int slot, int *regs, void **values, int n) {
    int err = em_load(e, slot);
    if (err)
        return err;
    return uc_reg_read_batch(e->uc, regs, values, n);
}

// Remembers the moment; NULL and an error when that cannot be.
em_mark *em_mark_set(em_engine *e, int *err) {
    *err = em_park(e);
    if (*err)
        return NULL;
    em_mark *m = malloc(sizeof *m + (size_t)e->nlive * sizeof *m->slots);
    if (m == NULL) {
        *err = UC_ERR_NOMEM;
        return NULL;
    }
    if (!e->memory.racing)
        em_limit_begin(e);
    e->logging = true;
    e->nmarks++;
    m->log_len = e->log_len;
    m->maps_len = e->maps_len;
    m->touched_len = e->memory.len;
    m->step = e->m->step;
    m->pc = e->m->last;
    m->log_gen = e->log_gen;
    em_share_mark_set(e, &m->share);
    m->notes_len = e->clock.len;
    m->turn = e->clock.turn;
    m->clocks = e->clock.on;
    m->advanced = e->clock.advanced;
    m->nslots = e->nslots;
    m->nlive = e->nlive;
    for (int i = 0; i < m->nlive; i++) {
        m->slots[i] = e->slots[e->live[i]];
        m->slots[i].at = (uint32_t)e->live[i];
        m->slots[i].ctx->refs++;
        em_held_keep(m->slots[i].held);
    }
    return m;
}

// The registers of a thread at a mark, NULL where it was not there.
static const em_ctx *then_of(const em_mark *m, int slot) {
    for (int i = 0; i < m->nlive; i++)
        if (m->slots[i].at == (uint32_t)slot)
            return m->slots[i].ctx;
    return NULL;
}

// Puts the threads of a mark into their slots, and empties all others. What both have is
// never let go in between.
static void restore_slots(em_engine *e, const em_mark *m) {
    for (int i = 0; i < m->nlive; i++) {
        m->slots[i].ctx->refs++;
        em_held_keep(m->slots[i].held);
    }
    for (int i = 0; i < e->nlive; i++) {
        em_slot *s = &e->slots[e->live[i]];
        em_ctx_drop(e, s->ctx);
        em_held_drop(e, s->held);
        s->ctx = NULL;
        s->held = NULL;
    }
    for (int i = 0; i < m->nlive; i++) {
        int slot = (int)m->slots[i].at;
        e->slots[slot] = m->slots[i];
        e->slots[slot].at = (uint32_t)i;
        e->live[i] = slot;
    }
    e->nlive = m->nlive;
    e->nslots = m->nslots;
}

int em_mark_rewind(em_engine *e, em_mark *m) {
    if (m->log_gen != e->log_gen || m->log_len > e->log_len || m->maps_len > e->maps_len ||
        m->touched_len > e->memory.len)
        return UC_ERR_ARG;
    em_undo(e, m->log_len, m->maps_len);
    em_untouch(e, m->touched_len);
    em_marks_wipe(e);
    if (!em_share_undo(e, &m->share))
        return UC_ERR_NOMEM;
    if (m->clocks)
        em_clock_rewind(e, m->log_len, m->notes_len, m->turn);
    else
        em_clock_drop(e);
    e->clock.advanced = m->advanced;
    const em_ctx *now = e->cur >= 0 ? e->slots[e->cur].ctx : NULL;
    if (e->dirty || now != then_of(m, e->cur)) {
        e->cur = -1;
        e->dirty = false;
    }
    restore_slots(e, m);
    e->m->step = m->step;
    e->m->last = m->pc; // a store by the kernel is logged with it
    return UC_ERR_OK;
}

void em_mark_drop(em_engine *e, em_mark *m) {
    for (int i = 0; i < m->nlive; i++) {
        em_ctx_drop(e, m->slots[i].ctx);
        em_held_drop(e, m->slots[i].held);
    }
    e->nmarks--;
    free(m);
}
