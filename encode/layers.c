#include "encode/layers.h"

struct layers_picture layers_next(const struct layers *l, bool keyframe)
{
    static const struct layers_picture two[] = {{.id = 0}, {.id = 1}};
    static const struct layers_picture three[] = {
        {.id = 0}, {.id = 2}, {.id = 1}, {.id = 2, .uses_middle = true}};
    if (keyframe || l->count < 2)
        return (struct layers_picture){.id = 0};
    return l->count == 2 ? two[l->position % 2] : three[l->position % 4];
}

void layers_advance(struct layers *l, bool keyframe)
{
    l->position = keyframe ? 1 : l->position + 1;
}

int layers_rate_percent(int count, int id)
{
    static const int percent[LAYERS_MAX][LAYERS_MAX] = {{100}, {60, 100}, {40, 60, 100}};
    return percent[count - 1][id];
}

int layers_decimator(int count, int id)
{
    return 1 << (count - 1 - id);
}
