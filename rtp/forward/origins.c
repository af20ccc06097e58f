#include "rtp/forward/origins.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { KIND_EMPTY, KIND_OWN, KIND_FOREIGN };

int origins_init(struct origins *r, uint32_t own_max, uint32_t foreign_max, uint64_t seed)
{
    assert(foreign_max > 0 && own_max < 1u << 29 && foreign_max < 1u << 29);
    uint32_t n = 16;
    while (n < 2 * (own_max + foreign_max))
        n *= 2;
    *r = (struct origins){
        .mask = n - 1, .seed = seed, .own_max = own_max, .foreign_max = foreign_max};
    r->slots = calloc(n, sizeof(*r->slots));
    return r->slots ? 0 : -ENOMEM;
}

void origins_finish(struct origins *r)
{
    free(r->slots);
    *r = (struct origins){0};
}

static uint32_t home(const struct origins *r, const struct address *a)
{
    return (uint32_t)address_hash(a, r->seed) & r->mask;
}

/* Where it is, or the empty slot where it would go. */
static uint32_t find(const struct origins *r, const struct address *a)
{
    uint32_t i = home(r, a);
    while (r->slots[i].kind != KIND_EMPTY && !address_equal(&r->slots[i].address, a))
        i = (i + 1) & r->mask;
    return i;
}

static uint32_t *counter(struct origins *r, uint8_t kind)
{
    return kind == KIND_OWN ? &r->n_own : &r->n_foreign;
}

/* Linear probing without tombstones: whatever stands behind the hole and may not be reached over it
 * moves into it. */
static void clear(struct origins *r, uint32_t hole)
{
    (*counter(r, r->slots[hole].kind))--;
    for (uint32_t i = (hole + 1) & r->mask; r->slots[i].kind != KIND_EMPTY; i = (i + 1) & r->mask) {
        uint32_t from_home = (i - home(r, &r->slots[i].address)) & r->mask;
        if (from_home >= ((i - hole) & r->mask)) {
            r->slots[hole] = r->slots[i];
            hole = i;
        }
    }
    r->slots[hole] = (struct origins_slot){0};
}

/* Second chance: the hand takes the mark of each used one it passes, and takes the first without.
 * Ends, since after one round no mark is left. */
static void evict_foreign(struct origins *r)
{
    for (;; r->hand = (r->hand + 1) & r->mask) {
        struct origins_slot *slot = &r->slots[r->hand];
        if (slot->kind != KIND_FOREIGN)
            continue;
        if (!slot->used) {
            clear(r, r->hand);
            return;
        }
        slot->used = false;
    }
}

static void set(struct origins *r, const struct address *from, uint8_t kind, uint32_t id)
{
    uint32_t i = find(r, from);
    if (r->slots[i].kind != kind) {
        if (r->slots[i].kind != KIND_EMPTY)
            clear(r, i);
        if (kind == KIND_FOREIGN && r->n_foreign == r->foreign_max)
            evict_foreign(r);
        assert(kind == KIND_FOREIGN || r->n_own < r->own_max);
        (*counter(r, kind))++;
        i = find(r, from);
    }
    r->slots[i] = (struct origins_slot){.address = *from, .kind = kind, .used = true, .id = id};
}

void origins_set_own(struct origins *r, const struct address *from, uint32_t viewer_id)
{
    set(r, from, KIND_OWN, viewer_id);
}

void origins_set_foreign(struct origins *r, const struct address *from, uint32_t worker)
{
    set(r, from, KIND_FOREIGN, worker);
}

bool origins_find(struct origins *r, const struct address *from, struct origin *out)
{
    struct origins_slot *slot = &r->slots[find(r, from)];
    if (slot->kind == KIND_EMPTY)
        return false;
    slot->used = true;
    *out = (struct origin){.foreign = slot->kind == KIND_FOREIGN, .id = slot->id};
    return true;
}

void origins_remove_own(struct origins *r, const struct address *from, uint32_t viewer_id)
{
    uint32_t i = find(r, from);
    if (r->slots[i].kind == KIND_OWN && r->slots[i].id == viewer_id)
        clear(r, i);
}
