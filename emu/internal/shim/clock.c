#include "shim.h"

#include <stdlib.h>
#include <string.h>

// The clock that a thread reads: a Lamport clock (Lamport, Time, Clocks, and the
// Ordering of Events in a Distributed System, CACM 1978), in instructions. A thread's
// own instructions count, one each, and where something of another thread's has to come
// first, its clock is at least what that thread's was then. That is so where both
// access a byte, or use a kernel object, and one of them changes it; for a thread that
// was woken or made; and nowhere else. So the clock follows from the order of what does
// not commute, and not from the number of all instructions, which two runs that differ
// in nothing but the order of independent instructions need not agree on.
//
// All of it is in the access log and in the notes: who ran when, what system calls used
// and whom they woke. They are gone through only when somebody asks, from where it was
// left the last time. The journal of what that has changed takes it back when the
// machine is rewound.
//
// A clock that is behind no other cannot be raised: where such a thread has run and asks,
// what it has accessed since is left to be gone through when somebody else asks.

enum em_note_kind {
    NOTE_TURN,  // slot runs from here on
    NOTE_READ,  // slot has looked at an object
    NOTE_WRITE, // and changed one
    NOTE_WAKE,  // slot has made other go on, or has made it
    NOTE_ALL,   // slot has waited for all
    NOTE_LAND,  // slot's last step was the rest of an instruction
};

struct em_note {
    size_t at;     // length of the log when it was made
    uint64_t step; // and the step
    uint64_t id;   // of the object
    uint16_t slot, other;
    uint8_t kind; // enum em_note_kind
    uint8_t class;
};

// Eight bytes of memory, or an object, which is lane 0: the clocks of the last write
// and of the latest of the reads, 0 for none. Whose they are does not matter, for a
// thread's own clock is never behind what it has put there itself.
struct em_place {
    uint64_t id;
    uint8_t class; // 0 for memory
    uint64_t writes[8], reads[8];
};

enum em_change_kind { CHANGE_WRITES, CHANGE_READS, CHANGE_BEHIND, CHANGE_TURN };

// How to take back one change.
struct em_change {
    uint64_t old;
    uint32_t at;    // entry of the log, or note, that it is for
    uint32_t place; // of CHANGE_BEHIND and CHANGE_TURN, a slot
    uint8_t kind;   // enum em_change_kind
    uint8_t lanes;
    bool note; // at is a note
};

// Room for one more in a list.
static bool room(void **list, size_t len, size_t *cap, size_t size) {
    if (len < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 256;
    void *p = realloc(*list, more * size);
    if (p == NULL)
        return false;
    *list = p;
    *cap = more;
    return true;
}

static bool note(em_engine *e, struct em_note n) {
    em_clock *c = &e->clock;
    if (!c->on)
        return true;
    if (!room((void **)&c->notes, c->len, &c->cap, sizeof *c->notes)) {
        c->failed = true;
        return false;
    }
    n.at = e->log_len;
    n.step = e->m->step;
    c->notes[c->len++] = n;
    return true;
}

// From here on threads run side by side: until now each instruction came after all
// before it.
void em_clock_start(em_engine *e) {
    em_clock *c = &e->clock;
    em_clock_drop(e);
    c->on = true;
    c->turn = c->running = -1;
    c->log_at = e->log_len;
    c->began = e->m->step;
}

void em_clock_drop(em_engine *e) {
    em_clock *c = &e->clock;
    free(c->notes);
    free(c->ticks);
    free(c->places);
    free(c->index);
    free(c->changes);
    uint64_t advanced = c->advanced;
    memset(c, 0, sizeof *c);
    c->advanced = advanced;
}

void em_clock_turn(em_engine *e, int slot) {
    if (e->clock.turn == slot || !e->clock.on)
        return;
    e->clock.turn = slot;
    note(e, (struct em_note){.kind = NOTE_TURN, .slot = (uint16_t)slot});
}

void em_clock_use(em_engine *e, int slot, uint8_t class, uint64_t id, bool write) {
    note(e, (struct em_note){.kind = write ? NOTE_WRITE : NOTE_READ, .slot = (uint16_t)slot, .class = class, .id = id});
}

void em_clock_wake(em_engine *e, int slot, int other) {
    note(e, (struct em_note){.kind = NOTE_WAKE, .slot = (uint16_t)slot, .other = (uint16_t)other});
}

void em_clock_all(em_engine *e, int slot) {
    note(e, (struct em_note){.kind = NOTE_ALL, .slot = (uint16_t)slot});
}

void em_clock_land(em_engine *e, int slot) {
    note(e, (struct em_note){.kind = NOTE_LAND, .slot = (uint16_t)slot});
}

static void change(em_clock *c, struct em_change h) {
    if (!room((void **)&c->changes, c->changes_len, &c->changes_cap, sizeof *c->changes)) {
        c->failed = true;
        return;
    }
    h.note = c->in_note;
    h.at = (uint32_t)(h.note ? c->note_at : c->log_at);
    c->changes[c->changes_len++] = h;
}

static size_t hash(const em_clock *c, uint8_t class, uint64_t id) {
    return ((id ^ (uint64_t)class << 56) * 0x9e3779b97f4a7c15ULL) >> (64 - c->index_bits);
}

static bool grow_index(em_clock *c) {
    unsigned bits = c->index_bits ? c->index_bits + 1 : 12;
    uint32_t *index = calloc((size_t)1 << bits, sizeof *index);
    if (index == NULL)
        return false;
    free(c->index);
    c->index = index;
    c->index_bits = bits;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t k = 0; k < c->places_len; k++) {
        size_t i = hash(c, c->places[k].class, c->places[k].id);
        while (index[i & mask])
            i++;
        index[i & mask] = (uint32_t)(k + 1);
    }
    return true;
}

// The number of a place, which stays when places are added; -1 without memory.
static int64_t place(em_clock *c, uint8_t class, uint64_t id) {
    if ((2 * c->places_len >= (size_t)1 << c->index_bits || c->index == NULL) && !grow_index(c))
        return -1;
    size_t mask = ((size_t)1 << c->index_bits) - 1, i = hash(c, class, id);
    for (; c->index[i & mask]; i++) {
        struct em_place *p = &c->places[c->index[i & mask] - 1];
        if (p->id == id && p->class == class)
            return c->index[i & mask] - 1;
    }
    if (!room((void **)&c->places, c->places_len, &c->places_cap, sizeof *c->places))
        return -1;
    c->places[c->places_len] = (struct em_place){.id = id, .class = class};
    c->index[i & mask] = (uint32_t)++c->places_len;
    return (int64_t)c->places_len - 1;
}

// The ticks of a slot, good until those of another one are asked for. What nothing is known of
// is where all clocks began.
static em_ticks *ticks_of(em_clock *c, int slot) {
    static _Thread_local em_ticks lost;
    size_t i = slot == EM_CLOCK_SLOT ? 0 : (size_t)slot + 1;
    for (; c->ticks_len <= i; c->ticks[c->ticks_len++] = (em_ticks){.behind = c->began})
        if (!room((void **)&c->ticks, c->ticks_len, &c->ticks_cap, sizeof *c->ticks)) {
            c->failed = true;
            return &lost;
        }
    return &c->ticks[i];
}

// The slot whose ticks are at a place of the list.
static int slot_at(size_t i) { return i == 0 ? EM_CLOCK_SLOT : (int)i - 1; }

// A slot's clock at a step of the turn that is being gone through.
static uint64_t clock_of(em_clock *c, int slot, uint64_t step) {
    const em_ticks *t = ticks_of(c, slot);
    return t->behind + t->ran + (slot == c->running ? step - c->since : 0);
}

// Makes a slot's clock no less than another one.
static void raise(em_clock *c, int slot, uint64_t step, uint64_t to) {
    uint64_t now = clock_of(c, slot, step);
    if (to <= now)
        return;
    em_ticks *t = ticks_of(c, slot);
    change(c, (struct em_change){.kind = CHANGE_BEHIND, .place = (uint32_t)slot, .old = t->behind});
    t->behind += to - now;
}

// The latest clock of all slots but one, as far as was gone through.
static uint64_t latest_but(em_clock *c, int slot, uint64_t step) {
    uint64_t latest = c->began; // of those of which nothing is known
    for (size_t i = 0; i < c->ticks_len; i++)
        if (slot_at(i) != slot && clock_of(c, slot_at(i), step) > latest)
            latest = clock_of(c, slot_at(i), step);
    return latest;
}

// Puts a clock into lanes of a place, where it is not behind what is there.
static void put(em_clock *c, uint32_t number, uint8_t lanes, bool write, uint64_t now) {
    struct em_place *p = &c->places[number];
    uint64_t *at = write ? p->writes : p->reads;
    for (unsigned i = 0; lanes >> i; i++) {
        if (!(lanes >> i & 1))
            continue;
        uint64_t old = at[i];
        uint8_t same = 0;
        for (unsigned k = i; lanes >> k; k++)
            if ((lanes >> k & 1) && at[k] == old)
                same |= (uint8_t)(1 << k);
        lanes &= (uint8_t)~same;
        if (now <= old)
            continue;
        change(c, (struct em_change){.kind = write ? CHANGE_WRITES : CHANGE_READS, .place = number, .lanes = same, .old = old});
        for (unsigned k = i; k < 8; k++)
            if (same >> k & 1)
                at[k] = now;
    }
}

static void touch(em_clock *c, int slot, uint64_t step, uint8_t class, uint64_t id, uint8_t lanes, bool write) {
    int64_t number = place(c, class, id);
    if (number < 0) {
        c->failed = true;
        return;
    }
    struct em_place *p = &c->places[number];
    uint64_t latest = 0;
    for (unsigned i = 0; lanes >> i; i++) {
        if (!(lanes >> i & 1))
            continue;
        if (p->writes[i] > latest)
            latest = p->writes[i];
        if (write && p->reads[i] > latest)
            latest = p->reads[i];
    }
    raise(c, slot, step, latest);
    put(c, (uint32_t)number, lanes, write, clock_of(c, slot, step));
}

// Goes through an access of at most eight bytes.
static void follow_piece(em_clock *c, const em_access *a, bool write) {
    unsigned lanes = ((1u << a->size) - 1) << (a->addr & 7);
    touch(c, a->thread, a->step, 0, a->addr >> 3, (uint8_t)lanes, write);
    if (lanes > 0xff)
        touch(c, a->thread, a->step, 0, (a->addr >> 3) + 1, (uint8_t)(lanes >> 8), write);
}

// Goes through the next entry of the log.
static void follow_access(em_engine *e) {
    em_clock *c = &e->clock;
    const em_access *a = &e->log[c->log_at];
    bool write = em_log_changes(e, c->log_at);
    em_access piece;
    c->in_note = false;
    if (a->kind == EM_POKE) {
        c->log_at++;
        return;
    }
    if (a->length == 0)
        follow_piece(c, a, write);
    else
        for (uint32_t at = 0; em_piece(e, a, &at, &piece);)
            follow_piece(c, &piece, write);
    c->log_at++;
}

// Goes through the next note.
static void follow_note(em_engine *e) {
    em_clock *c = &e->clock;
    const struct em_note *n = &c->notes[c->note_at];
    c->in_note = true;
    switch (n->kind) {
    case NOTE_TURN:
        change(c, (struct em_change){.kind = CHANGE_TURN, .place = (uint32_t)c->running, .old = c->since});
        if (c->running >= 0)
            ticks_of(c, c->running)->ran += n->step - c->since;
        c->running = n->slot;
        ticks_of(c, c->running); // it counts from here on
        c->since = n->step;
        break;
    case NOTE_READ:
    case NOTE_WRITE:
        touch(c, n->slot, n->step, n->class, n->id, 1, n->kind == NOTE_WRITE);
        break;
    case NOTE_WAKE:
        raise(c, n->other, n->step, clock_of(c, n->slot, n->step));
        break;
    case NOTE_ALL:
        raise(c, n->slot, n->step, latest_but(c, n->slot, n->step));
        break;
    case NOTE_LAND: { // the two steps of an instruction are one of the clock's
        em_ticks *t = ticks_of(c, n->slot);
        change(c, (struct em_change){.kind = CHANGE_BEHIND, .place = n->slot, .old = t->behind});
        t->behind--;
        break;
    }
    }
    c->note_at++;
}

// Goes through all that has happened.
static void follow(em_engine *e) {
    em_clock *c = &e->clock;
    for (;;) {
        size_t until = c->note_at < c->len ? c->notes[c->note_at].at : e->log_len;
        while (c->log_at < until)
            follow_access(e);
        if (c->note_at == c->len)
            return;
        follow_note(e);
    }
}

// Whether it is a slot's turn in all that is left to be gone through, each step of which
// counts one.
static bool own_turn(em_clock *c, int slot) {
    if (c->running != slot)
        return false;
    for (c->quiet = c->quiet < c->note_at ? c->note_at : c->quiet; c->quiet < c->len; c->quiet++)
        if (c->notes[c->quiet].kind == NOTE_TURN || c->notes[c->quiet].kind == NOTE_LAND)
            return false;
    return true;
}

// Goes through what has happened until it can change a slot's clock no more. In a turn of its
// own that is so from where no other clock is ahead: only its own counts on, and the others are
// raised to no more than that.
static void follow_for(em_engine *e, int slot) {
    em_clock *c = &e->clock;
    if (!own_turn(c, slot)) {
        follow(e);
        return;
    }
    uint64_t latest = latest_but(c, slot, c->since);
    while (c->log_at < e->log_len || c->note_at < c->len) {
        bool noted = c->note_at < c->len && c->notes[c->note_at].at <= c->log_at;
        uint64_t step = noted ? c->notes[c->note_at].step : e->log[c->log_at].step;
        if (clock_of(c, slot, step) >= latest)
            return;
        if (noted)
            follow_note(e);
        else
            follow_access(e);
    }
}

// Takes the clocks back to when log and notes had these lengths.
void em_clock_rewind(em_engine *e, size_t log_len, size_t notes_len, int turn) {
    em_clock *c = &e->clock;
    for (; c->changes_len > 0; c->changes_len--) {
        const struct em_change *h = &c->changes[c->changes_len - 1];
        if (h->at < (h->note ? notes_len : log_len))
            break;
        switch (h->kind) {
        case CHANGE_BEHIND:
            ticks_of(c, (int)h->place)->behind = h->old;
            break;
        case CHANGE_TURN:
            if ((int)h->place >= 0)
                ticks_of(c, (int)h->place)->ran -= c->since - h->old;
            c->running = (int)h->place;
            c->since = h->old;
            break;
        default: {
            struct em_place *p = &c->places[h->place];
            uint64_t *at = h->kind == CHANGE_WRITES ? p->writes : p->reads;
            for (unsigned i = 0; i < 8; i++)
                if (h->lanes >> i & 1)
                    at[i] = h->old;
        }
        }
    }
    if (c->log_at > log_len)
        c->log_at = log_len;
    if (c->note_at > notes_len)
        c->note_at = notes_len;
    if (c->quiet > notes_len)
        c->quiet = notes_len;
    c->len = notes_len;
    c->turn = turn;
}

// The log is about to be forgotten: what it says is taken in, for good.
void em_clock_settle(em_engine *e) {
    em_clock *c = &e->clock;
    if (!c->on)
        return;
    follow(e);
    c->log_at = c->note_at = c->quiet = c->len = c->changes_len = 0;
}

// A slot's Lamport clock at this moment; before em_clock_start the number of
// instructions. False when memory has run out.
bool em_clock_now(em_engine *e, int slot, uint64_t *now) {
    em_clock *c = &e->clock;
    *now = e->m->step;
    if (!c->on)
        return true;
    follow_for(e, slot);
    *now = clock_of(c, slot, e->m->step);
    return !c->failed;
}

// The latest clock of all threads.
bool em_clock_latest(em_engine *e, uint64_t *latest) {
    em_clock *c = &e->clock;
    *latest = e->m->step;
    if (!c->on)
        return true;
    if (c->turn >= 0)
        follow_for(e, c->turn);
    else
        follow(e);
    *latest = latest_but(c, EM_CLOCK_SLOT, e->m->step);
    return !c->failed;
}

// What a counter of the processor shows to a slot: its Lamport clock and what the clock
// was advanced. To read it is to look at the clock, which who advances it changes.
bool em_clock_read(em_engine *e, int slot, uint64_t *now) {
    em_clock_use(e, slot, EM_CLOCK_OBJECT, 0, false);
    bool ok = em_clock_now(e, slot, now);
    *now += e->clock.advanced;
    return ok;
}
