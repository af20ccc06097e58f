/* listing.c - what the admin could add: who asks is told when it is known. */
#include "server/server_inside.h"

#include "server/list_sources.h"
#include "server/source_listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Any thread. */
static void wake(void *arg)
{
    http_wake(((struct server *)arg)->http);
}

int listing_begin(struct server *s, uint32_t *ticket)
{
    struct server_listing *l = &s->listing;
    if (l->n == SERVER_LISTING_MAX)
        return -EAGAIN;
    int err = l->lister ? 0 : source_listing_create(&l->lister, wake, s);
    if (err)
        return err;
    *ticket = l->tickets[l->n++] = server_next_ticket(s);
    source_listing_ask(l->lister);
    return -EINPROGRESS;
}

static void tell(struct server *s, uint32_t ticket, const char *text)
{
    struct backend_source_added result = {.ticket = ticket, .list = text ? strdup(text) : NULL};
    result.status = result.list ? 0 : -ENOMEM;
    http_on_source_added(s->http, &result);
}

void listing_round(struct server *s)
{
    struct server_listing *l = &s->listing;
    struct sources_entry *list = l->n > 0 ? calloc(SOURCES_MAX, sizeof(*list)) : NULL;
    int n = list ? source_listing_take(l->lister, list, SOURCES_MAX) : -1;
    if (n >= 0) {
        char *text = list_sources_json(list, n);
        for (unsigned i = 0; i < l->n; i++)
            tell(s, l->tickets[i], text);
        l->n = 0;
        free(text);
    }
    free(list);
}

void listing_end(struct server *s)
{
    source_listing_destroy(s->listing.lister);
    s->listing = (struct server_listing){.lister = NULL};
}
