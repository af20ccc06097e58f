#include "encode/encoder.h"

#include "encode/backends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    const struct encoder_ops *ops;
    int width, height;
    _Alignas(max_align_t) unsigned char priv[];
};

static const struct encoder_ops *const backends[] = {
#ifdef HAVE_VIDEOTOOLBOX
    &encode_vt_ops, /* hardware */
#endif
#ifdef HAVE_OPENH264
    &encode_openh264_ops,
#endif
#ifdef HAVE_X264
    &encode_x264_ops,
#endif
#ifdef HAVE_VPX
    &encode_vpx_vp8_ops,
    &encode_vpx_vp9_ops,
#endif
#ifdef HAVE_AOM
    &encode_aom_ops,
#endif
    &encode_fake_ops, /* last: never the default of a codec that has a real one */
    NULL,
};

static const char *const codec_names[] = {
    [CODEC_H264] = "h264", [CODEC_VP8] = "vp8", [CODEC_VP9] = "vp9", [CODEC_AV1] = "av1"};

enum { CODECS = sizeof(codec_names) / sizeof(codec_names[0]) };

enum codec codec_from_name(const char *name)
{
    for (int i = 1; i < CODECS; i++) {
        if (strcmp(codec_names[i], name) == 0)
            return (enum codec)i;
    }
    return (enum codec)0;
}

const char *codec_name(enum codec codec)
{
    return (int)codec > 0 && (int)codec < CODECS ? codec_names[codec] : NULL;
}

const struct encoder_ops *const *encoder_backends(void)
{
    return backends;
}

/* The first of that name and codec, either of which may be left open (NULL, 0). */
static const struct encoder_ops *find(const char *backend, enum codec codec)
{
    for (size_t i = 0; backends[i]; i++) {
        bool is_named = !backend || strcmp(backends[i]->name, backend) == 0;
        if (is_named && (!codec || backends[i]->codec == codec))
            return backends[i];
    }
    return NULL;
}

static int unsupported(const char *backend, enum codec codec, char *error, size_t error_size)
{
    const char *name = codec_name(codec);
    if (!backend)
        snprintf(error, error_size, "no encoder for %s was built in", name ? name : "this codec");
    else if (find(backend, (enum codec)0))
        snprintf(error, error_size, "%s does not encode %s", backend, name ? name : "that codec");
    else
        snprintf(error, error_size, "no encoder %s was built in", backend);
    return -ENOTSUP;
}

static bool is_side(int n, int max)
{
    return n >= 2 && n <= max && n % 2 == 0;
}

static bool is_rate_control(enum encoder_rate_control rate_control)
{
    return rate_control == ENCODER_CBR || rate_control == ENCODER_QUALITY;
}

static int check_config(const struct encoder_config *c, char *error, size_t error_size)
{
    if (!is_side(c->width, PICTURE_MAX_WIDTH) || !is_side(c->height, PICTURE_MAX_HEIGHT))
        snprintf(error, error_size, "width and height must be even and from 2 to %d, not %dx%d",
                 PICTURE_MAX_WIDTH, c->width, c->height);
    else if (c->fps < 1 || c->fps > 120)
        snprintf(error, error_size, "fps must be from 1 to 120, not %d", c->fps);
    else if (c->bitrate_bps == 0)
        snprintf(error, error_size, "the bit rate must not be 0");
    else if (c->threads < 1)
        snprintf(error, error_size, "threads must be at least 1, not %d", c->threads);
    else if (c->temporal_layers < 0 || c->temporal_layers > 3)
        snprintf(error, error_size, "temporal layers must be from 1 to 3, not %d",
                 c->temporal_layers);
    else if (c->effort < ENCODER_EFFORT_NORMAL || c->effort > ENCODER_EFFORT_MORE)
        snprintf(error, error_size, "there is no effort %d", (int)c->effort);
    else if (!is_rate_control(c->rate_control))
        snprintf(error, error_size, "rate control must be constant rate or constant quality");
    else
        return 0;
    return -EINVAL;
}

int encoder_open(struct encoder **out, const char *backend, const struct encoder_config *config,
                 char *error, size_t error_size)
{
    int ret = check_config(config, error, error_size);
    if (ret < 0)
        return ret;
    const struct encoder_ops *ops = codec_name(config->codec) ? find(backend, config->codec) : NULL;
    if (!ops)
        return unsupported(backend, config->codec, error, error_size);
    struct encoder *e = calloc(1, sizeof(*e) + ops->priv_size);
    if (!e) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    e->ops = ops;
    e->width = config->width;
    e->height = config->height;
    struct encoder_config complete = *config;
    if (complete.temporal_layers == 0)
        complete.temporal_layers = 1;
    ret = ops->open(e->priv, &complete, error, error_size);
    if (ret < 0) {
        encoder_close(e);
        return ret;
    }
    *out = e;
    return 0;
}

const struct encoder_ops *encoder_ops(const struct encoder *e)
{
    return e->ops;
}

int encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe)
{
    if (pic->format != e->ops->input || pic->width != e->width || pic->height != e->height)
        return -EINVAL;
    return e->ops->submit(e->priv, pic, keyframe);
}

int encoder_receive(struct encoder *e, struct encoded *out)
{
    return e->ops->receive(e->priv, out);
}

int encoder_set_rate(struct encoder *e, const struct encoder_rate *rate)
{
    if (rate->bitrate_bps == 0 || rate->fps < 1 || rate->fps > 120 ||
        !is_rate_control(rate->rate_control))
        return -EINVAL;
    return e->ops->set_rate(e->priv, rate);
}

void encoder_close(struct encoder *e)
{
    if (!e)
        return;
    e->ops->close(e->priv);
    free(e);
}
