#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Which build of Unicorn this is for: with another one the object is another one, and only
// then does Go link anew, and take no test's result from its cache.
const char em_unicorn_made[] = EMURACE_UNICORN_MADE;

// Physical addresses with this bit set belong to no zone. A faulting access is
// sent there on purpose, once, to learn its exact address.
static const uint64_t poison = 1ULL << 62;

// The page table walk. A refusal raises the fault precisely, with every
// register as it was before the instruction.
static bool on_tlb(uc_engine *uc, uint64_t vaddr, uc_mem_type type,
                   uc_tlb_entry *result, void *user) {
    em_engine *e = user;
    (void)uc;
    uint64_t clean = em_untagged(e, vaddr);
    uint8_t bits = em_page(e, clean);
    int need = type == UC_MEM_WRITE ? EM_W : type == UC_MEM_FETCH ? EM_X : EM_R;
    // Where a page can be written to, writes may follow without another walk.
    if ((bits & EM_MAPPED) && (bits & need) && (!(bits & EM_W) || em_touch_page(e, clean))) {
        result->paddr = clean;
        result->perms = bits & (EM_R | EM_W | EM_X);
        return true;
    }
    // In a probe the instruction goes on behind a refused store: the first refusal counts.
    if (!e->probing || e->stop != EM_STOP_FAULT) {
        e->fault.addr = vaddr;
        e->fault.access = need;
        e->fault.mapped = (bits & EM_MAPPED) != 0;
    }
    if (e->probing) {
        result->paddr = poison | (vaddr & 0xffffffffffffULL);
        result->perms = UC_PROT_ALL;
        return true;
    }
    e->stop = EM_STOP_FAULT;
    return false;
}

// Only reached in a probe: the poisoned page tells the offset of the access.
static bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t addr, int size,
                        int64_t value, void *user) {
    em_engine *e = user;
    (void)uc;
    (void)type;
    (void)size;
    (void)value;
    if (e->probing && e->stop != EM_STOP_FAULT) {
        e->fault.addr = (e->fault.addr & ~(uint64_t)(EM_PAGE - 1)) | (addr & (EM_PAGE - 1));
        e->stop = EM_STOP_FAULT;
    }
    return false;
}

static void on_intr(uc_engine *uc, uint32_t intno, void *user) {
    em_engine *e = user;
    (void)uc;
    e->intno = (int)intno;
    // EXCP_SWI and EXCP_UDEF of QEMU's target/arm/cpu.h; vector 6 is x86's #UD.
    if (e->arch == UC_ARCH_ARM64 && intno == 2)
        em_halt(e, EM_STOP_SYSCALL);
    else if (intno == (e->arch == UC_ARCH_ARM64 ? 1 : 6))
        em_halt(e, EM_STOP_ILLEGAL);
    else
        em_halt(e, EM_STOP_EXCEPTION);
}

static void on_syscall(uc_engine *uc, void *user) {
    (void)uc;
    em_halt(user, EM_STOP_SYSCALL);
}

// What a counter of the processor shows. To read one is an event: who advances the
// clock may come before or after.
static uint64_t counter(em_engine *e) {
    uint64_t now;
    em_generated_sync(e); // nothing of its block comes after it
    if (!em_clock_read(e, e->cur, &now)) {
        e->uc_error = UC_ERR_NOMEM;
        e->stop = EM_STOP_ERROR; // before the next instruction
        em_last(e);
    }
    e->clock_read = true;
    if (e->sharing) {
        e->event = true;
        em_last(e);
    }
    return now;
}

// The time stamp counter is the virtual clock: host time would make two runs differ.
static int on_rdtsc(uc_engine *uc, void *user) {
    uint64_t now = counter(user);
    uint64_t lo = now & 0xffffffff, hi = now >> 32;
    uc_reg_write(uc, UC_X86_REG_RAX, &lo);
    uc_reg_write(uc, UC_X86_REG_RDX, &hi);
    return 1;
}

// MRS of the virtual counter (CNTVCT_EL0), the only one that Linux lets a process read.
static uint32_t on_mrs(uc_engine *uc, uc_arm64_reg reg, const uc_arm64_cp_reg *cp,
                       void *user) {
    em_engine *e = user;
    bool el0 = cp->op0 == 3 && cp->op1 == 3;
    bool shows = el0 && cp->crn == 14 && cp->crm == 0 && cp->op2 == 2;
#if !EMURACE_UNICORN_PATCHED // nobody keeps a guest from the other counters, and from RNDR
    shows = shows || (el0 && cp->crn == 14 && cp->crm == 0 && cp->op2 != 0) || (el0 && cp->crn == 2 && cp->crm == 4);
#endif
    if (!shows)
        return 0;
    uint64_t v = counter(e);
    uc_reg_write(uc, (int)reg, &v);
    return 1;
}

// The engine that runs on this host thread.
static _Thread_local em_engine *running;

// The memory region of an address, in place of Unicorn's own search.
static void *region_of(uc_engine *uc, uint64_t addr) {
    em_engine *e = running;
    em_zone *z = em_zone_of(e, addr);
    if (z == NULL)
        return e->find_region(uc, addr);
    if (z->region == NULL)
        z->region = e->find_region(uc, addr);
    return z->region;
}

static int add_hooks(em_engine *e) {
    uc_hook h;
    struct {
        int type;
        void *callback;
        int insn;
    } hooks[] = {
        {UC_HOOK_CODE, (void *)em_on_code, 0},
        {UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)em_on_mem, 0},
        {UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED, (void *)on_unmapped, 0},
        {UC_HOOK_INTR, (void *)on_intr, 0},
    };
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        int err = uc_hook_add(e->uc, &h, hooks[i].type, hooks[i].callback, e, 1, 0);
        if (err)
            return err;
    }
    if (e->arch == UC_ARCH_ARM64)
        return uc_hook_add(e->uc, &h, UC_HOOK_INSN, (void *)on_mrs, e, 1, 0, UC_ARM64_INS_MRS);
    int err = uc_hook_add(e->uc, &h, UC_HOOK_INSN, (void *)on_syscall, e, 1, 0,
                          UC_X86_INS_SYSCALL);
    if (!err)
        err = uc_hook_add(e->uc, &h, UC_HOOK_INSN, (void *)on_rdtsc, e, 1, 0, UC_X86_INS_RDTSC);
    if (!err)
        err = uc_hook_add(e->uc, &h, UC_HOOK_INSN, (void *)on_rdtsc, e, 1, 0, UC_X86_INS_RDTSCP);
    return err;
}

static int go(em_engine *e, uint64_t pc) {
    em_generated_begin(e);
    return uc_emu_start(e->uc, pc, 0, 0, 0);
}

bool *em_no_exit_request(uc_engine *uc) {
    return (bool *)((char *)uc + EMURACE_UC_NO_EXIT_REQUEST);
}

int em_init(em_engine *e, uc_engine *uc, int arch, bool hooks) {
    memset(e, 0, sizeof *e);
    e->uc = uc;
    e->arch = arch;
    e->cur = -1;
    e->monitor_at = -1;
    em_log_limit(e, 1 << 24);
    em_limit_memory(e, EM_MEMORY);
    e->back = EM_NOWHERE;
    e->go = go;
    e->share.stamp = 1; // nothing is saved yet
    e->share.longest = em_share_longest;
    e->mapping = (em_mapping *)((char *)uc + EMURACE_UC_MEMORY_MAPPING);
    e->pc_synced = (bool *)((char *)uc + EMURACE_UC_SKIP_SYNC_PC);
    *em_no_exit_request(uc) = hooks; // without hooks nobody leaves
    int err = uc_ctl_tlb_mode(uc, UC_TLB_VIRTUAL);
    if (err)
        return err;
    uc_hook h;
    err = uc_hook_add(uc, &h, UC_HOOK_TLB_FILL, (void *)on_tlb, e, 1, 0);
    if (!err && hooks)
        err = add_hooks(e);
    if (err)
        return err;
    em_generated_init(e);
    if (!hooks)
        e->m->user = NULL;
    err = em_context_learn(e);
    return err ? err : em_user(e);
}

// Reserves the host's address space for zones of size bytes together, each with a page
// behind it, and behind all of them for the marks of their bytes: see marks.c.
int em_zone_room(em_engine *e, uint64_t size) {
    size += EM_MAX_ZONES * EM_PAGE;
    void *room = mmap(NULL, 2 * size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return UC_ERR_NOMEM;
    e->room = room;
    e->room_size = size;
    e->m->shadow = (int64_t)size;
    return UC_ERR_OK;
}

int em_zone_add(em_engine *e, uint64_t base, uint64_t size) {
    if (e->nzones == EM_MAX_ZONES || (base | size) & (EM_PAGE - 1))
        return UC_ERR_ARG;
    em_zone *z = &e->zones[e->nzones];
    uint64_t n = size >> EM_PAGE_SHIFT;
    // Read-only until a page is used: such a reservation costs no commit
    // charge, and the hooks may read any byte of it without a fault. The page
    // behind it lets them read eight bytes at the very end.
    if (size + EM_PAGE > e->room_size - e->room_used)
        return UC_ERR_NOMEM;
    z->host = e->room + e->room_used;
    e->room_used += size + EM_PAGE;
    z->pages = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    z->used = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    z->base = base;
    z->size = size;
    e->nzones++;
    if (z->pages == MAP_FAILED || z->used == MAP_FAILED)
        return UC_ERR_NOMEM;
    return uc_mem_map_ptr(e->uc, base, size, UC_PROT_ALL, z->host);
}

// The exact address of the fault just taken: run the instruction once more
// with the refused page replaced by the poisoned one, then put all back.
static void probe(em_engine *e) {
    if (e->fault.access == EM_X) {
        e->fault.addr = e->fault.pc;
        return;
    }
    if (em_park(e))
        return;
    em_fault fault = e->fault;
    size_t log_len = e->log_len;
    bool logging = e->logging;
    uint64_t step = e->m->step;
    bool sharing = e->sharing;
    uint64_t fetched[EM_CODE_PAGES], end = e->m->end;
    memcpy(fetched, e->fetched, sizeof fetched);
    e->logging = true;
    e->sharing = false;
    e->probing = true;
    e->stepping_on = true;
    e->stop = -1;
    e->m->end = step + 1;
    e->m->mode = 0;
    e->quiet_size = 0;
    uc_emu_start(e->uc, e->fault.pc, 0, 0, 0);
    e->probing = false;
    e->stepping_on = false;
    if (e->stop == EM_STOP_FAULT && (e->fault.addr ^ fault.addr) < EM_PAGE)
        fault.addr = e->fault.addr;
    e->fault = fault;
    em_undo(e, log_len, e->maps_len);
    e->logging = logging;
    e->sharing = sharing;
    memcpy(e->fetched, fetched, sizeof fetched);
    e->m->step = step;
    e->m->end = end;
    e->stop = EM_STOP_FAULT;
    em_flush_tlb(e);
    e->cur = -1; // the engine's registers are the probe's, not the thread's
    e->dirty = false;
}

static void settle_fault(em_engine *e, int slot, int pc_reg) {
    uc_reg_read(e->uc, pc_reg, &e->fault.pc);
    if (e->fault.access != EM_X) {
        // The instruction had begun but did not happen.
        size_t n = e->log_len;
        while (n > 0 && e->log[n - 1].step == e->m->step && e->log[n - 1].thread == slot &&
               e->log[n - 1].kind != EM_KERNEL)
            n--;
        if (e->sharing && !em_recall_entries(e, n, e->log_len)) // what it has accessed stays known
            e->share.full = true;
        em_undo(e, n, e->maps_len);
        e->m->step--;
        e->undone = true;
    } else if (em_left(e) == 0) {
        e->stop = EM_STOP_BUDGET; // the branch was the last instruction asked for
        e->limit = EM_LIMIT_NONE; // that is for the next run to come to
        return;
    } else {
        e->undone = true;
    }
    probe(e);
    // What was refused is an access all the same: another thread may be about to map the
    // page, or to take it away.
    if (e->sharing && e->fault.access != EM_X)
        em_share_access(e, em_untagged(e, e->fault.addr), 1, e->fault.access == EM_W, slot, EM_UNLOGGED);
    else if (e->sharing)
        em_fetch(e, e->fault.pc, 1);
    e->nfetches = 0;
}

// Lets the processor run from the thread's pc on. arm64's WFI only ends
// Unicorn's run; to a process it is an instruction like any other, since Linux
// does not trap it.
static int start(em_engine *e, int slot, int pc_reg) {
    uint64_t pc;
    int err;
    uc_reg_read(e->uc, pc_reg, &pc);
    running = e;
    e->find_region = *e->mapping;
    *e->mapping = region_of;
    bool stale;
    if (pc != e->back && !em_break_hit(e, pc)) // it is for a stop at the first instruction only
        e->stepping_on = false;
    do {
        e->quiet_size = 0;
        e->stale = false;
        err = e->go(e, pc);
        em_generated_sync(e);
        if (!err && e->stop == EM_STOP_EXCLUSIVE) {
            err = em_monitor_spoil(e, slot);
            e->stop = -1;
        }
        stale = !err && e->stop == EM_STOP_STALE;
        if (stale)
            e->stop = -1;
        uc_reg_read(e->uc, pc_reg, &pc);
    } while (!err && e->stop < 0 && (stale || e->arch == UC_ARCH_ARM64) && pc != 0 && em_left(e) > 0);
    *e->mapping = e->find_region;
    return err;
}

// Says what it means that Unicorn ended without a word.
static int settle_silence(em_engine *e, int pc_reg) {
    uint64_t pc;
    uc_reg_read(e->uc, pc_reg, &pc);
    if (pc == 0 && em_left(e) > 0) { // Unicorn's `until`
        e->fault = (em_fault){.access = EM_X};
        return EM_STOP_FAULT;
    }
    if (pc == 0 || e->arch == UC_ARCH_ARM64)
        return e->event ? EM_STOP_EVENT : EM_STOP_BUDGET; // the last one was a branch to 0, or WFI
    // x86's HLT, which only a kernel may use.
    uc_reg_write(e->uc, pc_reg, &e->m->last);
    return EM_STOP_ILLEGAL;
}

// Tells whether the instruction that began last has not happened.
static bool cancelled(em_engine *e, int pc_reg) {
    if (e->stop == EM_STOP_FAULT)
        return e->fault.access != EM_X; // of a branch, only its target is refused
    if (e->stop != EM_STOP_ILLEGAL && e->stop != EM_STOP_EXCEPTION)
        return false;
    uint64_t pc;
    uc_reg_read(e->uc, pc_reg, &pc);
    return pc == e->m->last;
}

static int run(em_engine *e, int slot, uint64_t budget) {
    int pc_reg = e->arch == UC_ARCH_ARM64 ? UC_ARM64_REG_PC : UC_X86_REG_RIP;
    e->uc_error = em_load(e, slot);
    if (e->uc_error)
        return EM_STOP_ERROR;
    if (budget == 0)
        return EM_STOP_BUDGET;
    e->limit = EM_LIMIT_NONE;
    e->share.full = false;
    if (e->logging && e->log_len >= e->log_max) {
        e->limit = EM_LIMIT_LOG;
        return EM_STOP_LIMIT;
    }
    e->m->end = e->m->step + (budget < EM_LONGEST_RUN ? budget : EM_LONGEST_RUN);
    e->stop = -1;
    e->log_full = false;
    e->event = false;
    e->event_of_fetch = false;
    e->undone = false;
    e->nfetches = 0;
    e->watched = false;
    e->clock_read = false;
    e->half_done = 0;
    e->divisible = false;
    e->ran = slot;
    em_clock_turn(e, slot);
    if (e->slots[slot].held != NULL)
        return em_land(e, slot);
    e->dirty = true;
    e->lost = e->slots[slot].lost;
    memcpy(e->fetched, e->slots[slot].fetched, sizeof e->slots[slot].fetched);
    if (e->sharing && !e->stepping_on) // what a trace has counted is of the instruction to come
        em_share_step(e, slot);
    int err = start(e, slot, pc_reg);
    if (e->hold == EM_HOLD_NOW)
        em_hold_settle(e, slot, !cancelled(e, pc_reg));
    if (e->stop == EM_STOP_FAULT) {
        settle_fault(e, slot, pc_reg);
    } else if (e->stop < 0 && err == UC_ERR_INSN_INVALID) {
        e->stop = EM_STOP_ILLEGAL;
    } else if (e->stop < 0 && err == UC_ERR_OK) {
        e->stop = settle_silence(e, pc_reg);
    } else if (e->stop < 0) {
        e->uc_error = err;
        e->stop = EM_STOP_ERROR;
    }
    if (e->stop == EM_STOP_ILLEGAL || e->stop == EM_STOP_EXCEPTION) {
        uint64_t pc;
        uc_reg_read(e->uc, pc_reg, &pc);
        if (pc == e->m->last) {
            e->m->step--;
            e->undone = true;
        }
    }
    if (e->share.full)
        e->limit = EM_LIMIT_MEMORY; // of the host's, for what is known of the guest's
    if (e->stop == EM_STOP_LOG)
        e->limit = EM_LIMIT_LOG;
    if (e->limit != EM_LIMIT_NONE && e->stop != EM_STOP_ERROR)
        e->stop = EM_STOP_LIMIT;
    e->slots[slot].left_at = e->log_len;
    e->slots[slot].log_gen = e->log_gen;
    e->slots[slot].lost = e->lost;
    if ((e->event && !e->event_of_fetch) || e->stop == EM_STOP_SYSCALL)
        em_fetch_anew(e->fetched);
    memcpy(e->slots[slot].fetched, e->fetched, sizeof e->slots[slot].fetched);
    if (e->stop == EM_STOP_SYSCALL || e->stop == EM_STOP_FAULT ||
        e->stop == EM_STOP_EXCEPTION || e->stop == EM_STOP_ILLEGAL || e->stop == EM_STOP_LIMIT) {
        err = em_monitor_open(e, slot);
        if (err) {
            e->uc_error = err;
            e->stop = EM_STOP_ERROR;
        }
    }
    return e->stop;
}

// Runs the thread for at most budget instructions; returns enum em_stop. After
// EM_STOP_BREAK, stepping_on must be set for the thread to get any further. What is left of
// an instruction that has ended in its middle runs by itself.
int em_run(em_engine *e, int slot, uint64_t budget) {
    bool hooked = e->hooked;
    e->hooked = hooked || e->halves; // what is held is what the hooks see
    e->hold = e->halves ? EM_HOLD_NEXT : EM_HOLD_NONE;
    int stop = run(e, slot, budget);
    e->hold = EM_HOLD_NONE;
    e->hooked = hooked;
    return stop;
}

void em_count_one(em_engine *e, int slot, uint64_t pc) {
    e->ran = slot;
    e->m->step++;
    e->m->last = pc;
    em_trace_step(e);
    e->undone = false;
}

int em_flush_tlb(em_engine *e) { return uc_ctl_flush_tlb(e->uc); }

int em_remove_code(em_engine *e, uint64_t from, uint64_t to) {
    return uc_ctl_remove_cache(e->uc, from, to);
}

// Contexts go before Unicorn, the zones' memory after it.
void em_close_contexts(em_engine *e) {
    while (e->nlive > 0)
        em_thread_drop(e, e->live[0]);
    while (e->free_ctx != NULL) {
        em_ctx *c = e->free_ctx;
        e->free_ctx = c->next_free;
        uc_context_free(c->uc);
        free(c);
    }
}

void em_close(em_engine *e) {
    e->generates = false; // Unicorn is gone
    em_clock_drop(e);
    em_share_drop(e);
    em_log_drop(e);
    em_break_drop(e);
    em_limit_drop(e);
    free(e->slots);
    e->slots = NULL;
    e->slots_cap = e->nslots = 0;
    free(e->log);
    free(e->bulk);
    free(e->maps);
    free(e->trace.pcs);
    e->trace = (em_trace){0};
    e->log = NULL;
    e->bulk = NULL;
    e->maps = NULL;
    for (int i = 0; i < e->nzones; i++) {
        em_zone *z = &e->zones[i];
        uint64_t n = z->size >> EM_PAGE_SHIFT;
        if (z->pages != MAP_FAILED)
            munmap(z->pages, n);
        if (z->used != MAP_FAILED)
            munmap(z->used, n);
    }
    e->nzones = 0;
    if (e->room != NULL)
        munmap(e->room, 2 * e->room_size);
    e->room = NULL;
    free(e->holding);
    e->holding = NULL;
    free(e->marks.places);
    e->marks = (em_marks){0};
}
