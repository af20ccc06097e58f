#include "rtp/payload/h264.h"

#include "rtp/wire/bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* RFC 6184 5.2: types 1-23 are NAL units, the ones above are packet structures. */
#define NAL_LAST 23
#define STAP_A 24
#define FU_A 28
#define FU_HEADER_SIZE 2
#define FU_START 0x80
#define FU_END 0x40

#define END_OF_SEQUENCE 10
#define END_OF_STREAM 11
#define FILLER 12

static unsigned nal_type(uint8_t header)
{
    return header & 0x1f;
}

/* The first 00 00 01 at or after p, or end. */
static const uint8_t *find_start_code(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 3)
        return end;
    /* memchr for the 01 walks coded data several times faster than a loop over the bytes. */
    for (p += 2; p < end; p++) {
        p = memchr(p, 1, (size_t)(end - p));
        if (!p)
            return end;
        if (p[-1] == 0 && p[-2] == 0)
            return p - 2;
    }
    return end;
}

bool h264_next_nal(struct h264_nal_unit *out, const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return false;
    const uint8_t *end = *data + *size;
    const uint8_t *p = find_start_code(*data, end);
    while (p != end) {
        const uint8_t *nal = p + 3;
        p = find_start_code(nal, end);
        const uint8_t *last = p;
        /* Zeros before a start code belong to it or are trailing_zero_8bits: a NAL unit never
         * ends with one (H.264 7.4.1). */
        while (last > nal && last[-1] == 0)
            last--;
        if (last > nal) {
            *out = (struct h264_nal_unit){.data = nal, .size = (size_t)(last - nal)};
            *size = (size_t)(end - p);
            *data = p;
            return true;
        }
    }
    *data = end;
    *size = 0;
    return false;
}

bool h264_find_profile(struct h264_profile *out, const uint8_t *access_unit, size_t size)
{
    struct h264_nal_unit nal;
    while (h264_next_nal(&nal, &access_unit, &size)) {
        if (nal_type(nal.data[0]) != H264_SPS || nal.size < 4)
            continue;
        *out = (struct h264_profile){nal.data[1], nal.data[2], nal.data[3]};
        return true;
    }
    return false;
}

bool h264_is_keyframe(const uint8_t *access_unit, size_t size)
{
    struct h264_nal_unit nal;
    while (h264_next_nal(&nal, &access_unit, &size)) {
        if (nal_type(nal.data[0]) == H264_IDR)
            return true;
    }
    return false;
}

static bool is_parameter_set(const struct h264_nal_unit *nal)
{
    return nal_type(nal->data[0]) == H264_SPS || nal_type(nal->data[0]) == H264_PPS;
}

/* What a receiver has no use for, and what has no RTP form. */
static bool is_left_out(uint8_t header)
{
    switch (nal_type(header)) {
    case H264_AUD:
    case END_OF_SEQUENCE:
    case END_OF_STREAM:
    case FILLER:
        return true;
    default:
        return nal_type(header) == 0 || nal_type(header) > NAL_LAST;
    }
}

/* Some of the NAL unit behind `header`: its first ones (FU_START), its last (FU_END), or all. */
struct fragments {
    uint8_t header, ends;
    const uint8_t *body;
    size_t size;
};

/* FU-A of equal fragments, the last one shorter (RFC 6184 5.8). */
static int add_fragments(struct packetize *out, const struct fragments *f, size_t max_payload)
{
    const uint8_t *body = f->body;
    size_t left = f->size;
    size_t room = max_payload - FU_HEADER_SIZE;
    size_t n = (left + room - 1) / room;
    size_t each = (left + n - 1) / n;

    for (uint8_t start = f->ends & FU_START; left > 0; start = 0) {
        size_t size = left < each ? left : each;
        uint8_t *p = packetize_add(out, FU_HEADER_SIZE + size);
        if (!p)
            return -ENOSPC;
        uint8_t end = size == left ? f->ends & FU_END : 0;
        p[0] = (uint8_t)((f->header & 0xe0) | FU_A);
        p[1] = (uint8_t)(start | end | nal_type(f->header));
        memcpy(p + FU_HEADER_SIZE, body, size);
        body += size;
        left -= size;
    }
    return 0;
}

static int add_nal(struct packetize *out, const struct h264_nal_unit *nal, size_t max_payload)
{
    if (nal->size > max_payload) {
        struct fragments all = {nal->data[0], FU_START | FU_END, nal->data + 1, nal->size - 1};
        return add_fragments(out, &all, max_payload);
    }
    uint8_t *p = packetize_add(out, nal->size);
    if (!p)
        return -ENOSPC;
    memcpy(p, nal->data, nal->size);
    return 0;
}

/* The size of a STAP-A of all parameter sets; 0 if it would hold fewer than two. */
static size_t measure_parameter_sets(const uint8_t *data, size_t size)
{
    struct h264_nal_unit nal;
    size_t total = 1, n = 0;
    while (h264_next_nal(&nal, &data, &size)) {
        if (is_parameter_set(&nal)) {
            total += 2 + nal.size;
            n++;
        }
    }
    return n >= 2 ? total : 0;
}

/* One STAP-A (RFC 6184 5.7.1) of `stap_size` bytes. */
static int add_parameter_sets(struct packetize *out, const uint8_t *data, size_t size,
                              size_t stap_size)
{
    uint8_t *head = packetize_add(out, stap_size);
    if (!head)
        return -ENOSPC;
    struct h264_nal_unit nal;
    uint8_t forbidden = 0, importance = 0;
    uint8_t *p = head + 1;
    while (h264_next_nal(&nal, &data, &size)) {
        if (!is_parameter_set(&nal))
            continue;
        forbidden |= nal.data[0] & 0x80;
        if ((nal.data[0] & 0x60) > importance)
            importance = nal.data[0] & 0x60;
        put_u16(p, (uint16_t)nal.size);
        memcpy(p + 2, nal.data, nal.size);
        p += 2 + nal.size;
    }
    head[0] = (uint8_t)(forbidden | importance | STAP_A);
    assert(p == head + stap_size);
    return 0;
}

/* Whole NAL units; parameter sets together in front if it is the unit's beginning. */
static int add_nals(struct packetize *out, const uint8_t *data, size_t size, bool begins,
                    size_t max_payload)
{
    size_t stap_size = begins ? measure_parameter_sets(data, size) : 0;
    bool aggregate = stap_size > 0 && stap_size <= max_payload;
    int err = aggregate ? add_parameter_sets(out, data, size, stap_size) : 0;

    struct h264_nal_unit nal;
    while (err == 0 && h264_next_nal(&nal, &data, &size)) {
        if (is_left_out(nal.data[0]) || (aggregate && is_parameter_set(&nal)))
            continue;
        err = add_nal(out, &nal, max_payload);
    }
    return err;
}

/* Fragments of the NAL unit that is being cut, at `from`: to its end if that is there, else full
 * ones that leave something for the end. */
static int cut_nal(struct packetize *out, struct packetize_cut *cut,
                   const struct packetize_unit *unit, size_t from, size_t max_payload)
{
    const uint8_t *body = unit->data + from, *end = unit->data + unit->size;
    if (from >= unit->size)
        return unit->whole ? -EBADMSG : 0;
    const uint8_t *next = find_start_code(body + 1, end);
    bool begins = !cut->in_nal, over = unit->whole || unit->tail > from;
    size_t size = (size_t)(next - body), room = max_payload - FU_HEADER_SIZE;
    struct fragments f = {cut->nal_header, begins ? FU_START : 0, body, (size - 1) / room * room};
    if (over) {
        for (f.size = size; f.size > 1 && body[f.size - 1] == 0;)
            f.size--; /* they belong to the next start code */
        f.ends |= FU_END;
    }
    if (f.size == 0)
        return 0;
    cut->in_nal = !over;
    cut->at = from + (over ? size : f.size);
    return add_fragments(out, &f, max_payload);
}

/* The last NAL unit there is, if it fills a packet. It may not be over. */
static int cut_tail(struct packetize *out, struct packetize_cut *cut,
                    const struct packetize_unit *unit, size_t max_payload)
{
    struct h264_nal_unit nal;
    const uint8_t *data = unit->data + unit->tail;
    size_t size = unit->size - unit->tail;
    if (!h264_next_nal(&nal, &data, &size) || is_left_out(nal.data[0]))
        return 0;
    cut->nal_header = nal.data[0];
    return cut_nal(out, cut, unit, (size_t)(nal.data + 1 - unit->data), max_payload);
}

static int cut_some(struct packetize *out, struct packetize_cut *cut,
                    const struct packetize_unit *unit, size_t max_payload)
{
    size_t stop = unit->whole ? unit->size : unit->tail;
    bool begins = cut->at == 0;
    int err = cut->in_nal ? cut_nal(out, cut, unit, cut->at, max_payload) : 0;
    if (err != 0 || cut->in_nal)
        return err;
    if (cut->at < stop) {
        err = add_nals(out, unit->data + cut->at, stop - cut->at, begins, max_payload);
        cut->at = stop;
    }
    return err != 0 || unit->whole ? err : cut_tail(out, cut, unit, max_payload);
}

int h264_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *unit,
             size_t max_payload)
{
    assert(max_payload > FU_HEADER_SIZE && max_payload <= UINT16_MAX);
    assert(unit->tail <= unit->size);
    struct packetize_cut next = *cut;
    packetize_clear(out);
    int err = cut_some(out, &next, unit, max_payload);
    if (err == 0 && out->n_packets == 0 && unit->whole)
        err = -EBADMSG;
    if (err != 0)
        packetize_clear(out);
    if (out->n_packets == 0)
        return err;
    out->packets[out->n_packets - 1].marker = unit->whole;
    *cut = next;
    return 0;
}

int h264_packetize(struct packetize *out, const uint8_t *access_unit, size_t size,
                   size_t max_payload)
{
    struct packetize_cut cut = {.at = 0};
    struct packetize_unit unit = {.data = access_unit, .size = size, .whole = true};
    return h264_cut(out, &cut, &unit, max_payload);
}

void h264_assemble_begin(struct h264_assembler *a, uint8_t *data, size_t capacity)
{
    *a = (struct h264_assembler){.data = data, .capacity = capacity};
}

static void append(struct h264_assembler *a, const uint8_t *bytes, size_t size)
{
    if (a->broken || size > a->capacity - a->size) {
        a->broken = true;
        return;
    }
    memcpy(a->data + a->size, bytes, size);
    a->size += size;
}

static void append_nal(struct h264_assembler *a, const uint8_t *nal, size_t size)
{
    static const uint8_t start_code[4] = {0, 0, 0, 1};
    if (nal_type(nal[0]) == 0 || nal_type(nal[0]) > NAL_LAST) {
        a->broken = true;
        return;
    }
    if (!is_left_out(nal[0]))
        a->tail = a->size;
    append(a, start_code, sizeof(start_code));
    append(a, nal, size);
}

static void assemble_stap(struct h264_assembler *a, const uint8_t *p, size_t size)
{
    do {
        if (size < 2 || get_u16(p) == 0 || get_u16(p) > size - 2) {
            a->broken = true;
            return;
        }
        append_nal(a, p + 2, get_u16(p));
        size -= 2u + get_u16(p);
        p += 2 + get_u16(p);
    } while (size > 0);
}

static void assemble_fragment(struct h264_assembler *a, const uint8_t *payload, size_t size)
{
    bool start = size > 1 && payload[1] & FU_START;
    bool end = size > 1 && payload[1] & FU_END;
    /* A fragment is never empty, a lone one is not a fragment, and they come in order. */
    if (size <= FU_HEADER_SIZE || (start && end) || start == a->in_fragment) {
        a->broken = true;
        return;
    }
    uint8_t header = (uint8_t)((payload[0] & 0xe0) | nal_type(payload[1]));
    if (start) {
        append_nal(a, &header, 1);
        a->fragment_type = (uint8_t)nal_type(header);
    } else if (nal_type(header) != a->fragment_type) {
        a->broken = true;
    }
    append(a, payload + FU_HEADER_SIZE, size - FU_HEADER_SIZE);
    a->in_fragment = !end;
}

void h264_assemble(struct h264_assembler *a, const uint8_t *payload, size_t size)
{
    if (size == 0 || (a->in_fragment && nal_type(payload[0]) != FU_A)) {
        a->broken = true;
        return;
    }
    if (nal_type(payload[0]) == FU_A)
        assemble_fragment(a, payload, size);
    else if (nal_type(payload[0]) == STAP_A)
        assemble_stap(a, payload + 1, size - 1);
    else
        append_nal(a, payload, size);
}

bool h264_assemble_end(struct h264_assembler *a)
{
    return !a->broken && !a->in_fragment && a->size > 0;
}

static bool starts_keyframe(uint8_t header)
{
    return nal_type(header) == H264_IDR || nal_type(header) == H264_SPS;
}

bool h264_payload_starts_keyframe(const uint8_t *payload, size_t size)
{
    if (size == 0)
        return false;
    if (nal_type(payload[0]) == FU_A)
        return size > FU_HEADER_SIZE && payload[1] & FU_START && starts_keyframe(payload[1]);
    if (nal_type(payload[0]) != STAP_A)
        return starts_keyframe(payload[0]);

    for (size_t at = 1; size - at > 2;) {
        size_t nal_size = get_u16(payload + at);
        if (nal_size == 0 || nal_size > size - at - 2)
            return false;
        if (starts_keyframe(payload[at + 2]))
            return true;
        at += 2 + nal_size;
    }
    return false;
}

bool h264_payload_may_start_frame(const uint8_t *payload, size_t size)
{
    if (size == 0)
        return false;
    return nal_type(payload[0]) != FU_A || (size > FU_HEADER_SIZE && payload[1] & FU_START);
}
