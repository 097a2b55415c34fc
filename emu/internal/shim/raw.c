#include "shim.h"

// What a plain user of Unicorn would do, to be compared with. Nothing but tests asks for
// it.

// Unicorn counts, one instruction a start, and has an address to end at that is never
// reached, in the page that runs.
static int step_by_step(em_engine *e, uint64_t pc) {
    int err, pc_reg = e->arch == UC_ARCH_ARM64 ? UC_ARM64_REG_PC : UC_X86_REG_RIP;
    e->m->mode = 0; // hooks alone
    do {
        e->quiet_size = 0;
        err = uc_emu_start(e->uc, pc, (pc ^ EM_PAGE / 2) | 1, 0, 1);
        uc_reg_read(e->uc, pc_reg, &pc);
    } while (!err && e->stop < 0 && pc != 0 && em_left(e) > 0);
    if (err || e->stop >= 0 || em_left(e) > 0)
        return err;
    // The count has ended before a hook could see what is next.
    e->stop = em_in_traps(e, pc) ? EM_STOP_TRAP : e->event ? EM_STOP_EVENT : EM_STOP_BUDGET;
    return err;
}

// Has the engine step so from now on.
void em_raw_steps(em_engine *e) {
    e->go = step_by_step;
    *em_no_exit_request(e->uc) = false; // Unicorn has to ask whether to stop
}
