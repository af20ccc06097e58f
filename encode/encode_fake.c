/* A codec that costs nothing, for tests and load: the pictures handed in are not looked at.
 *
 * What comes out is a conforming constrained baseline stream all the same, so that parsers,
 * browsers and decoders treat it as the real thing: grey, with a band of I_PCM macroblocks that
 * moves on with each picture. Their number sets the size of a picture: bitrate / fps,
 * KEYFRAME_MULTIPLE times that for a keyframe, to the byte on the average. The same calls give the
 * same bytes.
 */
#include "encode/backends.h"
#include "encode/h264_level.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYFRAME_MULTIPLE = 8,
    PCM_BYTES = 384,          /* samples of one macroblock, 4:2:0 */
    PCM_COST = PCM_BYTES + 2, /* with mb_skip_run, mb_type and the alignment */
    MAX_HEADERS = 128,        /* SPS, PPS, slice header and start codes */
};

struct fake {
    int level, width, height;
    int width_mb, height_mb;
    int64_t budget;    /* bytes of one picture */
    int64_t carry;     /* bytes still to spend, for pictures are made of whole macroblocks */
    uint32_t pictures; /* submitted so far */
    uint32_t since_idr, idrs;
    uint8_t *data; /* owned */
    size_t size;
    bool keyframe, ready;
    int64_t captured_us;
};

/* Bits to the bytes of a NAL unit, with emulation prevention (H.264 7.4.1). */
struct bits {
    uint8_t *data;
    size_t size;
    uint64_t pending;
    int count; /* bits in pending, below 8 between calls */
    int zeros; /* zero bytes just written */
};

static void put_byte(struct bits *b, uint8_t byte)
{
    if (b->zeros == 2 && byte <= 3) {
        b->data[b->size++] = 3;
        b->zeros = 0;
    }
    b->data[b->size++] = byte;
    b->zeros = byte == 0 ? b->zeros + 1 : 0;
}

static void put(struct bits *b, int n, uint32_t value)
{
    b->pending = b->pending << n | value;
    b->count += n;
    while (b->count >= 8) {
        b->count -= 8;
        put_byte(b, (uint8_t)(b->pending >> b->count));
    }
}

static void put_ue(struct bits *b, uint32_t value)
{
    int length = 0;
    while ((value + 1) >> (length + 1))
        length++;
    put(b, length, 0);
    put(b, length + 1, value + 1);
}

static void align(struct bits *b)
{
    if (b->count > 0)
        put(b, 8 - b->count, 0);
}

static void begin_nal(struct bits *b, uint8_t header)
{
    static const uint8_t start[] = {0, 0, 0, 1};
    memcpy(b->data + b->size, start, sizeof(start));
    b->size += sizeof(start);
    b->data[b->size++] = header;
    b->zeros = 0;
}

static void end_nal(struct bits *b)
{
    put(b, 1, 1);
    align(b);
}

static void put_sps(struct bits *b, const struct fake *f)
{
    uint32_t right = (uint32_t)(f->width_mb * 16 - f->width) / 2;
    uint32_t bottom = (uint32_t)(f->height_mb * 16 - f->height) / 2;
    begin_nal(b, 0x67);
    put(b, 8, 66);   /* Baseline, */
    put(b, 8, 0xc0); /* constrained */
    put(b, 8, (uint32_t)f->level);
    put_ue(b, 0); /* seq_parameter_set_id */
    put_ue(b, 0); /* frame_num of 4 bits */
    put_ue(b, 2); /* output order is decoding order */
    put_ue(b, 1); /* one reference */
    put(b, 1, 0);
    put_ue(b, (uint32_t)f->width_mb - 1);
    put_ue(b, (uint32_t)f->height_mb - 1);
    put(b, 2, 3); /* frames only, direct_8x8_inference */
    put(b, 1, right > 0 || bottom > 0);
    if (right > 0 || bottom > 0) {
        put_ue(b, 0);
        put_ue(b, right);
        put_ue(b, 0);
        put_ue(b, bottom);
    }
    put(b, 1, 0); /* no VUI */
    end_nal(b);
}

static void put_pps(struct bits *b)
{
    begin_nal(b, 0x68);
    put_ue(b, 0);
    put_ue(b, 0);
    put(b, 2, 0); /* CAVLC, no field order */
    put_ue(b, 0); /* one slice group */
    put_ue(b, 0);
    put_ue(b, 0);
    put(b, 3, 0); /* no weighted prediction */
    put_ue(b, 0); /* QP 26, */
    put_ue(b, 0);
    put_ue(b, 0); /* no chroma offset */
    put(b, 3, 0); /* no deblocking control, constrained intra or redundant slices */
    end_nal(b);
}

static void put_slice_header(struct bits *b, const struct fake *f, bool keyframe)
{
    begin_nal(b, keyframe ? 0x65 : 0x41);
    put_ue(b, 0);                /* first_mb_in_slice */
    put_ue(b, keyframe ? 7 : 5); /* all slices I, or P */
    put_ue(b, 0);
    put(b, 4, f->since_idr & 15); /* frame_num */
    if (keyframe) {
        put_ue(b, f->idrs & 1); /* idr_pic_id differs from its neighbour's */
        put(b, 2, 0);           /* no_output_of_prior_pics, long_term_reference */
    } else {
        put(b, 3, 0); /* num_ref_idx_override, list modification, adaptive marking */
    }
    put_ue(b, 0); /* slice_qp_delta */
}

static void put_pcm(struct bits *b, uint32_t mb_type, uint32_t counter)
{
    put_ue(b, mb_type);
    align(b);
    for (uint32_t i = 0; i < PCM_BYTES; i++)
        b->data[b->size++] = (uint8_t)(0x40 | ((counter + i) & 0x7f));
    b->zeros = 0;
}

/* Grey first: a macroblock beside or below an I_PCM one would need another coeff_token. */
static void put_idr(struct bits *b, const struct fake *f, int pcm)
{
    put_slice_header(b, f, true);
    for (int i = 0; i < f->width_mb * f->height_mb - pcm; i++)
        put(b, 8, 0x27); /* I_16x16 by DC: ue(3), chroma DC: ue(0), no QP change, no coefficients */
    for (int i = 0; i < pcm; i++)
        put_pcm(b, 25, f->pictures);
    end_nal(b);
}

static void put_p(struct bits *b, const struct fake *f, int pcm)
{
    int mbs = f->width_mb * f->height_mb;
    int before = (int)(f->pictures % (uint32_t)(mbs - pcm + 1));
    put_slice_header(b, f, false);
    put_ue(b, (uint32_t)before); /* mb_skip_run */
    for (int i = 0; i < pcm; i++) {
        if (i > 0)
            put_ue(b, 0);
        put_pcm(b, 5 + 25, f->pictures);
    }
    if (pcm > 0 && before + pcm < mbs)
        put_ue(b, (uint32_t)(mbs - pcm - before));
    end_nal(b);
}

static int fake_set_rate(void *priv, const struct encoder_rate *rate)
{
    struct fake *f = priv;
    int level = h264_level_idc(f->width, f->height, rate->fps, rate->bitrate_bps);
    if (level == 0 || level > f->level)
        return -ERANGE;
    f->budget = (int64_t)(rate->bitrate_bps / 8 / (uint32_t)rate->fps);
    return 0;
}

static int fake_open(void *priv, const struct encoder_config *config, char *error,
                     size_t error_size)
{
    struct fake *f = priv;
    f->level = h264_level_choose(config, error, error_size);
    if (f->level < 0)
        return f->level;
    f->width = config->width;
    f->height = config->height;
    f->width_mb = (config->width + 15) / 16;
    f->height_mb = (config->height + 15) / 16;
    f->data = malloc((size_t)(f->width_mb * f->height_mb) * PCM_COST + MAX_HEADERS);
    if (!f->data) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    const struct encoder_rate rate = {config->bitrate_bps, config->fps, config->rate_control};
    return fake_set_rate(f, &rate);
}

/* How many I_PCM macroblocks bring a picture to what may be spent on it. */
static int plan(const struct fake *f, bool keyframe)
{
    int64_t mbs = (int64_t)f->width_mb * f->height_mb;
    int64_t room = f->carry + f->budget * (keyframe ? KEYFRAME_MULTIPLE : 1);
    /* in a keyframe each takes the place of a grey one, which is a byte */
    int64_t n = keyframe ? (room - mbs) / (PCM_COST - 1) : room / PCM_COST;
    return n < 0 ? 0 : n > mbs ? (int)mbs : (int)n;
}

static int fake_submit(void *priv, const struct picture *pic, bool keyframe)
{
    struct fake *f = priv;
    struct bits b = {.data = f->data};
    f->keyframe = keyframe || f->pictures == 0;
    int pcm = plan(f, f->keyframe);
    if (f->keyframe) {
        f->since_idr = 0;
        put_sps(&b, f);
        put_pps(&b);
        put_idr(&b, f, pcm);
        f->idrs++;
    } else {
        put_p(&b, f, pcm);
    }
    f->since_idr++;
    f->pictures++;
    f->size = b.size;
    f->carry += f->budget * (f->keyframe ? KEYFRAME_MULTIPLE : 1) - (int64_t)b.size;
    if (f->carry > PCM_COST || f->carry < -PCM_COST)
        f->carry = 0; /* the macroblocks could not make that size: no debt to be paid later */
    f->captured_us = pic->captured_us;
    f->ready = true;
    return 0;
}

static int fake_receive(void *priv, struct encoded *out)
{
    struct fake *f = priv;
    if (!f->ready)
        return -EAGAIN;
    f->ready = false;
    *out = (struct encoded){
        .data = f->data,
        .size = f->size,
        .keyframe = f->keyframe,
        .quantizer = -1, /* nothing was looked at */
        .captured_us = f->captured_us,
    };
    return 0;
}

static void fake_close(void *priv)
{
    struct fake *f = priv;
    free(f->data);
}

const struct encoder_ops encode_fake_ops = {
    .name = "fake",
    .codec = CODEC_H264,
    .input = PICTURE_I420,
    .priv_size = sizeof(struct fake),
    .open = fake_open,
    .submit = fake_submit,
    .receive = fake_receive,
    .set_rate = fake_set_rate,
    .close = fake_close,
};
