#include "share.h"

#include <stdlib.h>
#include <string.h>

// Accesses that need not be noted when they happen, and how they are found when they must
// be known after all.
//
// Most of what a thread accesses is its own, in this run and in every other one, and most
// of the rest is only read. As long as eight bytes are used in such a way, nothing that
// is done there conflicts, and the log has it: em_granule.use says whose accesses go
// unnoted, for all runs of the machine. The first access that does not fit has the log
// gone through for those of before, and from then on every access to these bytes is
// noted, so that what they make known is the same with and without this.
//
// A run may go back to before such a moment, but not to before the accesses. Then they
// are looked for anew, up to where it has gone back to, and the mark keeps what was
// found.

// Notes a change of what a log entry means, for those that follow: its thread's epoch, or
// whether sharing is on.
bool em_turn_note(em_engine *e, int slot, uint32_t epoch) {
    em_share *s = &e->share;
    if (!em_room((void **)&s->turns, s->turns_len, &s->turns_cap, sizeof *s->turns))
        return false;
    s->turns[s->turns_len++] = (em_turn){e->log_len, (uint32_t)slot, epoch};
    return true;
}

// Sees to it that the last switch that was noted is how things are.
void em_turn_sync(em_engine *e) {
    em_share *s = &e->share;
    size_t i = s->turns_len;
    while (i > 0 && s->turns[i - 1].slot != EM_SWITCH)
        i--;
    bool noted = i > 0 && s->turns[i - 1].epoch != 0;
    if (noted != e->sharing && !em_turn_note(e, EM_SWITCH, e->sharing))
        s->full = true; // the next run ends
}

// Lists a granule whose accesses were not noted so far, or were not at the moment that the
// run has gone back to.
bool em_recall_list(em_share *s, em_granule *g) {
    if (!em_room((void **)&s->recalled, s->recalled_len, &s->recalled_cap, sizeof(em_granule *)))
        return false;
    s->recalled[s->recalled_len++] = g;
    g->recalled = true;
    return true;
}

// Has every access to a granule noted from now on. Those of before are still to be looked
// for.
bool em_recall_add(em_engine *e, em_granule *g, uint64_t number) {
    if (g->use == EM_NOTED)
        return true;
    if (!em_granule_save(&e->share, g) || (g->use != 0 && !em_recall_list(&e->share, g)))
        return false;
    g->use = EM_NOTED;
    em_marks_clear(e, number);
    return true;
}

// Notes an access of before, if it is to a granule that is listed. None of its bytes made
// events then.
static bool note(em_share *s, uint64_t number, unsigned bytes, bool write, uint32_t epoch) {
    em_granule *g = em_granule_at(s, number);
    if (g == NULL || !g->recalled)
        return g != NULL;
    uint8_t shared = g->shared;
    g->shared = 0;
    g->seen = true;
    bool noted = em_share_note(s, g, (uint8_t)bytes, write, epoch) == 0;
    g->shared = shared;
    return noted;
}

static bool is_write(em_engine *e, const em_access *a) {
    return a->kind == EM_KERNEL || (a->kind == EM_WRITE && !em_changes_nothing(e, a));
}

// Makes room for the epochs of all slots that were ever used.
static bool slots_ready(em_engine *e) {
    em_share *s = &e->share;
    size_t n = (size_t)e->nslots;
    if (n <= s->recall_slots)
        return true;
    n += n / 2;
    uint32_t **lists[] = {&s->recall_epochs, &s->recall_scratch};
    for (int i = 0; i < 2; i++) {
        uint32_t *list = realloc(*lists[i], n * sizeof *list);
        if (list == NULL)
            return false;
        memset(list + s->recall_slots, 0, (n - s->recall_slots) * sizeof *list);
        *lists[i] = list;
    }
    s->recall_slots = n;
    return true;
}

// The epoch of an access by a thread that has had no turn yet, when the turns from this one on
// are still to come: what it was accessed with is what it got with its first one. An access of
// the kernel's is in the log before the thread gets it.
static uint32_t first_epoch(const em_share *s, size_t turn, uint32_t slot) {
    while (turn < s->turns_len && s->turns[turn].slot != slot)
        turn++;
    return turn < s->turns_len ? s->turns[turn].epoch : 0;
}

// Looks through entries of the log for accesses to the granules that are listed; whole tells
// that these are all.
static bool look_for(em_engine *e, size_t from, size_t end, bool whole) {
    em_share *s = &e->share;
    bool on = false, found = slots_ready(e);
    uint32_t *epochs = s->recall_scratch;
    size_t turn = from == s->recall_from ? s->recall_turn : 0;
    if (found && turn > 0) {
        memcpy(epochs, s->recall_epochs, s->recall_slots * sizeof *epochs);
        on = s->recall_on;
    } else if (found) {
        memset(epochs, 0, s->recall_slots * sizeof *epochs);
    }
    for (size_t i = from; i < end && found; i++) {
        for (; turn < s->turns_len && s->turns[turn].at <= i; turn++) {
            const em_turn *t = &s->turns[turn];
            if (t->slot == EM_SWITCH)
                on = t->epoch != 0;
            else
                epochs[t->slot] = t->epoch;
        }
        const em_access *a = &e->log[i];
        if (!on || a->kind == EM_ZERO || a->kind == EM_POKE || a->thread >= s->recall_slots)
            continue;
        if (epochs[a->thread] == 0 && (epochs[a->thread] = first_epoch(s, turn, a->thread)) == 0)
            continue;
        bool write = is_write(e, a);
        uint32_t size = a->size | a->length; // one is 0
        for (uint32_t k = 0; k < size && found; k += 8) {
            uint64_t addr = a->addr + k;
            unsigned bytes = (size - k >= 8 ? 0xff : (1u << (size - k)) - 1) << (addr & 7);
            found = note(s, addr / 8, bytes & 0xff, write, epochs[a->thread]) &&
                    (bytes <= 0xff || note(s, addr / 8 + 1, bytes >> 8, write, epochs[a->thread]));
        }
        s->recall_cost += a->length / 8; // beside the entry itself
    }
    for (size_t i = 0; i < s->recalled_len; i++)
        s->recalled[i]->recalled = false;
    s->recalled_len = 0;
    if (whole && found) {
        s->recall_from = end;
        s->recall_cost = 0;
        s->recall_turn = turn;
        s->recall_on = on;
        memcpy(s->recall_epochs, epochs, s->recall_slots * sizeof *epochs);
    }
    return found;
}

// Lists the granules of entries of the log.
static bool list_entries(em_engine *e, size_t from, size_t end) {
    for (size_t i = from; i < end; i++) {
        const em_access *a = &e->log[i];
        uint32_t size = a->size | a->length;
        for (uint64_t number = a->addr / 8; number <= (a->addr + size - 1) / 8; number++) {
            em_granule *g = a->kind == EM_ZERO || a->kind == EM_POKE ? NULL : em_granule_at(&e->share, number);
            if (g != NULL && !em_recall_add(e, g, number))
                return false;
        }
    }
    return true;
}

// Has all accesses to the bytes of these entries noted, and finds those of before.
bool em_recall_entries(em_engine *e, size_t from, size_t end) {
    em_share *s = &e->share;
    if (!list_entries(e, from > s->recall_from ? from : s->recall_from, end))
        return false;
    return s->recalled_len == 0 || look_for(e, s->recall_from, end, false);
}

// Entries that may be gone through in a run without more ado: some milliseconds.
enum { SOME = 1 << 20 };

// Looks in the first end entries of the log for accesses to the granules that were added.
// Where that is asked for again and again, all that is not noted is found at once, so that
// it costs no more than the log is long, a few times.
bool em_recall_added(em_engine *e, size_t end) {
    em_share *s = &e->share;
    if (s->recalled_len == 0)
        return true;
    size_t from = s->recall_from, n = end - from;
    s->recall_cost += n;
    if (s->recall_cost < SOME || s->recall_cost / 32 < n)
        return look_for(e, from, end, false);
    return list_entries(e, from, end) && look_for(e, from, end, true);
}

// All of an entry is there. If it is a range, what was gone through as a part of it need not
// have been the whole.
void em_recall_entry(em_engine *e, size_t number) {
    em_share *s = &e->share;
    if (e->log[number].length != 0 && s->recall_from > number) {
        s->recall_from = number;
        s->recall_turn = 0;
    }
}

// Has a granule's accesses noted from now on, and finds those among the first end entries
// of the log.
bool em_recall(em_engine *e, em_granule *g, uint64_t number, size_t end) {
    return g->use == EM_NOTED || (em_recall_add(e, g, number) && em_recall_added(e, end));
}

// The run has gone back to a mark, and with it granules that are listed went back to when
// their accesses were not noted. Finds those that the log still has; the mark has them.
bool em_recall_undone(em_engine *e, em_share_mark *m) {
    em_share *s = &e->share;
    size_t n = s->recalled_len, left = 0;
    bool any = s->recall_base < e->log_len, saved = true;
    for (size_t i = 0; i < n; i++) {
        em_granule *g = s->recalled[i];
        if (any && g->use != 0) {
            saved = saved && em_granule_save(s, g);
            s->recalled[left++] = g;
        } else {
            g->recalled = false;
        }
        g->use = EM_NOTED;
    }
    s->recalled_len = left;
    if (left == 0)
        return saved;
    bool found = look_for(e, s->recall_base, e->log_len, false) && saved;
    em_share_mark_set(e, m);
    return found;
}

// The log is about to be forgotten: all that is known from it alone is noted.
bool em_recall_settle(em_engine *e) {
    em_share *s = &e->share;
    bool found = s->turns_len == 0 || em_recall_entries(e, s->recall_from, e->log_len);
    for (size_t i = 0; i < s->turns_len; i++)
        s->turns[i].at = 0;
    s->recall_from = s->recall_base = s->recall_turn = 0;
    return found;
}
