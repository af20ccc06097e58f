#include "server/media.h"

#include "server/option_value.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct media_coding media_coding_default(void)
{
    return (struct media_coding){.codec = CODEC_H264,
                                 .quality_bps = 6000000,
                                 .rate = {.fps = 30},
                                 .layers = 1,
                                 .temporal_layers = 1,
                                 .sound = {.frame_ms = 20, .bitrate_bps = 96000}};
}

void media_settle(struct media_coding *c)
{
    if (c->rate.bitrate_bps == 0)
        c->rate.bitrate_bps = c->quality_bps;
}

/* --- places --- */

struct kind {
    const char *name;
    enum { ARG_NEVER = 1, ARG_MAY, ARG_MUST } arg;
};

/* "KIND[:ARG]" of one of these kinds. */
static const char *set_place(struct media_place *p, const char *value, const struct kind *kinds,
                             size_t n_kinds, const char *must_be)
{
    const char *colon = strchr(value, ':');
    size_t n = colon ? (size_t)(colon - value) : strlen(value);
    const struct kind *k = NULL;
    for (size_t i = 0; i < n_kinds; i++) {
        if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, value, n) == 0)
            k = &kinds[i];
    }
    if (!k || (colon && k->arg == ARG_NEVER) || (!colon && k->arg == ARG_MUST))
        return must_be;
    struct media_place out = {0};
    memcpy(out.kind, value, n);
    const char *why = colon ? option_text(out.arg, sizeof(out.arg), colon + 1) : NULL;
    if (!why)
        *p = out;
    return why;
}

const char *media_set_source(struct media_place *p, const char *value)
{
    static const struct kind kinds[] = {
        {"screen", ARG_MAY},    {"window", ARG_MUST}, {"camera", ARG_MAY}, {"portal", ARG_MAY},
        {"pipewire", ARG_MUST}, {"pattern", ARG_MAY}, {"file", ARG_MUST}};
    return set_place(p, value, kinds, sizeof(kinds) / sizeof(kinds[0]),
                     "must be screen[:N], window:ID, camera[:DEVICE], portal, "
                     "pipewire:NODE, pattern[:WIDTHxHEIGHT] or file:PATH");
}

const char *media_set_audio(struct media_place *p, const char *value)
{
    static const struct kind kinds[] = {
        {"default", ARG_NEVER}, {"monitor", ARG_NEVER}, {"pulse", ARG_MUST}, {"tone", ARG_MAY}};
    return set_place(p, value, kinds, sizeof(kinds) / sizeof(kinds[0]),
                     "must be default, monitor, pulse:NAME or tone");
}

/* --- coding --- */

const char *media_set_codec(struct media_coding *c, const char *value)
{
    enum codec codec = codec_from_name(value);
    for (const struct encoder_ops *const *o = encoder_backends(); *o; o++) {
        if (codec && (*o)->codec == codec) {
            c->codec = codec;
            return NULL;
        }
    }
    return codec ? "has no encoder in this build" : "must be h264, vp8, vp9 or av1";
}

const char *media_set_encoder(struct media_coding *c, const char *value)
{
    for (const struct encoder_ops *const *o = encoder_backends(); *o; o++) {
        if (strcmp((*o)->name, value) == 0)
            return option_text(c->encoder, sizeof(c->encoder), value);
    }
    return "is not an encoder of this build (amphi --version lists them)";
}

const char *media_set_quality(struct media_coding *c, const char *value)
{
    static const struct {
        const char *name;
        uint32_t kbps;
    } qualities[] = {
        {"low", 500},     {"medium", 1500},   {"high", 3000}, {"very-high", 6000},
        {"ultra", 10000}, {"extreme", 15000}, {"max", 20000}, {"insane", 50000},
    };
    for (size_t i = 0; i < sizeof(qualities) / sizeof(qualities[0]); i++) {
        if (strcmp(qualities[i].name, value) == 0) {
            c->quality_bps = qualities[i].kbps * 1000;
            return NULL;
        }
    }
    return "must be low, medium, high, very-high, ultra, extreme, max or insane";
}

const char *media_set_bitrate(struct media_coding *c, const char *kbps)
{
    long n;
    const char *why = option_number(kbps, 100, 100000, &n);
    if (!why)
        c->rate.bitrate_bps = (uint32_t)n * 1000;
    return why ? "must be 100 to 100000 kbit/s" : NULL;
}

const char *media_set_rate_control(struct media_coding *c, const char *value)
{
    bool quality = strcmp(value, "quality") == 0;
    if (!quality && strcmp(value, "cbr") != 0)
        return "must be cbr or quality";
    c->rate.rate_control = quality ? ENCODER_QUALITY : ENCODER_CBR;
    return NULL;
}

const char *media_set_fps(struct media_coding *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 120, &n);
    if (!why)
        c->rate.fps = (int)n;
    return why ? "must be 1 to 120" : NULL;
}

const char *media_set_effort(struct media_coding *c, const char *value)
{
    static const char *const names[] = {
        [ENCODER_EFFORT_NORMAL] = "normal",
        [ENCODER_EFFORT_LESS] = "less",
        [ENCODER_EFFORT_MORE] = "more",
    };
    for (int i = 0; i < 3; i++) {
        if (strcmp(names[i], value) == 0) {
            c->effort = (enum encoder_effort)i;
            return NULL;
        }
    }
    return "must be less, normal or more";
}

const char *media_set_layers(struct media_coding *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 3, &n);
    if (!why)
        c->layers = (unsigned)n;
    return why ? "must be 1 to 3" : NULL;
}

const char *media_set_temporal_layers(struct media_coding *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 3, &n);
    if (!why)
        c->temporal_layers = (unsigned)n;
    return why ? "must be 1 to 3" : NULL;
}

const char *media_set_audio_frame(struct media_coding *c, const char *ms)
{
    long n;
    const char *why = option_number(ms, 20, ENCODE_OPUS_MAX_MS, &n);
    if (why || n % 20 != 0)
        return "must be 20, 40 or 60 ms";
    c->sound.frame_ms = (int)n;
    return NULL;
}

const char *media_set_audio_bitrate(struct media_coding *c, const char *kbps)
{
    long n;
    const char *why =
        option_number(kbps, ENCODE_OPUS_MIN_BPS / 1000, ENCODE_OPUS_MAX_BPS / 1000, &n);
    if (!why)
        c->sound.bitrate_bps = (uint32_t)n * 1000;
    return why ? "must be 6 to 160 kbit/s" : NULL;
}

const char *media_set_audio_dtx(struct media_coding *c, const char *on_or_off)
{
    bool on = strcmp(on_or_off, "on") == 0;
    if (!on && strcmp(on_or_off, "off") != 0)
        return "must be on or off";
    c->sound.dtx = on;
    return NULL;
}

/* --- JSON --- */

static const char *set_json_audio(struct media *m, const char *value)
{
    return media_set_audio(&m->audio, value);
}

static const char *set_json_coding(struct media *m, const char *key, const char *value)
{
    static const struct {
        const char *key;
        const char *(*set)(struct media_coding *c, const char *value);
    } rows[] = {
        {"codec", media_set_codec},
        {"encoder", media_set_encoder},
        {"fps", media_set_fps},
        {"quality", media_set_quality},
        {"layers", media_set_layers},
        {"bitrate_kbps", media_set_bitrate},
        {"rate_control", media_set_rate_control},
        {"temporal_layers", media_set_temporal_layers},
        {"effort", media_set_effort},
        {"audio_frame_ms", media_set_audio_frame},
        {"audio_bitrate_kbps", media_set_audio_bitrate},
        {"audio_dtx", media_set_audio_dtx},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].key, key) == 0)
            return rows[i].set(&m->coding, value);
    }
    return "is not known here";
}

static const char *set_json(struct media *m, const char *key, const json_t *value)
{
    char number[32];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (!text)
        return "must be a text or a whole number";
    return strcmp(key, "audio") == 0 ? set_json_audio(m, text) : set_json_coding(m, key, text);
}

static int read_options(struct media *m, json_t *root, char *error, size_t error_size)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        const char *why = set_json(m, key, value);
        if (why) {
            snprintf(error, error_size, "\"%.40s\" %s", key, why);
            return -EINVAL;
        }
    }
    return 0;
}

int media_read(struct media *m, const char *source, const char *options, char *error,
               size_t error_size)
{
    const char *why = media_set_source(&m->video, source);
    if (why) {
        snprintf(error, error_size, "\"source\" %s", why);
        return -EINVAL;
    }
    json_t *root = json_loads(options, JSON_REJECT_DUPLICATES, NULL);
    int err = -EINVAL;
    if (json_is_object(root))
        err = read_options(m, root, error, error_size);
    else
        snprintf(error, error_size, "the options are not a JSON object");
    json_decref(root);
    media_settle(&m->coding);
    return err;
}
