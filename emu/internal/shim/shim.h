// The C side of the emulated machine: one Unicorn engine with the instruction
// budget, the access log, the page table and the undo log beside it, so that
// no Go callback runs per instruction or per memory access.
//
// Guest memory lives in a few large zones. A zone is one host reservation and
// one Unicorn region at the same guest address, so host = zone + offset and
// guest mmap/mprotect/munmap never touch Unicorn's region list: what a page
// allows is decided by our own page table through Unicorn's virtual TLB.
#ifndef EMURACE_SHIM_H
#define EMURACE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !__has_include(<unicorn/unicorn.h>)
#error "libunicorn is not built yet. Run: make setup"
#endif
#include <unicorn/unicorn.h>

#include "emurace-unicorn.h"
#include "emurace.h"

enum { EM_PAGE_SHIFT = 12, EM_PAGE = 1 << EM_PAGE_SHIFT };

// No instruction has more bytes.
enum { EM_LONGEST = 16 };

// One byte of page table per guest page.
enum {
    EM_R = 1,
    EM_W = 2,
    EM_X = 4,
    EM_MAPPED = 8, // some guest mapping covers the page
};

// Pieces of code that one instruction is read from at most: of two pages, each its first
// byte and 16 bytes of its own.
enum { EM_FETCHES = 8 };

// How many pages of code a thread is known to read at a time; a power of two.
enum { EM_CODE_PAGES = EMURACE_CODE_PAGES };

#define EM_NOWHERE (~0ULL)

enum { EM_MAX_ZONES = 8 };

// How many threads there may be at a time, and how many may be made in all. The number of a
// thread is its slot, which no other one gets after it: the log has sixteen bits for it.
enum { EM_MAX_THREADS = 1024, EM_MOST_MADE = 65000 };

// Instructions of a run at most.
#define EM_LONGEST_RUN (1ULL << 61)

// What a guest may take of the host's memory in bytes, unless something else is said.
#define EM_MEMORY (2ULL << 30)

// Why em_run came back.
enum em_stop {
    EM_STOP_BUDGET = 0, // the budget is spent; pc is the next instruction
    EM_STOP_TRAP,       // pc entered the trap range; nothing of it has run
    EM_STOP_SYSCALL,    // a system call instruction ran; pc is behind it
    EM_STOP_FAULT,      // a memory access or fetch faulted; pc is the culprit
    EM_STOP_EXCEPTION,  // any other CPU exception; see intno
    EM_STOP_ILLEGAL,    // an instruction the CPU does not know
    EM_STOP_LOG,        // the access log reached its limit
    EM_STOP_ERROR,      // Unicorn failed; see uc_error
    EM_STOP_EVENT,      // the last instruction touched shared bytes
    EM_STOP_BREAK,      // pc is at a breakpoint; it has not run
    EM_STOP_EXCLUSIVE,  // not of em_run: a store exclusive must be made to fail
    EM_STOP_STALE,      // not of em_run: code has changed that was translated already
    EM_STOP_LIMIT,      // the guest takes more than it may; see em_engine.limit
};

// Which limit was reached.
enum em_limit {
    EM_LIMIT_NONE = 0,
    EM_LIMIT_MEMORY, // touched pages; see limits.c
    EM_LIMIT_LOG,    // entries of the access log, or changes of the page table
};

// EM_POKE is nobody's access: see poke.c.
enum em_kind { EM_READ = 0, EM_WRITE = 1, EM_KERNEL = 2, EM_ZERO = 3, EM_POKE = 4 };

// One access as the log keeps it. A wide access is several entries of at most
// eight bytes; all entries of one instruction carry the same step. What the kernel does to
// many bytes is one entry for up to a page of them, a range; see bulk.c.
typedef struct em_access {
    uint64_t step;   // how many instructions the machine had begun, counted from 1
    uint64_t pc;     // of the instruction; of the svc/syscall for EM_KERNEL
    uint64_t addr;   // first byte
    uint64_t old;    // what memory held before, little-endian, zero-extended; of a range, where that is
    uint64_t value;  // EM_READ: the same as old; otherwise what was stored
    uint8_t size;    // 1..8 bytes, 0 of a range
    uint8_t kind;    // enum em_kind; EM_ZERO: the kernel zeroed what was not zero
    uint16_t thread; // slot
    uint32_t length; // bytes of a range, within one page; otherwise 0
} em_access;

// Where bytes of a range are that are all zero.
#define EM_ZEROS (~0ULL)

// What became of a page on the host. Only touched ones can hold anything but
// zeros; telling them apart makes the cost of a mapping follow its use.
enum em_used { EM_UNUSED = 0, EM_WRITABLE = 1, EM_TOUCHED = 2 };

typedef struct em_zone {
    uint64_t base, size;
    void *region; // Unicorn's; NULL when it is not known yet
    uint8_t *host;
    uint8_t *pages; // the page table's bytes for this zone
    uint8_t *used;  // enum em_used, of each page
} em_zone;

// Registers of a thread that is not running. Marks share them by count.
typedef struct em_ctx {
    int refs;
    struct em_ctx *next_free;
    uc_context *uc;
} em_ctx;

// A store that an instruction was about to make, or has still to make; see halves.c.
typedef struct em_hold_store {
    uint64_t addr, value; // while the instruction runs, what was there before
    uint64_t after;       // what was there behind it
    uint8_t size;         // 1..8 bytes
} em_hold_store;

// No access of a register has more bytes.
enum { EM_WIDEST = 16 };

// A load or store of a pair of registers; see pairs.c.
typedef struct em_pair {
    bool load, vector;
    bool sign;      // the value is extended by its sign
    uint8_t second; // number of the second register; of the others, 31 is always zero
    uint8_t size;   // bytes of each register in memory
} em_pair;

// What is left of an instruction that has ended in its middle: stores, or the loads of a pair's
// second register. Marks share it by count.
typedef struct em_held {
    int refs;
    em_ctx *before; // registers that it began with
    uint64_t pc;
    em_pair pair; // size 0: it is none
    uint64_t second; // of a pair, address of the second register's bytes
    size_t maps;      // changes of the page table that were before
    uint64_t log_gen; // generation of the log at that time
    size_t n;
    em_hold_store stores[];
} em_held;

// Whether the stores of an instruction are held: those of the next one, or of the one that
// runs.
enum em_hold_kind { EM_HOLD_NONE, EM_HOLD_NEXT, EM_HOLD_NOW };

// Whether instructions are found that could end in their middle, and whether they do.
enum em_splits { EM_SPLITS_NONE, EM_SPLITS_TELL, EM_SPLITS };

typedef struct em_slot {
    em_ctx *ctx;      // NULL: no such thread
    em_held *held;    // NULL: its last instruction is over
    size_t left_at;   // length of the log when the thread last stopped
    uint64_t log_gen; // generation of the log at that time
    uint16_t lost;    // bytes its monitor has lost, a bit each; see monitor.c
    uint32_t at;      // its place in em_engine.live; in a mark the slot's number
    uint64_t fetched[EM_CODE_PAGES]; // pages of code that it is known to read; see fetch.c
} em_slot;

// How to undo one change of the page table.
typedef struct em_mapundo {
    size_t at;      // length of the access log when it happened
    uint64_t addr;  // first byte
    uint64_t count; // pages
    uint8_t old;    // page byte
} em_mapundo;

typedef struct em_fault {
    uint64_t addr, pc;
    int access; // EM_R, EM_W or EM_X
    int mapped; // 1: the page exists but does not allow it
} em_fault;

// A whole block that a thread has written, as an epoch of share.h.
typedef struct em_block {
    uint64_t lo, hi;
    uint32_t epoch;
} em_block;

// A kernel object that threads have used, with the record of who did.
typedef struct em_object {
    uint64_t class, id;
    uint32_t record;
} em_object;

// What words of clocks were before they were changed, each a fixed number of them.
typedef struct em_saved {
    uint32_t *numbers, *words; // of what; and its words
    size_t len, numbers_cap, words_cap;
} em_saved;

// From an entry of the log on, what a thread does has another epoch; see recall.c.
typedef struct em_turn {
    size_t at; // entries before
    uint32_t slot, epoch;
} em_turn;

// A part of all vector clocks, and the thread whose it is at present; see lanes.c.
typedef struct em_lane {
    uint32_t thread; // slot
    uint32_t epoch;  // of what it does now
    bool published;  // its own part is in another clock
    uint64_t stamp;  // em_share.stamp when its clock was last saved
} em_lane;

// A thread has got a lane, from the one that had it before.
typedef struct em_taken {
    uint32_t thread, before; // slots; before is EM_NOBODY of a lane that nobody has had
    uint16_t lane, left;     // left is the lane that the thread had before and one, 0 for none
    bool emptied;            // the other one has no lane since
} em_taken;

#define EM_NOBODY UINT32_MAX

// em_access.thread of what no thread has done.
#define EM_NO_SLOT UINT16_MAX

enum { EM_NEAR_PAGES = 16 };

// Where what is known of a page's bytes is; see share.h. No page is 0.
typedef struct em_shadow {
    uint64_t page; // address / 4096 + 1
    struct em_granule *granules;
} em_shadow;

// What a run has shown of the order of accesses, and which bytes make events; see
// share.c. What is of the run goes back with it; see undo.c.
typedef struct em_share {
    em_shadow *pages; // a hash table
    size_t len, cap;
    size_t most; // pages that there may be
    bool full;   // one more was asked for
    int shift;
    em_shadow near[EM_NEAR_PAGES]; // of these, by their lowest bits, those of a short while ago
    uint64_t grown; // how often a byte was found to make events
    uint32_t age;   // how often what was learned was forgotten

    int width;         // parts of a vector clock, and lanes that there is room for
    uint32_t *clocks;  // of the lanes' threads, width of them
    em_lane *lanes;
    int lanes_len;
    uint16_t *lane_of; // by slot, the lane of the thread and one; 0 before its first access
    size_t lane_of_len;
    em_taken *taken;   // in the order of the run
    size_t taken_len, taken_cap;
    uint32_t longest;  // what the own part of a clock can be
    bool lonely;       // for tests: no lane is given to another thread
    bool every;        // bytes with conflicting accesses make events, ordered or not
    uint32_t *records; // of bytes and objects, two clocks each
    size_t records_len, records_cap;
    uint64_t *stamps; // of the records
    size_t stamps_cap;
    em_block *blocks; // in the order of the run
    size_t blocks_len, blocks_cap;
    uint64_t blocks_lo, blocks_hi; // bounds of all
    em_object *objects;
    size_t objects_len, objects_cap;

    uint64_t stamp; // grows with each mark: what has another one is not saved since
    uint64_t born;  // the stamp when what was learned was last forgotten
    struct em_detail *details; // of granules, counted from 1
    size_t details_len, details_cap;
    struct em_old_granule *old_granules;
    size_t old_granules_len, old_granules_cap;
    struct em_old_detail *old_details;
    size_t old_details_len, old_details_cap;
    em_saved old_records, old_clocks;

    em_turn *turns; // in the order of the run
    size_t turns_len, turns_cap;
    struct em_granule **recalled; // whose accesses are being looked for
    size_t recalled_len, recalled_cap;
    size_t recall_base; // entries of the log that are of no account
    size_t recall_from; // entries of which all is noted
    size_t recall_cost; // entries that were gone through since that grew
    size_t recall_turn; // turns before recall_from, of which the next two are what came; or 0
    uint32_t *recall_epochs, *recall_scratch; // by slot
    size_t recall_slots; // of each
    bool recall_on;
} em_share;

// A moment of em_share.
typedef struct em_share_mark {
    uint32_t age;
    size_t granules, details, old_details, old_records, clocks, records, blocks, objects, turns, taken;
} em_share_mark;

// What the thread that runs has done in its present epoch to bytes whose accesses are
// noted, for generated code; see marks.c.
typedef struct em_marks {
    int slot;
    uint32_t epoch;
    uint8_t **places; // on the host, of eight bytes each that have marks
    size_t len, cap;
} em_marks;

// The host memory that the guest takes; see limits.c.
typedef struct em_memory {
    uint64_t most, counted; // pages
    bool racing;            // touched pages are noted, and count for what is known of them too
    uint64_t *pages;        // touched since the race began, in order
    size_t len, cap;
    uint64_t *stale; // taken back, and perhaps not given back to the host yet
    size_t stale_len;
} em_memory;

// Addresses to stop at; see breaks.c.
enum { EM_BREAK_BITS = 12 };

typedef struct em_breaks {
    uint64_t *table;
    size_t len, cap;
    uint64_t filter[(1 << EM_BREAK_BITS) / 64];
} em_breaks;

// Slot of who advances the clock, which is no thread, and the class of the clock among
// the kernel's objects; see clock.c.
enum { EM_CLOCK_SLOT = EM_MOST_MADE, EM_CLOCK_OBJECT = 255 };

// Of a slot: its instructions in turns before, and what its clock is more.
typedef struct em_ticks {
    uint64_t ran, behind;
} em_ticks;

// Threads' clocks; see clock.c.
typedef struct em_clock {
    bool on;           // threads run side by side; before, the step is the clock of all
    bool failed;       // memory has run out
    uint64_t advanced; // what the kernel has advanced the clock, in nanoseconds
    int turn;          // slot of the last turn that was noted, -1 for none
    struct em_note *notes;
    size_t len, cap;

    // What follows from the first entries of the log and the first notes.
    size_t log_at, note_at; // how many
    bool in_note;           // a note is being gone through
    size_t quiet;           // from note_at to here no note is of a turn or a landing
    int running;            // slot whose turn it is there, -1 for none
    uint64_t since;         // the step when that began
    uint64_t began;         // the step when threads began to run side by side
    em_ticks *ticks;        // of EM_CLOCK_SLOT, and then of the slots in order
    size_t ticks_len, ticks_cap;
    struct em_place *places;
    size_t places_len, places_cap;
    uint32_t *index; // by hash, the number of a place, counted from 1
    unsigned index_bits;
    struct em_change *changes; // the journal
    size_t changes_len, changes_cap;
} em_clock;

// Where the instructions stand that have run; see poke.c.
typedef struct em_trace {
    bool on;
    bool failed;    // memory has run out
    uint64_t since; // the step of the first one
    uint64_t *pcs;  // by step
    size_t cap;
} em_trace;

// Bytes to stop behind an access of; see memory.c. No size is no watch.
typedef struct em_watch {
    uint64_t addr, size;
    bool reads, writes; // which accesses count
} em_watch;

// Where vector registers lie in a context; see context.c.
typedef struct em_vectors {
    size_t first, stride;
    int count; // 0: not known
} em_vectors;

// Finds the memory region of an address; see build-aux/unicorn-private.c.
typedef void *(*em_mapping)(uc_engine *uc, uint64_t addr);

typedef struct em_engine {
    uc_engine *uc;
    int arch; // uc_arch
    em_zone zones[EM_MAX_ZONES];
    int nzones;
    em_zone *last_zone;

    // The hot counters, which generated code has too, where Unicorn is patched for it;
    // otherwise they are own, and only the hooks use them.
    struct emurace *m, own;
    bool generates; // code is generated that counts and logs by itself
    bool hooked;    // but is not to be used
    // An instruction that begins less than quiet_size behind quiet is one like the one
    // before it, unless none is left.
    uint64_t quiet, quiet_size;
    uint64_t trap_lo, trap_hi;
    int cur; // slot whose registers the engine holds, -1 for none
    bool dirty; // the engine's registers are newer than the slot's context
    bool logging; // every access is logged, every change can be undone
    bool probing; // finding out a fault's exact address
    bool log_full;
    bool sharing; // stop after every instruction that touches shared bytes
    bool event;   // the last instruction did
    bool event_of_fetch; // only by being fetched
    int splits; // enum em_splits: of instructions both of whose halves touch bytes that make events
    bool divisible; // the last instruction was one of them, and one step
    bool halves; // the next instruction ends in its middle, if it can
    uint64_t half_done; // step of the last that can be divided and whose first half has touched such a byte, 0 for none
    int hold;        // enum em_hold_kind
    em_ctx *before;  // registers with which the instruction began whose stores are held
    em_hold_store *holding; // its stores so far, or loads
    size_t holding_len, holding_cap;
    em_pair pair;         // that the instruction is; size 0 for none
    uint64_t pair_first;  // where its first access is, EM_NOWHERE before that
    bool wx;     // there was a page that can be written and run
    bool stale;  // the last instruction has written to such a page
    bool undone; // the last instruction that began has not happened
    uint64_t *fetched; // the running thread's em_slot.fetched; it is where generated code looks
    uint64_t fetches[2 * EM_FETCHES]; // bytes of code that made it an event: addresses and sizes
    int nfetches;        // of these
    int ran;             // slot that ran last
    em_share share;
    em_marks marks;
    uint8_t *room; // where zones lie on the host, one behind the other, and their marks
    size_t room_size, room_used;
    int (*go)(struct em_engine *e, uint64_t pc); // starts Unicorn; raw.c has another one
    bool stepping_on; // the next instruction runs, breakpoint or not
    em_trace trace;
    em_breaks breaks;
    uint64_t back; // one more address to stop at; EM_NOWHERE for none
    em_watch watch;
    bool watched; // the last instruction touched what is watched
    em_clock clock;
    bool clock_read; // the last instruction was a read of a counter of the processor
    uint16_t lost;   // the running thread's em_slot.lost
    bool *pc_synced; // Unicorn's skip_sync_pc_on_exit; see em_on_code
    em_mapping *mapping;   // Unicorn's memory_mapping; see region_of
    em_mapping find_region; // what Unicorn has there
    int stop;
    int intno;
    int uc_error;
    em_fault fault;

    em_access *log;
    size_t log_len, log_cap;
    size_t log_limit; // entries that the log and what is stored beside it may take
    size_t log_max;   // of these, what the store leaves
    uint8_t *bulk;    // bytes of ranges; see bulk.c
    size_t bulk_len, bulk_cap;
    size_t ranges; // entries of the log
    bool poked;    // there was an EM_POKE among them
    uint64_t log_gen; // grows whenever entries are forgotten other than by rewind
    em_mapundo *maps;
    size_t maps_len, maps_cap;
    em_memory memory;
    int limit; // enum em_limit: what the run, or a call of the kernel's, has come to

    em_slot *slots;
    int slots_cap;
    int nslots; // slots from here on have never been used
    int live[EM_MAX_THREADS]; // slots of the threads that there are, in no order
    int nlive;
    em_ctx *free_ctx;
    size_t ctx_bytes;
    em_vectors vectors;
    // Offsets in a context of the address that the exclusive monitor watches
    // and of the value that it saw there; -1 for no monitor.
    ptrdiff_t monitor_at, value_at;
    int nmarks; // that are not dropped
} em_engine;

// A moment to go back to.
typedef struct em_mark {
    size_t log_len, maps_len, touched_len;
    uint64_t step, pc, log_gen;
    em_share_mark share;
    size_t notes_len;
    uint64_t advanced;
    int turn;
    bool clocks; // threads ran side by side
    int nslots, nlive;
    em_slot slots[]; // nlive of them
} em_mark;

// arm64's top byte is ignored in data addresses, as Linux sets it up for
// processes (Documentation/arch/arm64/tagged-pointers.rst); x86-64's is not.
static inline uint64_t em_untagged(const em_engine *e, uint64_t addr) {
    if (e->arch == UC_ARCH_ARM64 && !(addr & (1ULL << 55)))
        return addr & 0x00ffffffffffffffULL;
    return addr;
}

// Tells whether there is a thread in a slot.
static inline bool em_there(const em_engine *e, int slot) {
    return slot >= 0 && slot < e->nslots && e->slots[slot].ctx != NULL;
}

// The zone of an address, NULL when it is in none.
static inline em_zone *em_zone_of(em_engine *e, uint64_t addr) {
    em_zone *z = e->last_zone;
    if (z != NULL && addr - z->base < z->size)
        return z;
    for (int i = 0; i < e->nzones; i++) {
        z = &e->zones[i];
        if (addr - z->base < z->size) {
            e->last_zone = z;
            return z;
        }
    }
    return NULL;
}

// engine.c
int em_init(em_engine *e, uc_engine *uc, int arch, bool hooks);
void em_close_contexts(em_engine *e);
void em_close(em_engine *e);
int em_zone_room(em_engine *e, uint64_t size);
int em_zone_add(em_engine *e, uint64_t base, uint64_t size);
int em_run(em_engine *e, int slot, uint64_t budget);
bool *em_no_exit_request(uc_engine *uc);
void em_count_one(em_engine *e, int slot, uint64_t pc);

// left is how many instructions may still begin.
static inline uint64_t em_left(const em_engine *e) { return e->m->end - e->m->step; }

// No more instruction begins.
static inline void em_last(em_engine *e) { e->m->end = e->m->step; }

// The instruction that is under way is an event, by what it accesses: it is the last one.
static inline void em_event(em_engine *e) {
    e->event = true;
    e->event_of_fetch = false;
    em_last(e);
}

// raw.c
void em_raw_steps(em_engine *e);

// generated.c
void em_generated_init(em_engine *e);
void em_generated_begin(em_engine *e);
void em_generated_sync(em_engine *e);
void em_generated_log(em_engine *e);
void em_generated_again(em_engine *e, int how);
void em_generated_logged(em_engine *e);
uint64_t em_generated_pc(em_engine *e, uint64_t host_pc);

static inline bool em_in_generated(const em_engine *e) { return e->m->k != EMURACE_BETWEEN; }

// marks.c
void em_marks_begin(em_engine *e, int slot);
void em_marks_set(em_engine *e, uint64_t addr, unsigned size, uint8_t *host, bool write);
void em_marks_clear(em_engine *e, uint64_t number);
void em_marks_wipe(em_engine *e);

// step.c
bool em_in_traps(const em_engine *e, uint64_t addr);
void em_halt(em_engine *e, int why);
void em_stop(em_engine *e, uint64_t addr);
void em_on_code(uc_engine *uc, uint64_t addr, uint32_t size, void *user);

// memory.c
uint8_t *em_host(em_engine *e, uint64_t addr, uint64_t size);
uint8_t em_page(em_engine *e, uint64_t addr);
int em_set_pages(em_engine *e, uint64_t addr, uint64_t size, uint8_t bits);
int em_forget(em_engine *e, uint64_t addr, uint64_t size);
int em_use(em_engine *e, uint64_t addr, uint64_t size);
int em_store(em_engine *e, int slot, uint64_t addr, const uint8_t *from, uint64_t size);
void em_on_mem(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
               void *user);
int em_touch(em_engine *e, int slot, uint64_t addr, uint64_t size);
void em_undo(em_engine *e, size_t log_len, size_t maps_len);
void em_log_drop(em_engine *e);
bool em_log_reserve(em_engine *e, size_t n);
bool em_changes_nothing(em_engine *e, const em_access *w);
bool em_watches(const em_engine *e, uint64_t addr, uint64_t size, bool write);
void em_put_back(em_engine *e, uint64_t addr, uint64_t old, uint8_t size);

static inline em_access *em_log_next(em_engine *e) {
    if (e->log_len == e->log_cap && !em_log_reserve(e, 1))
        return NULL;
    em_access *a = &e->log[e->log_len++];
    a->length = 0;
    return a;
}

static inline bool em_all_zero(const uint8_t *p, size_t n) {
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

// poke.c
int em_poke(em_engine *e, uint64_t addr, const uint8_t *from, uint64_t size);
void em_trace_set(em_engine *e, bool on);
void em_trace_grow(em_engine *e);

// Notes where the instruction that begins stands.
static inline void em_trace_step(em_engine *e) {
    if (__builtin_expect(!e->trace.on, 1))
        return;
    if (e->m->step - e->trace.since >= e->trace.cap)
        em_trace_grow(e);
    if (e->m->step - e->trace.since < e->trace.cap)
        e->trace.pcs[e->m->step - e->trace.since] = e->m->last;
}

// bulk.c
void em_log_limit(em_engine *e, size_t n);
int em_log_bulk(em_engine *e, int slot, uint64_t addr, const uint8_t *old, const uint8_t *value,
                uint64_t size, uint8_t kind);
int em_log_zeroes(em_engine *e, uint64_t addr, const uint8_t *host);
bool em_piece(const em_engine *e, const em_access *a, uint32_t *at, em_access *piece);
void em_bulk_undo(em_engine *e);
void em_bulk_drop(em_engine *e);

// limits.c
void em_limit_memory(em_engine *e, uint64_t bytes);
void em_limit_begin(em_engine *e);
void em_limit_settle(em_engine *e);
void em_limit_drop(em_engine *e);
bool em_touch_page(em_engine *e, uint64_t addr);
void em_untouch(em_engine *e, size_t len);

// share.c
#define EM_UNLOGGED SIZE_MAX
bool em_share_access(em_engine *e, uint64_t addr, unsigned size, bool write, int slot, size_t at);
bool em_share_ready(em_engine *e, int slot);
uint32_t em_share_reads(em_engine *e, const uint64_t *pieces, int n, int slot);
int64_t em_share_block(em_engine *e, uint64_t lo, uint64_t hi, int slot, uint64_t *pairs,
                       size_t room);
bool em_share_object(em_engine *e, int slot, uint64_t class, uint64_t id, bool write);
bool em_share_join(em_engine *e, int from, int to);
void em_share_step(em_engine *e, int slot);
uint8_t em_share_mask(em_engine *e, uint64_t addr);
size_t em_share_list(em_engine *e, uint64_t *pairs, size_t room);
bool em_share_add(em_engine *e, uint64_t addr, uint8_t mask);
void em_share_forget(em_engine *e);

// lanes.c
extern const uint32_t em_share_longest;
uint32_t em_share_epoch(const em_share *s, int slot);

// undo.c
void em_share_mark_set(em_engine *e, em_share_mark *m);
bool em_share_undo(em_engine *e, em_share_mark *m);
void em_share_drop(em_engine *e);

// recall.c
bool em_recall_entries(em_engine *e, size_t from, size_t end);
bool em_recall_settle(em_engine *e);
void em_recall_entry(em_engine *e, size_t number);
void em_turn_sync(em_engine *e);

// fetch.c
#define EM_NO_PAGE (~0ULL)
void em_fetch(em_engine *e, uint64_t addr, uint32_t size);
void em_fetch_forget(em_engine *e);

static inline void em_fetch_anew(uint64_t *fetched) {
    for (int i = 0; i < EM_CODE_PAGES; i++)
        fetched[i] = EM_NO_PAGE;
}

static inline uint64_t *em_fetch_place(uint64_t *fetched, uint64_t addr) {
    return &fetched[addr >> EM_PAGE_SHIFT & (EM_CODE_PAGES - 1)];
}

// halves.c
bool em_indivisible(em_engine *e, uint64_t pc);
void em_held_keep(em_held *h);
void em_held_drop(em_engine *e, em_held *h);
void em_hold_begin(em_engine *e, uint64_t pc);
bool em_holds(em_engine *e, uint64_t addr, bool write);
void em_hold(em_engine *e, uint64_t addr, unsigned size);
void em_hold_settle(em_engine *e, int slot, bool happened);
int em_land(em_engine *e, int slot);
void em_half_done(em_engine *e, uint64_t pc, bool write, size_t entries);
bool em_splits_at(em_engine *e, uint64_t pc, uint64_t addr, unsigned size, bool write);
void em_hold_again(em_engine *e);

// pairs.c
bool em_pair_at(em_engine *e, uint64_t pc, em_pair *pair);
bool em_pair_second(em_engine *e, uint64_t pc, uint64_t addr);
int em_pair_register(const em_pair *pair);
void em_pair_unload(em_engine *e, const em_pair *pair, const em_ctx *before);
void em_pair_load(em_engine *e, const em_pair *pair, const uint8_t *bytes);

// clock.c
void em_clock_land(em_engine *e, int slot);
void em_clock_start(em_engine *e);
void em_clock_drop(em_engine *e);
void em_clock_turn(em_engine *e, int slot);
void em_clock_use(em_engine *e, int slot, uint8_t class, uint64_t id, bool write);
void em_clock_wake(em_engine *e, int slot, int other);
void em_clock_all(em_engine *e, int slot);
void em_clock_rewind(em_engine *e, size_t log_len, size_t notes_len, int turn);
void em_clock_settle(em_engine *e);
bool em_clock_now(em_engine *e, int slot, uint64_t *now);
bool em_clock_latest(em_engine *e, uint64_t *latest);
bool em_clock_read(em_engine *e, int slot, uint64_t *now);

// breaks.c
bool em_break_hit(em_engine *e, uint64_t addr);
int em_break_add(em_engine *e, uint64_t addr);
void em_break_drop(em_engine *e);

// user.c
int em_user(em_engine *e);

// context.c
int em_context_learn(em_engine *e);
void em_context_save(const em_engine *e, uc_context *to);
void em_context_restore(const em_engine *e, const uc_context *from);

// thread.c
int em_thread_add(em_engine *e, int slot, int parent);
em_held *em_held_of(const em_engine *e, int slot);
void em_thread_drop(em_engine *e, int slot);
int em_load(em_engine *e, int slot);
int em_park(em_engine *e);
int em_reg_read(em_engine *e, int slot, int reg, void *value);
int em_reg_write(em_engine *e, int slot, int reg, const void *value);
int em_regs_read(em_engine *e, int slot, int *regs, void **values, int n);
em_mark *em_mark_set(em_engine *e, int *err);
int em_mark_rewind(em_engine *e, em_mark *m);
void em_mark_drop(em_engine *e, em_mark *m);
em_ctx *em_ctx_own(em_engine *e, em_slot *s);
em_ctx *em_ctx_new(em_engine *e);
void em_ctx_drop(em_engine *e, em_ctx *c);

// monitor.c
#define EM_MONITOR_OPEN (~0ULL)
void em_monitor_check(em_engine *e, int slot);
bool em_log_changes(em_engine *e, size_t i);
bool em_monitor_fails(em_engine *e, uint64_t pc);
int em_monitor_spoil(em_engine *e, int slot);
int em_monitor_open(em_engine *e, int slot);
int em_monitor_keep(em_engine *e, int slot);
uint64_t em_monitor(em_engine *e, int slot);
bool em_store_exclusive(em_engine *e, uint64_t pc);
bool em_load_exclusive(em_engine *e, uint64_t pc);
int em_monitor_find(em_engine *e, uint64_t scratch);

// Unicorn's control calls are variadic macros, which cgo cannot call.
int em_flush_tlb(em_engine *e);
int em_remove_code(em_engine *e, uint64_t from, uint64_t to);

#endif
