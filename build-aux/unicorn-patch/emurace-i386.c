/*
 * The log entry of an access, and the look at who has accessed its bytes, as code of an
 * x86-64 host: part of tcg-target.inc.c. They stand behind the look into the TLB, where
 * the access would be: an entry is made of some twelve instructions and no call.
 *
 * In a block that logs, the host address of an access is in R11, which nothing else has
 * there, since the second argument's register still must hold the guest address: when the
 * marks of the bytes say that somebody has to look closer, the access is done as if its
 * page were not in the TLB.
 */
#include "emurace-gen.h"

#define EMURACE_AT(member) \
    ((intptr_t)offsetof(ArchCPU, neg.emurace.member) - (intptr_t)offsetof(ArchCPU, env))

enum { EMURACE_STEP = 0, EMURACE_PC = 8, EMURACE_ADDR = 16, EMURACE_OLD = 24, EMURACE_VALUE = 32, EMURACE_KIND = 40 };

static TCGReg emurace_host(TCGContext *s)
{
    return s->tb_cflags & EMURACE_LOGGED ? TCG_REG_R11 : TCG_REG_L1;
}

/* At the start of a block's code. */
static void emurace_out_begin(TCGContext *s)
{
    if (s->tb_cflags & EMURACE_LOGGED) {
        tcg_regset_set_reg(s->reserved_regs, TCG_REG_R11);
    } else {
        tcg_regset_reset_reg(s->reserved_regs, TCG_REG_R11);
    }
}

/* Whether an access must not be done here: the log has bytes in the guest's order. */
static bool emurace_swaps(TCGContext *s, MemOp opc)
{
    return (s->tb_cflags & EMURACE_LOGGED) && (opc & MO_BSWAP);
}

/* Loads what an access to base and index reaches, with zeros above. */
static void emurace_out_bytes(TCGContext *s, TCGReg to, TCGReg base, int index, MemOp opc)
{
    static const int loads[] = {OPC_MOVZBL, OPC_MOVZWL, OPC_MOVL_GvEv, OPC_MOVL_GvEv + P_REXW};

    tcg_out_modrm_sib_offset(s, loads[opc & MO_SIZE], to, base, index, 0, 0);
}

/* Leaves for the slow path unless the marks of all bytes are those of an access that need
   not be told again: one of the same thread, with nothing in between that orders it, and
   by a write if this is one. */
static void emurace_out_look(TCGContext *s, MemOp opc, bool write, tcg_insn_unit **label_ptr)
{
    static const int compares[] = {(OPC_CMP_GvEv - 1) | P_REXB_R, OPC_CMP_GvEv | P_DATA16, OPC_CMP_GvEv,
                                   OPC_CMP_GvEv + P_REXW};
    const TCGReg r = TCG_REG_L0;

    if (!(s->tb_cflags & EMURACE_SHARED)) {
        return;
    }
    tcg_out_ld(s, TCG_TYPE_I64, r, TCG_AREG0, EMURACE_AT(shadow));
    emurace_out_bytes(s, r, TCG_REG_R11, r, opc);
    if (!write) {
        tcg_out_modrm_offset(s, OPC_AND_GvEv + P_REXW, r, TCG_AREG0, EMURACE_AT(mask));
    }
    tcg_out_modrm_offset(s, compares[opc & MO_SIZE], r, TCG_AREG0,
                         write ? EMURACE_AT(write_mark) : EMURACE_AT(read_mark));
    tcg_out_opc(s, OPC_JCC_long + JCC_JNE, 0, 0, 0);
    label_ptr[1] = s->code_ptr;
    s->code_ptr += 4;
}

/* Writes what entries of reads and writes have in common, to the entry at L1. */
static void emurace_out_entry(TCGContext *s, TCGReg addr, MemOp opc, int kind)
{
    const TCGReg r = TCG_REG_L0, entry = TCG_REG_L1;

    tcg_out_st(s, TCG_TYPE_I64, addr, entry, EMURACE_ADDR);
    tcg_out_ld(s, TCG_TYPE_I64, r, TCG_AREG0, EMURACE_AT(start));
    tgen_arithi(s, ARITH_ADD + P_REXW, r, s->emurace_k + 1, 0);
    tcg_out_st(s, TCG_TYPE_I64, r, entry, EMURACE_STEP);
    tcg_out_movi(s, TCG_TYPE_I64, r, s->emurace_pc);
    tcg_out_st(s, TCG_TYPE_I64, r, entry, EMURACE_PC);
    tcg_out_ld(s, TCG_TYPE_I64, r, TCG_AREG0, EMURACE_AT(who));
    tgen_arithi(s, ARITH_OR + P_REXW, r, kind << 8 | 1 << (opc & MO_SIZE), 0);
    tcg_out_st(s, TCG_TYPE_I64, r, entry, EMURACE_KIND);
    emurace_out_bytes(s, r, TCG_REG_R11, -1, opc);
    tcg_out_st(s, TCG_TYPE_I64, r, entry, EMURACE_OLD);
}

static void emurace_out_next(TCGContext *s)
{
    tcg_out_modrm_offset(s, OPC_ARITH_EvIb + P_REXW, ARITH_ADD, TCG_AREG0, EMURACE_AT(log));
    tcg_out8(s, EMURACE_ENTRY);
}

/* Before the load itself, whose register may be that of the address. */
static void emurace_out_load(TCGContext *s, TCGReg addr, MemOp opc)
{
    if (!(s->tb_cflags & EMURACE_LOGGED)) {
        return;
    }
    tcg_out_ld(s, TCG_TYPE_I64, TCG_REG_L1, TCG_AREG0, EMURACE_AT(log));
    emurace_out_entry(s, addr, opc, 0);
    tcg_out_st(s, TCG_TYPE_I64, TCG_REG_L0, TCG_REG_L1, EMURACE_VALUE);
    emurace_out_next(s);
}

/* Before the store itself, as the old value is logged too. */
static void emurace_out_store(TCGContext *s, TCGReg addr, TCGReg data, MemOp opc)
{
    const TCGReg r = TCG_REG_L0;

    if (!(s->tb_cflags & EMURACE_LOGGED)) {
        return;
    }
    tcg_out_ld(s, TCG_TYPE_I64, TCG_REG_L1, TCG_AREG0, EMURACE_AT(log));
    emurace_out_entry(s, addr, opc, 1);
    switch (opc & MO_SIZE) {
    case MO_8:
        tcg_out_ext8u(s, r, data);
        break;
    case MO_16:
        tcg_out_ext16u(s, r, data);
        break;
    case MO_32:
        tcg_out_ext32u(s, r, data);
        break;
    default:
        tcg_out_mov(s, TCG_TYPE_I64, r, data);
    }
    tcg_out_st(s, TCG_TYPE_I64, r, TCG_REG_L1, EMURACE_VALUE);
    emurace_out_next(s);
}

/* Remembers for the slow path of an access which instruction it is of. */
static void emurace_label(TCGContext *s, TCGLabelQemuLdst *l, tcg_insn_unit **label_ptr)
{
    l->emurace_pc = s->emurace_pc;
    l->emurace_k = s->emurace_k;
    l->label_ptr[1] = label_ptr[1];
}

/* Begins the slow path of an access, at which both of its jumps arrive. */
static void emurace_out_slow(TCGContext *s, TCGLabelQemuLdst *l)
{
    const TCGReg r = TCG_REG_L0;

    if (!(s->tb_cflags & EMURACE_COUNTED)) {
        return;
    }
    if (s->tb_cflags & EMURACE_SHARED) {
        tcg_patch32(l->label_ptr[1], s->code_ptr - l->label_ptr[1] - 4);
    }
    tcg_out_movi(s, TCG_TYPE_I64, r, l->emurace_k);
    tcg_out_st(s, TCG_TYPE_I64, r, TCG_AREG0, EMURACE_AT(k));
    tcg_out_movi(s, TCG_TYPE_I64, r, l->emurace_pc);
    tcg_out_st(s, TCG_TYPE_I64, r, TCG_AREG0, EMURACE_AT(pc));
}
