#include "capture/access_units.h"

#include "capture/annexb.h"
#include "capture/coded_frame.h"
#include "capture/ivf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- one picture --- */

struct contents {
    bool has_slice, has_idr, has_b, has_sps, has_pps;
    const uint8_t *headers, *headers_end;
};

static void note_slice(struct contents *c, const struct annexb_nal *nal)
{
    struct annexb_slice slice;
    if (!annexb_slice(&slice, nal))
        return;
    c->has_slice = true;
    c->has_idr |= annexb_type(nal) == ANNEXB_IDR;
    c->has_b |= slice.type == 1;
}

static void note_headers(struct contents *c, struct sps *sps, const struct annexb_nal *nal)
{
    bool is_sps = annexb_type(nal) == ANNEXB_SPS;
    if (is_sps && !sps_parse(sps, nal->data, nal->size))
        *sps = (struct sps){.width = 0};
    if (!c->headers)
        c->headers = nal->start;
    c->headers_end = nal->data + nal->size;
    c->has_sps |= is_sps;
    c->has_pps |= !is_sps;
}

static void inspect(struct contents *c, struct sps *sps, const uint8_t *at, const uint8_t *end)
{
    *c = (struct contents){.headers = NULL};
    struct annexb_nal nal;
    while (annexb_next(&nal, &at, end)) {
        unsigned type = annexb_type(&nal);
        if (!c->has_slice && (type == ANNEXB_SPS || type == ANNEXB_PPS))
            note_headers(c, sps, &nal);
        else
            note_slice(c, &nal);
    }
}

/* The bytes of the next picture or IVF frame. 0, -ENODATA or -EBADMSG. */
static int next_bytes(struct access_units *u, struct ivf_frame *out)
{
    struct access_units_cursor *c = &u->cursor;
    if (u->is_ivf)
        return ivf_next(out, &c->at, u->end);
    if (c->at == u->end)
        return -ENODATA;
    const uint8_t *next = annexb_picture_end(c->at, u->end);
    *out = (struct ivf_frame){.data = c->at, .size = (size_t)(next - c->at)};
    c->at = next;
    return 0;
}

/* The same for a codec whose frames say themselves what they are; -ENOTSUP: of a kind that browsers
 * do not play. */
static int read_coded(struct access_units *u, struct access_unit *out, uint64_t *timestamp)
{
    static const enum coded_frame_codec codecs[] = {
        [ACCESS_UNITS_VP8] = CODED_FRAME_VP8,
        [ACCESS_UNITS_VP9] = CODED_FRAME_VP9,
        [ACCESS_UNITS_AV1] = CODED_FRAME_AV1,
    };
    struct ivf_frame bytes;
    struct coded_frame frame;
    int err = next_bytes(u, &bytes);
    if (err)
        return err;
    if (!coded_frame_read(&frame, codecs[u->codec], bytes.data, bytes.size))
        return -EBADMSG;
    if (frame.keyframe && frame.profile != 0)
        return -ENOTSUP;
    if (frame.keyframe && frame.width > 0) {
        u->cursor.sps.width = (uint32_t)frame.width;
        u->cursor.sps.height = (uint32_t)frame.height;
    }
    *out = (struct access_unit){.data = bytes.data, .size = bytes.size, .keyframe = frame.keyframe};
    *timestamp = bytes.timestamp;
    return 0;
}

/* 0, -ENODATA, -EBADMSG. What holds no slice is passed over, but for its parameter sets. */
static int read_h264(struct access_units *u, struct access_unit *out, struct contents *c,
                     uint64_t *timestamp)
{
    struct access_units_cursor *cursor = &u->cursor;
    do {
        struct ivf_frame bytes;
        int err = next_bytes(u, &bytes);
        if (err)
            return err;
        inspect(c, &cursor->sps, bytes.data, bytes.data + bytes.size);
        *out = (struct access_unit){.data = bytes.data, .size = bytes.size};
        *timestamp = bytes.timestamp;
        if (c->has_sps && c->has_pps) {
            cursor->headers = c->headers;
            cursor->headers_size = (size_t)(c->headers_end - c->headers);
        } else if (c->has_idr) {
            out->headers = cursor->headers;
            out->headers_size = cursor->headers_size;
        }
    } while (!c->has_slice);
    out->keyframe = c->has_idr && cursor->headers;
    return 0;
}

static int read_unit(struct access_units *u, struct access_unit *out, struct contents *c,
                     uint64_t *timestamp)
{
    if (u->codec == ACCESS_UNITS_H264)
        return read_h264(u, out, c, timestamp);
    *c = (struct contents){.headers = NULL};
    return read_coded(u, out, timestamp);
}

/* --- the whole file --- */

static int refuse(char *error, size_t size, int err, const char *why)
{
    snprintf(error, size, "%s", why);
    return err;
}

/* NULL, or why browsers would not play what this picture begins or is. */
static const char *objection(const struct sps *sps, const struct contents *c)
{
    if (sps->width == 0)
        return "has a sequence parameter set that cannot be read";
    if (!sps->frames_only)
        return "may hold fields (interlaced video): only progressive video can be played";
    if (sps->chroma_format != 1 || sps->bit_depth != 8)
        return "is not 8-bit 4:2:0, the only format that browsers play";
    if (c->has_b)
        return "has B pictures, which browsers do not play live: encode it without (bframes=0)";
    return NULL;
}

static void set_rate(struct access_units *u, uint64_t rate, uint64_t scale)
{
    if (scale == 0 || rate < scale || (rate - 1) / scale >= ACCESS_UNITS_MAX_RATE)
        return;
    /* common factors first, then precision nobody can measure */
    uint64_t a = rate, b = scale;
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    rate /= a;
    scale /= a;
    while (rate > UINT32_MAX) {
        rate >>= 1;
        scale >>= 1;
    }
    u->rate = (uint32_t)rate;
    u->rate_scale = (uint32_t)scale;
}

struct survey {
    uint64_t first_timestamp, last_timestamp;
    bool in_order; /* each timestamp is later than the one before */
    uint64_t gop;  /* pictures since the last keyframe, itself included */
};

static void note_unit(struct access_units *u, struct survey *s, const struct access_unit *unit,
                      uint64_t timestamp)
{
    if (u->n_units == 0)
        *s = (struct survey){.first_timestamp = timestamp, .in_order = true};
    else
        s->in_order &= timestamp > s->last_timestamp;
    s->last_timestamp = timestamp;
    u->n_units++;
    u->n_keyframes += unit->keyframe;
    s->gop = unit->keyframe ? 1 : s->gop + 1;
    if (s->gop > u->longest_gop)
        u->longest_gop = s->gop;
    if (unit->size + unit->headers_size > u->max_unit_size)
        u->max_unit_size = unit->size + unit->headers_size;
}

static void choose_rate(struct access_units *u, const struct survey *s, const struct ivf *ivf)
{
    uint64_t span = s->last_timestamp - s->first_timestamp;
    if (u->is_ivf && u->n_units > 1 && s->in_order && span <= UINT32_MAX &&
        u->n_units <= UINT32_MAX)
        set_rate(u, (u->n_units - 1) * ivf->rate, span * ivf->scale);
    if (!u->rate)
        set_rate(u, u->first.sps.time_scale, 2 * (uint64_t)u->first.sps.tick);
}

static int survey(struct access_units *u, const struct ivf *ivf, char *error, size_t error_size)
{
    struct survey s = {.in_order = false};
    struct access_unit unit;
    struct contents contents;
    uint64_t timestamp;
    int err;
    for (;;) {
        struct access_units_cursor before = u->cursor;
        err = read_unit(u, &unit, &contents, &timestamp);
        if (err)
            break;
        if (u->n_units == 0 && !unit.keyframe) {
            u->n_skipped++;
            continue;
        }
        const char *why =
            u->codec == ACCESS_UNITS_H264 ? objection(&u->cursor.sps, &contents) : NULL;
        if (why)
            return refuse(error, error_size, -ENOTSUP, why);
        if (u->n_units == 0) {
            u->first = before;
            u->first.sps = u->cursor.sps;
        }
        note_unit(u, &s, &unit, timestamp);
    }
    if (err == -EBADMSG) {
        snprintf(error, error_size, "is cut off%s after %" PRIu64 " pictures",
                 u->codec == ACCESS_UNITS_H264 ? "" : " or broken", u->n_skipped + u->n_units);
        return err;
    }
    if (err == -ENOTSUP)
        return refuse(error, error_size, err,
                      "is of another profile than 0, the only one that every browser plays");
    if (u->n_units == 0)
        return refuse(error, error_size, -EBADMSG,
                      u->codec == ACCESS_UNITS_H264
                          ? "holds no H.264 keyframe (IDR picture) with its parameter sets"
                          : "holds no keyframe");
    if (u->first.sps.width == 0 || u->first.sps.height == 0)
        return refuse(error, error_size, -EBADMSG, "does not say how large its pictures are");
    choose_rate(u, &s, ivf);
    access_units_rewind(u);
    return 0;
}

/* 0: not known. */
static enum access_units_codec codec_of(const struct ivf *ivf)
{
    static const struct {
        const char *fourcc;
        enum access_units_codec codec;
    } rows[] = {{"H264", ACCESS_UNITS_H264},
                {"VP80", ACCESS_UNITS_VP8},
                {"VP90", ACCESS_UNITS_VP9},
                {"AV01", ACCESS_UNITS_AV1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(ivf->fourcc, rows[i].fourcc) == 0)
            return rows[i].codec;
    }
    return 0;
}

/* What people take for a video file, and is one, but with the pictures inside something else. */
static const char *container_name(const uint8_t *data, size_t size)
{
    if (size >= 12 && memcmp(data + 4, "ftyp", 4) == 0)
        return "MP4";
    if (size >= 4 && memcmp(data, "\x1a\x45\xdf\xa3", 4) == 0)
        return "Matroska or WebM";
    if (size >= 4 && memcmp(data, "RIFF", 4) == 0)
        return "AVI";
    if (size > 188 && data[0] == 0x47 && data[188] == 0x47)
        return "MPEG transport stream";
    return NULL;
}

static int refuse_container(const uint8_t *data, size_t size, char *error, size_t error_size)
{
    const char *name = container_name(data, size);
    if (name)
        snprintf(error, error_size,
                 "is a %s file: take its H.264 stream out first (ffmpeg -i IN -c copy OUT.h264)",
                 name);
    else
        snprintf(error, error_size, "is neither an H.264 stream with start codes nor IVF");
    return -ENOTSUP;
}

int access_units_open(struct access_units *u, const uint8_t *data, size_t size, char *error,
                      size_t error_size)
{
    *u = (struct access_units){
        .end = data + size, .codec = ACCESS_UNITS_H264, .cursor = {.at = data}};
    struct ivf ivf = {.rate = 0};
    if (size == 0)
        return refuse(error, error_size, -EBADMSG, "is empty");
    if (ivf_starts(data, size)) {
        if (!ivf_parse(&ivf, data, size))
            return refuse(error, error_size, -EBADMSG, "has an IVF header that cannot be read");
        u->codec = codec_of(&ivf);
        if (!u->codec)
            return refuse(error, error_size, -ENOTSUP,
                          "holds a codec that is not known: H264, VP80, VP90 and AV01 are");
        u->is_ivf = true;
        u->cursor.at = ivf.frames;
        if (u->codec != ACCESS_UNITS_H264)
            u->cursor.sps = (struct sps){.width = ivf.width, .height = ivf.height};
    } else if (!annexb_starts(data, size)) {
        return refuse_container(data, size, error, error_size);
    }
    return survey(u, &ivf, error, error_size);
}

bool access_units_next(struct access_units *u, struct access_unit *out)
{
    struct contents contents;
    uint64_t timestamp;
    return read_unit(u, out, &contents, &timestamp) == 0;
}

void access_units_rewind(struct access_units *u)
{
    u->cursor = u->first;
}
