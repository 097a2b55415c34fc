// What the engine tells of itself in memory that outlives the process, and of the
// process's end by a fatal signal. The layout is that of package internal/crash.
#ifndef EMURACE_CRASH_H
#define EMURACE_CRASH_H

#include "shim.h"

enum { EM_CRASH_ENGINES = 512 };

typedef struct em_crash_head {
    uint64_t magic;
    uint32_t died; // written last
    int32_t signal, code;
    int32_t engine; // number of a slot, -1 for none
    uint64_t addr, host_pc;
} em_crash_head;

typedef struct em_crash_slot {
    uint32_t used;
    int32_t thread;
    uint32_t running, length;
    uint64_t pc;
} em_crash_slot;

int em_crash_install(em_crash_head *head);
int em_run_recorded(em_engine *e, em_crash_slot *slot, int number, int thread, uint64_t budget);

#endif
