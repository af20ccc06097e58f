/* heap.h - deadlines in order: an intrusive binary min-heap. One thread.
 *
 * A node lives inside the thing that has the deadline and is in at most one heap. Setting INT64_MAX
 * takes it out. The room is made at init, so that setting never fails.
 */
#pragma once

#include <stdint.h>

struct heap_node {
    int64_t at_us;
    uint32_t place; /* 1 + index in the heap; 0: not in it */
};

struct heap {
    struct heap_node **nodes; /* owned; the nodes are borrowed */
    uint32_t count, capacity;
};

int heap_init(struct heap *h, uint32_t capacity);
void heap_finish(struct heap *h); /* zeroed memory is fine */

/* Puts the node in, or moves it. INT64_MAX: takes it out. */
void heap_set(struct heap *h, struct heap_node *node, int64_t at_us);
void heap_remove(struct heap *h, struct heap_node *node); /* not in it is fine */
struct heap_node *heap_first(const struct heap *h);       /* the earliest; NULL: empty */
