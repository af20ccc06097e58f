#include "server/server_inside.h"

#include "signaling/token.h"

#include <ctype.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECRET_BYTES 24

/* --- what a room may be called --- */

static bool is_code(const char *code)
{
    size_t n = strlen(code);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)code[i];
        if (!(c < 128 && (isupper(c) || isdigit(c))) && c != '-')
            return false;
    }
    return n > 0 && n < BACKEND_ROOM_MAX;
}

static bool is_title(const char *title)
{
    for (const char *p = title; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 127)
            return false;
    }
    return strlen(title) < BACKEND_TITLE_MAX && g_utf8_validate(title, -1, NULL);
}

static bool is_secret(const char *secret)
{
    size_t n = strlen(secret);
    return n >= CONFIG_SECRET_MIN && n <= CONFIG_SECRET_MAX && g_utf8_validate(secret, -1, NULL);
}

static bool is_wish(const struct backend_room_wish *wish)
{
    return (!wish->code || is_code(wish->code)) && (!wish->title || is_title(wish->title)) &&
           (!wish->password || strlen(wish->password) < BACKEND_PASSWORD_MAX) &&
           (!wish->secret || is_secret(wish->secret));
}

/* --- rooms come and go --- */

static unsigned viewers_limit(const struct server *s, int wished)
{
    unsigned all = (unsigned)s->config.max_viewers_per_room, own = (unsigned)wished;
    return own == 0 || (all > 0 && own > all) ? all : own;
}

static void change(struct server *s, struct room *room, const struct backend_room_wish *wish)
{
    if (wish->title)
        snprintf(room->title, sizeof(room->title), "%s", wish->title);
    if (wish->password) {
        explicit_bzero(room->rights.password, sizeof(room->rights.password));
        snprintf(room->rights.password, sizeof(room->rights.password), "%s", wish->password);
    }
    if (wish->max_viewers >= 0)
        room->max_viewers = viewers_limit(s, wish->max_viewers);
}

void hosting_give_rights(struct room *room, const char *secret, const char *password)
{
    size_t n = strlen(secret);
    if (n > 0 && n < sizeof(room->rights.secret))
        memcpy(room->rights.secret, secret, n + 1);
    else
        token_random(room->rights.secret, sizeof(room->rights.secret), SECRET_BYTES);
    snprintf(room->rights.password, sizeof(room->rights.password), "%s", password);
}

static int on_make_room(void *arg, const struct backend_room_wish *wish,
                        struct backend_room_made *out)
{
    struct server *s = arg;
    struct room *room;
    if (!is_wish(wish))
        return -EINVAL;
    if (s->draining)
        return -ENOSPC;
    int err = rooms_open(&s->rooms, wish->code, server_now_us(), &room);
    if (err)
        return err == -ENOMEM ? -ENOSPC : err;
    hosting_give_rights(room, wish->secret ? wish->secret : "", "");
    change(s, room, wish);
    memcpy(out->code, room->code, sizeof(out->code));
    memcpy(out->secret, room->rights.secret, sizeof(out->secret));
    return 0;
}

static int on_change_room(void *arg, const char *code, const struct backend_room_wish *wish)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    if (!room)
        return -ENOENT;
    if (!is_wish(wish))
        return -EINVAL;
    change(s, room, wish);
    server_tell_room(s, room);
    return 0;
}

static int on_end_room(void *arg, const char *code)
{
    struct server *s = arg;
    struct room *room = server_find_room(s, code);
    if (!room)
        return -ENOENT;
    server_end_room(s, room);
    return 0;
}

static int on_make_token(void *arg, const char *code, const struct backend_token_wish *wish,
                         struct backend_token *out)
{
    struct server *s = arg;
    const struct room *room = server_find_room(s, code);
    if (!room)
        return -ENOENT;
    out->expires_s = time(NULL) + wish->lasts_s;
    return watch_tokens_sign(&s->tokens, room->code, out->expires_s, wish->max_layer, out->text,
                             sizeof(out->text));
}

/* --- who may what --- */

static enum backend_access on_may_watch(void *arg, const char *code,
                                        const struct backend_credential *shown,
                                        struct backend_grant *out)
{
    struct server *s = arg;
    const struct room *room = server_find_room(s, code);
    *out = (struct backend_grant){0};
    if (!room)
        return BACKEND_ACCESS_NO_ROOM;
    enum backend_access access =
        rights_may_watch(&room->rights, &s->tokens, code, shown, time(NULL), out);
    s->denied.watch_required += access == BACKEND_ACCESS_REQUIRED;
    s->denied.watch_invalid += access == BACKEND_ACCESS_INVALID;
    s->denied.watch_used += access == BACKEND_ACCESS_TOKEN_USED;
    return access;
}

static enum backend_access on_may_publish(void *arg, const char *code,
                                          const struct backend_credential *shown)
{
    struct server *s = arg;
    const struct room *room = server_find_room(s, code);
    if (!room)
        return BACKEND_ACCESS_NO_ROOM;
    enum backend_access access = rights_may_publish(&room->rights, shown);
    s->denied.publish += access != BACKEND_ACCESS_GRANTED;
    return access;
}

void hosting_fill_backend(struct server *s, struct backend *out)
{
    out->open_rooms = s->config.open_rooms;
    out->make_room = on_make_room;
    out->change_room = on_change_room;
    out->end_room = on_end_room;
    out->make_token = on_make_token;
    out->may_watch = on_may_watch;
    out->may_publish = on_may_publish;
}
