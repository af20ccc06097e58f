/* H.264 by x264. It is GPL, and so is then the program: hence a build option. */
#include "encode/backends.h"
#include "encode/h264_level.h"
#include "encode/h264_qp.h"
#include "encode/quality.h"
#include "encode/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <x264.h>

struct x264 {
    x264_t *enc; /* owned */
    struct encoder_config config;
    int level;
    struct encoder_rate rate; /* the last one set */
    struct timeline timeline;
    struct h264_qp qp;
    x264_param_t param; /* as opened, with the rate of the last set_rate */
    x264_nal_t *nal;    /* the encoder's memory until the next encode; all NALs in a row */
    int size;
    bool keyframe, ready;
    int64_t captured_us, pts;
};

/* x264 plans for the fps it was opened with, cannot be told another, and would hold a picture back
 * to see how long it lasts if it were given time stamps (b_vfr_input). The same bits a second from
 * pictures of another distance is the rate scaled by it. The buffer is one second. */
static void set_rate_params(struct x264 *x)
{
    x264_param_t *p = &x->param;
    uint64_t planned = (uint64_t)x->rate.bitrate_bps * (uint64_t)x->timeline.planned_us *
                       (uint64_t)x->config.fps / 1000000000;
    p->rc.f_rf_constant = (float)quality_crf(x->rate.bitrate_bps); /* CRF only */
    p->rc.i_bitrate = planned > 0 ? (int)planned : 1;
    p->rc.i_vbv_max_bitrate = p->rc.i_bitrate;
    p->rc.i_vbv_buffer_size = p->rc.i_bitrate;
}

static void take_rate(struct x264 *x, const struct encoder_rate *rate)
{
    x->rate = *rate;
    timeline_plan(&x->timeline, rate->fps);
    set_rate_params(x);
}

static int set_params(struct x264 *x, const struct encoder_config *c)
{
    static const char *const presets[] = {
        [ENCODER_EFFORT_NORMAL] = "superfast",
        [ENCODER_EFFORT_LESS] = "ultrafast",
        [ENCODER_EFFORT_MORE] = "veryfast",
    };
    x264_param_t *p = &x->param;
    if (x264_param_default_preset(p, presets[c->effort], "zerolatency") < 0)
        return -1;
    p->i_log_level = X264_LOG_NONE;
    p->i_width = c->width;
    p->i_height = c->height;
    p->i_csp = X264_CSP_NV12;
    p->i_fps_num = (uint32_t)c->fps;
    p->i_fps_den = 1;
    p->b_vfr_input = 0;
    /* zerolatency works in parallel on slices only */
    p->i_threads = c->threads;
    p->b_sliced_threads = c->threads > 1;
    p->i_keyint_max = X264_KEYINT_MAX_INFINITE;
    p->i_scenecut_threshold = 0;
    p->i_frame_reference = 1;
    p->i_level_idc = x->level;
    p->b_repeat_headers = 1;
    p->b_annexb = 1;
    p->b_aud = 0;
    p->vui.b_fullrange = 0;
    p->vui.i_colorprim = p->vui.i_transfer = p->vui.i_colmatrix = 1; /* BT.709 */
    p->rc.i_rc_method = c->rate_control == ENCODER_QUALITY ? X264_RC_CRF : X264_RC_ABR;
    take_rate(x, &(struct encoder_rate){c->bitrate_bps, c->fps, c->rate_control});
    return x264_param_apply_profile(p, "baseline");
}

static int x264_open(void *priv, const struct encoder_config *config, char *error,
                     size_t error_size)
{
    struct x264 *x = priv;
    x->config = *config;
    x->level = h264_level_choose(config, error, error_size);
    if (x->level < 0)
        return x->level;
    if (set_params(x, config) == 0)
        x->enc = x264_encoder_open(&x->param);
    if (!x->enc) {
        snprintf(error, error_size, "x264 refuses %dx%d at %d fps and %u bit/s", config->width,
                 config->height, config->fps, config->bitrate_bps);
        return -EINVAL;
    }
    return 0;
}

static int x264_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct x264 *x = priv;
    x264_picture_t in, out;
    x->ready = false;
    timeline_next(&x->timeline, pic->captured_us);
    if (timeline_replan(&x->timeline)) {
        set_rate_params(x);
        x264_encoder_reconfig(x->enc, &x->param);
    }
    x264_picture_init(&in);
    in.img.i_csp = X264_CSP_NV12;
    in.img.i_plane = 2;
    for (int i = 0; i < 2; i++) {
        in.img.plane[i] = pic->plane[i];
        in.img.i_stride[i] = (int)pic->stride[i];
    }
    in.i_pts = x->pts++;
    in.i_type = keyframe ? X264_TYPE_IDR : X264_TYPE_AUTO;
    int nals;
    x->size = x264_encoder_encode(x->enc, &x->nal, &nals, &in, &out);
    if (x->size < 0)
        return -EIO;
    x->keyframe = x->size > 0 && out.b_keyframe;
    x->captured_us = pic->captured_us;
    x->ready = true;
    return 0;
}

static int x264_receive(void *priv, struct encoded *out)
{
    struct x264 *x = priv;
    if (!x->ready)
        return -EAGAIN;
    x->ready = false;
    *out = (struct encoded){
        .data = x->size > 0 ? x->nal[0].p_payload : NULL,
        .size = (size_t)x->size,
        .keyframe = x->keyframe,
        .quantizer =
            x->size > 0 ? h264_qp_percent(&x->qp, x->nal[0].p_payload, (size_t)x->size) : -1,
        .captured_us = x->captured_us,
    };
    return 0;
}

static int x264_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct x264 *x = priv;
    const struct encoder_config *c = &x->config;
    int level = h264_level_idc(c->width, c->height, rate->fps, rate->bitrate_bps);
    if (level == 0 || level > x->level || rate->rate_control != c->rate_control)
        return -ERANGE;
    take_rate(x, rate);
    return x264_encoder_reconfig(x->enc, &x->param) < 0 ? -EINVAL : 0;
}

static void x264_close(void *priv)
{
    struct x264 *x = priv;
    if (x->enc)
        x264_encoder_close(x->enc);
    x264_param_cleanup(&x->param);
}

const struct encoder_ops encode_x264_ops = {
    .name = "x264",
    .codec = CODEC_H264,
    .input = PICTURE_NV12,
    .priv_size = sizeof(struct x264),
    .open = x264_open,
    .submit = x264_submit,
    .receive = x264_receive,
    .set_rate = x264_set_rate,
    .close = x264_close,
};
