/* delay_line.h - datagrams on their way to somebody, in the order of their arrival. One thread.
 *
 * Life: delay_line_init, delay_line_finish, which drops what is still inside. Bounded: a datagram
 * that finds it full is lost, and counted by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELAY_LINE_MAX 262144 /* datagrams */

struct delay_line_item {
    int64_t at_us;
    uint64_t order; /* of those with the same time, the first in */
    void *to;
    size_t size;
    uint8_t data[];
};

struct delay_line {
    struct delay_line_item **items; /* owned: a binary heap */
    size_t count, capacity;
    uint64_t order;
};

void delay_line_init(struct delay_line *d);
void delay_line_finish(struct delay_line *d);
bool delay_line_put(struct delay_line *d, void *to, const uint8_t *data, size_t size,
                    int64_t at_us);                  /* false: full, or out of memory */
int64_t delay_line_next(const struct delay_line *d); /* INT64_MAX: empty */
/* The earliest if its time has come, to be freed by the caller; else NULL. */
struct delay_line_item *delay_line_take(struct delay_line *d, int64_t now_us);
