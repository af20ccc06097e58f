/* datagram_pool.h - a fixed number of buffers for datagrams that wait: for another worker, or for
 * another round.
 *
 * Any thread takes and gives back; the lock is held for a few instructions. The one given back last
 * is taken first, so that what is rarely needed is never touched.
 */
#pragma once

#include "rtp/session/address.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define DATAGRAM_POOL_SIZE_MAX 2048 /* bytes of one datagram */

struct pooled_datagram {
    struct address from;
    unsigned via; /* the worker whose socket it came to */
    size_t size;
    uint32_t viewer_id;           /* whose it is, where that is known */
    struct pooled_datagram *next; /* the pool's, or of who has it */
    uint8_t data[DATAGRAM_POOL_SIZE_MAX];
};

struct datagram_pool {
    struct pooled_datagram *all; /* owned; immutable after init */

    /* below: under lock */
    pthread_mutex_t lock;
    struct pooled_datagram *free;
};

int datagram_pool_init(struct datagram_pool *p, unsigned n);
void datagram_pool_finish(struct datagram_pool *p); /* all are back; zeroed memory is fine */
struct pooled_datagram *datagram_pool_take(struct datagram_pool *p); /* NULL: all are out */
void datagram_pool_give(struct datagram_pool *p, struct pooled_datagram *d);
