/*
 * What translated code counts and logs by itself, and how it and the engine that
 * runs it (emu/internal/shim) hand over to each other. emurace puts this file into
 * its copy of Unicorn's source, beside the patches that use it; where they are not
 * applied the engine does all of this from hooks, with a struct of its own.
 *
 * A block of code is translated in one of two ways. A counted one asks once, at its
 * start, whether all of it may run, and then counts and logs without a call. A hooked
 * one calls before every instruction and at every access: that is how a single
 * instruction runs about which there is something to decide.
 */
#ifndef EMURACE_H
#define EMURACE_H

#include <stdbool.h>
#include <stdint.h>

/* How blocks are translated: bits of a TranslationBlock's cflags. */
enum {
    EMURACE_COUNTED = 0x00100000, /* no hook is called; instructions are counted */
    EMURACE_LOGGED = 0x00200000,  /* and accesses logged */
    EMURACE_SHARED = 0x00400000,  /* and looked up, who else has accessed these bytes */
    EMURACE_MODES = EMURACE_COUNTED | EMURACE_LOGGED | EMURACE_SHARED,
};

enum {
    EMURACE_ENTRY = 48,          /* bytes of a log entry; see em_access in shim.h */
    EMURACE_SLACK = 64 << 10,    /* no block logs more bytes: none is longer as host code */
    EMURACE_CODE_PAGES = 16,     /* a power of two */
    EMURACE_BETWEEN = -1,        /* emurace.k between blocks */
};

/* The bits of an address that tell its page. */
enum { EMURACE_PAGE_SHIFT = 12 };
#define EMURACE_PAGE (~((1ull << EMURACE_PAGE_SHIFT) - 1))

/* More instructions than a run has: what a block that never runs as a whole has. */
#define EMURACE_NEVER (1ull << 62)

/* What to do about a block that may not run as a whole; a positive number is how many
   of its instructions may. */
enum {
    EMURACE_STOP = 0,    /* leave; uc_emu_stop has been called */
    EMURACE_HOOK = -1,   /* run its first instruction with hooks */
    EMURACE_RETRY = -2,  /* ask again: there is room now */
};

/* How an instruction begins again: as a block of its own, behind which the run can end, or
   with hooks. */
enum { EMURACE_ALONE = 1, EMURACE_HOOKED = 2 };

/* What an access is: its size in the lowest bits, and whether it writes. */
enum { EMURACE_WRITES = 0x100 };

struct uc_struct;

struct emurace {
    void *user; /* of the functions below */

    /* Whether a block must not run across pc: somebody wants to stop there. Asked when
       code is translated. */
    bool (*ends)(void *user, uint64_t pc);

    /* Whether every access to the page at a guest address must be told to the hooks.
       Asked at a miss of the TLB. */
    bool (*watched)(void *user, uint64_t page);

    /* An access whose marks do not match, at host: whether its instruction is to begin
       again. Value is what is about to be written. */
    bool (*look)(void *user, uint64_t addr, uint64_t value, uint32_t what, uint8_t *host);

    /* A block at pc of n instructions did not run, and nothing of it has happened. Whole
       tells whether it could run if all of them may; otherwise it never does. */
    int (*refused)(void *user, uint64_t pc, unsigned n, bool whole);

    /* Puts the guest's pc to that of the instruction that the host ran at host_pc, if that
       is in translated code. */
    bool (*restore)(struct uc_struct *uc, uint64_t host_pc);

    /* Pages whose code the running thread is known to read, by the lowest bits of their
       numbers; blocks that are shared run from no other one. */
    uint64_t code_pages[EMURACE_CODE_PAGES];

    /* How blocks are translated and run from now on. */
    uint32_t mode;

    /* An instruction that has begun must begin again: set in a hook of its access, with
       the counters and the log as they were before it. */
    uint8_t again; /* EMURACE_ALONE or EMURACE_HOOKED, 0 for no */

    /* The block that runs has one instruction. */
    bool alone;

    /* From here on within reach of a short offset. */
    uint64_t mask;              /* of a word of marks: what differs between reads and writes */
    uint64_t read_mark, write_mark; /* words of marks of bytes that need not be told again */
    int64_t shadow;             /* from a byte on the host to its mark */
    uint64_t who;               /* the thread, where a log entry has it */
    uint64_t log, log_last;     /* where the next entry goes; where a block may still begin */
    uint64_t last;              /* pc of the last instruction of the block that runs */
    uint64_t pc;                /* of the instruction that called last */
    int64_t k;                  /* its number in its block, from 0; EMURACE_BETWEEN */
    uint64_t start;             /* step before the block that runs */
    uint64_t step;              /* instructions begun, and those of the block that runs */
    uint64_t end;               /* step at which the run ends */
};

/* Instructions that have begun, where k is true: in a hook, or when Unicorn has ended. */
static inline uint64_t emurace_now(const struct emurace *m) {
    return m->k == EMURACE_BETWEEN ? m->step : m->start + (uint64_t)m->k + 1;
}

/* The state of an engine, which exists as long as it does; NULL on a host for which no
   code is generated that counts. */
struct emurace *uc_emurace(struct uc_struct *uc);

#endif
