/* keyframe.h - how often an encoder may be asked for a keyframe. Pure; the encode thread's.
 *
 * However many viewers ask, a stream makes at most one requested keyframe per gap: a request inside
 * the gap is kept and granted when the gap is over; requests while one is waiting are coalesced.
 *
 *     requests = coalesced + granted + (wanted ? 1 : 0)
 *
 * Above that they have a price, learnt from the frames that were made: what a keyframe takes more
 * than another frame, in bits and in encoder time. Requested keyframes may take a tenth of the bits
 * and a tenth of the time, so a price is the time in which a tenth is as much; one price may be
 * owed. So over any time t
 *
 *     requested keyframes <= 2 + t / price,     price <= KEYFRAME_PRICE_MAX_US
 *
 * A keyframe at a tight rate is a blurred one, and what follows sharpens it. How much of the
 * quality was missing for how long is seen from the quantizers; the next one is not due before that
 * is a tenth of the time since, or KEYFRAME_PRICE_MAX_US have passed. Those who ask here are shown
 * nothing meanwhile, so they do not wait longer; whom a cached keyframe helps shall have that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYFRAME_MIN_GAP_US 1000000
#define KEYFRAME_PRICE_MAX_US 10000000 /* nobody waits longer, whatever it costs */

struct keyframe_budget {
    int64_t min_gap_us;
    int64_t last_us; /* when the last keyframe was made; INT64_MIN: never */
    int64_t paid_us; /* when all that were granted are paid; INT64_MIN: they are */
    bool wanted;

    uint64_t rate_bps; /* what the encoder may make; 0: not known, bits cost nothing */
    double keyframe_bytes, keyframe_us; /* means; 0: none yet */
    double frame_bytes, frame_us;       /* of the others */
    double quantizer;                   /* what they have had of late; 0: not known */
    double blurred_us; /* since the newest keyframe, weighted by what was missing */
    bool blurs;        /* not yet as sharp as before it */
    int64_t frame_at_us;

    uint64_t requests, coalesced, granted;
};

void keyframe_init(struct keyframe_budget *b, int64_t min_gap_us);
void keyframe_set_rate(struct keyframe_budget *b, uint64_t bps);
/* What a frame took; encode_us 0: not known. */
void keyframe_on_frame(struct keyframe_budget *b, bool keyframe, uint32_t bytes, int64_t encode_us);
/* And how coarse it was, as encoders say it: 0 (best) to 100, below 0 unknown. */
void keyframe_on_quality(struct keyframe_budget *b, bool keyframe, int quantizer, int64_t now_us);
void keyframe_want(struct keyframe_budget *b, uint64_t n); /* n requests arrived */
/* Is the next picture to be one? */
bool keyframe_due(const struct keyframe_budget *b, int64_t now_us);
/* Would one more now take too much of the quality? Not for longer than KEYFRAME_PRICE_MAX_US. */
bool keyframe_blurs(const struct keyframe_budget *b, int64_t now_us);
/* One was encoded, asked for or not. */
void keyframe_made(struct keyframe_budget *b, int64_t now_us);
int64_t keyframe_next_timeout(const struct keyframe_budget *b); /* INT64_MAX: nothing wanted */
int64_t keyframe_price_us(const struct keyframe_budget *b);
