#include "shim.h"

// arm64's loads and stores of a pair of registers, which are two steps. To other processors
// each of the two registers is an access of its own (Arm ARM, B2.2.1, "Requirements for
// single-copy atomicity"; this processor has no FEAT_LSE2). The one of the first register
// comes first. The architecture does not promise that, nor does emurace try the other order.
//
// They are held as the stores of halves.c are: what the instruction does to the second
// register's memory is taken back, and is the thread's next step. So a store writes its first
// register at once. A load has read its first register, and the second one is as it was.
//
// Load and store exclusive of a pair are not of this kind: what they read is read at once
// where the store succeeds. Compare and swap of a pair is atomic.

// What the instruction at pc does, if it is one that is two steps (Arm ARM, C4.1,
// "Load/store no-allocate pair", "register pair (post-indexed)", "(offset)" and
// "(pre-indexed)"). Where the architecture leaves open what it does, since a register is
// written twice or stored and written, it is one step.
bool em_pair_at(em_engine *e, uint64_t pc, em_pair *pair) {
    const uint8_t *host = e->arch == UC_ARCH_ARM64 ? em_host(e, pc, 4) : NULL;
    if (host == NULL)
        return false;
    uint32_t word;
    memcpy(&word, host, sizeof word);
    if ((word & 0x3a000000) != 0x28000000)
        return false;
    unsigned opc = word >> 30, kind = word >> 23 & 3;
    unsigned rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31;
    *pair = (em_pair){.load = word >> 22 & 1, .vector = word >> 26 & 1, .second = (uint8_t)rt2};
    pair->sign = opc == 1 && !pair->vector;
    if (opc == 3 || (pair->sign && (!pair->load || kind == 0)))
        return false; // nothing, or STGP
    pair->size = (uint8_t)(pair->vector ? 4u << opc : opc == 2 ? 8 : 4);
    bool writes_back = (kind & 1) && !pair->vector && rn != 31;
    return !(pair->load && rt == rt2) && !(writes_back && (rt == rn || rt2 == rn));
}

// Tells whether an access of the instruction at pc, which is under way, is to its second
// register's memory.
bool em_pair_second(em_engine *e, uint64_t pc, uint64_t addr) {
    em_pair pair;
    if (!em_pair_at(e, pc, &pair))
        return false;
    uint64_t step = emurace_now(e->m), first = addr;
    for (size_t n = e->log_len; n > 0 && e->log[n - 1].step == step; n--)
        first = e->log[n - 1].addr;
    return addr - first >= pair.size;
}

// Unicorn's number of the second register, 0 for the one that is always zero.
int em_pair_register(const em_pair *pair) {
    if (pair->vector)
        return UC_ARM64_REG_V0 + pair->second;
    switch (pair->second) {
    case 29:
        return UC_ARM64_REG_X29;
    case 30:
        return UC_ARM64_REG_X30;
    case 31:
        return 0;
    }
    return UC_ARM64_REG_X0 + pair->second;
}

// Gives the second register of a load, which has run, the value that it had before.
void em_pair_unload(em_engine *e, const em_pair *pair, const em_ctx *before) {
    uint8_t value[EM_WIDEST] = {0};
    int reg = em_pair_register(pair);
    if (reg == 0)
        return;
    uc_context_reg_read(before->uc, reg, value);
    uc_reg_write(e->uc, reg, value);
    e->dirty = true;
}

// Gives the second register of a load what its bytes in memory are.
void em_pair_load(em_engine *e, const em_pair *pair, const uint8_t *bytes) {
    uint8_t value[EM_WIDEST] = {0};
    int reg = em_pair_register(pair);
    if (reg == 0)
        return;
    memcpy(value, bytes, pair->size);
    if (pair->sign && (bytes[pair->size - 1] & 0x80))
        memset(value + pair->size, 0xff, 8u - pair->size);
    uc_reg_write(e->uc, reg, value);
    e->dirty = true;
}
