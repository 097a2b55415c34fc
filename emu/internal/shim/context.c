#define _GNU_SOURCE // memmem
#include "shim.h"

#include <string.h>

// Saving and restoring a thread's registers. Unicorn's contexts have room for vector
// registers as wide as an architecture can have them (2,048 bits with arm64's SVE, 512
// with AVX-512), most of it never used by the processors that it emulates. Only the rest
// is copied: a mark costs one copy, a change of threads two.

enum { VECTOR = 16, PROBES = 3 };

static uint8_t *env(const em_engine *e) {
    const char *cpu = *(char **)((char *)e->uc + EMURACE_UC_CPU);
    return *(uint8_t **)(cpu + EMURACE_UC_CPU_ENV);
}

static void copy(const em_engine *e, uint8_t *to, const uint8_t *from) {
    const em_vectors *v = &e->vectors;
    size_t at = 0, end = e->ctx_bytes - EMURACE_UC_CONTEXT_DATA;
    if (v->count > 0) {
        memcpy(to, from, v->first);
        for (int i = 0; i < v->count; i++)
            memcpy(to + v->first + (size_t)i * v->stride, from + v->first + (size_t)i * v->stride, VECTOR);
        at = v->first + (size_t)v->count * v->stride;
    }
    memcpy(to + at, from + at, end - at);
}

void em_context_save(const em_engine *e, uc_context *to) {
    copy(e, (uint8_t *)to + EMURACE_UC_CONTEXT_DATA, env(e));
}

void em_context_restore(const em_engine *e, const uc_context *from) {
    copy(e, env(e), (const uint8_t *)from + EMURACE_UC_CONTEXT_DATA);
}

// Finds a vector's bytes, which must stand in one place only.
static bool find(const uint8_t *in, size_t size, const uint8_t *bytes, size_t *at) {
    const uint8_t *found = memmem(in, size, bytes, VECTOR);
    if (found == NULL)
        return false;
    *at = (size_t)(found - in);
    return memmem(found + 1, size - *at - 1, bytes, VECTOR) == NULL;
}

// Finds out where the vector registers are, by writing some. They are put back. Where they
// are not found, all is copied.
int em_context_learn(em_engine *e) {
    bool arm = e->arch == UC_ARCH_ARM64;
    int first = arm ? UC_ARM64_REG_V0 : UC_X86_REG_XMM0, count = arm ? 32 : 16;
    int probes[PROBES] = {0, 1, count - 1};
    size_t at[PROBES];
    bool found = true;
    e->ctx_bytes = uc_context_size(e->uc);
    for (int i = 0; i < PROBES; i++) {
        uint8_t was[VECTOR], bytes[VECTOR];
        int err = uc_reg_read(e->uc, first + probes[i], was);
        for (int k = 0; k < VECTOR; k++)
            bytes[k] = (uint8_t)(0xa5 ^ (16 * i + 11 * k));
        if (!err)
            err = uc_reg_write(e->uc, first + probes[i], bytes);
        if (err)
            return err;
        found = found && find(env(e), e->ctx_bytes - EMURACE_UC_CONTEXT_DATA, bytes, &at[i]);
        err = uc_reg_write(e->uc, first + probes[i], was);
        if (err)
            return err;
    }
    size_t stride = found ? at[1] - at[0] : 0;
    if (found && stride >= VECTOR && at[2] == at[0] + (size_t)(count - 1) * stride)
        e->vectors = (em_vectors){.first = at[0], .stride = stride, .count = count};
    return UC_ERR_OK;
}
