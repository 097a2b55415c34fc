#include "shim.h"

// What the guest is to the processor: a process, at EL0 or with CPL 3, with everything
// else as Linux sets it for one. See build-aux/unicorn-patch. An unpatched Unicorn
// has the guest run as its kernel would.

#if EMURACE_UNICORN_PATCHED
void emurace_arm64_user(uc_engine *uc);
void emurace_x86_user(uc_engine *uc);

int em_user(em_engine *e) {
    if (e->arch == UC_ARCH_ARM64)
        emurace_arm64_user(e->uc);
    else
        emurace_x86_user(e->uc);
    return UC_ERR_OK;
}
#else
int em_user(em_engine *e) {
    if (e->arch != UC_ARCH_ARM64)
        return UC_ERR_OK;
    uint64_t fp_on = 3 << 20; // CPACR_EL1.FPEN: no trap of FP and SIMD
    return uc_reg_write(e->uc, UC_ARM64_REG_CPACR_EL1, &fp_on);
}
#endif
