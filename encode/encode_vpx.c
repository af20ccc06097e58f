/* VP8 and VP9 by libvpx: real time, one pass, constant rate, nothing looked ahead. */
#include "encode/backends.h"
#include "encode/layers.h"
#include "encode/quality.h"
#include "encode/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

enum {
    MAX_BPS = 500000000, /* the library counts bits in 32 bits here and there */
    MAX_THREADS = 8,
    MIN_TILE_WIDTH = 256,      /* VP9 */
    MIN_QUANTIZER = 2,         /* of 63; below it VP9 is lossless, at ten times the rate */
    MAX_QUANTIZER_SCREEN = 52, /* above it small text falls apart */
    MAX_QUANTIZER_NATURAL = 63,
    WORST_QUANTIZER = 63,
    QUANTIZER_FALL = 6, /* a picture, after a keyframe */
    KEYFRAME_BOOST = 4,
    TICKS = 1000000, /* a second */
};

struct vpx {
    vpx_codec_ctx_t codec; /* owned, if is_open */
    vpx_codec_enc_cfg_t cfg;
    bool is_open;
    struct encoder_config config; /* with the rate of the last set_rate */
    vpx_image_t image;
    struct timeline timeline;
    struct layers layers;
    bool is_steered; /* the library has not `cfg` but what steer() made of it */
    int least_quantizer;
    struct encoded out;
    bool ready;
};

static int log2_of(int n, int max)
{
    int log = 0;
    while (log < max && 2 << log <= n)
        log++;
    return log;
}

/* Constant quality is a constant rate whose quantizer may not fall below what the quality asks for:
 * the library's own mode for it forgets the ceiling for seconds. */
static void set_rate_cfg(struct vpx *v, const struct encoder_rate *rate)
{
    vpx_codec_enc_cfg_t *c = &v->cfg;
    unsigned kbps = rate->bitrate_bps / 1000;
    c->rc_target_bitrate = kbps > 0 ? kbps : 1;
    c->rc_min_quantizer = rate->rate_control == ENCODER_QUALITY
                              ? (unsigned)quality_cq(rate->bitrate_bps)
                              : MIN_QUANTIZER;
    for (int i = 0; i < v->layers.count; i++) {
        unsigned part = c->rc_target_bitrate * (unsigned)layers_rate_percent(v->layers.count, i);
        c->ts_target_bitrate[i] = c->layer_target_bitrate[i] = part >= 100 ? part / 100 : 1;
    }
}

static void set_layers_cfg(struct vpx *v)
{
    vpx_codec_enc_cfg_t *c = &v->cfg;
    struct layers l = {.count = v->layers.count};
    c->ts_number_layers = (unsigned)l.count;
    c->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_BYPASS;
    c->ts_periodicity = 1u << (l.count - 1);
    for (unsigned i = 0; i < c->ts_periodicity; i++) {
        c->ts_layer_id[i] = layers_next(&l, false).id;
        layers_advance(&l, false);
    }
    for (int i = 0; i < l.count; i++)
        c->ts_rate_decimator[i] = (unsigned)layers_decimator(l.count, i);
    /* Without it a VP9 frame builds on the motion of whichever frame was decoded last. */
    c->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
}

static int set_cfg(struct vpx *v, vpx_codec_iface_t *iface)
{
    vpx_codec_enc_cfg_t *c = &v->cfg;
    const struct encoder_config *config = &v->config;
    if (vpx_codec_enc_config_default(iface, c, 0) != VPX_CODEC_OK)
        return -EINVAL;
    c->g_w = (unsigned)config->width;
    c->g_h = (unsigned)config->height;
    c->g_timebase = (vpx_rational_t){1, TICKS};
    c->g_threads = (unsigned)(config->threads < MAX_THREADS ? config->threads : MAX_THREADS);
    c->g_lag_in_frames = 0;
    c->g_error_resilient = 0;
    c->kf_mode = VPX_KF_DISABLED; /* the source decides */
    c->rc_end_usage = VPX_CBR;
    c->rc_dropframe_thresh = 0;
    c->rc_resize_allowed = 0;
    c->rc_max_quantizer =
        config->content == ENCODER_SCREEN ? MAX_QUANTIZER_SCREEN : MAX_QUANTIZER_NATURAL;
    c->rc_undershoot_pct = 50;
    c->rc_overshoot_pct = 50;
    /* ms; half of it is what the first keyframe may take. Text is worth more, since whatever is not
     * spent there is spent again on each line that moves. */
    c->rc_buf_initial_sz = config->content == ENCODER_SCREEN ? 1000 : 500;
    c->rc_buf_optimal_sz = 600;
    c->rc_buf_sz = 1000;
    if (v->layers.count > 1)
        set_layers_cfg(v);
    set_rate_cfg(v, &(struct encoder_rate){config->bitrate_bps, config->fps, config->rate_control});
    return 0;
}

static bool control(struct vpx *v, int id, int value)
{
    return vpx_codec_control_(&v->codec, id, value) == VPX_CODEC_OK;
}

/* A negative speed is a fixed one; a positive one lets the library watch the clock. The library's
 * mode for screens stays off: with it, both moving and still text lose a decibel. */
static bool tune_vp8(struct vpx *v)
{
    static const int speeds[] = {
        [ENCODER_EFFORT_NORMAL] = -6, [ENCODER_EFFORT_LESS] = -12, [ENCODER_EFFORT_MORE] = -4};
    return control(v, VP8E_SET_CPUUSED, speeds[v->config.effort]) &&
           control(v, VP8E_SET_SCREEN_CONTENT_MODE, 0) &&
           control(v, VP8E_SET_STATIC_THRESHOLD, 1) &&
           control(v, VP8E_SET_TOKEN_PARTITIONS, log2_of((int)v->cfg.g_threads, 3));
}

static bool tune_vp9(struct vpx *v)
{
    bool screen = v->config.content == ENCODER_SCREEN;
    int tiles = v->config.width / MIN_TILE_WIDTH;
    tiles = tiles < (int)v->cfg.g_threads ? tiles : (int)v->cfg.g_threads;
    int speed = v->config.effort == ENCODER_EFFORT_LESS   ? 9
                : v->config.effort == ENCODER_EFFORT_MORE ? 7
                : screen                                  ? 9
                                                          : 8;
    return control(v, VP8E_SET_CPUUSED, speed) &&
           control(v, VP9E_SET_TUNE_CONTENT, screen ? VP9E_CONTENT_SCREEN : VP9E_CONTENT_DEFAULT) &&
           /* cyclic refresh: what a still picture is refined by */
           control(v, VP9E_SET_AQ_MODE, 3) && control(v, VP8E_SET_STATIC_THRESHOLD, 1) &&
           control(v, VP9E_SET_TILE_COLUMNS, log2_of(tiles, 6)) &&
           control(v, VP9E_SET_ROW_MT, v->cfg.g_threads > 1) &&
           control(v, VP9E_SET_COLOR_SPACE, VPX_CS_BT_709) &&
           control(v, VP9E_SET_COLOR_RANGE, VPX_CR_STUDIO_RANGE) &&
           (v->layers.count == 1 || control(v, VP9E_SET_SVC, 1));
}

static int vpx_refuse(struct vpx *v, char *error, size_t error_size)
{
    const struct encoder_config *c = &v->config;
    snprintf(error, error_size, "libvpx refuses %dx%d at %d fps and %u bit/s: %s", c->width,
             c->height, c->fps, (unsigned)c->bitrate_bps, vpx_codec_error(&v->codec));
    return -EINVAL;
}

static int vpx_open(void *priv, const struct encoder_config *config, char *error, size_t error_size)
{
    struct vpx *v = priv;
    bool is_vp9 = config->codec == CODEC_VP9;
    vpx_codec_iface_t *iface = is_vp9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx();
    v->config = *config;
    v->layers = (struct layers){.count = config->temporal_layers};
    if (config->bitrate_bps > MAX_BPS) {
        snprintf(error, error_size, "libvpx takes up to %d bit/s, not %u", MAX_BPS,
                 (unsigned)config->bitrate_bps);
        return -EINVAL;
    }
    if (set_cfg(v, iface) < 0 || vpx_codec_enc_init(&v->codec, iface, &v->cfg, 0) != VPX_CODEC_OK)
        return vpx_refuse(v, error, error_size);
    v->is_open = true;
    if (!(is_vp9 ? tune_vp9(v) : tune_vp8(v)))
        return vpx_refuse(v, error, error_size);
    /* describes the picture of each submit; the planes are set there */
    vpx_img_wrap(&v->image, VPX_IMG_FMT_I420, (unsigned)config->width, (unsigned)config->height, 1,
                 (unsigned char *)v);
    return 0;
}

/* LAST is the base, GOLDEN the middle layer. */
static vpx_enc_frame_flags_t layer_flags(struct layers_picture p)
{
    vpx_enc_frame_flags_t flags = VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_ARF;
    if (!p.uses_middle)
        flags |= VP8_EFLAG_NO_REF_GF;
    if (p.id != 0)
        flags |= VP8_EFLAG_NO_UPD_LAST | VP8_EFLAG_NO_UPD_ENTROPY;
    if (p.id != 1)
        flags |= VP8_EFLAG_NO_UPD_GF;
    return flags;
}

static vpx_enc_frame_flags_t begin_layer(struct vpx *v, bool keyframe)
{
    struct layers_picture p = layers_next(&v->layers, keyframe);
    v->out.temporal_id = p.id;
    if (v->layers.count == 1)
        return 0;
    if (v->config.codec == CODEC_VP9) {
        vpx_svc_layer_id_t id = {.temporal_layer_id = p.id,
                                 .temporal_layer_id_per_spatial = {p.id}};
        vpx_codec_control(&v->codec, VP9E_SET_SVC_LAYER_ID, &id);
    } else {
        control(v, VP8E_SET_TEMPORAL_LAYER_ID, p.id);
    }
    return keyframe ? 0 : layer_flags(p);
}

static void set_image(vpx_image_t *image, const struct picture *pic)
{
    for (int i = 0; i < 3; i++) {
        image->planes[i] = pic->plane[i];
        image->stride[i] = (int)pic->stride[i];
    }
}

static void take_output(struct vpx *v)
{
    vpx_codec_iter_t iter = NULL;
    const vpx_codec_cx_pkt_t *packet;
    int quantizer;
    while ((packet = vpx_codec_get_cx_data(&v->codec, &iter)) != NULL) {
        if (packet->kind != VPX_CODEC_CX_FRAME_PKT)
            continue;
        v->out.data = packet->data.frame.buf;
        v->out.size = packet->data.frame.sz;
        v->out.keyframe = packet->data.frame.flags & VPX_FRAME_IS_KEY;
    }
    if (vpx_codec_control(&v->codec, VP8E_GET_LAST_QUANTIZER_64, &quantizer) != VPX_CODEC_OK)
        return;
    v->out.quantizer = quantizer * 100 / WORST_QUANTIZER;
    v->least_quantizer = (v->out.keyframe ? quantizer : v->least_quantizer) - QUANTIZER_FALL;
}

/* On screens the library's own ways with a later keyframe are not good enough. It gives it an
 * eighth of a second of the rate, which leaves text illegible: here it is half a second, as for the
 * first. And it goes on at the quantizer it had before, in one picture of several seconds of the
 * rate: here the quantizer falls step by step from the keyframe's. */
static void steer(struct vpx *v, bool keyframe)
{
    vpx_codec_enc_cfg_t cfg = v->cfg;
    if (v->config.content != ENCODER_SCREEN || v->layers.count > 1 || v->layers.position == 0 ||
        (!keyframe && !v->is_steered))
        return;
    if (keyframe)
        cfg.rc_target_bitrate *= KEYFRAME_BOOST;
    else if (v->least_quantizer > (int)cfg.rc_min_quantizer)
        cfg.rc_min_quantizer = (unsigned)v->least_quantizer;
    v->is_steered = keyframe || v->least_quantizer > (int)v->cfg.rc_min_quantizer;
    vpx_codec_enc_config_set(&v->codec, &cfg);
}

static int vpx_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct vpx *v = priv;
    keyframe = keyframe || v->layers.position == 0;
    v->ready = false;
    v->out = (struct encoded){.quantizer = -1, .captured_us = pic->captured_us};
    set_image(&v->image, pic);
    vpx_enc_frame_flags_t flags = begin_layer(v, keyframe);
    if (keyframe)
        flags |= VPX_EFLAG_FORCE_KF;
    steer(v, keyframe);
    vpx_codec_err_t err =
        vpx_codec_encode(&v->codec, &v->image, timeline_next(&v->timeline, pic->captured_us),
                         (unsigned long)(TICKS / v->config.fps), flags, VPX_DL_REALTIME);
    if (err != VPX_CODEC_OK)
        return -EIO;
    take_output(v);
    layers_advance(&v->layers, keyframe);
    v->ready = true;
    return 0;
}

static int vpx_receive(void *priv, struct encoded *out)
{
    struct vpx *v = priv;
    if (!v->ready)
        return -EAGAIN;
    v->ready = false;
    *out = v->out;
    return 0;
}

/* Time stamps tell the library the frame rate. */
static int vpx_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct vpx *v = priv;
    if (rate->bitrate_bps > MAX_BPS)
        return -ERANGE;
    set_rate_cfg(v, rate);
    return vpx_codec_enc_config_set(&v->codec, &v->cfg) == VPX_CODEC_OK ? 0 : -EINVAL;
}

static void vpx_close(void *priv)
{
    struct vpx *v = priv;
    if (v->is_open)
        vpx_codec_destroy(&v->codec);
}

const struct encoder_ops encode_vpx_vp8_ops = {
    .name = "vpx",
    .codec = CODEC_VP8,
    .input = PICTURE_I420,
    .priv_size = sizeof(struct vpx),
    .open = vpx_open,
    .submit = vpx_submit,
    .receive = vpx_receive,
    .set_rate = vpx_set_rate,
    .close = vpx_close,
};

const struct encoder_ops encode_vpx_vp9_ops = {
    .name = "vpx",
    .codec = CODEC_VP9,
    .input = PICTURE_I420,
    .priv_size = sizeof(struct vpx),
    .open = vpx_open,
    .submit = vpx_submit,
    .receive = vpx_receive,
    .set_rate = vpx_set_rate,
    .close = vpx_close,
};
