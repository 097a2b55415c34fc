/*
 * Prints, as a C header, where Unicorn's private structures keep some of their members.
 * It is compiled with the headers of the very source that the library is built
 * from.
 *
 * skip_sync_pc_on_exit: the shim sets that flag while code runs, because its
 * instruction hook has put the pc in place already. Without it Unicorn searches
 * its translated blocks for the pc at every memory access, which costs a third
 * of the running time.
 *
 * no_exit_request: without it, each instruction and each memory access is followed by a
 * call that asks whether to stop. The shim knows when it has stopped, and leaves itself.
 *
 * memory_mapping: the function that finds the memory region of an address. Unicorn
 * calls it at every memory access and walks a tree; the shim has a few zones only.
 *
 * cpu, env_ptr: where the processor's registers are, and data where they are in a saved
 * context. More than half of what uc_context_save copies is parts of vector registers
 * that the processors here do not have.
 */
#include <stddef.h>
#include <stdio.h>

#include "uc_priv.h"
#include "hw/core/cpu.h"

int main(void) {
    printf("#define EMURACE_UC_SKIP_SYNC_PC %zu\n", offsetof(struct uc_struct, skip_sync_pc_on_exit));
    printf("#define EMURACE_UC_MEMORY_MAPPING %zu\n", offsetof(struct uc_struct, memory_mapping));
    printf("#define EMURACE_UC_NO_EXIT_REQUEST %zu\n", offsetof(struct uc_struct, no_exit_request));
    printf("#define EMURACE_UC_CPU %zu\n", offsetof(struct uc_struct, cpu));
    printf("#define EMURACE_UC_CPU_ENV %zu\n", offsetof(CPUState, env_ptr));
    printf("#define EMURACE_UC_CONTEXT_DATA %zu\n", offsetof(struct uc_context, data));
    return 0;
}
