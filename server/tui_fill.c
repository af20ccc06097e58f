#include "server/tui_fill.h"

#include <stdio.h>
#include <string.h>

/* --- streams --- */

static void fill_stream(struct tui_stream *out, const struct room_slot *slot, unsigned index)
{
    struct source_info info;
    struct source_stats stats;
    source_info(slot->source, &info);
    source_stats(slot->source, &stats);
    *out = (struct tui_stream){
        .slot = index,
        .width = info.width,
        .height = info.height,
        .fps = stats.encode_fps,
        .bps = stats.bitrate_bps,
        .frames = stats.frames_encoded,
        .keyframes = stats.keyframes,
        .focused = slot->focused,
        .paused = info.paused,
    };
    snprintf(out->name, sizeof(out->name), "%s", slot->title[0] ? slot->title : info.name);
    snprintf(out->codec, sizeof(out->codec), "%s", info.codec ? info.codec : "");
    snprintf(out->end_reason, sizeof(out->end_reason), "%s", info.end_reason);
}

static void fill_streams(struct tui_model *m, const struct room *room)
{
    m->n_streams = 0;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->slots[i].source)
            fill_stream(&m->streams[m->n_streams++], &room->slots[i], i);
    }
}

/* --- viewers --- */

static const char *state_of(const struct forwarder_viewer_stats *v)
{
    if (v->state == VIEWER_ICE || v->state == VIEWER_DTLS)
        return "joining";
    return v->unsupported_codec ? "no codec" : v->narrow ? "narrow" : "watching";
}

static void fill_viewer(struct tui_viewer *out, const struct forwarder_viewer_stats *v)
{
    char address[ADDRESS_TEXT_MAX] = "";
    if (v->remote.sa.sa_family)
        address_format(&v->remote, address);
    char *port = strrchr(address, ':');
    if (port)
        *port = '\0';
    *out = (struct tui_viewer){
        .id = v->id,
        .age_us = v->age_us,
        .rtt_us = v->rtt_us,
        .loss_percent = v->fraction_lost < 0 ? -1 : v->fraction_lost * 100 / 256,
        .sent_bps = v->sent_bps,
    };
    snprintf(out->state, sizeof(out->state), "%s", state_of(v));
    snprintf(out->from, sizeof(out->from), "%.47s", address);
}

static void fill_viewers(struct tui_model *m, struct server *s, const struct room *room,
                         const struct forwarder_stats *stats)
{
    m->n_listed = 0;
    for (unsigned i = 0; i < stats->n_viewers && m->n_listed < TUI_VIEWERS_MAX; i++) {
        const struct guest *g = server_find_guest(s, stats->viewers[i].id);
        if (g && g->room == room && stats->viewers[i].state != VIEWER_CLOSED)
            fill_viewer(&m->listed[m->n_listed++], &stats->viewers[i]);
    }
    m->viewers = room->viewers;
}

void tui_fill_room(struct tui_model *m, struct server *s, const struct room *room, int64_t now_us)
{
    struct forwarder_stats stats;
    m->uptime_us = now_us - room->created_us;
    fill_streams(m, room);
    if (forwarder_stats(s->forwarder, &stats) != 0)
        return;
    m->sent_bytes = 0;
    for (unsigned i = 0; i < stats.n_workers; i++)
        m->sent_bytes += stats.workers[i].bytes_sent;
    if (m->uplink == TUI_UPLINK_NONE)
        fill_viewers(m, s, room, &stats);
    forwarder_stats_free(&stats);
}

/* --- the way to a server elsewhere --- */

void tui_fill_uplink(struct tui_model *m, const struct publish_status *status, int64_t now_us)
{
    static const struct {
        enum tui_uplink uplink;
        const char *text;
    } states[] = {
        [PUBLISH_IDLE] = {TUI_UPLINK_BUSY, "nothing to send"},
        [PUBLISH_CONNECTING] = {TUI_UPLINK_BUSY, "connecting..."},
        [PUBLISH_LIVE] = {TUI_UPLINK_GOOD, "LIVE"},
        [PUBLISH_WAITING] = {TUI_UPLINK_BAD, "RECONNECTING"},
        [PUBLISH_REFUSED] = {TUI_UPLINK_BAD, "REFUSED"},
        [PUBLISH_STOPPED] = {TUI_UPLINK_BUSY, "stopped"},
    };
    m->uplink = states[status->state].uplink;
    const char *text = states[status->state].text;
    int64_t left_us = status->retry_us - now_us;
    if (status->state == PUBLISH_WAITING)
        snprintf(m->uplink_text, sizeof(m->uplink_text), "[%s %u, in %d s] %s", text,
                 status->failures, (int)(left_us > 0 ? left_us / 1000000 + 1 : 0), status->why);
    else
        snprintf(m->uplink_text, sizeof(m->uplink_text), "[%s] %s", text,
                 status->state == PUBLISH_LIVE ? "" : status->why);
}

void tui_fill_link(char out[300], char room[64], const char *endpoint)
{
    const char *path = strstr(endpoint, "://");
    path = path ? strchr(path + 3, '/') : NULL;
    const char *whip = path ? strstr(path, "/whip/") : NULL;
    size_t n = whip ? strcspn(whip + 6, "/?#") : 0;
    out[0] = room[0] = '\0';
    if (n == 0 || n >= 64 || whip[6 + n] != '\0')
        return;
    memcpy(room, whip + 6, n);
    room[n] = '\0';
    snprintf(out, 300, "%.*s/%s", (int)(whip - endpoint), endpoint, room);
}

/* --- sources --- */

/* "screen" is the first one. */
static bool is_place(const struct media_place *p, const char *source)
{
    size_t n = strlen(p->kind);
    if (strncmp(source, p->kind, n) != 0)
        return false;
    if (source[n] == '\0')
        return p->arg[0] == '\0';
    return source[n] == ':' && strcmp(source + n + 1, p->arg) == 0;
}

static int slot_of(const struct room *room, const char *source)
{
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->slots[i].source && is_place(&room->slots[i].media->video, source))
            return (int)i;
    }
    return -1;
}

static struct tui_source *add(struct tui_model *m, const char *source)
{
    if (m->n_sources == TUI_SOURCES_MAX)
        return NULL;
    struct tui_source *out = &m->sources[m->n_sources++];
    *out = (struct tui_source){.slot = -1};
    snprintf(out->source, sizeof(out->source), "%s", source);
    return out;
}

static void add_entry(struct tui_model *m, const struct room *room, const struct sources_entry *e)
{
    struct tui_source *out = add(m, e->source);
    if (!out)
        return;
    out->width = e->width;
    out->height = e->height;
    out->is_screen = e->kind == SOURCES_SCREEN;
    out->is_window = e->kind == SOURCES_WINDOW;
    out->focused = e->focused;
    out->slot = slot_of(room, e->source);
    snprintf(out->name, sizeof(out->name), "%.95s", e->name);
    snprintf(out->app, sizeof(out->app), "%.47s", e->app);
}

static void add_slot(struct tui_model *m, const struct room *room, unsigned i)
{
    char source[160];
    const struct media_place *p = &room->slots[i].media->video;
    for (unsigned k = 0; k < m->n_sources; k++) {
        if (m->sources[k].slot == (int)i)
            return;
    }
    snprintf(source, sizeof(source), "%s%s%.140s", p->kind, p->arg[0] ? ":" : "", p->arg);
    struct tui_source *out = add(m, source);
    if (out)
        out->slot = (int)i;
}

void tui_fill_sources(struct tui_model *m, const struct room *room,
                      const struct sources_entry *list, int n)
{
    m->n_sources = 0;
    for (int i = 0; i < n; i++) {
        if (list[i].kind != SOURCES_AUDIO)
            add_entry(m, room, &list[i]);
    }
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->slots[i].source)
            add_slot(m, room, i);
    }
}

/* --- settings --- */

void tui_fill_coding(struct tui_model *m, const struct media_coding *coding)
{
    m->quality = m->fps = m->codec = -1;
    for (int i = 0; i < TUI_QUALITIES; i++) {
        struct media_coding c = *coding;
        if (!media_set_quality(&c, tui_qualities[i].name) &&
            c.quality_bps == coding->rate.bitrate_bps)
            m->quality = i;
    }
    for (int i = 0; i < TUI_RATES; i++) {
        struct media_coding c = *coding;
        if (!media_set_fps(&c, tui_rates[i].name) && c.rate.fps == coding->rate.fps)
            m->fps = i;
    }
    for (int i = 0; i < TUI_CODECS; i++) {
        if (strcmp(codec_name(coding->codec), tui_codecs[i].name) == 0)
            m->codec = i;
    }
    m->constant_quality = coding->rate.rate_control == ENCODER_QUALITY;
}
