/* adding.c - sources that are being opened for a room: its slot is kept free for each, and whoever
 * asked is told what became of it. */
#include "server/server_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any thread. */
static void wake(void *arg)
{
    http_wake(((struct server *)arg)->http);
}

static struct server_adding *find_free(struct server *s)
{
    for (unsigned i = 0; i < SERVER_ADDING_MAX; i++) {
        if (!s->adding[i].opening)
            return &s->adding[i];
    }
    return NULL;
}

static struct media *copy_media(const struct media *media)
{
    struct media *copy = malloc(sizeof(*copy));
    if (copy)
        *copy = *media;
    return copy;
}

int adding_begin(struct server *s, struct room *room, const struct media *media, uint32_t *ticket,
                 char *error, size_t error_size)
{
    struct server_adding *a = find_free(s);
    struct source_opening_config config;
    unsigned slot;
    if (!a) {
        snprintf(error, error_size, "%d sources are being opened already; try again in a moment",
                 SERVER_ADDING_MAX);
        return -EAGAIN;
    }
    int err = room_keep_slot(room, &slot, error, error_size);
    if (err)
        return err;
    snprintf(error, error_size, "there is no memory, or no thread, to open it with");
    struct media *copy = copy_media(media);
    err = copy ? 0 : -ENOMEM;
    if (copy) {
        room_opening_config(room, slot, copy, &config);
        config.wake = wake;
        config.wake_arg = s;
        err = source_opening_begin(&a->opening, &config);
    }
    if (err) {
        a->opening = NULL;
        room_free_slot(room, slot);
        return err;
    }
    a->room = room;
    a->slot = slot;
    a->ticket = *ticket = server_next_ticket(s);
    return -EINPROGRESS;
}

uint32_t server_next_ticket(struct server *s)
{
    return ++s->last_ticket ? s->last_ticket : ++s->last_ticket;
}

static void tell(struct server *s, const struct server_adding *a, int status, const char *error)
{
    struct backend_source_added result = {.ticket = a->ticket, .status = status, .slot = a->slot};
    memcpy(result.room, a->room->code, sizeof(result.room));
    snprintf(result.error, sizeof(result.error), "%s", error);
    http_on_source_added(s->http, &result);
}

static void finish(struct server *s, struct server_adding *a)
{
    char error[240] = "";
    struct opened opened;
    int err = source_opening_take(a->opening, &opened, error, sizeof(error));
    if (err == -EINPROGRESS)
        return;
    a->opening = NULL;
    if (err)
        room_free_slot(a->room, a->slot);
    else
        err = room_fill_slot(a->room, a->slot, &opened, error, sizeof(error));
    if (!err) {
        const struct room_slot *slot = &a->room->slots[a->slot];
        follow_set(s->follow, slot->video_stream, slot->media->video.kind,
                   slot->media->video.arg[0] ? slot->media->video.arg : NULL);
        server_tell_room(s, a->room);
    }
    /* the room is there, but not what is to be shown in it */
    tell(s, a, err == -ENOENT ? -ENXIO : err, error);
}

void adding_round(struct server *s)
{
    for (unsigned i = 0; i < SERVER_ADDING_MAX; i++) {
        if (s->adding[i].opening)
            finish(s, &s->adding[i]);
    }
}

void adding_end_all(struct server *s, const struct room *room)
{
    for (unsigned i = 0; i < SERVER_ADDING_MAX; i++) {
        struct server_adding *a = &s->adding[i];
        if (!a->opening || (room && a->room != room))
            continue;
        source_opening_abandon(a->opening);
        a->opening = NULL;
        room_free_slot(a->room, a->slot);
        if (room)
            tell(s, a, -ENOENT, "the room has ended");
    }
}
