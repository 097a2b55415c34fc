/*
 * The parts of counting and logging that are not in the middle of something of
 * Unicorn's: the start of a counted block, and what happens where one does not run.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/tcg.h"
#include "tcg/tcg-op.h"
#include "exec/exec-all.h"
#include "exec/translator.h"
#include "uc_priv.h"

#include "emurace-gen.h"

#define EMURACE_AT(member) \
    (offsetof(ArchCPU, neg.emurace.member) - (intptr_t)offsetof(ArchCPU, env))

#ifdef TARGET_AARCH64
enum { EMURACE_ONLY_PC = true };
#else
enum { EMURACE_ONLY_PC = false };
#endif

static bool restore(struct uc_struct *uc, uint64_t host_pc)
{
    return cpu_restore_state(uc->cpu, host_pc + GETPC_ADJ, false);
}

void emurace_init(CPUState *cpu)
{
    struct emurace *m = &cpu_neg(cpu)->emurace;

    m->restore = restore;
    m->k = EMURACE_BETWEEN;
    cpu->uc->emurace = m;
}

/* Leaves the block when a is greater than b, of which neither lives on. */
static void leave_if(TCGContext *s, TCGCond cond, TCGv_i64 a, TCGv_i64 b)
{
    tcg_gen_brcond_i64(s, cond, a, b, s->emurace_leave);
    tcg_temp_free_i64(s, a);
    tcg_temp_free_i64(s, b);
}

static TCGv_i64 load(TCGContext *s, intptr_t at)
{
    TCGv_i64 t = tcg_temp_new_i64(s);

    tcg_gen_ld_i64(s, t, s->cpu_env, at);
    return t;
}

/*
 * What a counted block does first: it asks whether all of it may run, and takes its
 * instructions off. Nothing lives yet in host registers, so the branches cost nothing.
 * How many instructions there are is filled in at the end.
 */
void emurace_tb_start(TCGContext *s, TranslationBlock *tb)
{
    TCGv_i64 a, b;

    s->emurace_pc = tb->pc;
    s->emurace_k = EMURACE_BETWEEN;
    s->emurace_leave = NULL;
    if (!(tb_cflags(tb) & EMURACE_COUNTED)) {
        return;
    }
    s->emurace_leave = gen_new_label(s);
    if (tb_cflags(tb) & EMURACE_SHARED) {
        uint64_t page = tb->pc & EMURACE_PAGE;
        unsigned i = (page >> EMURACE_PAGE_SHIFT) & (EMURACE_CODE_PAGES - 1);

        a = load(s, EMURACE_AT(code_pages[0]) + 8 * i);
        b = tcg_const_i64(s, page);
        leave_if(s, TCG_COND_NE, a, b);
    }
    if (tb_cflags(tb) & EMURACE_LOGGED) {
        a = load(s, EMURACE_AT(log));
        b = load(s, EMURACE_AT(log_last));
        leave_if(s, TCG_COND_GTU, a, b);
    }
    a = load(s, EMURACE_AT(step));
    b = tcg_const_i64(s, 0);
    s->emurace_n[0] = tcg_last_op(s);
    tcg_gen_add_i64(s, a, a, b);
    tcg_temp_free_i64(s, b);
    b = load(s, EMURACE_AT(end));
    leave_if(s, TCG_COND_GTU, a, b);

    a = load(s, EMURACE_AT(step));
    tcg_gen_st_i64(s, a, s->cpu_env, EMURACE_AT(start));
    b = tcg_const_i64(s, 0);
    s->emurace_n[1] = tcg_last_op(s);
    tcg_gen_add_i64(s, a, a, b);
    tcg_gen_st_i64(s, a, s->cpu_env, EMURACE_AT(step));
    tcg_temp_free_i64(s, a);
    tcg_temp_free_i64(s, b);
    if (!uc_addr_is_exit(s->uc, tb->pc)) {
        a = tcg_const_i64(s, 0);
        s->emurace_last = tcg_last_op(s);
        tcg_gen_st_i64(s, a, s->cpu_env, EMURACE_AT(last));
        tcg_temp_free_i64(s, a);
    }
}

/* What follows is code of the instruction at pc, the k-th of the block. */
void emurace_insn(TCGContext *s, uint64_t pc, int k)
{
    s->emurace_pc = pc;
    s->emurace_k = k;
}

/* The block has been translated from its first pc up to next, and has n instructions. It
   never runs as a whole when somebody wants to stop at the first one, and when it reaches
   into another page, which may be mapped otherwise than its thread knows. */
void emurace_tb_end(TCGContext *s, TranslationBlock *tb, uint64_t next, uint64_t n)
{
    if (!(tb_cflags(tb) & EMURACE_COUNTED)) {
        return;
    }
    tb->emurace_whole = !emurace_ends(s->uc, tb, tb->pc) && !((tb->pc ^ (next - 1)) & EMURACE_PAGE);
    if (uc_addr_is_exit(s->uc, tb->pc)) {
        n = 0; /* where Unicorn ends is no instruction */
    } else {
        s->emurace_last->args[1] = s->emurace_pc;
    }
    if (!tb->emurace_whole) {
        n = EMURACE_NEVER;
    }
    s->emurace_n[0]->args[1] = n;
    s->emurace_n[1]->args[1] = n;
    gen_set_label(s, s->emurace_leave);
}

/* Before a call out of a counted block: the hooks must know where it is. A helper that
   does not even read the guest's registers can neither fault nor access memory. */
void emurace_call(TCGContext *s, unsigned flags)
{
    TCGv_i64 t;

    if (!(s->tb_cflags & EMURACE_COUNTED) || (flags & TCG_CALL_NO_READ_GLOBALS)) {
        return;
    }
    t = tcg_const_i64(s, s->emurace_k);
    tcg_gen_st_i64(s, t, s->cpu_env, EMURACE_AT(k));
    tcg_temp_free_i64(s, t);
    t = tcg_const_i64(s, s->emurace_pc);
    tcg_gen_st_i64(s, t, s->cpu_env, EMURACE_AT(pc));
    tcg_temp_free_i64(s, t);
}

/* A counted block has refused to run: asks what to do, and sets how the next one is
   translated. */
void emurace_refused(CPUState *cpu, TranslationBlock *tb)
{
    struct emurace *m = cpu->uc->emurace;
    int n;

    m->k = EMURACE_BETWEEN;
    n = m->refused(m->user, tb->pc, tb->icount, tb->emurace_whole);
    switch (n) {
    case EMURACE_STOP:
    case EMURACE_RETRY:
        break;
    case EMURACE_HOOK:
        cpu->cflags_next_tb = 1;
        break;
    default:
        cpu->cflags_next_tb = n | m->mode;
    }
}

/* Called by translated code at an access whose marks do not match. */
void emurace_look(CPUArchState *env, uint64_t addr, uint64_t value, uint32_t what, uint8_t *host, uintptr_t retaddr)
{
    struct emurace *m = env->uc->emurace;

    if (m->look(m->user, addr, value, what, host)) {
        emurace_again(env_cpu(env), retaddr);
    }
}

/* Begins an instruction again, as the hook has asked for. */
void emurace_again(CPUState *cpu, uintptr_t retaddr)
{
    struct emurace *m = cpu->uc->emurace;

    cpu->cflags_next_tb = m->again == EMURACE_ALONE ? 1 | m->mode : 1;
    m->again = 0;
    /* Of arm64 the pc is all that there is to restore. Elsewhere a helper may not say where it
       was called. */
    if (EMURACE_ONLY_PC || !cpu_restore_state(cpu, retaddr, true)) {
        CPU_GET_CLASS(cpu)->set_pc(cpu, m->pc);
    }
    cpu_loop_exit_noexc(cpu);
}
