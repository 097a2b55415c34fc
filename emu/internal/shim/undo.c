#include "share.h"

#include <stdlib.h>
#include <string.h>

// What share.c knows of a run goes back when the run does. Before something is changed
// for the first time since the last mark, what it was is put on a journal.

// Makes room for one more of a list whose items have a size.
bool em_room(void **list, size_t len, size_t *cap, size_t size) {
    if (len < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 64;
    void *at = realloc(*list, more * size);
    if (at == NULL)
        return false;
    *list = at;
    *cap = more;
    return true;
}

#define ROOM(s, list)                                                                      \
    em_room((void **)&(s)->list, (s)->list##_len, &(s)->list##_cap, sizeof *(s)->list)

static size_t record_words(const em_share *s) { return 2 * (size_t)s->width; }

bool em_granule_save(em_share *s, em_granule *g) {
    if (g->stamp == s->stamp)
        return true;
    if (!ROOM(s, old_granules))
        return false;
    s->old_granules[s->old_granules_len++] = (em_old_granule){g, *g};
    g->stamp = s->stamp;
    return true;
}

// Gets the detail of a granule ready to be changed, and makes one if need be. The granule
// is saved already.
bool em_detail_change(em_share *s, em_granule *g) {
    if (g->detail == 0) {
        if (s->details_len >= UINT32_MAX || !ROOM(s, details))
            return false;
        s->details[s->details_len++] = (em_detail){.stamp = s->stamp};
        g->detail = (uint32_t)s->details_len;
        return true;
    }
    em_detail *d = em_detail_of(s, g);
    if (d->stamp == s->stamp)
        return true;
    if (!ROOM(s, old_details))
        return false;
    s->old_details[s->old_details_len++] = (em_old_detail){g->detail, *d};
    d->stamp = s->stamp;
    return true;
}

// Saves words that belong to number n of a kind.
static bool save_words(em_saved *j, uint32_t n, const uint32_t *from, size_t words) {
    if (!em_room((void **)&j->numbers, j->len, &j->numbers_cap, sizeof *j->numbers))
        return false;
    while (j->words_cap < (j->len + 1) * words)
        if (!em_room((void **)&j->words, j->words_cap, &j->words_cap, sizeof *j->words))
            return false;
    memcpy(j->words + j->len * words, from, words * sizeof *from);
    j->numbers[j->len++] = n;
    return true;
}

// Makes a record of zeros, and saves it at once: it goes when the run goes back.
bool em_record_new(em_share *s, uint32_t *index) {
    if (!em_room((void **)&s->stamps, s->records_len, &s->stamps_cap, sizeof *s->stamps))
        return false;
    size_t words = record_words(s);
    while (s->records_cap < (s->records_len + 1) * words)
        if (!em_room((void **)&s->records, s->records_cap, &s->records_cap, sizeof *s->records))
            return false;
    *index = (uint32_t)s->records_len++;
    memset(em_record(s, *index), 0, words * sizeof *s->records);
    s->stamps[*index] = s->stamp;
    return true;
}

bool em_record_save(em_share *s, uint32_t index) {
    if (s->stamps[index] == s->stamp)
        return true;
    if (!save_words(&s->old_records, index, em_record(s, index), record_words(s)))
        return false;
    s->stamps[index] = s->stamp;
    return true;
}

// Beside its clock, a thread's last word tells whether it has ordered something since
// its own part of the clock last grew.
bool em_clock_save(em_share *s, int slot) {
    if (s->clock_stamps[slot] == s->stamp)
        return true;
    uint32_t words[EM_MAX_THREADS + 1];
    memcpy(words, s->clocks[slot], sizeof s->clocks[slot]);
    words[EM_MAX_THREADS] = s->published[slot];
    if (!save_words(&s->old_clocks, (uint32_t)slot, words, EM_MAX_THREADS + 1))
        return false;
    s->clock_stamps[slot] = s->stamp;
    return true;
}

// A thread's clock begins at 1, since 0 is for no access. Nothing is to be undone: it
// would begin in the same way again.
void em_clock_begin(em_share *s, int slot) {
    s->clocks[slot][slot] = 1;
    s->epoch[slot] = EM_EPOCH(slot, 1);
}

bool em_block_add(em_share *s, uint64_t lo, uint64_t hi, uint32_t epoch) {
    if (!ROOM(s, blocks))
        return false;
    if (s->blocks_len == 0 || lo < s->blocks_lo)
        s->blocks_lo = lo;
    if (s->blocks_len == 0 || hi > s->blocks_hi)
        s->blocks_hi = hi;
    s->blocks[s->blocks_len++] = (em_block){lo, hi, epoch};
    return true;
}

bool em_object_add(em_share *s, uint64_t class, uint64_t id) {
    uint32_t index;
    if (!ROOM(s, objects) || !em_record_new(s, &index))
        return false;
    s->objects[s->objects_len++] = (em_object){class, id, index};
    return true;
}

// Copies lists of records of one width into wider ones.
static bool widen(uint32_t **list, size_t *cap, size_t n, int from, int to) {
    uint32_t *wide = calloc(n ? n * 2 * (size_t)to : 1, sizeof *wide);
    if (wide == NULL)
        return false;
    for (size_t i = 0; i < 2 * n; i++)
        memcpy(wide + i * (size_t)to, *list + i * (size_t)from, (size_t)from * sizeof *wide);
    free(*list);
    *list = wide;
    *cap = n ? n * 2 * (size_t)to : 1;
    return true;
}

// Lets clocks have a part for a slot: few threads are the rule, and clocks cost by
// their width.
bool em_share_widen(em_share *s, int slot) {
    int to = slot < EM_FEW_THREADS ? EM_FEW_THREADS : EM_MAX_THREADS;
    if (slot >= EM_MAX_THREADS)
        return false;
    if (s->width != 0 && (!widen(&s->records, &s->records_cap, s->records_len, s->width, to) ||
                          !widen(&s->old_records.words, &s->old_records.words_cap, s->old_records.len, s->width, to)))
        return false;
    s->width = to;
    return true;
}

// Remembers the moment.
void em_share_mark_set(em_engine *e, em_share_mark *m) {
    em_share *s = &e->share;
    *m = (em_share_mark){
        .age = s->age,
        .granules = s->old_granules_len,
        .details = s->details_len,
        .old_details = s->old_details_len,
        .old_records = s->old_records.len,
        .clocks = s->old_clocks.len,
        .records = s->records_len,
        .blocks = s->blocks_len,
        .objects = s->objects_len,
        .turns = s->turns_len,
    };
    s->stamp++;
}

// Goes back to a mark. Of one that is older than the last em_share_forget only that is
// known: nothing had been noted that is not forgotten. The log must have gone back before.
bool em_share_undo(em_engine *e, em_share_mark *m) {
    em_share *s = &e->share;
    em_share_mark none = {0};
    bool listed = true;
    if (m->age != s->age)
        m = &none;
    while (s->old_granules_len > m->granules) {
        const em_old_granule *old = &s->old_granules[--s->old_granules_len];
        em_granule *g = old->at;
        uint8_t shared = g->shared, told = g->told;
        bool unnoted = old->was.use != EM_NOTED;
        *g = old->was;
        g->shared |= shared;
        g->told |= told;
        listed = (!unnoted || em_recall_list(s, g)) && listed;
        if (g->stamp < s->born)
            g->stamp = s->born; // what it has learned is of this age
    }
    while (s->old_details_len > m->old_details) {
        const em_old_detail *old = &s->old_details[--s->old_details_len];
        s->details[old->number - 1] = old->was;
    }
    s->details_len = m->details;
    size_t words = record_words(s);
    while (s->old_records.len > m->old_records) {
        size_t k = --s->old_records.len;
        memcpy(em_record(s, s->old_records.numbers[k]), s->old_records.words + k * words, words * sizeof(uint32_t));
    }
    while (s->old_clocks.len > m->clocks) {
        const uint32_t *was = s->old_clocks.words + --s->old_clocks.len * (EM_MAX_THREADS + 1);
        uint32_t slot = s->old_clocks.numbers[s->old_clocks.len];
        memcpy(s->clocks[slot], was, sizeof s->clocks[slot]);
        s->published[slot] = was[EM_MAX_THREADS] != 0;
        s->epoch[slot] = EM_EPOCH(slot, s->clocks[slot][slot]);
    }
    s->records_len = m->records;
    s->blocks_len = m->blocks;
    s->objects_len = m->objects;
    s->turns_len = m->turns;
    if (s->turns_len < s->recall_turn)
        s->recall_turn = 0;
    s->recall_cost = 0;
    s->stamp++;
    em_turn_sync(e);
    return em_recall_undone(e, m) && listed;
}

void em_share_drop(em_engine *e) {
    em_share *s = &e->share;
    for (size_t i = 0; i < s->cap; i++)
        free(s->pages[i].granules);
    void *lists[] = {s->pages, s->records, s->stamps, s->blocks, s->objects, s->old_granules, s->details, s->old_details, s->turns, s->recalled,
                     s->old_records.numbers, s->old_records.words, s->old_clocks.numbers, s->old_clocks.words};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    memset(s, 0, sizeof *s);
}
