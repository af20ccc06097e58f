#include "signaling/connection_limit.h"

#include <assert.h>
#include <glib.h>

struct connection_limit {
    unsigned most;
    uint64_t n_refused;
    GHashTable *counts; /* owned; key -> struct count, owned */
};

struct count {
    guint64 key;
    unsigned n; /* at least 1 */
};

struct connection_limit *connection_limit_create(unsigned most)
{
    struct connection_limit *l = g_new0(struct connection_limit, 1);
    l->counts = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    connection_limit_set(l, most);
    return l;
}

void connection_limit_destroy(struct connection_limit *l)
{
    if (!l)
        return;
    g_hash_table_destroy(l->counts);
    g_free(l);
}

void connection_limit_set(struct connection_limit *l, unsigned most)
{
    l->most = most != 0 ? most : CONNECTION_LIMIT;
}

bool connection_limit_take(struct connection_limit *l, uint64_t key)
{
    const guint64 k = key;
    if (key == 0)
        return true;
    struct count *count = g_hash_table_lookup(l->counts, &k);
    if (!count) {
        count = g_new0(struct count, 1);
        count->key = key;
        g_hash_table_insert(l->counts, &count->key, count);
    }
    if (count->n >= l->most) {
        l->n_refused++;
        return false;
    }
    count->n++;
    return true;
}

void connection_limit_give_back(struct connection_limit *l, uint64_t key)
{
    const guint64 k = key;
    if (key == 0)
        return;
    struct count *count = g_hash_table_lookup(l->counts, &k);
    assert(count && count->n > 0);
    if (--count->n == 0)
        g_hash_table_remove(l->counts, &k);
}

uint64_t connection_limit_refused(const struct connection_limit *l)
{
    return l->n_refused;
}

unsigned connection_limit_addresses(const struct connection_limit *l)
{
    return g_hash_table_size(l->counts);
}
