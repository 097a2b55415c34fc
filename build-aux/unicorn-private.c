/*
 * Prints, as a C header, where Unicorn's private engine structure keeps three of its
 * members. It is compiled with the headers of the very source that the library is built
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
 */
#include <stddef.h>
#include <stdio.h>

#include "uc_priv.h"

int main(void) {
    printf("#define EMURACE_UC_SKIP_SYNC_PC %zu\n", offsetof(struct uc_struct, skip_sync_pc_on_exit));
    printf("#define EMURACE_UC_MEMORY_MAPPING %zu\n", offsetof(struct uc_struct, memory_mapping));
    printf("#define EMURACE_UC_NO_EXIT_REQUEST %zu\n", offsetof(struct uc_struct, no_exit_request));
    return 0;
}
