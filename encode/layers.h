/* layers.h - which picture belongs to which temporal layer, and what it may refer to.
 *
 * Pure. Two layers: 0 1 0 1. Three: 0 2 1 2. The pattern begins anew at each keyframe. The base
 * refers to the base before it; the middle layer to the base, and what it leaves behind serves the
 * top layer alone; nobody refers to the top layer. So each id may be left out whole, together with
 * those above it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LAYERS_MAX = 3 };

struct layers {
    int count;         /* 1-3 */
    unsigned position; /* of the next picture since the keyframe */
};

struct layers_picture {
    uint8_t id;
    bool uses_middle; /* may refer to the newest picture of the middle layer, too */
};

/* What the next picture is; layers_advance follows once it was made. */
struct layers_picture layers_next(const struct layers *l, bool keyframe);
void layers_advance(struct layers *l, bool keyframe);

/* The share of the bit rate for layers 0 to `id`, in percent, and by how much fewer pictures these
 * are than all. */
int layers_rate_percent(int count, int id);
int layers_decimator(int count, int id);
