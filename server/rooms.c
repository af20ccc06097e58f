#include "server/rooms.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CODES_TRIED                                                                                \
    32 /* of four million: with thousands taken the first one is nearly always free */

static void free_room(void *room)
{
    room_finish(room);
    free(room);
}

int rooms_init(struct rooms *r, const struct rooms_config *config)
{
    *r = (struct rooms){.config = *config};
    r->list = calloc(config->max, sizeof(struct room *));
    if (!r->list)
        return -ENOMEM;
    r->by_code = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_room);
    return 0;
}

void rooms_finish(struct rooms *r)
{
    if (r->by_code)
        g_hash_table_destroy(r->by_code);
    free(r->list);
    *r = (struct rooms){0};
}

static bool make_code(const struct rooms *r, char out[BACKEND_ROOM_MAX])
{
    for (int i = 0; i < CODES_TRIED; i++) {
        uint64_t random;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return false;
        room_make_code(out, random);
        if (!rooms_find(r, out))
            return true;
    }
    return false;
}

int rooms_open(struct rooms *r, const char *code, int64_t now_us, struct room **out)
{
    char made[BACKEND_ROOM_MAX];
    if (code && rooms_find(r, code))
        return -EEXIST;
    if (r->n == r->config.max || (!code && !make_code(r, made)))
        return -ENOSPC;
    struct room *room = malloc(sizeof(*room));
    if (!room)
        return -ENOMEM;
    const struct room_config config = {
        .code = code ? code : made,
        .forwarder = r->config.forwarder,
        .max_viewers = r->config.max_viewers,
        .wake = r->config.wake,
        .wake_arg = r->config.wake_arg,
    };
    room_init(room, &config, now_us);
    g_hash_table_insert(r->by_code, room->code, room);
    r->list[r->n++] = room;
    r->n_opened++;
    *out = room;
    return 0;
}

void rooms_close(struct rooms *r, struct room *room)
{
    unsigned i = 0;
    while (i < r->n && r->list[i] != room)
        i++;
    assert(i < r->n);
    memmove(&r->list[i], &r->list[i + 1], (r->n - i - 1) * sizeof(struct room *));
    r->n--;
    g_hash_table_remove(r->by_code, room->code);
}

struct room *rooms_find(const struct rooms *r, const char *code)
{
    return g_hash_table_lookup(r->by_code, code);
}

struct room *rooms_find_stream(const struct rooms *r, uint32_t video_stream, unsigned *slot)
{
    for (unsigned i = 0; i < r->n; i++) {
        for (unsigned k = 0; k < BACKEND_STREAMS_MAX; k++) {
            if (r->list[i]->slots[k].video_stream != video_stream)
                continue;
            *slot = k;
            return r->list[i];
        }
    }
    return NULL;
}

struct room *rooms_find_idle(const struct rooms *r, int64_t now_us)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct room *room = r->list[i];
        if (!room->permanent && room_is_empty(room) && now_us - room->used_us >= r->config.idle_us)
            return r->list[i];
    }
    return NULL;
}

void rooms_tick(struct rooms *r, int64_t now_us)
{
    for (unsigned i = 0; i < r->n; i++)
        room_tick(r->list[i], now_us);
}
