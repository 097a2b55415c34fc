#include "share.h"

#include <stdlib.h>

// Instructions that are two steps: of amd64 one without a lock prefix that reads memory and
// then writes to memory; of arm64 a load or store of a pair of registers, see pairs.c, of which
// what follows says the same with its second access for the write. A processor may let another one's accesses come between the two
// (SDM volume 3, 9.1.2, "Bus Locking"). Such an instruction can end in its middle: it has
// read, and its registers are changed, but what it has written is taken back and held for
// its thread. The next step of that thread is that these stores are made, before anything
// else that it does.
//
// A change of the page table waits for a processor to be done with its instruction, or has
// it begin that again: so where a page of held stores is another one meanwhile, or allows
// something else, the instruction begins again from the registers that it began with.
//
// While events are wanted this is done to every such instruction that reads bytes that make
// events and writes some. When it comes to that write, it begins again with the hooks,
// which hold what it writes.

// Tells whether nothing comes between the accesses of the instruction at pc. What reads and
// writes on arm64 is atomic, or a store exclusive, which fails.
bool em_indivisible(em_engine *e, uint64_t pc) {
    em_pair pair;
    if (e->arch != UC_ARCH_X86)
        return !em_pair_at(e, pc, &pair);
    for (int i = 0; i < EM_LONGEST; i++) {
        const uint8_t *host = em_host(e, pc + (uint64_t)i, 1);
        if (host == NULL)
            return false;
        switch (*host) {
        case 0xf0:
            return true;
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: // segments
        case 0x66: case 0x67: case 0xf2: case 0xf3:
            continue;
        case 0x86: case 0x87: // xchg with memory locks by itself
            return true;
        default:
            if ((*host & 0xf0) != 0x40) // REX
                return false;
        }
    }
    return false;
}

void em_held_keep(em_held *h) {
    if (h != NULL)
        h->refs++;
}

void em_held_drop(em_engine *e, em_held *h) {
    if (h == NULL || --h->refs > 0)
        return;
    em_ctx_drop(e, h->before);
    free(h);
}

// Begins to hold what the instruction at pc, which has not begun, will write.
void em_hold_begin(em_engine *e, uint64_t pc) {
    e->hold = EM_HOLD_NONE;
    e->pair = (em_pair){0};
    e->pair_first = EM_NOWHERE;
    if (!em_pair_at(e, pc, &e->pair)) {
        e->pair.size = 0;
        if (e->arch != UC_ARCH_X86 || em_indivisible(e, pc))
            return;
    }
    e->before = em_ctx_new(e);
    if (e->before == NULL) {
        e->share.full = true; // the run ends
        return;
    }
    em_context_save(e, e->before->uc);
    e->hold = EM_HOLD_NOW;
    e->holding_len = 0;
}

// Tells whether an access of the instruction whose second half is held is of that.
bool em_holds(em_engine *e, uint64_t addr, bool write) {
    if (e->pair.size == 0)
        return write;
    if (e->pair_first == EM_NOWHERE)
        e->pair_first = addr;
    return addr - e->pair_first >= e->pair.size;
}

// Takes a store in that is about to be made, or a load.
void em_hold(em_engine *e, uint64_t addr, unsigned size) {
    const uint8_t *host = em_host(e, addr, size);
    if (host == NULL || size > 8)
        return;
    if (e->holding_len > 0) {
        const em_hold_store *last = &e->holding[e->holding_len - 1];
        if (last->addr == addr && last->size == size)
            return; // it is told of twice when its page is first touched
    }
    if (!em_room((void **)&e->holding, e->holding_len, &e->holding_cap, sizeof *e->holding)) {
        e->share.full = true;
        return;
    }
    em_hold_store *s = &e->holding[e->holding_len++];
    *s = (em_hold_store){.addr = addr, .size = (uint8_t)size};
    memcpy(&s->value, host, size);
}

// Makes the stores, or the loads of a pair's second register, each of which is an access of
// the log. Tells whether it is an event.
static bool make(em_engine *e, int slot, uint64_t pc, const em_pair *pair, uint64_t second, const em_hold_store *list, size_t n) {
    uint8_t bytes[EM_WIDEST] = {0};
    bool event = false, write = !pair->load;
    for (size_t i = 0; i < n; i++) {
        const em_hold_store *s = &list[i];
        uint8_t *host = em_host(e, s->addr, s->size);
        em_access *a = em_log_next(e);
        if (a == NULL) {
            e->limit = EM_LIMIT_LOG;
            return event;
        }
        uint64_t old = 0;
        memcpy(&old, host, s->size);
        a->step = e->m->step;
        a->pc = pc;
        a->addr = s->addr;
        a->old = old;
        a->value = write ? s->value : old;
        a->size = s->size;
        a->kind = write ? EM_WRITE : EM_READ;
        a->thread = (uint16_t)slot;
        if (e->sharing && em_share_access(e, s->addr, s->size, write, slot, e->log_len - 1))
            event = true;
        if (e->watch.size != 0 && em_watches(e, s->addr, s->size, write))
            e->watched = true;
        if (write)
            em_put_back(e, s->addr, s->value, s->size);
        else if (s->addr - second + s->size <= sizeof bytes)
            memcpy(bytes + (s->addr - second), &old, s->size);
    }
    if (pair->load)
        em_pair_load(e, pair, bytes);
    return event;
}

// Tells whether the first half of the instruction that has run is in the log.
static bool began(const em_engine *e, int slot) {
    for (size_t i = e->log_len; i > 0 && e->log[i - 1].step == e->m->step; i--)
        if (e->log[i - 1].thread == slot && (e->pair.size != 0 || e->log[i - 1].kind == EM_READ))
            return true;
    return false;
}

// Settles an instruction whose stores were taken in, or loads. Unless it has not happened they
// are held from now on; where nothing of it came before, it is one step.
void em_hold_settle(em_engine *e, int slot, bool happened) {
    em_ctx *before = e->before;
    size_t n = e->holding_len;
    uint64_t second = e->pair_first + e->pair.size;
    e->hold = EM_HOLD_NONE;
    e->before = NULL;
    e->holding_len = 0;
    for (size_t i = 0; happened && i < n; i++) { // some may overlap: each has what is there at the end
        uint64_t now = 0;
        memcpy(&now, em_host(e, e->holding[i].addr, e->holding[i].size), e->holding[i].size);
        e->holding[i].after = now;
    }
    for (size_t i = n; !e->pair.load && i-- > 0;)
        em_put_back(e, e->holding[i].addr, e->holding[i].value, e->holding[i].size);
    for (size_t i = 0; i < n; i++)
        e->holding[i].value = e->holding[i].after;
    em_held *h = NULL;
    if (happened && n > 0 && began(e, slot)) {
        h = malloc(sizeof *h + n * sizeof *h->stores);
        if (h == NULL)
            e->share.full = true;
    } else if (happened && n > 0 && make(e, slot, e->m->last, &e->pair, second, e->holding, n)) {
        e->event = true;
        e->event_of_fetch = false;
    }
    if (h == NULL) {
        em_ctx_drop(e, before);
        return;
    }
    *h = (em_held){.refs = 1, .before = before, .pc = e->m->last, .maps = e->maps_len, .log_gen = e->log_gen, .n = n};
    h->pair = e->pair;
    h->second = second;
    memcpy(h->stores, e->holding, n * sizeof *h->stores);
    if (h->pair.load)
        em_pair_unload(e, &h->pair, before);
    e->slots[slot].held = h;
}

// Tells whether the page of an address has changed in the page table since then.
static bool remapped(const em_engine *e, size_t since, uint64_t addr) {
    for (size_t i = since; i < e->maps_len; i++)
        if (addr - e->maps[i].addr < e->maps[i].count << EM_PAGE_SHIFT)
            return true;
    return false;
}

static bool must_begin_again(em_engine *e, const em_held *h) {
    size_t since = h->log_gen == e->log_gen && h->maps <= e->maps_len ? h->maps : 0;
    uint8_t need = h->pair.load ? EM_R : EM_W;
    for (size_t i = 0; i < h->n; i++) {
        uint64_t first = h->stores[i].addr, last = first + h->stores[i].size - 1;
        if (!(em_page(e, first) & need) || !(em_page(e, last) & need) || remapped(e, since, first) || remapped(e, since, last))
            return true;
    }
    return false;
}

// The next step of a thread that holds stores; returns enum em_stop. It counts as one, with
// the instruction's pc, but not for the thread's clock.
int em_land(em_engine *e, int slot) {
    em_slot *s = &e->slots[slot];
    em_held *h = s->held;
    bool event = false;
    if (e->sharing)
        em_share_step(e, slot);
    e->m->step++;
    e->m->last = h->pc;
    em_trace_step(e);
    em_clock_land(e, slot);
    if (must_begin_again(e, h)) {
        for (size_t i = 0; i < h->n && e->limit == EM_LIMIT_NONE; i++) {
            if (em_touch(e, slot, h->stores[i].addr, h->stores[i].size))
                e->limit = EM_LIMIT_LOG;
        }
        event = e->event;
        if (e->cur == slot) {
            e->cur = -1;
            e->dirty = false;
        }
        em_ctx_drop(e, s->ctx);
        s->ctx = h->before;
        s->ctx->refs++;
        em_fetch_anew(s->fetched);
    } else {
        event = make(e, slot, h->pc, &h->pair, h->second, h->stores, h->n);
    }
    s->held = NULL;
    em_held_drop(e, h);
    e->event = event;
    if (event)
        em_fetch_anew(s->fetched);
    if (e->share.full)
        e->limit = EM_LIMIT_MEMORY;
    return e->limit != EM_LIMIT_NONE ? EM_STOP_LIMIT : event ? EM_STOP_EVENT : EM_STOP_BUDGET;
}

// Notes that the instruction at pc has touched a byte that makes events, and tells, where it
// can be divided behind that, so. What it does from here on comes later than that: what
// another thread does behind the one access is not behind the others of this instruction.
void em_half_done(em_engine *e, uint64_t pc, bool write, size_t entries) {
    em_pair pair;
    if (!e->splits || (e->arch == UC_ARCH_X86 ? write || em_indivisible(e, pc) : !em_pair_at(e, pc, &pair)))
        return;
    e->half_done = emurace_now(e->m);
    size_t len = e->log_len;
    e->log_len = entries;
    em_share_step(e, e->cur);
    e->log_len = len;
    if (e->m->mode & EMURACE_SHARED)
        em_marks_begin(e, e->cur);
}

// Tells whether an access of the instruction that runs is one to be held: then it is to begin
// again, with the hooks.
bool em_splits_at(em_engine *e, uint64_t pc, uint64_t addr, unsigned size, bool write) {
    if (!e->splits || e->hold != EM_HOLD_NONE || e->half_done != emurace_now(e->m))
        return false;
    if (e->arch == UC_ARCH_X86 ? !write : !em_pair_second(e, pc, addr))
        return false;
    unsigned bytes = (size >= 8 ? 0xff : (1u << size) - 1) << (addr & 7);
    if ((em_share_mask(e, addr) & bytes) == 0 && (bytes <= 0xff || (em_share_mask(e, addr + 8) & bytes >> 8) == 0))
        return false;
    e->divisible = e->splits == EM_SPLITS_TELL;
    return !e->divisible;
}

void em_hold_again(em_engine *e) {
    e->hold = EM_HOLD_NEXT;
    e->quiet_size = 0;
    e->stepping_on = e->breaks.len != 0 || e->back != EM_NOWHERE; // it has been stopped at
    if (!em_in_generated(e))
        e->m->pc = e->m->last;
    em_generated_again(e, EMURACE_HOOKED);
}
