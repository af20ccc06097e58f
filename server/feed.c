#include "server/feed.h"

#include <assert.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define FPS_US 1000000

static_assert((int)BACKEND_AV1 == (int)PAYLOAD_AV1 && (int)BACKEND_H264 == (int)PAYLOAD_H264,
              "signaling counts the codecs as the forwarder does");

/* A picture of whom he takes it over from stays until his own is there. */
void feed_begin(struct feed *f, uint32_t presenter, bool has_video, bool has_audio, int64_t now_us)
{
    bool was_lost = f->lost;
    f->arrived = feed_is_shown(f);
    f->presenter = presenter;
    f->has_video = has_video;
    f->has_audio = has_audio;
    f->put_away = f->paused = false;
    f->lost = f->arrived;
    if (f->lost && !was_lost)
        f->lost_us = now_us;
}

static unsigned take_layers(struct feed *f, const struct ingest_track_info *video)
{
    unsigned n = 0;
    for (unsigned i = video->n_layers; i-- > 0 && n < BACKEND_LAYERS_MAX;) {
        const struct ingest_layer_info *l = &video->layers[i];
        if (!l->known || !l->live)
            continue;
        f->layers[n].width = l->width;
        f->layers[n].height = l->height;
        f->layers[n].bitrate_bps = l->bps < UINT32_MAX ? (uint32_t)l->bps : UINT32_MAX;
        f->layers[n++].index = (uint8_t)i;
    }
    return n;
}

/* Anew when the best layer is another one. */
static void count_frames(struct feed *f, const struct ingest_layer_info *best, int64_t now_us)
{
    int64_t since_us = now_us - f->frames_us;
    if (f->frames_us != 0 && since_us < FPS_US)
        return;
    bool goes_on = f->frames_us != 0 && best->frames >= f->frames;
    f->fps = goes_on ? (double)(best->frames - f->frames) * 1e6 / (double)since_us : 0;
    f->frames = best->frames;
    f->frames_us = now_us;
}

static bool take_video(struct feed *f, const struct ingest_track_info *video, int64_t now_us)
{
    const struct feed before = *f;
    unsigned n = take_layers(f, video);
    if (n == 0) /* what was shown before is shown on */
        return false;
    const struct ingest_layer_info *best = &video->layers[f->layers[0].index];
    if (before.n_layers != n || before.lost)
        f->frames_us = 0;
    count_frames(f, best, now_us);
    f->n_layers = n;
    f->codec = (enum backend_codec)best->codec;
    f->width = best->width;
    f->height = best->height;
    memcpy(f->h264_profile, best->h264_profile, sizeof(f->h264_profile));
    f->arrived = true;
    f->lost = false;
    return !before.arrived || before.lost || before.n_layers != n || before.codec != f->codec ||
           before.width != f->width || before.height != f->height;
}

static bool take_audio(struct feed *f, const struct ingest_track_info *audio)
{
    bool news = audio->n_layers > 0 && audio->layers[0].live && (!f->arrived || f->lost);
    if (news) {
        f->arrived = true;
        f->lost = false;
    }
    return news;
}

bool feed_take(struct feed *f, const struct ingest_track_info *video,
               const struct ingest_track_info *audio, int64_t now_us)
{
    bool news = video && f->has_video && take_video(f, video, now_us);
    if (audio && f->has_audio && !f->has_video)
        news = take_audio(f, audio);
    return news;
}

/* At most what fits, and no part of a character. */
static bool set_name(char *out, size_t room, const char *name)
{
    const char *end;
    if (!name)
        return false;
    size_t n = strnlen(name, room - 1);
    (void)g_utf8_validate(name, (gssize)n, &end);
    n = (size_t)(end - name);
    if (strlen(out) == n && memcmp(out, name, n) == 0)
        return false;
    memcpy(out, name, n);
    out[n] = '\0';
    return true;
}

static bool set_flag(bool *out, int value)
{
    bool news = value >= 0 && *out != (value > 0);
    if (news)
        *out = value > 0;
    return news;
}

bool feed_inform(struct feed *f, const struct backend_publish_info *said)
{
    bool news = set_name(f->window_name, sizeof(f->window_name), said->window_name);
    news |= set_name(f->app_name, sizeof(f->app_name), said->app_name);
    news |= set_flag(&f->paused, said->paused);
    if (said->active >= 0)
        news |= set_flag(&f->put_away, said->active == 0);
    if (f->put_away && f->lost) /* who was waited for has nothing to come back with */
        f->arrived = f->lost = false;
    if (said->width > 0 && said->height > 0) {
        f->said_width = said->width;
        f->said_height = said->height;
    }
    return news;
}

void feed_lose(struct feed *f, int64_t now_us)
{
    if (!feed_is_shown(f)) {
        feed_end(f);
        return;
    }
    if (!f->lost)
        f->lost_us = now_us;
    f->lost = true;
}

void feed_end(struct feed *f)
{
    *f = (struct feed){0};
}

bool feed_is_shown(const struct feed *f)
{
    return f->presenter != 0 && f->arrived && !f->put_away;
}

void feed_describe(const struct feed *f, unsigned slot, struct backend_stream *out)
{
    *out = (struct backend_stream){
        .active = true,
        .has_audio = f->has_audio,
        .paused = f->paused,
        .width = f->width ? f->width : f->said_width,
        .height = f->height ? f->height : f->said_height,
        .codec = f->has_video ? f->codec : BACKEND_VP8, /* of no picture; an SDP wants some order */
        .n_layers = f->n_layers,
    };
    snprintf(out->track_id, sizeof(out->track_id), "video%u", slot);
    memcpy(out->window_name, f->window_name, sizeof(f->window_name));
    memcpy(out->app_name, f->app_name, sizeof(f->app_name));
    memcpy(out->h264_profile, f->h264_profile, sizeof(out->h264_profile));
    for (unsigned i = 0; i < f->n_layers; i++) {
        out->layers[i].width = f->layers[i].width;
        out->layers[i].height = f->layers[i].height;
        out->layers[i].bitrate_bps = f->layers[i].bitrate_bps;
    }
    if (f->lost)
        snprintf(out->end_reason, sizeof(out->end_reason), "the presenter is reconnecting");
}

int feed_layer(const struct feed *f, int layer)
{
    if (layer < 0 || f->n_layers == 0)
        return -1;
    unsigned i = (unsigned)layer < f->n_layers ? (unsigned)layer : f->n_layers - 1;
    return f->layers[i].index;
}
