#include "shim.h"

#include <stdlib.h>
#include <string.h>

// What the kernel does to many bytes at a time is logged as ranges, of one page at most.
// The bytes themselves lie in a store beside the log, one behind the other, in the order of
// the entries: what was there before, and then what is there now. Bytes that are all zero
// are not stored, and what is the same before and now is stored once.
//
// An entry of eight bytes takes 48 in the log; a range takes one entry and what it stores,
// and no more than a memcpy to undo. Whoever looks at single accesses takes a range in
// pieces, which are what there would be without ranges.

// Fewer bytes than this are entries of their own: most of what the kernel copies is a few
// words, that are looked at one by one.
enum { LEAST = 64 };

enum { ENTRY = sizeof(em_access) };

static const uint8_t zeros[EM_PAGE];

// What the store leaves of the log's limit, which bounds them together.
static size_t left_by(const em_engine *e, size_t bytes) {
    size_t taken = (bytes + ENTRY - 1) / ENTRY;
    return taken < e->log_limit ? e->log_limit - taken : 0;
}

static void set_stored(em_engine *e, size_t bytes) {
    e->bulk_len = bytes;
    e->log_max = left_by(e, bytes);
}

// Bounds the log and its store to what n entries take.
void em_log_limit(em_engine *e, size_t n) {
    e->log_limit = n;
    set_stored(e, e->bulk_len);
}

// Makes room for n more bytes, and for an entry beside them.
static bool reserve(em_engine *e, size_t n) {
    size_t max = left_by(e, e->bulk_len + n);
    if (e->log_len + 1 >= max) {
        e->limit = EM_LIMIT_LOG;
        return false;
    }
    if (e->bulk_len + n > e->bulk_cap) {
        size_t cap = e->bulk_cap ? e->bulk_cap : 1 << 16;
        while (cap < e->bulk_len + n)
            cap *= 2;
        if (cap > e->log_limit * ENTRY)
            cap = e->log_limit * ENTRY;
        uint8_t *bulk = realloc(e->bulk, cap);
        if (bulk == NULL)
            return false;
        e->bulk = bulk;
        e->bulk_cap = cap;
    }
    return e->log_len < e->log_cap || em_log_reserve(e, 1);
}

static uint64_t store(em_engine *e, const uint8_t *from, size_t n) {
    uint64_t at = e->bulk_len;
    memcpy(e->bulk + at, from, n);
    set_stored(e, at + n);
    return at;
}

// Adds a range of n bytes. Nothing has changed when there is no room for it.
static bool add_range(em_engine *e, em_access a, const uint8_t *old, const uint8_t *value, size_t n) {
    bool was = !em_all_zero(old, n), same = old == value || memcmp(old, value, n) == 0;
    bool is = !same && !em_all_zero(value, n);
    if (!reserve(e, (was ? n : 0) + (is ? n : 0)))
        return false;
    a.old = was ? store(e, old, n) : EM_ZEROS;
    a.value = is ? store(e, value, n) : same ? a.old : EM_ZEROS;
    a.length = (uint32_t)n;
    *em_log_next(e) = a;
    e->ranges++;
    return true;
}

// Adds n bytes in pieces of at most eight.
static bool add_pieces(em_engine *e, em_access a, const uint8_t *old, const uint8_t *value, size_t n) {
    if (e->log_len + n / 8 >= e->log_max) {
        e->limit = EM_LIMIT_LOG;
        return false;
    }
    for (size_t i = 0; i < n; i += 8, a.addr += 8) {
        em_access *to = em_log_next(e);
        if (to == NULL)
            return false;
        a.size = n - i < 8 ? (uint8_t)(n - i) : 8;
        a.old = a.value = 0;
        memcpy(&a.old, old + i, a.size);
        memcpy(&a.value, value + i, a.size);
        *to = a;
    }
    return true;
}

// Takes the last entry off the log, with what it has stored. Its bytes can be read until
// something else is stored.
static em_access *pop(em_engine *e) {
    em_access *a = &e->log[--e->log_len];
    if (a->length != 0) {
        uint64_t first = a->old != EM_ZEROS ? a->old : a->value;
        if (first != EM_ZEROS)
            set_stored(e, first);
        e->ranges--;
    }
    return a;
}

static void cut(em_engine *e, size_t to) {
    while (e->log_len > to)
        pop(e);
}

// Logs what the kernel does to size bytes on behalf of slot; or nothing, when there is no
// room. A piece of eight bytes that is on two pages is an entry of its own.
int em_log_bulk(em_engine *e, int slot, uint64_t addr, const uint8_t *old, const uint8_t *value,
                uint64_t size, uint8_t kind) {
    size_t from = e->log_len;
    em_access a = {.step = e->m->step, .pc = e->m->last, .kind = kind, .thread = (uint16_t)slot};
    for (uint64_t at = 0, n; at < size; at += n) {
        a.addr = addr + at;
        n = EM_PAGE - (a.addr & (EM_PAGE - 1));
        n = n < 8 ? 8 : n & ~7ULL;
        if (n > size - at)
            n = size - at;
        bool done = n >= LEAST ? add_range(e, a, old + at, value + at, n) : add_pieces(e, a, old + at, value + at, n);
        if (!done) {
            cut(e, from);
            return UC_ERR_NOMEM;
        }
    }
    return UC_ERR_OK;
}

// Logs that the kernel zeroes a page, of which something is not zero, for the thread that
// has made a system call: what is not zero of it, in words of eight bytes.
int em_log_zeroes(em_engine *e, uint64_t addr, const uint8_t *host) {
    em_access a = {.step = e->m->step, .pc = e->m->last, .kind = EM_ZERO, .thread = (uint16_t)e->ran};
    size_t words = 0, first = EM_PAGE, end = 0, from = e->log_len;
    for (size_t i = 0; i < EM_PAGE; i += 8) {
        if (em_all_zero(host + i, 8))
            continue;
        words++;
        first = i < first ? i : first;
        end = i + 8;
    }
    a.addr = addr + first;
    if (words * ENTRY > ENTRY + (end - first))
        return add_range(e, a, host + first, zeros, end - first) ? UC_ERR_OK : UC_ERR_NOMEM;
    for (size_t i = first; i < end; i += 8) {
        a.addr = addr + i;
        if (em_all_zero(host + i, 8) || add_pieces(e, a, host + i, zeros, 8))
            continue;
        cut(e, from);
        return UC_ERR_NOMEM;
    }
    return UC_ERR_OK;
}

static const uint8_t *stored(const em_engine *e, uint64_t at) { return at == EM_ZEROS ? zeros : e->bulk + at; }

// Gives the next piece of an entry, of at most eight bytes, and false when there is none
// left. at is where in the entry that is, 0 at first. Words that the kernel zeroed, and that
// were zero, are no pieces.
bool em_piece(const em_engine *e, const em_access *a, uint32_t *at, em_access *piece) {
    uint32_t i = *at, end = a->length != 0 ? a->length : a->size;
    while (i < end) {
        *piece = *a;
        if (a->length == 0) {
            *at = end;
            return true;
        }
        uint32_t n = end - i < 8 ? end - i : 8;
        *at = i + n;
        piece->addr = a->addr + i;
        piece->size = (uint8_t)n;
        piece->length = 0;
        piece->old = piece->value = 0;
        memcpy(&piece->old, stored(e, a->old) + i, n);
        memcpy(&piece->value, stored(e, a->value) + i, n);
        if (a->kind != EM_ZERO || piece->old != 0)
            return true;
        i += n;
    }
    return false;
}

// Takes the last entry off the log, which is a range, and puts back what it held before.
void em_bulk_undo(em_engine *e) {
    const em_access *a = pop(e);
    uint8_t *host = em_host(e, a->addr, a->length);
    const uint8_t *old = stored(e, a->old);
    if (a->kind == EM_READ || memcmp(host, old, a->length) == 0)
        return;
    memcpy(host, old, a->length);
    uint64_t page = a->addr & ~(uint64_t)(EM_PAGE - 1);
    if (em_page(e, page) & EM_X)
        em_remove_code(e, page, page + EM_PAGE);
}

// Forgets what is stored, with the log.
void em_bulk_drop(em_engine *e) {
    e->ranges = 0;
    set_stored(e, 0);
}
