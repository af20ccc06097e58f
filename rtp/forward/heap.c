#include "rtp/forward/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int heap_init(struct heap *h, uint32_t capacity)
{
    *h = (struct heap){.capacity = capacity};
    h->nodes = calloc(capacity, sizeof(*h->nodes));
    return h->nodes ? 0 : -ENOMEM;
}

void heap_finish(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){0};
}

static void put(struct heap *h, uint32_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->place = i + 1;
}

static void move_up(struct heap *h, uint32_t i)
{
    struct heap_node *node = h->nodes[i];
    while (i > 0 && h->nodes[(i - 1) / 2]->at_us > node->at_us) {
        put(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, node);
}

static void move_down(struct heap *h, uint32_t i)
{
    struct heap_node *node = h->nodes[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->nodes[child + 1]->at_us < h->nodes[child]->at_us)
            child++;
        if (h->nodes[child]->at_us >= node->at_us)
            break;
        put(h, i, h->nodes[child]);
        i = child;
    }
    put(h, i, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->place == 0)
        return;
    uint32_t i = node->place - 1;
    assert(i < h->count && h->nodes[i] == node);
    node->place = 0;
    struct heap_node *last = h->nodes[--h->count];
    if (last == node)
        return;
    put(h, i, last);
    move_up(h, i);
    move_down(h, last->place - 1);
}

void heap_set(struct heap *h, struct heap_node *node, int64_t at_us)
{
    if (at_us == INT64_MAX) {
        heap_remove(h, node);
        return;
    }
    node->at_us = at_us;
    if (node->place == 0) {
        assert(h->count < h->capacity);
        put(h, h->count++, node);
    }
    move_up(h, node->place - 1);
    move_down(h, node->place - 1);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}
