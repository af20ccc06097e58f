#include "rtp/forward/datagram_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int datagram_pool_init(struct datagram_pool *p, unsigned n)
{
    assert(n > 0);
    *p = (struct datagram_pool){.all = calloc(n, sizeof(*p->all))};
    if (!p->all)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    for (unsigned i = 0; i + 1 < n; i++)
        p->all[i].next = &p->all[i + 1];
    p->free = p->all;
    return 0;
}

void datagram_pool_finish(struct datagram_pool *p)
{
    if (!p->all)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p->all);
    p->all = p->free = NULL;
}

struct pooled_datagram *datagram_pool_take(struct datagram_pool *p)
{
    pthread_mutex_lock(&p->lock);
    struct pooled_datagram *d = p->free;
    if (d)
        p->free = d->next;
    pthread_mutex_unlock(&p->lock);
    return d;
}

void datagram_pool_give(struct datagram_pool *p, struct pooled_datagram *d)
{
    pthread_mutex_lock(&p->lock);
    d->next = p->free;
    p->free = d;
    pthread_mutex_unlock(&p->lock);
}
