#include "capture/picture.h"

#include <assert.h>

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

struct picture_rect picture_rect_clip(const struct picture_rect *r, int width, int height)
{
    int left = larger(r->x, 0), top = larger(r->y, 0);
    int right = smaller(r->x + r->width, width), bottom = smaller(r->y + r->height, height);
    if (right <= left || bottom <= top)
        return (struct picture_rect){0};
    return (struct picture_rect){left, top, right - left, bottom - top};
}

static bool contains(const struct picture_rect *outer, const struct picture_rect *inner)
{
    return inner->x >= outer->x && inner->x + inner->width <= outer->x + outer->width &&
           inner->y >= outer->y && inner->y + inner->height <= outer->y + outer->height;
}

static struct picture_rect hull(const struct picture_rect *a, const struct picture_rect *b)
{
    int left = smaller(a->x, b->x), top = smaller(a->y, b->y);
    int right = larger(a->x + a->width, b->x + b->width);
    int bottom = larger(a->y + a->height, b->y + b->height);
    return (struct picture_rect){left, top, right - left, bottom - top};
}

static int64_t area(const struct picture_rect *r)
{
    return (int64_t)r->width * r->height;
}

/* The entry that grows least by taking in `r`. */
static int cheapest(const struct picture_damage *d, const struct picture_rect *r)
{
    int best = 0;
    int64_t best_cost = INT64_MAX;
    for (int i = 0; i < d->n; i++) {
        const struct picture_rect both = hull(&d->rect[i], r);
        int64_t cost = area(&both) - area(&d->rect[i]);
        if (cost < best_cost) {
            best_cost = cost;
            best = i;
        }
    }
    return best;
}

static void remove_contained(struct picture_damage *d, const struct picture_rect *r)
{
    int kept = 0;
    for (int i = 0; i < d->n; i++) {
        if (!contains(r, &d->rect[i]))
            d->rect[kept++] = d->rect[i];
    }
    d->n = kept;
}

void picture_damage_add(struct picture_damage *d, const struct picture_rect *r)
{
    assert(r->width >= 0 && r->height >= 0);
    if (!d->known || r->width == 0 || r->height == 0)
        return;
    for (int i = 0; i < d->n; i++) {
        if (contains(&d->rect[i], r))
            return;
    }
    struct picture_rect grown = *r;
    if (d->n == PICTURE_DAMAGE_MAX)
        grown = hull(&d->rect[cheapest(d, r)], r);
    remove_contained(d, &grown); /* at least the one it grew from */
    assert(d->n < PICTURE_DAMAGE_MAX);
    d->rect[d->n++] = grown;
}

void picture_damage_merge(struct picture_damage *d, const struct picture_damage *more)
{
    if (!more->known)
        *d = (struct picture_damage){0};
    for (int i = 0; d->known && i < more->n; i++)
        picture_damage_add(d, &more->rect[i]);
}
