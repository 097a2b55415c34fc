// Runs blocks of code on the processor that it is run on, for TestNative: reads states
// from standard input and writes what became of each to standard output.
//
// A signal is all that is needed. Its handler puts the state into the context that the
// kernel goes back to; the block ends by an instruction that there is not, or by whatever
// else it does wrong, and the handler of that finds the registers in its context.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, DATA = 2 * PAGE, REGS = 16 };

#define CODE_AT ((uint8_t *)0x10000)
#define DATA_AT ((uint8_t *)0x700000000000)

// What goes in and comes out, in the order that the test has.
static struct state {
    uint64_t signal, address; // out only
    uint64_t pc, flags, regs[REGS];
    uint64_t mxcsr;
    uint8_t xmm[16][16];
    uint8_t data[DATA];
    uint8_t code[PAGE];
} now;

// gregs of ucontext.h in the order of the encoding: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi.
static const int order[REGS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static gregset_t home;
static struct _libc_fpstate home_fp;

static void begin(int sig, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    (void)sig;
    (void)info;
    memcpy(home, c->uc_mcontext.gregs, sizeof home);
    home_fp = *c->uc_mcontext.fpregs;
    for (int i = 0; i < REGS; i++)
        c->uc_mcontext.gregs[order[i]] = (greg_t)now.regs[i];
    c->uc_mcontext.gregs[REG_RIP] = (greg_t)now.pc;
    c->uc_mcontext.gregs[REG_EFL] = (greg_t)now.flags;
    c->uc_mcontext.fpregs->mxcsr = (uint32_t)now.mxcsr;
    memcpy(c->uc_mcontext.fpregs->_xmm, now.xmm, sizeof now.xmm);
}

static void end(int sig, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    now.signal = (uint64_t)sig;
    now.address = (uint64_t)(uintptr_t)info->si_addr;
    for (int i = 0; i < REGS; i++)
        now.regs[i] = (uint64_t)c->uc_mcontext.gregs[order[i]];
    now.pc = (uint64_t)c->uc_mcontext.gregs[REG_RIP];
    now.flags = (uint64_t)c->uc_mcontext.gregs[REG_EFL];
    now.mxcsr = c->uc_mcontext.fpregs->mxcsr;
    memcpy(now.xmm, c->uc_mcontext.fpregs->_xmm, sizeof now.xmm);
    memcpy(c->uc_mcontext.gregs, home, sizeof home);
    *c->uc_mcontext.fpregs = home_fp;
}

static void *map(uint8_t *at, size_t size, int prot) {
    void *p = mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != at) {
        perror("mmap");
        exit(2);
    }
    return p;
}

int main(void) {
    static uint8_t stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction in = {.sa_sigaction = begin, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction out = {.sa_sigaction = end, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    map(CODE_AT, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(DATA_AT, DATA, PROT_READ | PROT_WRITE);
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &in, NULL);
    int ends[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &out, NULL);
    while (fread(&now, sizeof now, 1, stdin) == 1) {
        memcpy(CODE_AT, now.code, sizeof now.code);
        memcpy(DATA_AT, now.data, sizeof now.data);
        raise(SIGUSR1); // comes back from the handler of another one
        memcpy(now.data, DATA_AT, sizeof now.data);
        if (fwrite(&now, sizeof now, 1, stdout) != 1 || fflush(stdout))
            return 2;
    }
    return 0;
}
