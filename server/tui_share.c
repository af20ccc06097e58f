#include "server/tui_share.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

void share_init(struct share *s, struct server *server, struct room *room)
{
    *s = (struct share){.server = server, .room = room, .coding = server->config.coding};
}

static void forget_stopped(struct share *s)
{
    for (unsigned i = 0; i < s->n_stopped; i++)
        g_free(s->stopped[i]);
    s->n_stopped = 0;
}

void share_finish(struct share *s)
{
    forget_stopped(s);
}

static int add_media(struct share *s, const struct media *media, char *error, size_t error_size)
{
    unsigned slot;
    int err = room_add_source(s->room, media, &slot, error, error_size);
    if (err)
        return err;
    follow_set(s->server->follow, s->room->slots[slot].video_stream, media->video.kind,
               media->video.arg[0] ? media->video.arg : NULL);
    server_tell_room(s->server, s->room);
    return 0;
}

int share_add(struct share *s, const char *source, char *error, size_t error_size)
{
    struct media *media = g_new0(struct media, 1);
    media->coding = s->coding;
    const char *why = media_set_source(&media->video, source);
    int err = why ? -EINVAL : add_media(s, media, error, error_size);
    if (why)
        snprintf(error, error_size, "%s", why);
    g_free(media);
    if (!err)
        forget_stopped(s); /* something else is shown now */
    return err;
}

int share_remove(struct share *s, unsigned slot)
{
    int err = room_remove_source(s->room, slot);
    if (err)
        return err;
    follow_clear(s->server->follow, s->room->slots[slot].video_stream);
    server_tell_room(s->server, s->room);
    return 0;
}

bool share_is_stopped(const struct share *s)
{
    return s->n_stopped > 0;
}

/* Takes what is shown away, and keeps what it was. */
void share_stop(struct share *s)
{
    forget_stopped(s);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (!s->room->slots[i].source)
            continue;
        s->stopped[s->n_stopped++] = g_memdup2(s->room->slots[i].media, sizeof(struct media));
        (void)share_remove(s, i);
    }
}

int share_go_on(struct share *s, char *error, size_t error_size)
{
    int err = 0;
    for (unsigned i = 0; i < s->n_stopped; i++) {
        struct media *media = s->stopped[i];
        media->coding = s->coding;
        int one = add_media(s, media, error, error_size);
        err = err ? err : one;
    }
    forget_stopped(s);
    return err;
}

void share_set_rate(struct share *s)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        struct room_slot *slot = &s->room->slots[i];
        /* a file plays at its own */
        if (slot->source && source_set_rate(slot->source, &s->coding.rate) == 0)
            slot->media->coding.rate = s->coding.rate;
    }
}

int share_set_codec(struct share *s, char *error, size_t error_size)
{
    share_stop(s);
    return share_go_on(s, error, error_size);
}

/* --- the window that is worked in --- */

static int slot_showing(const struct share *s, const char *source)
{
    struct media_place place = {.kind = ""};
    if (media_set_source(&place, source))
        return -1;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *slot = &s->room->slots[i];
        if (slot->source && strcmp(slot->media->video.kind, place.kind) == 0 &&
            strcmp(slot->media->video.arg, place.arg) == 0)
            return (int)i;
    }
    return -1;
}

static void forget_auto(struct share *s, unsigned i)
{
    s->n_auto--;
    memmove(s->automatic[i], s->automatic[i + 1], (s->n_auto - i) * sizeof(s->automatic[0]));
}

int share_follow(struct share *s, const char *source, char *error, size_t error_size)
{
    bool shown = slot_showing(s, source) >= 0, known = false;
    for (unsigned i = 0; i < s->n_auto && !known; i++) {
        known = strcmp(s->automatic[i], source) == 0;
        if (known)
            forget_auto(s, i);
    }
    if (shown && !known)
        return 0; /* the person chose it: it stays anyway */
    if (!shown && s->n_auto == SHARE_AUTO_MAX) {
        int oldest = slot_showing(s, s->automatic[0]);
        if (oldest >= 0)
            (void)share_remove(s, (unsigned)oldest);
        forget_auto(s, 0);
    }
    int err = shown ? 0 : share_add(s, source, error, error_size);
    if (!err)
        snprintf(s->automatic[s->n_auto++], sizeof(s->automatic[0]), "%s", source);
    return err;
}
