/* access_units.h - the pictures of an encoded video file that lies in memory. Pure.
 *
 * Life: access_units_open reads the whole once and says in words why it cannot be played; then
 * access_units_next hands out its pictures from the first keyframe on, and access_units_rewind
 * begins again there. Nothing is copied: the bytes belong to the caller and must not change.
 *
 * H.264 as a byte stream (Annex B) or in IVF, VP8, VP9 and AV1 in IVF. A keyframe of H.264 is an
 * IDR picture whose parameter sets are known; pictures before the first keyframe are left out. What
 * browsers do not play over WebRTC is refused: B pictures, fields, anything but 4:2:0.
 */
#pragma once

#include "capture/sps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_UNITS_MAX_RATE 240 /* pictures a second; a file that says more says nothing */

enum access_units_codec {
    ACCESS_UNITS_H264 = 1,
    ACCESS_UNITS_VP8,
    ACCESS_UNITS_VP9,
    ACCESS_UNITS_AV1,
};

struct access_unit {
    const uint8_t *data; /* H.264: Annex B; AV1: OBUs with sizes */
    size_t size;
    bool keyframe;
    /* Of a keyframe without its own: the parameter sets to be sent before it, or NULL and 0. */
    const uint8_t *headers;
    size_t headers_size;
};

struct access_units_cursor {
    const uint8_t *at;
    const uint8_t
        *headers; /* the last SPS to the last PPS before a slice, Annex B; NULL: none yet */
    size_t headers_size;
    struct sps sps; /* of the last picture; width 0: cannot be read. Of the other codecs only its
                       size, which AV1 has from the file's header */
};

struct access_units {
    /* immutable after open */
    const uint8_t *end;
    enum access_units_codec codec;
    bool is_ivf;
    uint64_t n_units, n_keyframes;
    uint64_t n_skipped;   /* pictures before the first keyframe */
    uint64_t longest_gop; /* pictures from one keyframe to the next, or to the end */
    size_t max_unit_size; /* parameter sets included */
    /* Pictures a second as the file says it: the mean of the IVF timestamps, else the timing of the
     * first SPS. Both 0 where it does not say, or not between 1 and ACCESS_UNITS_MAX_RATE. */
    uint32_t rate, rate_scale;        /* rate / rate_scale */
    struct access_units_cursor first; /* at the first keyframe */

    struct access_units_cursor cursor;
};

/* 0; -EBADMSG or -ENOTSUP with the rest of a sentence in `error`: "is empty", "holds VP8, ...". */
int access_units_open(struct access_units *u, const uint8_t *data, size_t size, char *error,
                      size_t error_size);
bool access_units_next(struct access_units *u, struct access_unit *out); /* false at the end */
void access_units_rewind(struct access_units *u);
