#include "share.h"

#include <stdlib.h>
#include <string.h>

// Whose the parts of vector clocks are. A thread keeps its number for ever, but what clocks
// have a part for is a lane, and a lane goes from a thread that has ended to one that is made
// behind that end: the clocks of a process that makes one thread after the other have as many
// parts as there are threads at a time, and not as many as there ever were.
//
// The part goes on from where it was, so what both threads have done is in one order there.
// That is right as long as all that the first has done is ordered before all that the second
// does: then who is ordered behind something of the second's is behind all of the first's, as
// the part says. It is so if the second is made by a thread whose clock has the last epoch of
// the first. Otherwise, as of threads that are detached and that nobody waits for, the second
// gets another lane: an access of the first's would look ordered where it races.
//
// The part has 19 bits. A thread that has come to the end of them goes on in another lane,
// with its clock, of which the old part stays what it is.

// What the own part of a clock can be.
const uint32_t em_share_longest = EM_CLOCK_MAX;

static uint32_t clock_in(const em_share *s, int of, int lane) { return em_clock_of(s, of)[lane]; }

// Tells whether a lane is nobody's any more, and all that was done in it ordered before what the
// thread in lane maker does.
static bool free_behind(const em_engine *e, int lane, int maker) {
    const em_share *s = &e->share;
    uint32_t thread = s->lanes[lane].thread;
    bool ended = em_lane_of(s, (int)thread) != lane || !em_there(e, (int)thread);
    uint32_t last = clock_in(s, lane, lane);
    return ended && lane != maker && last < s->longest && clock_in(s, maker, lane) >= last;
}

// A lane for a thread whose clock is to begin as the one in lane maker, -1 for no such: a lane
// that is free, or one that nobody has had. -1 when there is none left.
static int find(em_engine *e, int maker) {
    em_share *s = &e->share;
    for (int lane = 0; maker >= 0 && !s->lonely && !s->every && lane < s->lanes_len; lane++)
        if (free_behind(e, lane, maker))
            return lane;
    if (s->lanes_len == s->width && !em_share_widen(s))
        return -1;
    return s->lanes_len;
}

// Makes room for a slot in lane_of.
static bool know(em_share *s, size_t slot) {
    if (slot < s->lane_of_len)
        return true;
    size_t n = s->lane_of_len ? s->lane_of_len : 8;
    while (n <= slot)
        n *= 2;
    uint16_t *list = realloc(s->lane_of, n * sizeof *list);
    if (list == NULL)
        return false;
    memset(list + s->lane_of_len, 0, (n - s->lane_of_len) * sizeof *list);
    s->lane_of = list;
    s->lane_of_len = n;
    return true;
}

// Puts a thread into a lane, with no clock yet but its own part.
static bool enter(em_engine *e, int slot, int lane) {
    em_share *s = &e->share;
    if (!know(s, (size_t)slot) || !em_room((void **)&s->taken, s->taken_len, &s->taken_cap, sizeof *s->taken))
        return false;
    bool fresh = lane == s->lanes_len;
    if (!fresh && !em_clock_save(s, lane))
        return false;
    // A part begins at 1, since 0 is for no access.
    uint32_t clock = fresh ? 1 : clock_in(s, lane, lane) + 1;
    if (!em_turn_note(e, slot, EM_EPOCH(lane, clock)))
        return false;
    em_lane *l = &s->lanes[lane];
    uint32_t before = fresh ? EM_NOBODY : l->thread;
    bool emptied = !fresh && em_lane_of(s, (int)before) == lane;
    s->taken[s->taken_len++] = (em_taken){(uint32_t)slot, before, (uint16_t)lane, s->lane_of[slot], emptied};
    if (emptied)
        s->lane_of[before] = 0;
    s->lanes_len += fresh;
    *l = (em_lane){.thread = (uint32_t)slot, .epoch = EM_EPOCH(lane, clock), .stamp = s->stamp};
    uint32_t *mine = em_clock_of(s, lane);
    memset(mine, 0, (size_t)s->width * sizeof *mine);
    mine[lane] = clock;
    s->lane_of[slot] = (uint16_t)(lane + 1);
    return true;
}

// Gives a lane to a thread that has none, and whose clock is to begin as that of the thread in
// slot maker; of a negative maker nothing is known. False when there is none left, or no memory.
bool em_lane_take(em_engine *e, int slot, int maker) {
    int lane = find(e, maker < 0 ? -1 : em_lane_of(&e->share, maker));
    return lane >= 0 && enter(e, slot, lane);
}

// Has a thread go on in another lane. False when there is none left, or no memory.
bool em_lane_leave(em_engine *e, int slot) {
    em_share *s = &e->share;
    int old = em_lane_of(s, slot), lane = find(e, old);
    if (lane < 0 || !enter(e, slot, lane))
        return false;
    em_clock_join(s, em_clock_of(s, lane), em_clock_of(s, old));
    return true;
}

// Gives the lanes back that were taken since there were so many takings. The clocks have gone
// back already.
void em_lanes_undo(em_share *s, size_t taken) {
    while (s->taken_len > taken) {
        const em_taken *t = &s->taken[--s->taken_len];
        s->lane_of[t->thread] = t->left;
        if (t->before == EM_NOBODY) {
            s->lanes_len--;
            continue;
        }
        s->lanes[t->lane].thread = t->before;
        if (t->emptied)
            s->lane_of[t->before] = (uint16_t)(t->lane + 1);
    }
}

// The epoch of what a thread does now, 0 before its first access.
uint32_t em_share_epoch(const em_share *s, int slot) {
    int lane = em_lane_of(s, slot);
    return lane < 0 ? 0 : s->lanes[lane].epoch;
}
