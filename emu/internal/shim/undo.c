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

// Beside the clock, the lowest bit of the number tells whether the thread has ordered something
// since its own part of the clock last grew.
bool em_clock_save(em_share *s, int lane) {
    em_lane *l = &s->lanes[lane];
    if (l->stamp == s->stamp)
        return true;
    if (!save_words(&s->old_clocks, (uint32_t)lane << 1 | l->published, em_clock_of(s, lane), (size_t)s->width))
        return false;
    l->stamp = s->stamp;
    return true;
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

// Copies n clocks of one width into wider ones, NULL without memory.
static uint32_t *wider(const uint32_t *list, size_t n, size_t from, size_t to) {
    uint32_t *wide = calloc(n ? n * to : 1, sizeof *wide);
    for (size_t i = 0; wide != NULL && from > 0 && i < n; i++)
        memcpy(wide + i * to, list + i * from, from * sizeof *wide);
    return wide;
}

static void exchange(uint32_t **list, uint32_t *wide) {
    free(*list);
    *list = wide;
}

// Lets clocks have twice as many parts, and there be as many lanes: few threads are the rule,
// and clocks cost by their width.
bool em_share_widen(em_share *s) {
    size_t from = (size_t)s->width, to = from ? 2 * from : 8;
    if (to > EM_MAX_LANES)
        return false;
    em_lane *lanes = realloc(s->lanes, to * sizeof *lanes);
    if (lanes == NULL)
        return false;
    s->lanes = lanes;
    uint32_t *records = wider(s->records, 2 * s->records_len, from, to);
    uint32_t *old_records = wider(s->old_records.words, 2 * s->old_records.len, from, to);
    uint32_t *old_clocks = wider(s->old_clocks.words, s->old_clocks.len, from, to);
    uint32_t *clocks = calloc(to * to, sizeof *clocks);
    if (records == NULL || old_records == NULL || old_clocks == NULL || clocks == NULL) {
        free(records);
        free(old_records);
        free(old_clocks);
        free(clocks);
        return false;
    }
    for (size_t i = 0; i < from; i++)
        memcpy(clocks + i * to, s->clocks + i * from, from * sizeof *clocks);
    exchange(&s->records, records);
    exchange(&s->old_records.words, old_records);
    exchange(&s->old_clocks.words, old_clocks);
    exchange(&s->clocks, clocks);
    s->records_cap = s->records_len ? 2 * s->records_len * to : 1;
    s->old_records.words_cap = s->old_records.len ? 2 * s->old_records.len * to : 1;
    s->old_clocks.words_cap = s->old_clocks.len ? s->old_clocks.len * to : 1;
    s->width = (int)to;
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
        .taken = s->taken_len,
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
        const uint32_t *was = s->old_clocks.words + --s->old_clocks.len * (size_t)s->width;
        uint32_t number = s->old_clocks.numbers[s->old_clocks.len], lane = number >> 1;
        uint32_t *clock = em_clock_of(s, (int)lane);
        memcpy(clock, was, (size_t)s->width * sizeof *clock);
        s->lanes[lane].published = number & 1;
        s->lanes[lane].epoch = EM_EPOCH(lane, clock[lane]);
    }
    em_lanes_undo(s, m->taken);
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
                     s->clocks, s->lanes, s->lane_of, s->taken, s->recall_epochs, s->recall_scratch,
                     s->old_records.numbers, s->old_records.words, s->old_clocks.numbers, s->old_clocks.words};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    memset(s, 0, sizeof *s);
}
