#include "tests/load/delay_line.h"

#include <stdlib.h>
#include <string.h>

void delay_line_init(struct delay_line *d)
{
    *d = (struct delay_line){0};
}

void delay_line_finish(struct delay_line *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->items[i]);
    free(d->items);
    *d = (struct delay_line){0};
}

static bool is_before(const struct delay_line_item *a, const struct delay_line_item *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static bool grow(struct delay_line *d)
{
    size_t capacity = d->capacity > 0 ? 2 * d->capacity : 256;
    struct delay_line_item **items = realloc(d->items, capacity * sizeof(*items));
    if (!items)
        return false;
    d->items = items;
    d->capacity = capacity;
    return true;
}

bool delay_line_put(struct delay_line *d, void *to, const uint8_t *data, size_t size, int64_t at_us)
{
    if (d->count == DELAY_LINE_MAX || (d->count == d->capacity && !grow(d)))
        return false;
    struct delay_line_item *item = malloc(sizeof(*item) + size);
    if (!item)
        return false;
    item->at_us = at_us;
    item->order = d->order++;
    item->to = to;
    item->size = size;
    memcpy(item->data, data, size);
    size_t i = d->count++;
    for (; i > 0 && is_before(item, d->items[(i - 1) / 2]); i = (i - 1) / 2)
        d->items[i] = d->items[(i - 1) / 2];
    d->items[i] = item;
    return true;
}

int64_t delay_line_next(const struct delay_line *d)
{
    return d->count > 0 ? d->items[0]->at_us : INT64_MAX;
}

static void move_down(struct delay_line *d, struct delay_line_item *item)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= d->count)
            break;
        if (child + 1 < d->count && is_before(d->items[child + 1], d->items[child]))
            child++;
        if (is_before(item, d->items[child]))
            break;
        d->items[i] = d->items[child];
        i = child;
    }
    d->items[i] = item;
}

struct delay_line_item *delay_line_take(struct delay_line *d, int64_t now_us)
{
    if (delay_line_next(d) > now_us)
        return NULL;
    struct delay_line_item *first = d->items[0];
    struct delay_line_item *last = d->items[--d->count];
    if (d->count > 0)
        move_down(d, last);
    return first;
}
