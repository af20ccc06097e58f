/* fake_backend.h - a backend of one room for the tests of signaling: it does what it is told and
 * keeps what it was asked. One thread. */
#pragma once

#include "signaling/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_ROOM "SWIFT-OTTER-042"
#define FAKE_TOKEN "open-sesame"
#define FAKE_WATCHING 64 /* viewers at a time */

struct fake {
    bool removed; /* viewer 7 */
    struct backend backend;
    struct backend_room room;
    bool exists;
    /* what to answer */
    int reserve_status, start_status;
    const char *unhealthy, *unready;
    size_t stats_padding;
    /* what was asked */
    unsigned reserved, started, left;
    uint32_t next_viewer, last_started, last_left;
    struct backend_answer answer;
    bool watching[FAKE_WATCHING];
    bool offering; /* what the last seat was wanted for */
    unsigned n_selects, n_keyframes, n_reports, keyframe_slot;
    struct {
        uint32_t viewer_id;
        unsigned slot;
        int layer, max_temporal;
        bool paused;
    } select; /* the last one */
    struct backend_viewer_report report;
    /* with fake_use_sources */
    int source_status;
    char source_room[BACKEND_ROOM_MAX], source[64], source_options[200];
    unsigned source_slot, n_removed;
    uint32_t last_ticket;
    struct backend_source_change change;
    /* with fake_use_agents */
    int restart_status, token_status;
    unsigned n_restarts, n_candidates;
    char restart_ufrag[BACKEND_UFRAG_MAX];
    struct {
        uint32_t viewer_id;
        char text[BACKEND_CANDIDATE_MAX];
    } candidates[32];
    /* with fake_use_rooms */
    char password[BACKEND_PASSWORD_MAX]; /* to watch; "": none */
    bool token_used;                     /* FAKE_WATCH_TOKEN was shown */
    int grant_layer, last_best_layer;    /* what a token grants; what a seat was asked for with */
    int make_status;
    unsigned n_made, n_changes;
    char made_code[BACKEND_ROOM_MAX];
    /* with fake_use_publishing */
    int publish_reserve_status, publish_start_status;
    unsigned n_native; /* the first slots are a native source's */
    unsigned n_publish_starts, n_publish_ends, n_infos;
    uint32_t last_publisher, last_publish_end;
    struct backend_publication publication;
    struct {
        uint32_t id;
        unsigned slot;
        char window_name[64], app_name[32];
        struct backend_publish_info info; /* without its texts */
    } info;                               /* the last one */
    struct backend_audience audience;
};

#define FAKE_SECRET "0123456789abcdef0123456789abcdef"
#define FAKE_WATCH_TOKEN "header.once.signature"

static inline bool fake_room(void *arg, const char *code, struct backend_room *out)
{
    struct fake *f = arg;
    if (!f->exists || strcmp(code, f->room.code) != 0)
        return false;
    *out = f->room;
    return true;
}

static inline int fake_reserve(void *arg, const char *code, struct backend_room *room,
                               struct backend_seat *seat)
{
    struct fake *f = arg;
    if (!fake_room(f, code, room))
        return -ENOENT;
    f->offering = seat->offering;
    f->last_best_layer = seat->best_layer;
    if (f->reserve_status != 0)
        return f->reserve_status;
    if (!room->live)
        return -ENODATA;
    *seat = (struct backend_seat){
        .viewer_id = ++f->next_viewer,
        .fingerprint = "sha-256 "
                       "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                       "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
        .n_candidates = 2,
        .candidates = {{.ip = "192.0.2.10", .port = 8189}, {.ip = "2001:db8::10", .port = 8189}},
        .cname = "amphi",
    };
    if (f->backend.candidate) {
        seat->full_ice = true;
        seat->n_candidates = 0;
    }
    snprintf(seat->ufrag, sizeof(seat->ufrag), "ufrag%u", (unsigned)seat->viewer_id);
    snprintf(seat->pwd, sizeof(seat->pwd), "pwdpwdpwdpwdpwdpwdpwd%04u", (unsigned)seat->viewer_id);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        seat->video[i].ssrc = 1000 + i;
        seat->video[i].rtx_ssrc = 2000 + i;
        seat->audio[i].ssrc = 3000 + i;
    }
    f->reserved++;
    return 0;
}

static inline int fake_start(void *arg, uint32_t viewer_id, const struct backend_answer *answer)
{
    struct fake *f = arg;
    f->started++;
    f->last_started = viewer_id;
    f->answer = *answer;
    f->room.viewers += f->start_status == 0;
    f->watching[viewer_id % FAKE_WATCHING] = f->start_status == 0;
    return f->start_status;
}

/* The room counts it no more. */
static inline void fake_end_viewer(struct fake *f, uint32_t viewer_id)
{
    f->room.viewers -= f->watching[viewer_id % FAKE_WATCHING];
    f->watching[viewer_id % FAKE_WATCHING] = false;
}

static inline void fake_leave(void *arg, uint32_t viewer_id)
{
    struct fake *f = arg;
    f->left++;
    f->last_left = viewer_id;
    fake_end_viewer(f, viewer_id);
}

static inline void fake_candidate(void *arg, uint32_t viewer_id, const char *text)
{
    struct fake *f = arg;
    if (f->n_candidates == 32)
        abort();
    f->candidates[f->n_candidates].viewer_id = viewer_id;
    snprintf(f->candidates[f->n_candidates++].text, BACKEND_CANDIDATE_MAX, "%s", text);
}

static inline int fake_restart(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                               struct backend_credentials *ours)
{
    struct fake *f = arg;
    (void)viewer_id;
    (void)pwd;
    if (f->restart_status != 0)
        return f->restart_status;
    snprintf(f->restart_ufrag, sizeof(f->restart_ufrag), "%s", ufrag);
    snprintf(ours->ufrag, sizeof(ours->ufrag), "again%u", ++f->n_restarts);
    snprintf(ours->pwd, sizeof(ours->pwd), "againagainagainagain%04u", f->n_restarts);
    return 0;
}

static inline void fake_select(void *arg, uint32_t viewer_id, unsigned slot, int layer,
                               int max_temporal, bool paused)
{
    struct fake *f = arg;
    f->n_selects++;
    f->select.viewer_id = viewer_id;
    f->select.slot = slot;
    f->select.layer = layer;
    f->select.max_temporal = max_temporal;
    f->select.paused = paused;
}

static inline void fake_keyframe(void *arg, uint32_t viewer_id, unsigned slot)
{
    struct fake *f = arg;
    (void)viewer_id;
    f->n_keyframes++;
    f->keyframe_slot = slot;
}

static inline void fake_report(void *arg, uint32_t viewer_id,
                               const struct backend_viewer_report *report)
{
    struct fake *f = arg;
    (void)viewer_id;
    f->n_reports++;
    f->report = *report;
}

static inline int fake_add_source(void *arg, const char *room, const char *source,
                                  const char *options, uint32_t *ticket, char *error,
                                  size_t error_size)
{
    struct fake *f = arg;
    snprintf(f->source_room, sizeof(f->source_room), "%s", room);
    snprintf(f->source, sizeof(f->source), "%s", source);
    snprintf(f->source_options, sizeof(f->source_options), "%s", options);
    snprintf(error, error_size, "the fake has no %.40s", source);
    *ticket = f->source_status == 0 ? ++f->last_ticket : 0;
    return f->source_status == 0 ? -EINPROGRESS : f->source_status;
}

static inline int fake_remove_source(void *arg, const char *room, unsigned slot)
{
    struct fake *f = arg;
    (void)room;
    f->source_slot = slot;
    f->n_removed++;
    return f->source_status;
}

static inline int fake_set_source(void *arg, const char *room, unsigned slot,
                                  const struct backend_source_change *change, char *error,
                                  size_t error_size)
{
    struct fake *f = arg;
    (void)room;
    f->source_slot = slot;
    f->change = *change;
    snprintf(error, error_size, "the fake does not change");
    return f->source_status;
}

static inline int fake_list_sources(void *arg, uint32_t *ticket)
{
    struct fake *f = arg;
    *ticket = f->source_status == 0 ? ++f->last_ticket : 0;
    return f->source_status == 0 ? -EINPROGRESS : f->source_status;
}

static inline void fake_use_sources(struct fake *f)
{
    f->backend.add_source = fake_add_source;
    f->backend.remove_source = fake_remove_source;
    f->backend.set_source = fake_set_source;
    f->backend.list_sources = fake_list_sources;
}

/* As with --ice full. */
static inline void fake_use_agents(struct fake *f)
{
    f->backend.candidate = fake_candidate;
    f->backend.restart = fake_restart;
}

static inline enum backend_access fake_may_watch(void *arg, const char *code,
                                                 const struct backend_credential *shown,
                                                 struct backend_grant *out)
{
    struct fake *f = arg;
    *out = (struct backend_grant){0};
    if (!f->exists || strcmp(code, f->room.code) != 0)
        return BACKEND_ACCESS_NO_ROOM;
    if (f->password[0] == '\0')
        return BACKEND_ACCESS_GRANTED;
    if (!shown->bearer)
        return BACKEND_ACCESS_REQUIRED;
    if (strcmp(shown->bearer, FAKE_WATCH_TOKEN) == 0) {
        bool used = f->token_used;
        f->token_used = true;
        out->best_layer = f->grant_layer;
        return used ? BACKEND_ACCESS_TOKEN_USED : BACKEND_ACCESS_GRANTED;
    }
    return strcmp(shown->bearer, f->password) == 0 ? BACKEND_ACCESS_GRANTED
                                                   : BACKEND_ACCESS_INVALID;
}

static inline enum backend_access fake_may_publish(void *arg, const char *code,
                                                   const struct backend_credential *shown)
{
    struct fake *f = arg;
    const char *secret = shown->secret ? shown->secret : shown->bearer;
    if (!f->exists || strcmp(code, f->room.code) != 0)
        return BACKEND_ACCESS_NO_ROOM;
    if (!secret)
        return BACKEND_ACCESS_REQUIRED;
    return strcmp(secret, FAKE_SECRET) == 0 ? BACKEND_ACCESS_GRANTED : BACKEND_ACCESS_INVALID;
}

static inline int fake_make_room(void *arg, const struct backend_room_wish *wish,
                                 struct backend_room_made *out)
{
    struct fake *f = arg;
    if (f->make_status != 0)
        return f->make_status;
    f->n_made++;
    f->exists = true;
    f->room.live = false;
    snprintf(f->made_code, sizeof(f->made_code), "%s", wish->code ? wish->code : FAKE_ROOM);
    snprintf(f->room.code, sizeof(f->room.code), "%s", f->made_code);
    snprintf(f->password, sizeof(f->password), "%s", wish->password ? wish->password : "");
    snprintf(out->code, sizeof(out->code), "%s", f->made_code);
    if (wish->secret && strlen(wish->secret) < 16)
        return -EINVAL;
    snprintf(out->secret, sizeof(out->secret), "%s", wish->secret ? wish->secret : FAKE_SECRET);
    return 0;
}

static inline int fake_make_token(void *arg, const char *code,
                                  const struct backend_token_wish *wish, struct backend_token *out)
{
    const struct fake *f = arg;
    if (strcmp(code, FAKE_ROOM) != 0)
        return -ENOENT;
    if (f->token_status != 0)
        return f->token_status;
    out->expires_s = 1000000 + wish->lasts_s;
    snprintf(out->text, sizeof(out->text), "head.layer%d.mac", wish->max_layer);
    return 0;
}

static inline int fake_change_room(void *arg, const char *code,
                                   const struct backend_room_wish *wish)
{
    struct fake *f = arg;
    if (!f->exists || strcmp(code, f->room.code) != 0)
        return -ENOENT;
    f->n_changes++;
    if (wish->password)
        snprintf(f->password, sizeof(f->password), "%s", wish->password);
    return 0;
}

static inline int fake_end_room(void *arg, const char *code)
{
    struct fake *f = arg;
    bool there = f->exists && strcmp(code, f->room.code) == 0;
    f->exists = f->exists && !there;
    return there ? 0 : -ENOENT;
}

/* Passwords, secrets, and rooms that can be made. */
static inline void fake_use_rooms(struct fake *f)
{
    f->backend.open_rooms = true;
    f->backend.may_watch = fake_may_watch;
    f->backend.may_publish = fake_may_publish;
    f->backend.make_room = fake_make_room;
    f->backend.change_room = fake_change_room;
    f->backend.make_token = fake_make_token;
    f->backend.end_room = fake_end_room;
}

static inline int fake_publish_reserve(void *arg, const char *code, struct backend_seat *seat)
{
    struct fake *f = arg;
    struct backend_room room;
    if (!fake_room(f, code, &room))
        return -ENOENT;
    if (f->publish_reserve_status != 0)
        return f->publish_reserve_status;
    *seat = (struct backend_seat){
        .viewer_id = ++f->next_viewer,
        .fingerprint = "sha-256 "
                       "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                       "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
        .full_ice = f->backend.candidate != NULL,
        .n_candidates = f->backend.candidate ? 0 : 1,
        .candidates = {{.ip = "192.0.2.10", .port = 8189}},
        .cname = "amphi",
    };
    snprintf(seat->ufrag, sizeof(seat->ufrag), "ufrag%u", (unsigned)seat->viewer_id);
    snprintf(seat->pwd, sizeof(seat->pwd), "pwdpwdpwdpwdpwdpwdpwd%04u", (unsigned)seat->viewer_id);
    f->reserved++;
    return 0;
}

static inline int fake_publish_slot(void *arg, const char *code, unsigned taken)
{
    const struct fake *f = arg;
    (void)code;
    for (unsigned i = f->n_native; i < BACKEND_STREAMS_MAX; i++)
        if (!(taken & 1u << i))
            return (int)i;
    return -ENOSPC;
}

static inline int fake_publish_start(void *arg, uint32_t id, const struct backend_publication *what)
{
    struct fake *f = arg;
    f->n_publish_starts++;
    f->last_publisher = id;
    f->publication = *what;
    return f->publish_start_status;
}

static inline void fake_publish_end(void *arg, uint32_t id)
{
    struct fake *f = arg;
    f->n_publish_ends++;
    f->last_publish_end = id;
}

static inline void fake_publish_info(void *arg, uint32_t id, unsigned slot,
                                     const struct backend_publish_info *info)
{
    struct fake *f = arg;
    f->n_infos++;
    f->info.id = id;
    f->info.slot = slot;
    f->info.info = *info;
    snprintf(f->info.window_name, sizeof(f->info.window_name), "%s",
             info->window_name ? info->window_name : "(as it is)");
    snprintf(f->info.app_name, sizeof(f->info.app_name), "%s",
             info->app_name ? info->app_name : "(as it is)");
}

static inline bool fake_audience(void *arg, const char *code, struct backend_audience *out)
{
    struct fake *f = arg;
    if (!f->exists || strcmp(code, f->room.code) != 0)
        return false;
    *out = f->audience;
    return true;
}

/* Of session_ws_output. */
static inline void *fake_allocate(void *arg, size_t size)
{
    (void)arg;
    return calloc(1, size);
}

/* Takes presenters; with fake_use_rooms. */
static inline void fake_use_publishing(struct fake *f)
{
    fake_use_rooms(f);
    f->backend.publish_reserve = fake_publish_reserve;
    f->backend.publish_slot = fake_publish_slot;
    f->backend.publish_start = fake_publish_start;
    f->backend.publish_end = fake_publish_end;
    f->backend.publish_info = fake_publish_info;
    f->backend.audience = fake_audience;
}

static inline bool fake_is_admin(void *arg, const char *bearer)
{
    (void)arg;
    return bearer && strcmp(bearer, FAKE_TOKEN) == 0;
}

static inline char *fake_stats(void *arg, bool with_viewers)
{
    struct fake *f = arg;
    char *text = malloc(f->stats_padding + 64);
    if (!text)
        return NULL;
    int n = sprintf(text, "{\"with_viewers\":%s,\"pad\":\"", with_viewers ? "true" : "false");
    memset(text + n, 'x', f->stats_padding);
    strcpy(text + n + f->stats_padding, "\"}");
    return text;
}

/* There is viewer 7 alone. */
static inline char *fake_viewer(void *arg, uint32_t viewer_id)
{
    return viewer_id == 7 && !((struct fake *)arg)->removed ? strdup("{\"id\":\"7\"}") : NULL;
}

static inline char *fake_viewer_story(void *arg, uint32_t viewer_id)
{
    const struct fake *f = arg;
    return viewer_id == f->next_viewer
               ? strdup(
                     "[{\"at_ms\":350,\"why\":\"narrow\",\"target_bps\":900000,\"queue_ms\":12}]")
               : NULL;
}

static inline int fake_remove_viewer(void *arg, uint32_t viewer_id)
{
    struct fake *f = arg;
    bool there = viewer_id == 7 && !f->removed;
    f->removed = f->removed || there;
    return there ? 0 : -ENOENT;
}

static inline char *fake_metrics(void *arg)
{
    (void)arg;
    return strdup("amphi_viewers 0\n");
}

static inline const char *fake_unhealthy(void *arg)
{
    return ((struct fake *)arg)->unhealthy;
}

static inline const char *fake_unready(void *arg)
{
    return ((struct fake *)arg)->unready;
}

/* A live room with `n_streams` constrained baseline streams of 1080p. */
static inline void fake_init(struct fake *f, unsigned n_streams)
{
    *f = (struct fake){
        .backend = {.room = fake_room,
                    .reserve = fake_reserve,
                    .start = fake_start,
                    .leave = fake_leave,
                    .select = fake_select,
                    .keyframe = fake_keyframe,
                    .viewer_report = fake_report,
                    .is_admin = fake_is_admin,
                    .stats_json = fake_stats,
                    .viewer_json = fake_viewer,
                    .viewer_story_json = fake_viewer_story,
                    .remove_viewer = fake_remove_viewer,
                    .metrics_text = fake_metrics,
                    .unhealthy = fake_unhealthy,
                    .unready = fake_unready},
        .exists = true,
        .room = {.code = FAKE_ROOM, .live = true, .n_streams = n_streams, .viewers = 3},
    };
    f->backend.arg = f;
    for (unsigned i = 0; i < n_streams; i++) {
        struct backend_stream *s = &f->room.streams[i];
        *s = (struct backend_stream){.active = true,
                                     .window_name = "Slides",
                                     .app_name = "impress",
                                     .is_focused = i == 0,
                                     .width = 1920,
                                     .height = 1080,
                                     .codec = BACKEND_H264,
                                     .n_layers = 1,
                                     .h264_profile = {0x42, 0xc0, 0x28}};
        snprintf(s->track_id, sizeof(s->track_id), "video%u", i);
    }
}
