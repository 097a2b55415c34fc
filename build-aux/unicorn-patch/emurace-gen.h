/* What emurace.c gives to the rest of Unicorn; its names end in the target's. */
#ifndef EMURACE_GEN_H
#define EMURACE_GEN_H

#include "emurace.h"

#define EMURACE_GLUE2(name, target) name##target
#define EMURACE_GLUE(name, target) EMURACE_GLUE2(name, target)
#define EMURACE_NAME(name) EMURACE_GLUE(name, UNICORN_ARCH_POSTFIX)

#define emurace_init EMURACE_NAME(emurace_init)
#define emurace_tb_start EMURACE_NAME(emurace_tb_start)
#define emurace_insn EMURACE_NAME(emurace_insn)
#define emurace_tb_end EMURACE_NAME(emurace_tb_end)
#define emurace_call EMURACE_NAME(emurace_call)
#define emurace_refused EMURACE_NAME(emurace_refused)
#define emurace_again EMURACE_NAME(emurace_again)

void emurace_init(CPUState *cpu);
void emurace_tb_start(TCGContext *s, TranslationBlock *tb);
void emurace_insn(TCGContext *s, uint64_t pc, int k);
void emurace_tb_end(TCGContext *s, TranslationBlock *tb, uint64_t next, uint64_t n);
void emurace_call(TCGContext *s, unsigned flags);
void emurace_refused(CPUState *cpu, TranslationBlock *tb);
void emurace_again(CPUState *cpu, uintptr_t retaddr);

/* Whether the engine sees to itself, and so to its memory hooks: see emurace.mode. */
static inline bool emurace_on(struct uc_struct *uc)
{
    return uc->emurace->user != NULL;
}

/* Whether a block must end before pc. */
static inline bool emurace_ends(struct uc_struct *uc, const TranslationBlock *tb, uint64_t pc)
{
    return (tb_cflags(tb) & EMURACE_COUNTED) && uc->emurace->ends(uc->emurace->user, pc);
}

/* Whether each access to a page must be told to the hooks: to one that is watched, and
   by addresses that are not as they are logged. */
static inline bool emurace_tells(struct uc_struct *uc, uint64_t vaddr, uint64_t paddr)
{
    return emurace_on(uc) && (vaddr != paddr || uc->emurace->watched(uc->emurace->user, paddr));
}

/* Whether a system register of arm64 is one whose value the hook makes up: a counter, or a
   random number. To read it may end a run. */
static inline bool emurace_counter(unsigned op0, unsigned op1, unsigned crn)
{
    return op0 == 3 && op1 == 3 && (crn == 2 || crn == 9 || crn == 14);
}

#endif
