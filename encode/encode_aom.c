/* AV1 by libaom: real time, one pass, constant rate, nothing looked ahead, with the tools for
 * screens: palettes alone are worth 8 dB on text. Intra block copy is allowed, too, but libaom 3.6
 * does not use it in real time. */
#include "encode/backends.h"
#include "encode/layers.h"
#include "encode/quality.h"
#include "encode/timeline.h"

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_BPS = 500000000, /* the library counts bits in 32 bits here and there */
    MAX_THREADS = 8,
    MIN_TILE_WIDTH = 256,
    MIN_QUANTIZER = 2,         /* of 63; below it the stream is lossless, at ten times the rate */
    MAX_QUANTIZER_SCREEN = 56, /* above it small text falls apart */
    MAX_QUANTIZER_NATURAL = 63,
    WORST_QUANTIZER = 63,
    QUANTIZER_FALL = 6, /* a picture, after a keyframe */
    KEYFRAME_BOOST = 4,
    REST_US = 400000,    /* a repeat that comes later than this keeps a stream alive, no more */
    REST_QUANTIZER = 40, /* what differs by less than this quantizer's step is left as it is */
    TICKS = 1000000,     /* a second */
};

struct aom {
    aom_codec_ctx_t codec; /* owned, if is_open */
    aom_codec_enc_cfg_t cfg;
    bool is_open;
    struct encoder_config config;
    aom_image_t image;
    struct timeline timeline;
    struct layers layers;
    bool is_steered; /* the library has not `cfg` but what steer() made of it */
    int least_quantizer;
    bool rests;
    int64_t submitted_us; /* captured_us of the picture before */
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

static void set_rate_cfg(struct aom *a, const struct encoder_rate *rate)
{
    unsigned kbps = rate->bitrate_bps / 1000;
    a->cfg.rc_target_bitrate = kbps > 0 ? kbps : 1;
    a->cfg.rc_min_quantizer = rate->rate_control == ENCODER_QUALITY
                                  ? (unsigned)quality_cq(rate->bitrate_bps)
                                  : MIN_QUANTIZER;
}

static int set_cfg(struct aom *a)
{
    aom_codec_enc_cfg_t *c = &a->cfg;
    const struct encoder_config *config = &a->config;
    if (aom_codec_enc_config_default(aom_codec_av1_cx(), c, AOM_USAGE_REALTIME) != AOM_CODEC_OK)
        return -EINVAL;
    c->g_w = (unsigned)config->width;
    c->g_h = (unsigned)config->height;
    c->g_timebase = (aom_rational_t){1, TICKS};
    c->g_threads = (unsigned)(config->threads < MAX_THREADS ? config->threads : MAX_THREADS);
    c->g_lag_in_frames = 0;
    c->g_error_resilient = 0;
    c->kf_mode = AOM_KF_DISABLED; /* the source decides */
    c->rc_end_usage = AOM_CBR;
    c->rc_dropframe_thresh = 0;
    c->rc_max_quantizer =
        config->content == ENCODER_SCREEN ? MAX_QUANTIZER_SCREEN : MAX_QUANTIZER_NATURAL;
    c->rc_undershoot_pct = 50;
    c->rc_overshoot_pct = 50;
    c->rc_buf_initial_sz = 500; /* ms */
    c->rc_buf_optimal_sz = 600;
    c->rc_buf_sz = 1000;
    set_rate_cfg(a, &(struct encoder_rate){config->bitrate_bps, config->fps, config->rate_control});
    return 0;
}

static bool control(struct aom *a, int id, int value)
{
    return aom_codec_control(&a->codec, id, value) == AOM_CODEC_OK;
}

static bool set_layers(struct aom *a)
{
    aom_svc_params_t p = {.number_spatial_layers = 1,
                          .number_temporal_layers = a->layers.count,
                          .scaling_factor_num = {1},
                          .scaling_factor_den = {1}};
    for (int i = 0; i < a->layers.count; i++) {
        int part = (int)a->cfg.rc_target_bitrate * layers_rate_percent(a->layers.count, i) / 100;
        p.layer_target_bitrate[i] = part > 0 ? part : 1;
        p.framerate_factor[i] = layers_decimator(a->layers.count, i);
        p.min_quantizers[i] = (int)a->cfg.rc_min_quantizer;
        p.max_quantizers[i] = (int)a->cfg.rc_max_quantizer;
    }
    return aom_codec_control(&a->codec, AV1E_SET_SVC_PARAMS, &p) == AOM_CODEC_OK;
}

struct setting {
    int id, value;
};

static bool apply(struct aom *a, const struct setting *settings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!control(a, settings[i].id, settings[i].value))
            return false;
    }
    return true;
}

/* Real time leaves most of these out by itself; what is named here is what it would still pay for.
 */
static bool tune_speed(struct aom *a)
{
    /* 9 and 10 leave out blocks that have changed from black to white */
    const struct setting speed = {AOME_SET_CPUUSED,
                                  a->config.effort == ENCODER_EFFORT_MORE ? 7 : 8};
    static const struct setting common[] = {
        {AV1E_SET_ENABLE_TPL_MODEL, 0},
        {AV1E_SET_DELTAQ_MODE, 0},
        {AV1E_SET_ENABLE_ORDER_HINT, 0},
        {AV1E_SET_ENABLE_OBMC, 0},
        {AV1E_SET_ENABLE_GLOBAL_MOTION, 0},
        {AV1E_SET_ENABLE_WARPED_MOTION, 0},
        {AV1E_SET_COEFF_COST_UPD_FREQ, 3},
        {AV1E_SET_MODE_COST_UPD_FREQ, 3},
        {AV1E_SET_MV_COST_UPD_FREQ, 3},
        /* these four cost keyframes a quarter of their time for nothing */
        {AV1E_SET_ENABLE_SMOOTH_INTRA, 0},
        {AV1E_SET_ENABLE_PAETH_INTRA, 0},
        {AV1E_SET_ENABLE_FILTER_INTRA, 0},
        {AV1E_SET_ENABLE_ANGLE_DELTA, 0},
        {AV1E_SET_AQ_MODE, 3}, /* cyclic refresh: what a still picture is refined by */
    };
    /* A keyframe of text is palettes: directions take a third of its time and find nothing. */
    static const struct setting screen[] = {
        {AV1E_SET_TUNE_CONTENT, AOM_CONTENT_SCREEN},
        {AV1E_SET_ENABLE_PALETTE, 1},
        {AV1E_SET_ENABLE_INTRABC, 1},
        {AV1E_SET_ENABLE_DIRECTIONAL_INTRA, 0},
    };
    static const struct setting natural[] = {
        {AV1E_SET_TUNE_CONTENT, AOM_CONTENT_DEFAULT},
        {AV1E_SET_ENABLE_PALETTE, 0},
        {AV1E_SET_ENABLE_INTRABC, 0},
    };
    bool is_screen = a->config.content == ENCODER_SCREEN;
    return apply(a, &speed, 1) && apply(a, common, sizeof(common) / sizeof(common[0])) &&
           (is_screen ? apply(a, screen, sizeof(screen) / sizeof(screen[0]))
                      : apply(a, natural, sizeof(natural) / sizeof(natural[0])));
}

static bool tune(struct aom *a)
{
    int tiles = a->config.width / MIN_TILE_WIDTH;
    tiles = tiles < (int)a->cfg.g_threads ? tiles : (int)a->cfg.g_threads;
    const struct setting rest[] = {
        {AV1E_SET_TILE_COLUMNS, log2_of(tiles, 6)},
        {AV1E_SET_ROW_MT, a->cfg.g_threads > 1},
        {AV1E_SET_COLOR_PRIMARIES, AOM_CICP_CP_BT_709},
        {AV1E_SET_TRANSFER_CHARACTERISTICS, AOM_CICP_TC_BT_709},
        {AV1E_SET_MATRIX_COEFFICIENTS, AOM_CICP_MC_BT_709},
        {AV1E_SET_COLOR_RANGE, AOM_CR_STUDIO_RANGE},
    };
    return tune_speed(a) && apply(a, rest, sizeof(rest) / sizeof(rest[0])) &&
           (a->layers.count == 1 || set_layers(a));
}

static int refuse(struct aom *a, char *error, size_t error_size)
{
    const struct encoder_config *c = &a->config;
    snprintf(error, error_size, "libaom refuses %dx%d at %d fps and %u bit/s: %s", c->width,
             c->height, c->fps, (unsigned)c->bitrate_bps, aom_codec_error(&a->codec));
    return -EINVAL;
}

static int aom_open(void *priv, const struct encoder_config *config, char *error, size_t error_size)
{
    struct aom *a = priv;
    a->config = *config;
    a->layers = (struct layers){.count = config->temporal_layers};
    if (config->bitrate_bps > MAX_BPS) {
        snprintf(error, error_size, "libaom takes up to %d bit/s, not %u", MAX_BPS,
                 (unsigned)config->bitrate_bps);
        return -EINVAL;
    }
    if (set_cfg(a) < 0 ||
        aom_codec_enc_init(&a->codec, aom_codec_av1_cx(), &a->cfg, 0) != AOM_CODEC_OK)
        return refuse(a, error, error_size);
    a->is_open = true;
    if (!tune(a))
        return refuse(a, error, error_size);
    /* describes the picture of each submit; the planes are set there */
    aom_img_wrap(&a->image, AOM_IMG_FMT_I420, (unsigned)config->width, (unsigned)config->height, 1,
                 (unsigned char *)a);
    return 0;
}

/* Slot 0 is the base, slot 1 the middle layer; what is not used points at the base. */
static bool begin_layer(struct aom *a, bool keyframe)
{
    struct layers_picture p = layers_next(&a->layers, keyframe);
    a->out.temporal_id = p.id;
    if (a->layers.count == 1)
        return true;
    aom_svc_layer_id_t id = {.temporal_layer_id = p.id};
    aom_svc_ref_frame_config_t refs = {.reference = {1}};
    refs.ref_idx[3] = 1; /* GOLDEN */
    refs.reference[3] = p.uses_middle;
    refs.refresh[0] = p.id == 0;
    refs.refresh[1] = p.id == 1 || keyframe;
    return aom_codec_control(&a->codec, AV1E_SET_SVC_LAYER_ID, &id) == AOM_CODEC_OK &&
           aom_codec_control(&a->codec, AV1E_SET_SVC_REF_FRAME_CONFIG, &refs) == AOM_CODEC_OK;
}

static void set_image(aom_image_t *image, const struct picture *pic)
{
    for (int i = 0; i < 3; i++) {
        image->planes[i] = pic->plane[i];
        image->stride[i] = (int)pic->stride[i];
    }
}

static void take_output(struct aom *a)
{
    aom_codec_iter_t iter = NULL;
    const aom_codec_cx_pkt_t *packet;
    int quantizer;
    while ((packet = aom_codec_get_cx_data(&a->codec, &iter)) != NULL) {
        if (packet->kind != AOM_CODEC_CX_FRAME_PKT)
            continue;
        a->out.data = packet->data.frame.buf;
        a->out.size = packet->data.frame.sz;
        a->out.keyframe = packet->data.frame.flags & AOM_FRAME_IS_KEY;
    }
    if (aom_codec_control(&a->codec, AOME_GET_LAST_QUANTIZER_64, &quantizer) != AOM_CODEC_OK)
        return;
    a->out.quantizer = quantizer * 100 / WORST_QUANTIZER;
    a->least_quantizer = (a->out.keyframe ? quantizer : a->least_quantizer) - QUANTIZER_FALL;
}

/* On screens the library's own ways with a later keyframe are not good enough. It gives it an
 * eighth of a second of the rate, which leaves text illegible: here it is half a second, as for the
 * first. And it goes on at the quantizer it had before, in one picture of several seconds of the
 * rate: here the quantizer falls step by step from the keyframe's. */
static void steer(struct aom *a, bool keyframe)
{
    aom_codec_enc_cfg_t cfg = a->cfg;
    if (a->config.content != ENCODER_SCREEN || a->layers.count > 1 || a->layers.position == 0 ||
        (!keyframe && !a->is_steered))
        return;
    if (keyframe)
        cfg.rc_target_bitrate *= KEYFRAME_BOOST;
    else if (a->least_quantizer > (int)cfg.rc_min_quantizer)
        cfg.rc_min_quantizer = (unsigned)a->least_quantizer;
    a->is_steered = keyframe || a->least_quantizer > (int)a->cfg.rc_min_quantizer;
    aom_codec_enc_config_set(&a->codec, &cfg);
}

/* At its finest quantizer the library goes on coding rounding errors of what stands still, 20 to
 * 30 kB a picture. Whoever repeats a picture at leisure has given up to refine it: with a coarse
 * quantizer and no refresh every block is a copy of the one before. */
static void rest(struct aom *a, const struct picture *pic, bool keyframe)
{
    bool rests = pic->repeat && !keyframe && pic->captured_us - a->submitted_us >= REST_US;
    a->submitted_us = pic->captured_us;
    if (rests == a->rests)
        return;
    aom_codec_enc_cfg_t cfg = a->cfg;
    if (rests && cfg.rc_min_quantizer < REST_QUANTIZER)
        cfg.rc_min_quantizer = REST_QUANTIZER;
    a->rests = rests;
    control(a, AV1E_SET_AQ_MODE, rests ? 0 : 3);
    aom_codec_enc_config_set(&a->codec, &cfg);
}

static int aom_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct aom *a = priv;
    keyframe = keyframe || a->layers.position == 0;
    a->ready = false;
    a->out = (struct encoded){.quantizer = -1, .captured_us = pic->captured_us};
    set_image(&a->image, pic);
    if (!begin_layer(a, keyframe))
        return -EIO;
    rest(a, pic, keyframe);
    if (!a->rests)
        steer(a, keyframe);
    aom_codec_err_t err =
        aom_codec_encode(&a->codec, &a->image, timeline_next(&a->timeline, pic->captured_us),
                         (unsigned long)(TICKS / a->config.fps), keyframe ? AOM_EFLAG_FORCE_KF : 0);
    if (err != AOM_CODEC_OK)
        return -EIO;
    take_output(a);
    layers_advance(&a->layers, keyframe);
    a->ready = true;
    return 0;
}

static int aom_receive(void *priv, struct encoded *out)
{
    struct aom *a = priv;
    if (!a->ready)
        return -EAGAIN;
    a->ready = false;
    *out = a->out;
    return 0;
}

static int aom_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct aom *a = priv;
    if (rate->bitrate_bps > MAX_BPS)
        return -ERANGE;
    set_rate_cfg(a, rate);
    if (aom_codec_enc_config_set(&a->codec, &a->cfg) != AOM_CODEC_OK ||
        (a->layers.count > 1 && !set_layers(a)))
        return -EINVAL;
    return 0;
}

static void aom_close(void *priv)
{
    struct aom *a = priv;
    if (a->is_open)
        aom_codec_destroy(&a->codec);
}

const struct encoder_ops encode_aom_ops = {
    .name = "aom",
    .codec = CODEC_AV1,
    .input = PICTURE_I420,
    .priv_size = sizeof(struct aom),
    .open = aom_open,
    .submit = aom_submit,
    .receive = aom_receive,
    .set_rate = aom_set_rate,
    .close = aom_close,
};
