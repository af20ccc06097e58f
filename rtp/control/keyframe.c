#include "rtp/control/keyframe.h"

#include <math.h>

#define SHARE 0.1
#define SMOOTHING_KEYFRAME 0.3
#define SMOOTHING_FRAME 0.03 /* a second of them */
#define SHARP 0.05           /* so little of the quality is missing: nobody sees it */
#define SMOOTHING_SHARPER 0.2
#define SMOOTHING_COARSER 0.003 /* ten seconds: as sharp as it has lately been */
#define STEP_MAX_US 200000      /* a longer pause says nothing */

void keyframe_init(struct keyframe_budget *b, int64_t min_gap_us)
{
    *b = (struct keyframe_budget){
        .min_gap_us = min_gap_us, .last_us = INT64_MIN, .paid_us = INT64_MIN};
}

void keyframe_set_rate(struct keyframe_budget *b, uint64_t bps)
{
    b->rate_bps = bps;
}

static void learn(double *mean, double sample, double smoothing)
{
    *mean = *mean > 0 ? *mean + smoothing * (sample - *mean) : sample;
}

void keyframe_on_frame(struct keyframe_budget *b, bool keyframe, uint32_t bytes, int64_t encode_us)
{
    double smoothing = keyframe ? SMOOTHING_KEYFRAME : SMOOTHING_FRAME;
    learn(keyframe ? &b->keyframe_bytes : &b->frame_bytes, bytes, smoothing);
    if (encode_us > 0)
        learn(keyframe ? &b->keyframe_us : &b->frame_us, (double)encode_us, smoothing);
}

void keyframe_on_quality(struct keyframe_budget *b, bool keyframe, int quantizer, int64_t now_us)
{
    int64_t step_us = now_us - b->frame_at_us;
    b->frame_at_us = now_us;
    if (quantizer < 0 || quantizer > 100)
        return;
    double missing = (quantizer - b->quantizer) / (100.01 - b->quantizer);
    bool counts = b->blurs && step_us > 0 && step_us < STEP_MAX_US;
    if (counts && missing > 0)
        b->blurred_us += missing * (double)step_us;
    if (!b->blurs || missing < SHARP)
        learn(&b->quantizer, quantizer, missing < 0 ? SMOOTHING_SHARPER : SMOOTHING_COARSER);
    if (missing < SHARP || b->blurred_us > SHARE * KEYFRAME_PRICE_MAX_US)
        b->blurs = false;
    if (keyframe) {
        b->blurs = b->quantizer > 0;
        b->blurred_us = 0;
    }
}

int64_t keyframe_price_us(const struct keyframe_budget *b)
{
    double price_us = (b->keyframe_us - b->frame_us) / SHARE;
    if (b->keyframe_us <= 0 || b->frame_us <= 0)
        price_us = 0;
    if (b->rate_bps > 0) {
        double bits_us = (b->keyframe_bytes - b->frame_bytes) * 8e6 / (SHARE * (double)b->rate_bps);
        price_us = bits_us > price_us ? bits_us : price_us;
    }
    if (price_us >= KEYFRAME_PRICE_MAX_US)
        return KEYFRAME_PRICE_MAX_US;
    return price_us > 0 ? (int64_t)price_us : 0;
}

void keyframe_want(struct keyframe_budget *b, uint64_t n)
{
    if (n == 0)
        return;
    b->requests += n;
    b->coalesced += b->wanted ? n : n - 1;
    b->wanted = true;
}

/* When the newest one's price in quality is paid. */
static int64_t sharp_us(const struct keyframe_budget *b)
{
    if (b->last_us == INT64_MIN)
        return 0;
    return b->last_us + (int64_t)fmin(b->blurred_us / SHARE, KEYFRAME_PRICE_MAX_US);
}

bool keyframe_blurs(const struct keyframe_budget *b, int64_t now_us)
{
    return now_us < sharp_us(b);
}

int64_t keyframe_next_timeout(const struct keyframe_budget *b)
{
    if (!b->wanted)
        return INT64_MAX;
    int64_t at_us = b->last_us == INT64_MIN ? 0 : b->last_us + b->min_gap_us;
    if (sharp_us(b) > at_us)
        at_us = sharp_us(b);
    int64_t paid_us = b->paid_us == INT64_MIN ? 0 : b->paid_us - keyframe_price_us(b);
    return paid_us > at_us ? paid_us : at_us;
}

bool keyframe_due(const struct keyframe_budget *b, int64_t now_us)
{
    return b->wanted && now_us >= keyframe_next_timeout(b);
}

void keyframe_made(struct keyframe_budget *b, int64_t now_us)
{
    if (b->wanted)
        b->granted++;
    if (keyframe_due(b, now_us)) /* else it came by itself */
        b->paid_us = (b->paid_us > now_us ? b->paid_us : now_us) + keyframe_price_us(b);
    b->wanted = false;
    b->last_us = now_us;
}
