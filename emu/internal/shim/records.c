#include "share.h"

#include <string.h>

// Records hold vector clocks: of bytes that make events, of the last write and of the
// reads behind it; of bytes that several threads have read, of these reads. Bytes of one
// granule that are always accessed together, as those of a word are, have one record.

// Puts an epoch into a clock. Where it is the present one of its thread, what that does
// from its next instruction on is not meant.
static bool put_epoch(em_share *s, uint32_t *clock, uint32_t epoch) {
    uint32_t lane = EM_LANE_OF(epoch);
    if (epoch == 0)
        return true;
    clock[lane] = EM_CLOCK_OF(epoch);
    if (s->lanes[lane].epoch != epoch)
        return true;
    if (!em_clock_save(s, (int)lane))
        return false;
    s->lanes[lane].published = true;
    return true;
}

// Tells which bytes have the record of byte i.
static uint8_t sharers(const em_detail *d, int i) {
    uint8_t bytes = 0;
    for (int j = 0; j < 8; j++)
        bytes |= (uint8_t)((d->read[j] == d->read[i]) << j);
    return bytes;
}

static void give(em_detail *d, uint8_t bytes, uint32_t index) {
    for (int j = 0; bytes >> j; j++)
        if (bytes >> j & 1)
            d->read[j] = EM_MANY | index;
}

// Sees to it that none of these bytes has its record together with a byte that is not one
// of them.
bool em_record_separate(em_share *s, em_detail *d, uint8_t bytes) {
    for (int i = 0; bytes != 0xff && bytes >> i; i++) { // of all of them there is no other
        if (!(bytes >> i & 1) || !(d->read[i] & EM_MANY))
            continue;
        uint8_t with = sharers(d, i);
        if ((with & ~bytes) == 0)
            continue;
        uint32_t old = d->read[i] & ~EM_MANY, index;
        if (!em_record_new(s, &index))
            return false;
        memcpy(em_record(s, index), em_record(s, old), 2 * (size_t)s->width * sizeof(uint32_t));
        give(d, with & bytes, index);
    }
    return true;
}

// Makes a record the one of a byte that makes events, and of those others of an access's
// bytes of which the same is known: clocks of its last write and of its reads. Of what
// came before that only the epochs are known, not what these threads knew of others: it
// orders a little less than it should, but only in the run in which the byte begins to
// make events.
bool em_record_begin(em_share *s, em_detail *d, int i, uint8_t bytes) {
    bool many = d->read[i] & EM_MANY;
    uint8_t same = 0;
    for (int j = 0; j < 8; j++)
        if ((bytes & ~d->recorded) >> j & 1 && d->wrote[j] == d->wrote[i] && d->read[j] == d->read[i])
            same |= (uint8_t)(1 << j);
    if (many && !em_record_separate(s, d, same))
        return false;
    uint32_t index = d->read[i] & ~EM_MANY;
    if ((!many && !em_record_new(s, &index)) || !em_record_save(s, index))
        return false;
    uint32_t *wrote = em_record(s, index), *read = wrote + s->width;
    if (!put_epoch(s, wrote, d->wrote[i]) || (!many && !put_epoch(s, read, d->read[i])))
        return false;
    for (int u = 0; many && u < s->width; u++)
        if (!put_epoch(s, read, read[u] == 0 ? 0 : EM_EPOCH(u, read[u])))
            return false;
    give(d, same, index);
    d->recorded |= same;
    return true;
}

// Makes a thread's use of a record come after what conflicts with it.
bool em_record_follow(em_share *s, uint32_t index, bool write, int lane) {
    if (!em_clock_save(s, lane))
        return false;
    uint32_t *wrote = em_record(s, index), *mine = em_clock_of(s, lane);
    em_clock_join(s, mine, wrote);
    if (write)
        em_clock_join(s, mine, wrote + s->width);
    return true;
}

// Makes what comes later and conflicts come after a thread's use of a record.
bool em_record_lead(em_share *s, uint32_t index, bool write, int lane) {
    if (!em_record_save(s, index) || !em_clock_save(s, lane))
        return false;
    uint32_t *wrote = em_record(s, index);
    em_clock_join(s, write ? wrote : wrote + s->width, em_clock_of(s, lane));
    s->lanes[lane].published = true;
    return true;
}
