/* fuzz_access_units.c - any file: what is handed out lies in it, in order, and is the same again.
 */
#include "capture/access_units.h"
#include "capture/annexb.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds_slice(const uint8_t *at, size_t size, bool idr)
{
    const uint8_t *end = at + size;
    struct annexb_nal nal;
    while (annexb_next(&nal, &at, end)) {
        struct annexb_slice slice;
        if (annexb_slice(&slice, &nal) && (!idr || annexb_type(&nal) == ANNEXB_IDR))
            return true;
    }
    return false;
}

/* Plays it once; a sum of where everything is. */
static size_t play(struct access_units *u, const uint8_t *data, size_t size)
{
    const uint8_t *last = data, *end = data + size;
    struct access_unit unit;
    uint64_t n = 0, keyframes = 0;
    size_t sum = 0;
    while (access_units_next(u, &unit)) {
        assert(unit.size > 0 && unit.data >= last && unit.data + unit.size <= end);
        assert(u->codec != ACCESS_UNITS_H264 || holds_slice(unit.data, unit.size, unit.keyframe));
        assert(unit.headers_size == 0 || (unit.keyframe && unit.headers >= data &&
                                          unit.headers + unit.headers_size <= unit.data));
        assert(unit.size + unit.headers_size <= u->max_unit_size);
        const struct sps *sps = &u->cursor.sps;
        assert(sps->width > 0 && sps->width <= SPS_MAX_SIDE);
        assert(sps->height > 0 && sps->height <= SPS_MAX_SIDE);
        assert(u->codec != ACCESS_UNITS_H264 || sps->frames_only);
        assert(n > 0 || unit.keyframe);
        last = unit.data + unit.size;
        keyframes += unit.keyframe;
        sum = sum * 31 + (size_t)(unit.data - data) + unit.size + unit.headers_size;
        n++;
    }
    assert(n == u->n_units && keyframes == u->n_keyframes && u->longest_gop <= n);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access_units u;
    char error[128] = "";
    if (access_units_open(&u, data, size, error, sizeof(error)) != 0) {
        assert(error[0] && strlen(error) < sizeof(error) - 1);
        return 0;
    }
    assert(u.n_keyframes > 0 && !u.rate == !u.rate_scale);
    assert(!u.rate || (u.rate >= u.rate_scale && u.rate / u.rate_scale <= ACCESS_UNITS_MAX_RATE));
    size_t once = play(&u, data, size);
    access_units_rewind(&u);
    assert(play(&u, data, size) == once);
    return 0;
}
