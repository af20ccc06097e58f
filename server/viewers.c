#include "server/server_inside.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

/* --- seats --- */

static bool has_ssrc(const struct backend_seat *seat, uint32_t ssrc)
{
    bool found = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        found |= seat->video[i].ssrc == ssrc || seat->video[i].rtx_ssrc == ssrc ||
                 seat->audio[i].ssrc == ssrc;
    return found;
}

/* All of a viewer's packets are protected with one key, so that two alike would be two packets
 * under one nonce (RFC 7714 8.1). */
static uint32_t random_ssrc(const struct backend_seat *seat)
{
    uint32_t ssrc;
    do {
        server_random(&ssrc, sizeof(ssrc));
    } while (ssrc == 0 || has_ssrc(seat, ssrc));
    return ssrc;
}

void server_fill_seat(struct server *s, const struct forwarder_seat *seat, struct backend_seat *out)
{
    *out = (struct backend_seat){.viewer_id = seat->viewer_id, .full_ice = s->config.ice_full};
    snprintf(out->ufrag, sizeof(out->ufrag), "%s", seat->ice.ufrag);
    snprintf(out->pwd, sizeof(out->pwd), "%s", seat->ice.pwd);
    snprintf(out->fingerprint, sizeof(out->fingerprint), "%s", s->fingerprint);
    if (!s->config.ice_full) {
        out->n_candidates = s->n_candidates;
        memcpy(out->candidates, s->candidates, sizeof(out->candidates));
    }
    uint64_t name;
    server_random(&name, sizeof(name));
    snprintf(out->cname, sizeof(out->cname), "%016llx", (unsigned long long)name);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        out->video[i].ssrc = random_ssrc(out);
        out->video[i].rtx_ssrc = random_ssrc(out);
        out->audio[i].ssrc = random_ssrc(out);
    }
}

static bool on_room(void *arg, const char *code, struct backend_room *out)
{
    const struct server *s = arg;
    struct room *room = server_find_room(arg, code);
    if (!room)
        return false;
    room_describe(room, out);
    out->makes_tokens = watch_tokens_can_sign(&s->tokens);
    return true;
}

static int on_reserve(void *arg, const char *code, struct backend_room *room,
                      struct backend_seat *seat)
{
    struct server *s = arg;
    struct room *r = server_find_room(s, code);
    if (!r)
        return -ENOENT;
    if (s->draining)
        return -ESHUTDOWN;
    room_describe(r, room);
    if (!room->live)
        return -ENODATA;
    if (room_is_full(r))
        return -EAGAIN;
    struct forwarder_seat place;
    int err = seat->offering ? forwarder_reserve_to_offer(s->forwarder, &place)
                             : forwarder_reserve(s->forwarder, &place);
    if (err)
        return err;
    struct guest *guest = g_new0(struct guest, 1);
    guest->room = r;
    guest->best_layer = (uint8_t)seat->best_layer;
    room_seat_taken(r);
    server_fill_seat(s, &place, &guest->seat);
    server_add_guest(s, place.viewer_id, guest);
    *seat = guest->seat;
    return 0;
}

/* --- from the answer to the end --- */

static bool copy(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n >= room)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

bool server_fill_peer(const struct backend_seat *seat, const struct server_peer *peer,
                      struct peer_config *out)
{
    out->role = peer->dtls_client ? DTLS_CLIENT : DTLS_SERVER;
    if (!copy(out->local.ufrag, sizeof(out->local.ufrag), seat->ufrag) ||
        !copy(out->local.pwd, sizeof(out->local.pwd), seat->pwd) ||
        !copy(out->remote_ufrag, sizeof(out->remote_ufrag), peer->ufrag) ||
        !copy(out->remote_pwd, sizeof(out->remote_pwd), peer->pwd))
        return false;
    /* a hash we do not take is skipped: one that fits is enough (RFC 8122 5) */
    for (unsigned i = 0; i < peer->n_fingerprints; i++) {
        if (out->n_fingerprints < DTLS_FINGERPRINTS_MAX &&
            dtls_fingerprint_parse(&out->fingerprints[out->n_fingerprints], peer->fingerprints[i]))
            out->n_fingerprints++;
    }
    return out->n_fingerprints > 0;
}

static bool fill_peer(const struct guest *g, const struct backend_answer *answer,
                      struct peer_config *out)
{
    const struct server_peer peer = {
        .ufrag = answer->ufrag,
        .pwd = answer->pwd,
        .dtls_client = answer->dtls_client,
        .n_fingerprints = answer->n_fingerprints,
        .fingerprints = answer->fingerprints,
    };
    return server_fill_peer(&g->seat, &peer, out);
}

static void fill_video(const struct guest *g, const struct backend_answer *answer, unsigned i,
                       struct viewer_track_config *t)
{
    unsigned slot = answer->tracks[i].slot;
    t->stream_id = g->room->slots[slot].video_stream;
    t->kind = FORWARDER_VIDEO;
    t->ssrc = g->seat.video[slot].ssrc;
    t->rtx_ssrc = g->seat.video[slot].rtx_ssrc;
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++)
        t->formats[c] = (struct viewer_format){
            .payload_type = answer->tracks[i].formats[c].payload_type,
            .rtx_payload_type = answer->tracks[i].formats[c].rtx_payload_type,
        };
}

static void fill_audio(const struct guest *g, const struct backend_answer *answer, unsigned i,
                       struct viewer_track_config *t)
{
    unsigned slot = answer->tracks[i].slot;
    t->stream_id = g->room->slots[slot].audio_stream;
    t->kind = FORWARDER_AUDIO;
    t->ssrc = g->seat.audio[slot].ssrc;
    t->formats[PAYLOAD_OPUS].payload_type = answer->tracks[i].opus_payload_type;
    t->red_payload_type = answer->tracks[i].red_payload_type;
}

static bool hears(const struct guest *g, const struct backend_answer *answer, unsigned slot)
{
    bool accepted = false;
    for (unsigned i = 0; i < answer->n_tracks; i++)
        accepted |= answer->tracks[i].audio && answer->tracks[i].slot == slot;
    return accepted && room_has_sound(g->room, slot);
}

static bool fill_tracks(const struct guest *g, const struct backend_answer *answer,
                        struct viewer_config *out)
{
    for (unsigned i = 0; i < answer->n_tracks && i < VIEWER_TRACKS_MAX; i++) {
        struct viewer_track_config *t = &out->tracks[out->n_tracks++];
        if (answer->tracks[i].slot >= BACKEND_STREAMS_MAX)
            return false;
        t->extensions.transport_cc = answer->tracks[i].transport_cc_id;
        /* a browser told to show pictures at once cannot let them wait for their sound */
        if (!hears(g, answer, answer->tracks[i].slot))
            t->extensions.playout_delay = answer->tracks[i].playout_delay_id;
        t->extensions.mid = answer->tracks[i].mid_id;
        t->extensions.dependency = answer->tracks[i].dependency_id;
        if (!copy(t->mid, sizeof(t->mid), answer->tracks[i].mid))
            return false;
        if (answer->tracks[i].audio)
            fill_audio(g, answer, i, t);
        else
            fill_video(g, answer, i, t);
    }
    return out->n_tracks > 0;
}

/* Before anything can be sent: its handshakes have not begun. */
static void bar_layers(struct server *s, uint32_t viewer_id, const struct guest *g)
{
    const struct viewer_selection all = {.layer = -1, .max_temporal = -1, .barred = g->best_layer};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && g->best_layer > 0; i++)
        forwarder_select(s->forwarder, viewer_id, g->room->slots[i].video_stream, &all);
}

static int on_start(void *arg, uint32_t viewer_id, const struct backend_answer *answer)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, viewer_id);
    if (!g || g->started || !g->room || g->presents)
        return -ENOENT;
    struct viewer_config config = {.id = viewer_id, .adapts = s->config.adapt};
    server_random(&config.seed, sizeof(config.seed));
    if (!copy(config.cname, sizeof(config.cname), g->seat.cname) ||
        !fill_peer(g, answer, &config.peer) || !fill_tracks(g, answer, &config))
        return -EINVAL;
    int err = forwarder_add_viewer(s->forwarder, &config);
    if (err)
        return err;
    bar_layers(s, viewer_id, g);
    g->started = true;
    room_viewer_added(g->room);
    return 0;
}

static void on_leave(void *arg, uint32_t viewer_id)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, viewer_id);
    if (!g || !s->forwarder)
        return;
    if (g->presents) {
        presenters_leave(s, viewer_id, g);
        return;
    }
    if (g->started) {
        if (g->room)
            room_viewer_left(g->room, true);
        g->room = NULL;
        forwarder_remove_viewer(s->forwarder, viewer_id); /* its last event removes the guest */
        return;
    }
    forwarder_cancel(s->forwarder, viewer_id);
    server_drop_guest(s, viewer_id);
}

/* Of the peer. */
static void on_candidate(void *arg, uint32_t viewer_id, const char *text)
{
    struct server *s = arg;
    forwarder_add_candidate(s->forwarder, viewer_id, text);
}

static int on_restart(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct backend_credentials *ours)
{
    struct server *s = arg;
    struct ice_local local;
    int rc = forwarder_restart(s->forwarder, viewer_id, ufrag, pwd, ours ? &local : NULL);
    if (rc != 0 || !ours)
        return rc;
    snprintf(ours->ufrag, sizeof(ours->ufrag), "%s", local.ufrag);
    snprintf(ours->pwd, sizeof(ours->pwd), "%s", local.pwd);
    return 0;
}

/* ICE over TCP. */
static void on_tcp(void *arg, int fd)
{
    struct server *s = arg;
    forwarder_add_tcp(s->forwarder, fd);
}

/* --- what its player says --- */

static void on_select(void *arg, uint32_t viewer_id, unsigned slot, int layer, int max_temporal,
                      bool paused)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, viewer_id);
    if (!g || !g->started || !g->room || g->presents || slot >= BACKEND_STREAMS_MAX)
        return;
    const struct room_slot *place = &g->room->slots[slot];
    const struct viewer_selection video = {
        .layer = room_layer(g->room, slot, layer),
        .max_temporal = max_temporal,
        .paused = paused,
        .barred = g->best_layer,
    };
    const struct viewer_selection audio = {.layer = -1, .max_temporal = -1, .paused = paused};
    forwarder_select(s->forwarder, viewer_id, place->video_stream, &video);
    forwarder_select(s->forwarder, viewer_id, place->audio_stream, &audio);
}

static void on_keyframe(void *arg, uint32_t viewer_id, unsigned slot)
{
    struct server *s = arg;
    struct guest *g = server_find_guest(s, viewer_id);
    if (g && g->started && g->room && !g->presents && slot < BACKEND_STREAMS_MAX)
        forwarder_want_keyframe(s->forwarder, viewer_id, g->room->slots[slot].video_stream);
}

static void on_viewer_report(void *arg, uint32_t viewer_id, const struct backend_viewer_report *r)
{
    struct guest *g = server_find_guest(arg, viewer_id);
    if (!g || !g->started)
        return;
    g->report = *r;
    g->reported_us = server_now_us();
}

void viewers_fill_backend(struct server *s, struct backend *out)
{
    out->room = on_room;
    out->reserve = on_reserve;
    out->start = on_start;
    out->leave = on_leave;
    out->select = on_select;
    out->keyframe = on_keyframe;
    out->viewer_report = on_viewer_report;
    out->restart = on_restart;
    if (s->config.ice_full) { /* an agent has sockets of its own */
        out->candidate = on_candidate;
    } else if (!s->config.no_ice_tcp) {
        out->tcp = on_tcp;
    }
}
