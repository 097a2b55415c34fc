/*
 * Prints, as a C header, where Unicorn's private engine structure keeps
 * skip_sync_pc_on_exit. The shim sets that flag while code runs, because its
 * instruction hook has put the pc in place already: without it Unicorn searches
 * its translated blocks for the pc at every memory access, which costs a third
 * of the running time. It is compiled with the headers of the very source that
 * the library is built from.
 */
#include <stddef.h>
#include <stdio.h>

#include "uc_priv.h"

int main(void) {
    printf("#define EMURACE_UC_SKIP_SYNC_PC %zu\n", offsetof(struct uc_struct, skip_sync_pc_on_exit));
    return 0;
}
