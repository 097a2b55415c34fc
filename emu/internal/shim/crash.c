// A fatal signal inside the engine, such as a bug of Unicorn that a guest has found: the
// handler writes down where the guest was, and ends the process. Go's runtime would end
// it too, with a page of its own state that tells nothing of the guest.
#define _GNU_SOURCE
#include "crash.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

static em_crash_head *head;
static struct sigaction before[NSIG]; // the runtime's handlers

// What runs at present: engines, with their slots, by number.
static struct {
    em_engine *e;
    em_crash_slot *slot;
} at[EM_CRASH_ENGINES];

// The number of the engine that this host thread is in, counted from 1.
static _Thread_local int inside;

static uint64_t host_pc(const void *context) {
    const ucontext_t *c = context;
#if defined(__x86_64__)
    return (uint64_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return c->uc_mcontext.pc;
#else
    (void)c;
    return 0;
#endif
}

// Nothing here may take a lock or call what does: the signal may have come anywhere.
static void on_fatal(int sig, siginfo_t *info, void *context) {
    bool sent = info->si_code <= 0; // by a process, maybe itself: abort()
    if (inside == 0 && !sent) {
        // In Go, where it may be a nil pointer and no more.
        before[sig].sa_sigaction(sig, info, context);
        return;
    }
    for (int i = 0; i < EM_CRASH_ENGINES; i++) {
        em_engine *e = at[i].e;
        if (e != NULL)
            at[i].slot->pc = em_generated_pc(e, i == inside - 1 ? host_pc(context) : 0);
    }
    head->signal = sig;
    head->code = info->si_code;
    head->engine = inside - 1;
    head->addr = sent ? 0 : (uint64_t)info->si_addr;
    head->host_pc = host_pc(context);
    __atomic_store_n(&head->died, 1, __ATOMIC_RELEASE);
    _exit(128 + sig);
}

// Has fatal signals told in head. Go's runtime has its handlers already, which are asked
// about all that is not the engine's.
int em_crash_install(em_crash_head *h) {
    head = h;
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = on_fatal;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART; // Go's stacks are small
    sigfillset(&act.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        int sig = fatal[i];
        if (sigaction(sig, NULL, &before[sig]))
            return -1;
        if (!(before[sig].sa_flags & SA_SIGINFO))
            continue; // nobody to ask; it ends the process by itself
        if (sigaction(sig, &act, NULL))
            return -1;
    }
    return 0;
}

// em_run, with a note of it in the slot while it lasts.
int em_run_recorded(em_engine *e, em_crash_slot *slot, int number, int thread, uint64_t budget) {
    if (slot == NULL)
        return em_run(e, thread, budget);
    at[number].slot = slot;
    at[number].e = e;
    slot->thread = thread;
    slot->running = 1;
    inside = number + 1;
    int stop = em_run(e, thread, budget);
    inside = 0;
    // A signal may come between two runs, or be one that no handler sees: then this is told.
    slot->pc = e->m->last;
    slot->running = 0;
    at[number].e = NULL;
    return stop;
}
