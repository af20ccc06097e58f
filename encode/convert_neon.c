/* BGRA to NV12 and I420 with NEON, sixteen pixels of two rows at a time. Everything is done in 16
 * bits that wrap: see the bounds in convert.h. What is left of a row goes the way of convert.c. */
#include "encode/convert.h"

#include <arm_neon.h>

enum { STEP = 16 };

static inline uint16x8_t luma_half(uint8x8_t b, uint8x8_t g, uint8x8_t r)
{
    uint16x8_t sum = vmlal_u8(vdupq_n_u16(Y_BIAS), b, vdup_n_u8(YB));
    sum = vmlal_u8(sum, g, vdup_n_u8(YG));
    return vmlal_u8(sum, r, vdup_n_u8(YR));
}

static inline uint8x16_t luma(uint8x16x4_t p)
{
    uint16x8_t low = luma_half(vget_low_u8(p.val[0]), vget_low_u8(p.val[1]), vget_low_u8(p.val[2]));
    uint16x8_t high =
        luma_half(vget_high_u8(p.val[0]), vget_high_u8(p.val[1]), vget_high_u8(p.val[2]));
    return vcombine_u8(vshrn_n_u16(low, 7), vshrn_n_u16(high, 7));
}

/* Of one channel: the mean of each block of 2x2, rounded up twice as in convert.c. */
static inline uint8x8_t blocks(uint8x16_t top, uint8x16_t bottom)
{
    uint8x16_t rows = vrhaddq_u8(top, bottom);
    uint8x16_t even = vuzp1q_u8(rows, rows), odd = vuzp2q_u8(rows, rows);
    return vget_low_u8(vrhaddq_u8(even, odd));
}

struct chroma {
    uint8x8_t u, v;
};

static inline struct chroma chroma(uint8x16x4_t top, uint8x16x4_t bottom)
{
    uint8x8_t b = blocks(top.val[0], bottom.val[0]);
    uint8x8_t g = blocks(top.val[1], bottom.val[1]);
    uint8x8_t r = blocks(top.val[2], bottom.val[2]);
    const uint16x8_t bias = vdupq_n_u16((uint16_t)UV_BIAS);
    uint16x8_t u = vmlal_u8(bias, b, vdup_n_u8(UB));
    u = vmlsl_u8(u, g, vdup_n_u8(-UG));
    u = vmlsl_u8(u, r, vdup_n_u8(-UR));
    uint16x8_t v = vmlal_u8(bias, r, vdup_n_u8(VR));
    v = vmlsl_u8(v, b, vdup_n_u8(-VB));
    v = vmlsl_u8(v, g, vdup_n_u8(-VG));
    return (struct chroma){vshrn_n_u16(u, 8), vshrn_n_u16(v, 8)};
}

void bgra_nv12_neon(uint8_t *y0, uint8_t *y1, uint8_t *uv, const uint8_t *bgra0,
                    const uint8_t *bgra1, int width)
{
    int x = 0;
    for (; x + STEP <= width; x += STEP) {
        uint8x16x4_t top = vld4q_u8(bgra0 + 4 * x), bottom = vld4q_u8(bgra1 + 4 * x);
        vst1q_u8(y0 + x, luma(top));
        vst1q_u8(y1 + x, luma(bottom));
        struct chroma c = chroma(top, bottom);
        vst2_u8(uv + x, ((uint8x8x2_t){{c.u, c.v}}));
    }
    bgra_nv12_c(y0 + x, y1 + x, uv + x, bgra0 + 4 * x, bgra1 + 4 * x, width - x);
}

void bgra_i420_neon(uint8_t *y0, uint8_t *y1, uint8_t *u, uint8_t *v, const uint8_t *bgra0,
                    const uint8_t *bgra1, int width)
{
    int x = 0;
    for (; x + STEP <= width; x += STEP) {
        uint8x16x4_t top = vld4q_u8(bgra0 + 4 * x), bottom = vld4q_u8(bgra1 + 4 * x);
        vst1q_u8(y0 + x, luma(top));
        vst1q_u8(y1 + x, luma(bottom));
        struct chroma c = chroma(top, bottom);
        vst1_u8(u + x / 2, c.u);
        vst1_u8(v + x / 2, c.v);
    }
    bgra_i420_c(y0 + x, y1 + x, u + x / 2, v + x / 2, bgra0 + 4 * x, bgra1 + 4 * x, width - x);
}
