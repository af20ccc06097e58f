#include "capture/annexb.h"

#include "capture/bit_reader.h"

#include <string.h>

/* The first 00 00 01 at or after p, or end. */
static const uint8_t *find_start_code(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 3)
        return end;
    for (p += 2; p < end; p++) {
        p = memchr(p, 1, (size_t)(end - p));
        if (!p)
            return end;
        if (p[-1] == 0 && p[-2] == 0)
            return p - 2;
    }
    return end;
}

bool annexb_starts(const uint8_t *data, size_t size)
{
    size_t zeros = 0;
    while (zeros < size && data[zeros] == 0)
        zeros++;
    return zeros >= 2 && zeros < size && data[zeros] == 1;
}

bool annexb_next(struct annexb_nal *out, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *start = find_start_code(*at, end);
    while (start != end) {
        const uint8_t *data = start + 3;
        const uint8_t *next = find_start_code(data, end), *last = next;
        /* zeros before a start code are not of the NAL unit, which never ends with one (7.4.1) */
        while (last > data && last[-1] == 0)
            last--;
        if (last > data) {
            *out = (struct annexb_nal){start, data, (size_t)(last - data)};
            *at = next;
            return true;
        }
        start = next;
    }
    *at = end;
    return false;
}

unsigned annexb_type(const struct annexb_nal *nal)
{
    return nal->data[0] & 0x1f;
}

static bool is_coded(unsigned type)
{
    return type >= ANNEXB_SLICE && type <= ANNEXB_IDR;
}

bool annexb_slice(struct annexb_slice *out, const struct annexb_nal *nal)
{
    unsigned type = annexb_type(nal);
    if (type != ANNEXB_SLICE && type != ANNEXB_PARTITION_A && type != ANNEXB_IDR)
        return false;
    struct bit_reader r = bit_reader_of(nal->data + 1, nal->size - 1);
    *out = (struct annexb_slice){.first_mb = bit_reader_ue(&r)};
    out->type = bit_reader_ue(&r) % 5;
    return !r.bad;
}

/* What stands before the first slice of a picture (7.4.1.2.3). */
static bool may_precede(unsigned type)
{
    return (type >= ANNEXB_SEI && type <= ANNEXB_AUD) || (type >= 14 && type <= 18);
}

/* A picture begins with a slice of macroblock 0, since slices come in order in every profile that
 * browsers take; what may precede a picture and stands after the last slice goes with the next. */
const uint8_t *annexb_picture_end(const uint8_t *data, const uint8_t *end)
{
    const uint8_t *at = data, *prefix = NULL;
    bool has_slice = false;
    struct annexb_nal nal;
    while (annexb_next(&nal, &at, end)) {
        struct annexb_slice slice;
        unsigned type = annexb_type(&nal);
        if (has_slice && annexb_slice(&slice, &nal) && slice.first_mb == 0)
            return prefix ? prefix : nal.start;
        if (is_coded(type)) {
            has_slice = true;
            prefix = NULL;
        } else if (has_slice && !prefix && may_precede(type)) {
            prefix = nal.start;
        }
    }
    return end;
}
