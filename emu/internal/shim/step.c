#include "shim.h"

// What happens before each instruction: whether it may begin, and that it is counted.

void em_halt(em_engine *e, int why) {
    e->stop = why;
    uc_emu_stop(e->uc);
}

// What generated code calls to leave when it was told to stop; Unicorn makes one for each
// architecture.
void helper_check_exit_request_aarch64(void *uc, uint32_t in_delay_slot);
void helper_check_exit_request_x86_64(void *uc, uint32_t in_delay_slot);

// Leaves generated code from the hook before an instruction, where every register is in
// its place. It does not come back.
static void leave(em_engine *e) {
    *e->pc_synced = true;
    if (e->arch == UC_ARCH_ARM64)
        helper_check_exit_request_aarch64(e->uc, 0);
    else
        helper_check_exit_request_x86_64(e->uc, 0);
}

// What is only to be asked before an instruction when there are breakpoints or
// the thread's monitor has lost bytes. Tells whether it may run.
static bool careful(em_engine *e, uint64_t addr) {
    if (!e->stepping_on && (addr == e->back || (e->breaks.len != 0 && em_break_hit(e, addr)))) {
        em_halt(e, EM_STOP_BREAK);
        return false;
    }
    if (e->lost != 0 && em_monitor_fails(e, addr)) {
        em_halt(e, EM_STOP_EXCLUSIVE);
        return false;
    }
    e->stepping_on = false;
    return true;
}

bool em_in_traps(const em_engine *e, uint64_t addr) {
    return addr - e->trap_lo < e->trap_hi - e->trap_lo;
}

// Stops before an instruction that may not run: at a trap, or as no more may.
void em_stop(em_engine *e, uint64_t addr) {
    if (em_in_traps(e, addr))
        em_halt(e, EM_STOP_TRAP);
    else
        em_halt(e, e->stop >= 0 ? e->stop : e->log_full ? EM_STOP_LOG : e->event ? EM_STOP_EVENT : EM_STOP_BUDGET);
}

// Begins an instruction of which nothing is known yet. Those that follow on its page are
// quiet when the page was read as a whole, and there is nothing to stop at.
static void begin(em_engine *e, uint64_t addr, uint32_t size) {
    if (e->stale && em_left(e) > 0) {
        em_halt(e, EM_STOP_STALE);
        return;
    }
    if (em_in_traps(e, addr) || em_left(e) == 0) {
        em_stop(e, addr);
        return;
    }
    bool plain = (e->breaks.len | e->lost) == 0 && e->back == EM_NOWHERE;
    if (!plain && !careful(e, addr))
        return;
    if (e->hold == EM_HOLD_NEXT)
        em_hold_begin(e, addr);
    *e->pc_synced = true;
    e->m->step++;
    e->m->last = addr;
    em_trace_step(e);
    uint64_t page = *em_fetch_place(e->fetched, addr);
    if (((addr ^ page) | ((addr + size - 1) ^ page)) >= EM_PAGE)
        em_fetch(e, addr, size);
    page = *em_fetch_place(e->fetched, addr);
    if (plain && (addr ^ page) < EM_PAGE && !em_in_traps(e, page) && e->trap_lo - page >= EM_PAGE) {
        e->quiet = page;
        e->quiet_size = EM_PAGE - EM_LONGEST; // what is shorter does not reach the next page
    }
}

// Runs before every instruction; stopping here leaves it unexecuted. Unicorn
// has stored the pc before it calls, so it need not search its translated
// blocks for it at every memory access and at a stop: pc_synced says so.
void em_on_code(uc_engine *uc, uint64_t addr, uint32_t size, void *user) {
    em_engine *e = user;
    (void)uc;
    if (__builtin_expect(addr - e->quiet >= e->quiet_size || em_left(e) == 0, 0)) {
        begin(e, addr, size);
        if (e->stop >= 0)
            leave(e);
        return;
    }
    e->m->step++;
    e->m->last = addr;
    em_trace_step(e);
}
