#include "share.h"

#include <stdlib.h>
#include <string.h>

// Which accesses of a run are ordered, and which bytes make events because some
// that conflict are not.
//
// Happens-before is: the order of each thread; the order of conflicting accesses to
// bytes that make events; of uses of kernel objects; and what lets a thread go on or
// makes it (em_share_object, em_share_join). Every thread has a vector clock, whose own
// part grows with each instruction that orders something. Of any other byte the last
// write and the last reads are kept as epochs, a thread with its clock (FastTrack,
// Flanagan and Freund, PLDI 2009). An access that conflicts with one which is not
// ordered before it makes its byte one that makes events, from that access on. Accesses
// that cannot conflict are noted only when they must be known (recall.c).
//
// What a run has shown goes back with it (undo.c); which bytes make events does not.

// Tells whether an access with an epoch is ordered before what the thread does now.
static inline bool ordered(const em_share *s, uint32_t epoch, int lane) {
    if (s->every)
        return (int)EM_LANE_OF(epoch) == lane;
    return EM_CLOCK_OF(epoch) <= em_clock_of(s, lane)[EM_LANE_OF(epoch)];
}

// Tells whether an access conflicts with one that is not ordered before it, and if not
// takes note of it. Bytes of one access that one other thread has read before it have one
// record: made is what the last record was made of, and its number.
static bool races(em_share *s, em_detail *d, int i, bool write, uint32_t epoch, uint32_t made[2]) {
    int lane = (int)EM_LANE_OF(epoch);
    if (d->wrote[i] != 0 && !ordered(s, d->wrote[i], lane))
        return true;
    uint32_t r = d->read[i];
    if (!write) {
        if (r == 0 || (!(r & EM_MANY) && (int)EM_LANE_OF(r) == lane)) {
            d->read[i] = epoch;
            return false;
        }
        uint32_t index = r & ~EM_MANY;
        if (r == made[0]) {
            d->read[i] = made[1];
            return false;
        }
        if (!(r & EM_MANY) && !em_record_new(s, &index))
            return true;
        if (!em_record_save(s, index))
            return true;
        uint32_t *reads = em_record(s, index) + s->width;
        if (!(r & EM_MANY))
            reads[EM_LANE_OF(r)] = EM_CLOCK_OF(r);
        reads[lane] = EM_CLOCK_OF(epoch);
        d->read[i] = EM_MANY | index;
        made[0] = r;
        made[1] = d->read[i];
        return false;
    }
    if (r & EM_MANY) {
        const uint32_t *reads = em_record(s, r & ~EM_MANY) + s->width;
        for (int u = 0; u < s->width; u++)
            if (s->every ? reads[u] != 0 && u != lane : reads[u] > em_clock_of(s, lane)[u])
                return true;
    } else if (r != 0 && !ordered(s, r, lane)) {
        return true;
    }
    // Whatever conflicts with a read of before conflicts with this write, which
    // comes behind it: the reads need not be known any more.
    d->wrote[i] = epoch;
    d->read[i] = 0;
    return false;
}

// Sets the epochs of bytes.
static inline void set_epochs(uint32_t *of, uint8_t bytes, uint32_t epoch) {
    if (bytes == 0xff) {
        for (int i = 0; i < 8; i++) // two stores for a compiler
            of[i] = epoch;
        return;
    }
    for (int i = 0; i < 8; i++)
        if (bytes >> i & 1)
            of[i] = epoch;
}

// Makes the last epoch part of the detail. That a write makes reads of before forgotten is
// of no use as long as one thread only was here.
static bool spill(em_share *s, em_granule *g) {
    if (!em_detail_change(s, g))
        return false;
    em_detail *d = em_detail_of(s, g);
    set_epochs(d->wrote, g->did_write, g->last);
    set_epochs(d->read, g->did_read, g->last);
    g->pending = false;
    return true;
}

// Tells whether nothing of the last epoch need be known once its thread does this: it
// writes all that it has accessed there, or has only read, and reads all of it.
static inline bool replaces(const em_granule *g, uint8_t bytes, bool write) {
    uint8_t before = g->did_read | g->did_write;
    return (before & ~bytes) == 0 && (write || g->did_write == 0);
}

// em_share_note of bytes that others have accessed too, or that make events.
static uint8_t note_closely(em_share *s, em_granule *g, uint8_t bytes, bool write, uint32_t epoch) {
    int lane = (int)EM_LANE_OF(epoch);
    if ((g->pending && !spill(s, g)) || !em_detail_change(s, g))
        return bytes;
    if (g->last != epoch) {
        g->last = epoch;
        g->did_read = g->did_write = 0;
    }
    *(write ? &g->did_write : &g->did_read) |= bytes;
    g->owner = g->owner == 0 || g->owner == lane + 1 ? (uint16_t)(lane + 1) : EM_SEVERAL;
    uint8_t found = 0;
    em_detail *d = em_detail_of(s, g);
    uint32_t made[2] = {0, 0};
    if (!write && !em_record_separate(s, d, bytes & ~g->shared))
        return bytes;
    for (int i = 0; i < 8; i++)
        if ((bytes & ~g->shared) >> i & 1 && races(s, d, i, write, epoch, made))
            found |= (uint8_t)(1 << i);
    s->grown += found != 0;
    g->shared |= found;
    return bytes & g->shared;
}

// Notes an access to bytes of a granule in an epoch: those that race with an access of
// before make events from now on. Tells which of the bytes make events. An access is noted
// as a whole before any of it orders anything: see settle.
uint8_t em_share_note(em_share *s, em_granule *g, uint8_t bytes, bool write, uint32_t now) {
    int lane = (int)EM_LANE_OF(now);
    if (g->shared == 0 && g->last == now &&
        !(bytes & ~(write ? g->did_write : g->did_read | g->did_write)))
        return 0; // again, with nothing in between
    if (!em_granule_save(s, g))
        return bytes; // out of memory: an event is the safe answer
    if (g->shared != 0 || (g->owner != 0 && g->owner != lane + 1))
        return note_closely(s, g, bytes, write, now);
    // Nobody else was here.
    if (g->last != now) {
        if (g->pending && !replaces(g, bytes, write) && !spill(s, g))
            return bytes;
        g->last = now;
        g->did_read = g->did_write = 0;
    }
    *(write ? &g->did_write : &g->did_read) |= bytes;
    g->owner = (uint16_t)(lane + 1);
    g->pending = true;
    return 0;
}

// Orders an access to bytes of a granule that make events: first, for all of them, behind
// what came before it, and then what comes later behind it. Without memory it orders less
// than it could, which makes more events.
static void settle(em_share *s, em_granule *g, uint8_t bytes, bool write, int lane, bool later) {
    if (bytes == 0 || g->detail == 0)
        return;
    em_detail *d = em_detail_of(s, g);
    if (!later && !em_record_separate(s, d, bytes & d->recorded))
        return;
    uint32_t done = 0;
    for (int i = 0; bytes >> i; i++) {
        if (!(bytes >> i & 1) || (!(d->recorded >> i & 1) && (later || !em_record_begin(s, d, i, bytes))))
            continue;
        if (d->read[i] == done)
            continue; // with a byte before
        done = d->read[i];
        if (later)
            em_record_lead(s, done & ~EM_MANY, write, lane);
        else
            em_record_follow(s, done & ~EM_MANY, write, lane);
    }
}

// The bytes of a granule that lie in [lo, hi), which it overlaps.
static uint8_t part(uint64_t number, uint64_t lo, uint64_t hi) {
    uint8_t bytes = 0xff;
    if (number == lo / 8)
        bytes &= (uint8_t)(0xff << (lo & 7));
    if (number == (hi - 1) / 8)
        bytes &= (uint8_t)(0xff >> (7 - ((hi - 1) & 7)));
    return bytes;
}

// Takes in, when a granule is first seen in a run, whole blocks that threads have
// written there.
static bool see_first(em_share *s, em_granule *g, uint64_t number) {
    if (!em_granule_save(s, g))
        return false;
    g->seen = true;
    uint64_t lo = number * 8, hi = lo + 8;
    if (hi <= s->blocks_lo || lo >= s->blocks_hi)
        return true;
    for (size_t k = 0; k < s->blocks_len; k++) {
        em_block *b = &s->blocks[k];
        if (b->hi <= lo || b->lo >= hi)
            continue;
        if (!em_detail_change(s, g))
            return false;
        set_epochs(em_detail_of(s, g)->wrote, part(number, b->lo, b->hi), b->epoch);
        g->owner = EM_SEVERAL; // whoever it was
    }
    return true;
}

static inline bool see(em_share *s, em_granule *g, uint64_t number) {
    return g->seen || see_first(s, g, number);
}

// Tells whether a block that was written as a whole has bytes of a granule.
static bool in_block(const em_share *s, uint64_t number) {
    uint64_t lo = number * 8, hi = lo + 8;
    if (s->blocks_len == 0 || hi <= s->blocks_lo || lo >= s->blocks_hi)
        return false;
    for (size_t k = 0; k < s->blocks_len; k++)
        if (s->blocks[k].hi > lo && s->blocks[k].lo < hi)
            return true;
    return false;
}

// Tells whether an access goes unnoted, since it has the place that at says in the log and
// all that was done to the granule before fits.
static bool goes_unnoted(const em_share *s, em_granule *g, uint64_t number, bool write, int slot, size_t at) {
    uint8_t bit = em_user_bit(slot);
    if (em_passes(g, write, slot))
        return at != EM_UNLOGGED;
    if (bit == 0 || at == EM_UNLOGGED || g->use == EM_NOTED)
        return false;
    if (g->use == 0 ? in_block(s, number) : write ? g->use != bit : (g->use & EM_WRITTEN) != 0)
        return false;
    g->use |= bit | (write ? EM_WRITTEN : 0);
    return true;
}

// Gets a granule ready for an access to be noted; false when there is no memory.
static inline bool ready(em_engine *e, em_granule *g, uint64_t number, size_t at) {
    return em_recall(e, g, number, at == EM_UNLOGGED ? e->log_len : at) && see(&e->share, g, number);
}

// Gets ready for an access of a thread's; false when there is no memory.
bool em_share_ready(em_engine *e, int slot) {
    if (em_lane_of(&e->share, slot) >= 0 || em_lane_take(e, slot, -1))
        return true;
    e->share.full = true; // the run ends
    return false;
}

// Takes an access in and tells whether it touches a byte that makes events. At is how many
// entries the log has before the one of this access, or EM_UNLOGGED if there is none.
bool em_share_access(em_engine *e, uint64_t addr, unsigned size, bool write, int slot, size_t at) {
    unsigned bytes = (size >= 8 ? 0xff : (1u << size) - 1) << (addr & 7);
    em_share *s = &e->share;
    uint64_t number = addr / 8;
    if (!em_share_ready(e, slot))
        return true;
    int lane = em_lane_of(s, slot);
    if (e->marks.len > 0 && e->marks.slot != slot)
        em_marks_wipe(e);
    em_granule *g = em_granule_at(s, number), *next = NULL;
    if (g == NULL)
        return true;
    uint8_t hit = 0, more = 0;
    if (!goes_unnoted(s, g, number, write, slot, at)) {
        if (!ready(e, g, number, at))
            return true;
        hit = em_share_note(s, g, (uint8_t)bytes, write, s->lanes[lane].epoch);
    }
    if (__builtin_expect(bytes > 0xff, 0)) {
        next = em_granule_at(s, number + 1);
        if (next == NULL)
            return true;
        if (!goes_unnoted(s, next, number + 1, write, slot, at)) {
            if (!ready(e, next, number + 1, at))
                return true;
            more = em_share_note(s, next, (uint8_t)(bytes >> 8), write, s->lanes[lane].epoch);
        }
    }
    if ((hit | more) == 0)
        return false;
    em_marks_clear(e, number);
    if (next != NULL)
        em_marks_clear(e, number + 1);
    for (int later = 0; later < 2; later++) {
        settle(s, g, hit, write, lane, later);
        settle(s, next, more, write, lane, later);
    }
    return true;
}

// Notes that one instruction reads pieces of memory, n addresses with their sizes of at
// most eight, and tells which of them touch bytes that make events, a bit each.
uint32_t em_share_reads(em_engine *e, const uint64_t *pieces, int n, int slot) {
    em_share *s = &e->share;
    uint32_t hits = 0;
    if (!em_share_ready(e, slot))
        return ~0u;
    int lane = em_lane_of(s, slot);
    if (e->marks.len > 0 && e->marks.slot != slot)
        em_marks_wipe(e);
    for (int pass = 0; pass < (hits ? 3 : 1); pass++)
        for (int i = 0; i < n; i++) {
            uint64_t lo = pieces[2 * i], hi = lo + pieces[2 * i + 1];
            for (uint64_t number = lo / 8; number <= (hi - 1) / 8; number++) {
                em_granule *g = em_granule_at(s, number);
                uint8_t bytes = part(number, lo, hi);
                if (g == NULL || !ready(e, g, number, EM_UNLOGGED))
                    return ~0u;
                if (pass > 0)
                    settle(s, g, bytes & g->shared, false, lane, pass == 2);
                else if (em_share_note(s, g, bytes, false, s->lanes[lane].epoch))
                    hits |= 1u << i;
            }
        }
    return hits;
}

// A block that a thread writes as a whole, and where to tell what it meets.
typedef struct block_write {
    em_engine *e;
    em_share *s;
    uint64_t lo, hi;
    int lane;
    uint64_t *pairs;
    size_t room, n;
} block_write;

// The passes of a write of a block: over the granules there that an access has been to,
// first to have what was done to them noted, then to note the write; then it orders and
// tells those of their bytes that make events.
enum { FIND, NOTE, FOLLOW, LEAD, PASSES };

static bool write_page(block_write *w, uint64_t page, em_granule *list, int pass) {
    uint64_t first = (page - 1) * EM_GRANULES, end = first + EM_GRANULES;
    uint64_t from = w->lo / 8 > first ? w->lo / 8 : first, to = (w->hi - 1) / 8 + 1 < end ? (w->hi - 1) / 8 + 1 : end;
    for (uint64_t number = from; number < to; number++) {
        em_granule *g = &list[number - first];
        em_granule_renew(w->s, g);
        if (pass == FIND) {
            if (g->use != 0 && !em_recall_add(w->e, g, number))
                return false;
            continue;
        }
        if (!g->seen && g->shared == 0)
            continue;
        uint8_t bytes = part(number, w->lo, w->hi), hit = bytes & g->shared;
        if (pass == NOTE) {
            if (!see(w->s, g, number))
                return false;
            em_share_note(w->s, g, bytes, true, w->s->lanes[w->lane].epoch);
            continue;
        }
        if (hit == 0)
            continue;
        settle(w->s, g, hit, true, w->lane, pass == LEAD);
        if (pass == FOLLOW)
            continue;
        if (w->n < w->room) {
            w->pairs[2 * w->n] = number * 8;
            w->pairs[2 * w->n + 1] = hit;
        }
        w->n++;
    }
    return true;
}

// Notes that a thread wrote the bytes from lo up to hi, however many, and writes
// those of them that make events as pairs of address and mask, in no order;
// returns how many pairs there are, -1 when there is no memory.
//
// Only granules that an access has been to are looked at. The first one of the
// block is made to be one of these: of two blocks that overlap, one holds the
// first byte of the other, and so they meet. All else follows when an access
// comes.
int64_t em_share_block(em_engine *e, uint64_t lo, uint64_t hi, int slot, uint64_t *pairs,
                       size_t room) {
    em_share *s = &e->share;
    em_marks_wipe(e);
    em_granule *first_of = em_granule_at(s, lo / 8);
    if (first_of == NULL || !em_share_ready(e, slot) || !ready(e, first_of, lo / 8, EM_UNLOGGED))
        return -1;
    int lane = em_lane_of(s, slot);
    if (!em_block_add(s, lo, hi, s->lanes[lane].epoch))
        return -1;
    block_write w = {e, s, lo, hi, lane, pairs, room, 0};
    uint64_t first = lo / EM_PAGE + 1, last = (hi - 1) / EM_PAGE + 1;
    bool few = last - first < s->cap;
    size_t places = few ? last - first + 1 : s->cap;
    for (int pass = FIND; pass < PASSES; pass++) {
        for (size_t i = 0; i < places; i++) {
            uint64_t page = few ? first + i : s->pages[i].page;
            em_granule *list = few ? em_shadow_of(s, page, false) : s->pages[i].granules;
            if (list != NULL && page >= first && page <= last && !write_page(&w, page, list, pass))
                return -1;
        }
        if (pass == FIND && !em_recall_added(e, e->log_len))
            return -1;
    }
    return (int64_t)w.n;
}

// Notes the use of a kernel object. False when there is no memory.
bool em_share_object(em_engine *e, int slot, uint64_t class, uint64_t id, bool write) {
    em_share *s = &e->share;
    if (!em_share_ready(e, slot))
        return false;
    size_t k = 0;
    while (k < s->objects_len && (s->objects[k].class != class || s->objects[k].id != id))
        k++;
    if (k == s->objects_len && !em_object_add(s, class, id))
        return false;
    uint32_t record = s->objects[k].record;
    int lane = em_lane_of(s, slot);
    return em_record_follow(s, record, write, lane) && em_record_lead(s, record, write, lane);
}

// Notes that what thread `to` does from now on comes after what `from` has done.
bool em_share_join(em_engine *e, int from, int to) {
    em_share *s = &e->share;
    if (!em_share_ready(e, from) || (em_lane_of(s, to) < 0 && !em_lane_take(e, to, from)))
        return false;
    int earlier = em_lane_of(s, from), later = em_lane_of(s, to);
    if (!em_clock_save(s, later) || !em_clock_save(s, earlier))
        return false;
    em_clock_join(s, em_clock_of(s, later), em_clock_of(s, earlier));
    s->lanes[earlier].published = true;
    return true;
}

// Begins what a thread does after an instruction that has ordered something.
void em_share_step(em_engine *e, int slot) {
    em_share *s = &e->share;
    int lane = em_lane_of(s, slot);
    if (lane < 0 || !s->lanes[lane].published || !em_clock_save(s, lane))
        return;
    uint32_t *own = &em_clock_of(s, lane)[lane], next = EM_EPOCH(lane, *own + 1);
    if (*own >= s->longest) {
        s->full = !em_lane_leave(e, slot) || s->full;
        return;
    }
    if (!em_turn_note(e, slot, next)) {
        s->full = true;
        return;
    }
    s->lanes[lane].published = false;
    s->lanes[lane].epoch = next;
    *own = EM_CLOCK_OF(next);
}

// The bytes of the eight at addr/8*8 that make events, as a mask.
uint8_t em_share_mask(em_engine *e, uint64_t addr) {
    em_granule *list = em_shadow_of(&e->share, addr / EM_PAGE + 1, false);
    if (list == NULL)
        return 0;
    em_granule *g = &list[addr / 8 % EM_GRANULES];
    em_granule_renew(&e->share, g);
    return g->shared;
}

// Writes the bytes that make events as pairs of address and mask; returns how many
// there are.
size_t em_share_list(em_engine *e, uint64_t *pairs, size_t room) {
    em_share *s = &e->share;
    size_t n = 0;
    for (size_t i = 0; i < s->cap; i++)
        for (size_t k = 0; s->pages[i].page != 0 && k < EM_GRANULES; k++) {
            em_granule *g = &s->pages[i].granules[k];
            em_granule_renew(s, g);
            if (g->shared == 0)
                continue;
            if (n < room) {
                pairs[2 * n] = (s->pages[i].page - 1) * EM_PAGE + k * 8;
                pairs[2 * n + 1] = g->shared;
            }
            n++;
        }
    return n;
}

// Makes bytes make events from now on. That alone is not a reason to say that
// more became known.
bool em_share_add(em_engine *e, uint64_t addr, uint8_t mask) {
    em_granule *g = em_granule_at(&e->share, addr / 8);
    if (g == NULL || !em_recall(e, g, addr / 8, e->log_len))
        return false;
    g->shared |= mask;
    g->told |= mask;
    em_marks_clear(e, addr / 8);
    return true;
}

// Forgets the accesses so far, and with them all that was learned from them:
// only what em_share_add said is known. Granules are renewed when they are next
// looked at, so that this costs the same however many there are.
void em_share_forget(em_engine *e) {
    em_share *s = &e->share;
    em_marks_wipe(e);
    s->recall_base = s->recall_from = e->log_len;
    s->recall_turn = 0;
    (void)em_share_undo(e, &(em_share_mark){.age = s->age});
    s->age++;
    s->born = s->stamp + 1;
    s->stamp = s->born + 1; // what is saved from here on is younger than that
}
