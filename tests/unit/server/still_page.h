/* still_page.h - a source that shows a page of text, which scrolls for a while and then stands
 * still, and what its viewers see of it from then on.
 *
 * Life: still_new starts it, still_wait until it has stood for a while, still_end stops it and
 * decodes what was published, still_free. One thread beside the source's.
 */
#pragma once

#include "capture/capture_backends.h"
#include "encode/convert.h"
#include "rtp/payload/payload.h"
#include "server/source.h"
#include "tests/unit/encode/decode.h"
#include "tests/unit/encode/scene.h"
#include "tests/unit/server/fake_forwarder.h"

#include <math.h>
#include <stdio.h>

struct still_config {
    const char *encoder; /* NULL: the first for the codec */
    enum codec codec;
    int width, height, fps, moving; /* moving: pictures until it stands, at least 1 */
    uint32_t bitrate_bps;
};

/* One published frame of the page as it stands. */
struct still_frame {
    int64_t at_us; /* after the first of them */
    size_t bytes;
    bool keyframe, decoded;
    double psnr; /* of luma */
};

struct still {
    struct still_config config;
    struct forwarder forwarder;
    struct source *source;
    struct still_frame frames[FAKE_FRAMES_MAX];
    unsigned n_frames;
};

/* --- the backend: what others do, without a screen --- */

static struct still_config still_shown; /* of the only one there is at a time */
static _Atomic int64_t still_since_us;  /* captured_us of the first picture that stands; 0: none */

struct still_capture {
    struct scene scene;
};

static int still_open(void *priv, const struct capture_config *config, struct capture_info *info,
                      char *error, size_t error_size)
{
    (void)config, (void)error, (void)error_size;
    struct still_capture *c = priv;
    c->scene = scene_new(SCENE_TEXT, still_shown.width, still_shown.height);
    *info = (struct capture_info){
        .name = "Page", .width = still_shown.width, .height = still_shown.height};
    return 0;
}

static void still_show(struct capture_sink *sink, struct still_capture *c, int n)
{
    struct picture *p = capture_sink_begin(sink, still_shown.width, still_shown.height);
    if (!p)
        return;
    int last = still_shown.moving - 1;
    struct picture page = scene_picture(&c->scene, n < last ? n : last, still_shown.fps);
    for (int y = 0; y < p->height; y++)
        memcpy(p->plane[0] + y * p->stride[0], page.plane[0] + y * page.stride[0],
               (size_t)p->width * 4);
    p->captured_us = capture_now_us();
    p->repeat = n > last;
    p->damage = (struct picture_damage){.known = p->repeat};
    if (n == last)
        atomic_store(&still_since_us, p->captured_us);
    capture_sink_publish(sink, p);
}

static int still_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    int64_t last_us = capture_now_us(), interval_us = 1000000 / still_shown.fps;
    bool wanted = true;
    for (int n = 0;;) {
        int64_t pause_us = wanted || n < still_shown.moving ? interval_us : 1000000;
        switch (capture_sink_wait(sink, -1, last_us + pause_us)) {
        case CAPTURE_WAKE_STOP:
            return 0;
        case CAPTURE_WAKE_POKE:
            wanted = true;
            break;
        default:
            last_us = capture_now_us();
            wanted = false;
            still_show(sink, priv, n++);
        }
    }
}

static void still_close(void *priv)
{
    scene_free(&((struct still_capture *)priv)->scene);
}

static const struct capture_ops still_ops = {
    .kind = "page",
    .priv_size = sizeof(struct still_capture),
    .open = still_open,
    .run = still_run,
    .close = still_close,
};

/* --- the source --- */

static inline void still_ignore(void *arg)
{
    (void)arg;
}

/* False, with a sentence on stdout, where there is no such encoder. */
static inline bool still_new(struct still *s, const struct still_config *config)
{
    char error[256];
    memset(s, 0, sizeof(*s));
    s->config = still_shown = *config;
    atomic_store(&still_since_us, 0);
    fake_init(&s->forwarder);
    const struct source_config source = {
        .kind = "pattern",
        .encoder = config->encoder,
        .codec = config->codec,
        .rate = {.bitrate_bps = config->bitrate_bps, .fps = config->fps},
        .n_layers = 1,
        .forwarder = &s->forwarder,
        .stream_id = FAKE_STREAM_ID,
        .on_change = still_ignore,
        .trial = {.capture = &still_ops},
    };
    if (source_open(&s->source, &source, error, sizeof(error)) == 0 && source_start(s->source) == 0)
        return true;
    printf("%s\n", error);
    source_close(s->source);
    fake_finish(&s->forwarder);
    return false;
}

static inline void still_wait(struct still *s, int64_t standing_us)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    (void)s;
    while (atomic_load(&still_since_us) == 0 ||
           capture_now_us() - atomic_load(&still_since_us) < standing_us)
        nanosleep(&pause, NULL);
}

static inline size_t still_unit(const struct frame *f, uint8_t *out, size_t room)
{
    struct payload_assembler a;
    payload_assemble_begin(&a, f->codec, out, room);
    for (unsigned k = 0; k < f->payload.n_packets; k++)
        payload_assemble(&a, f->payload.data + f->payload.packets[k].offset,
                         f->payload.packets[k].size);
    return payload_assemble_end(&a);
}

/* The page as it stands, as the encoders are given its luma. */
static inline struct picture still_reference(const struct still_config *config)
{
    struct convert_dsp dsp;
    struct scene scene = scene_new(SCENE_TEXT, config->width, config->height);
    struct picture page = scene_picture(&scene, config->moving - 1, config->fps);
    struct picture yuv = scene_yuv(PICTURE_I420, config->width, config->height);
    convert_dsp_init(&dsp);
    convert_picture(&dsp, &page, &yuv);
    scene_free(&scene);
    return yuv;
}

static inline void still_decode(struct still *s, struct decoder *d, const struct picture *page,
                                uint8_t *unit, size_t room)
{
    int64_t since_us = atomic_load(&still_since_us);
    for (unsigned i = 0; i < s->forwarder.n_frames && i < FAKE_FRAMES_MAX; i++) {
        const struct frame *f = s->forwarder.frames[i];
        struct picture decoded;
        size_t size = still_unit(f, unit, room);
        bool ok = d && size > 0 && decoder_decode(d, unit, size, &decoded);
        if (f->captured_us < since_us)
            continue;
        struct still_frame *out = &s->frames[s->n_frames++];
        double mse = ok ? scene_mse(page, &decoded) : 0;
        *out = (struct still_frame){
            .at_us = f->captured_us - since_us, .bytes = size, .keyframe = f->keyframe};
        out->decoded = ok;
        out->psnr = mse > 0 ? 10 * log10(255 * 255 / mse) : 99;
    }
}

static inline void still_end(struct still *s)
{
    enum { ROOM = 3 << 20 };
    source_close(s->source);
    struct decoder *d = decoder_new(s->config.codec);
    struct picture page = still_reference(&s->config);
    uint8_t *unit = malloc(ROOM);
    if (!unit)
        abort();
    still_decode(s, d, &page, unit, ROOM);
    free(unit);
    free(page.plane[0]);
    decoder_free(d);
}

static inline void still_free(struct still *s)
{
    fake_finish(&s->forwarder);
}

/* The newest frame at that time; NULL: none was decoded. */
static inline const struct still_frame *still_at(const struct still *s, int64_t at_us)
{
    const struct still_frame *found = NULL;
    for (unsigned i = 0; i < s->n_frames; i++) {
        if (s->frames[i].decoded && s->frames[i].at_us <= at_us)
            found = &s->frames[i];
    }
    return found;
}

static inline size_t still_bytes(const struct still *s, int64_t from_us, int64_t to_us)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->n_frames; i++) {
        if (s->frames[i].at_us >= from_us && s->frames[i].at_us < to_us)
            n += s->frames[i].bytes;
    }
    return n;
}

static inline unsigned still_frames(const struct still *s, int64_t from_us, int64_t to_us)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_frames; i++)
        n += s->frames[i].at_us >= from_us && s->frames[i].at_us < to_us;
    return n;
}
