#include "rtp/payload/av1.h"

#include "rtp/wire/bits.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The aggregation header (AV1 RTP 4.4). */
#define CONTINUES 0x80
#define CONTINUED 0x40
#define COUNT_SHIFT 4
#define COUNT_MAX 3
#define STARTS_SEQUENCE 0x08
/* The OBU header (AV1 5.3.2). */
#define FORBIDDEN 0x80
#define HAS_EXTENSION 0x04
#define HAS_SIZE 0x02

#define LEB128_MAX 8
#define KEY_FRAME 0
/* Sizes tried before packets may differ. */
#define EVEN_TRIES 8

/* --- reading OBUs --- */

/* leb128 (AV1 4.10.5); false if it is cut, or more than 32 bits. */
static bool read_leb128(size_t *value, const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < LEB128_MAX && *p < end; i++) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        *value = (size_t)v;
        return v <= UINT32_MAX;
    }
    return false;
}

static size_t leb128_size(size_t value)
{
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

static void write_leb128(uint8_t *p, size_t value)
{
    for (; value > 0x7f; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p = (uint8_t)value;
}

int av1_next_obu(struct av1_obu *out, const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    const uint8_t *p = *data, *end = *data + *size;
    size_t header_size = p[0] & HAS_EXTENSION ? 2 : 1;
    if (p[0] & FORBIDDEN || *size < header_size)
        return -EBADMSG;
    *out = (struct av1_obu){
        .type = (enum av1_obu_type)(p[0] >> 3 & 15),
        .header = {(uint8_t)(p[0] & ~HAS_SIZE), header_size == 2 ? p[1] : 0},
        .header_size = (uint8_t)header_size,
    };
    bool sized = p[0] & HAS_SIZE;
    p += header_size;
    size_t payload_size = (size_t)(end - p);
    if (sized && (!read_leb128(&payload_size, &p, end) || payload_size > (size_t)(end - p)))
        return -EBADMSG;
    out->payload = p;
    out->payload_size = payload_size;
    *data = p + payload_size;
    *size = (size_t)(end - *data);
    return 1;
}

static bool is_still_picture(const struct av1_obu *sequence_header)
{
    struct bit_reader r = {.bytes = sequence_header->payload,
                           .size = sequence_header->payload_size};
    (void)get_bits(&r, 4); /* seq_profile, still_picture */
    return get_bit(&r);    /* reduced_still_picture_header */
}

static bool is_key_frame_header(const struct av1_obu *obu)
{
    struct bit_reader r = {.bytes = obu->payload, .size = obu->payload_size};
    bool show_existing_frame = get_bit(&r);
    return get_bits(&r, 2) == KEY_FRAME && !show_existing_frame && !r.overrun;
}

bool av1_is_keyframe(const uint8_t *unit, size_t size)
{
    struct av1_obu obu;
    bool has_sequence = false;
    while (av1_next_obu(&obu, &unit, &size) > 0) {
        if (obu.type == AV1_SEQUENCE_HEADER) {
            has_sequence = true;
            if (is_still_picture(&obu))
                return true;
        } else if (obu.type == AV1_FRAME || obu.type == AV1_FRAME_HEADER) {
            return has_sequence && is_key_frame_header(&obu);
        }
    }
    return false;
}

static void skip_uvlc(struct bit_reader *r)
{
    unsigned zeros = 0;
    while (!get_bit(r) && !r->overrun && zeros < 32)
        zeros++;
    if (zeros < 32)
        (void)get_bits(r, zeros);
}

/* timing_info, decoder_model_info (AV1 5.5.3, 5.5.4): bits of the buffer delays; 0: none. */
static unsigned skip_timing(struct bit_reader *r)
{
    if (!get_bit(r))
        return 0;
    (void)get_bits(r, 32);
    (void)get_bits(r, 32);
    if (get_bit(r))
        skip_uvlc(r);
    if (!get_bit(r))
        return 0;
    unsigned delay_bits = get_bits(r, 5) + 1;
    (void)get_bits(r, 32);
    (void)get_bits(r, 10);
    return delay_bits;
}

static void skip_operating_points(struct bit_reader *r)
{
    unsigned delay_bits = skip_timing(r);
    bool has_display_delay = get_bit(r);
    unsigned n = get_bits(r, 5) + 1;
    for (unsigned i = 0; i < n; i++) {
        (void)get_bits(r, 12);
        if (get_bits(r, 5) > 7)
            (void)get_bit(r);
        if (delay_bits > 0 && get_bit(r)) {
            (void)get_bits(r, delay_bits);
            (void)get_bits(r, delay_bits);
            (void)get_bit(r);
        }
        if (has_display_delay && get_bit(r))
            (void)get_bits(r, 4);
    }
}

/* sequence_header_obu (AV1 5.5.1) */
static bool read_sequence_size(const struct av1_obu *obu, uint16_t *width, uint16_t *height)
{
    struct bit_reader r = {.bytes = obu->payload, .size = obu->payload_size};
    (void)get_bits(&r, 4); /* seq_profile, still_picture */
    if (get_bit(&r))
        (void)get_bits(&r, 5);
    else
        skip_operating_points(&r);
    unsigned width_bits = get_bits(&r, 4) + 1, height_bits = get_bits(&r, 4) + 1;
    uint32_t w = get_bits(&r, width_bits) + 1, h = get_bits(&r, height_bits) + 1;
    if (r.overrun || w > UINT16_MAX || h > UINT16_MAX)
        return false;
    *width = (uint16_t)w;
    *height = (uint16_t)h;
    return true;
}

bool av1_find_size(const uint8_t *unit, size_t size, uint16_t *width, uint16_t *height)
{
    struct av1_obu obu;
    while (av1_next_obu(&obu, &unit, &size) > 0) {
        if (obu.type == AV1_SEQUENCE_HEADER)
            return read_sequence_size(&obu, width, height);
    }
    return false;
}

/* --- packetizing --- */

/* The OBUs of a unit that are sent, and how far the sending got. */
struct source {
    const uint8_t *data; /* behind `next` */
    size_t size;
    struct av1_obu obu; /* being sent */
    const uint8_t *at;  /* where it stands in the unit */
    size_t sent;        /* of it, header included, but not its size field */
    struct av1_obu next;
    const uint8_t *next_at;
    bool has_next;
};

/* AV1 RTP 5: delimiters and tile lists are not sent; padding says nothing. */
static bool is_left_out(const struct av1_obu *obu)
{
    return obu->type == AV1_TEMPORAL_DELIMITER || obu->type == AV1_TILE_LIST ||
           obu->type == AV1_PADDING;
}

/* Moves on to the next OBU and looks one further; false if the unit is over. */
static bool source_advance(struct source *s)
{
    bool any = s->has_next;
    s->obu = s->next;
    s->at = s->next_at;
    s->sent = 0;
    do {
        s->next_at = s->data;
        s->has_next = av1_next_obu(&s->next, &s->data, &s->size) > 0;
    } while (s->has_next && is_left_out(&s->next));
    return any;
}

/* Where the cutting stands; false if there is nothing. */
static bool source_begin(struct source *s, const struct packetize_unit *unit,
                         const struct packetize_cut *cut)
{
    *s = (struct source){.data = unit->data + cut->obu, .size = unit->size - cut->obu};
    (void)source_advance(s);
    bool any = source_advance(s);
    s->sent = cut->at - cut->obu;
    return any;
}

static size_t source_left(const struct source *s)
{
    return s->obu.header_size + s->obu.payload_size - s->sent;
}

static void source_copy(struct source *s, uint8_t *out, size_t size)
{
    size_t header = 0;
    if (s->sent < s->obu.header_size) {
        header = s->obu.header_size - s->sent;
        if (header > size)
            header = size;
        memcpy(out, s->obu.header + s->sent, header);
    }
    if (size > header)
        memcpy(out + header, s->obu.payload + (s->sent + header - s->obu.header_size),
               size - header);
    s->sent += size;
}

/* The most of `left` bytes that fits `room` together with its length. */
static size_t fit_with_length(size_t left, size_t room)
{
    size_t n = left < room ? left : room;
    while (n > 0 && n + leb128_size(n) > room)
        n--;
    return n;
}

/* Puts OBUs that leave room for at least one more element; returns their number. */
static size_t put_whole_obus(struct source *s, uint8_t **at, size_t *room)
{
    for (size_t n = 0;; n++) {
        size_t left = source_left(s);
        size_t prefix = leb128_size(left);
        if (!s->has_next || prefix + left + 2 > *room)
            return n;
        write_leb128(*at, left);
        source_copy(s, *at + prefix, left);
        *at += prefix + left;
        *room -= prefix + left;
        (void)source_advance(s);
    }
}

/* Fills the payload at p up to `size` bytes as far as the unit goes; returns what was filled. */
static size_t fill_packet(struct source *s, uint8_t *p, size_t size, bool *over)
{
    uint8_t *at = p + 1;
    size_t room = size - 1;
    p[0] = s->sent > 0 ? CONTINUES : 0;
    size_t n_elements = put_whole_obus(s, &at, &room) + 1;

    /* The last element goes without its length if the header has room for their number. */
    size_t left = source_left(s);
    size_t take = left < room ? left : room;
    if (n_elements <= COUNT_MAX) {
        p[0] |= (uint8_t)(n_elements << COUNT_SHIFT);
    } else {
        take = fit_with_length(left, room);
        write_leb128(at, take);
        at += leb128_size(take);
    }
    source_copy(s, at, take);
    at += take;
    *over = take == left && !source_advance(s);
    if (take < left)
        p[0] |= CONTINUED;
    return (size_t)(at - p);
}

/* One try with packets of `each` bytes, at most max_packets. -EAGAIN if that is too few, or if the
 * try is strict and a packet but the last is shorter or ends where an OBU does. */
static int try_cut(struct packetize *out, struct source s, size_t each, size_t max_packets,
                   bool strict)
{
    packetize_clear(out);
    for (bool over = false; !over;) {
        size_t room = out->capacity - out->size < each ? out->capacity - out->size : each;
        if (out->n_packets == max_packets)
            return -EAGAIN;
        uint8_t *p = room >= 2 ? packetize_add(out, room) : NULL;
        if (!p)
            return -ENOSPC;
        size_t size = fill_packet(&s, p, room, &over);
        if (!over && room < each)
            return -ENOSPC;
        if (strict && !over && (size < each || !(p[0] & CONTINUED)))
            return -EAGAIN;
        out->packets[out->n_packets - 1].size = (uint16_t)size;
        out->size -= (uint32_t)(room - size);
    }
    return 0;
}

/* The bytes on the wire but for the aggregation headers; 0: nothing to send, or malformed. */
static size_t measure(const uint8_t *unit, size_t size)
{
    struct av1_obu obu;
    size_t total = 0;
    int more;
    while ((more = av1_next_obu(&obu, &unit, &size)) > 0) {
        size_t n = obu.header_size + obu.payload_size;
        if (!is_left_out(&obu))
            total += n + leb128_size(n);
    }
    return more == 0 ? total : 0;
}

static int cut_evenly(struct packetize *out, const struct source *s, size_t total,
                      size_t max_payload)
{
    size_t n = (total + max_payload - 2) / (max_payload - 1);
    for (size_t last = n + 1; n <= last; n++) {
        size_t each = (total + n - 1) / n + 1;
        for (size_t tries = 0; tries < EVEN_TRIES && each <= max_payload; tries++, each++) {
            int err = try_cut(out, *s, each, n, true);
            if (err != -EAGAIN)
                return err;
        }
    }
    return try_cut(out, *s, max_payload, SIZE_MAX, false);
}

/* Full packets of `each` bytes as far as they go: each ends in the middle of an OBU. -EAGAIN if the
 * first one does not. */
static int try_full(struct packetize *out, struct source *s, size_t each)
{
    packetize_clear(out);
    for (;;) {
        struct source before = *s;
        bool over;
        uint8_t *p = packetize_add(out, each);
        if (!p)
            return -ENOSPC;
        size_t size = fill_packet(s, p, each, &over);
        if (!over && size == each && p[0] & CONTINUED)
            continue;
        *s = before;
        out->n_packets--;
        out->size -= (uint32_t)each;
        return over || out->n_packets > 0 ? 0 : -EAGAIN;
    }
}

/* Of a unit that is still coming. What has no even size now may have one when there is more. */
static int cut_full(struct packetize *out, struct source *s, size_t max_payload)
{
    int err = -EAGAIN;
    for (size_t tries = 0; err == -EAGAIN && tries < EVEN_TRIES; tries++)
        err = try_full(out, s, max_payload - tries);
    return err == -EAGAIN ? 0 : err;
}

int av1_cut(struct packetize *out, struct packetize_cut *cut, const struct packetize_unit *unit,
            size_t max_payload)
{
    assert(max_payload >= AV1_MIN_PAYLOAD && max_payload <= UINT16_MAX);
    assert(cut->obu <= cut->at && cut->at <= unit->size);
    bool begins = cut->at == 0;
    size_t total = measure(unit->data + cut->obu, unit->size - cut->obu);
    struct source s;
    packetize_clear(out);
    if (total == 0 || !source_begin(&s, unit, cut))
        return unit->whole ? -EBADMSG : 0;
    int err = unit->whole ? cut_evenly(out, &s, total - s.sent, max_payload)
                          : cut_full(out, &s, max_payload);
    if (err != 0)
        packetize_clear(out);
    if (out->n_packets == 0)
        return err;
    if (begins && av1_is_keyframe(unit->data, unit->size))
        out->data[out->packets[0].offset] |= STARTS_SEQUENCE;
    out->packets[out->n_packets - 1].marker = unit->whole;
    cut->obu = unit->whole ? unit->size : (size_t)(s.at - unit->data);
    cut->at = cut->obu + (unit->whole ? 0 : s.sent);
    return 0;
}

int av1_packetize(struct packetize *out, const uint8_t *unit, size_t size, size_t max_payload)
{
    struct packetize_cut cut = {.at = 0};
    struct packetize_unit whole = {.data = unit, .size = size, .whole = true};
    return av1_cut(out, &cut, &whole, max_payload);
}

/* --- assembling --- */

struct elements {
    const uint8_t *at, *end;
    unsigned left; /* of those counted in the header */
    bool counted;
    bool malformed;
};

static struct elements elements_begin(const uint8_t *payload, size_t size)
{
    unsigned count = payload[0] >> COUNT_SHIFT & COUNT_MAX;
    return (struct elements){
        .at = payload + 1, .end = payload + size, .left = count, .counted = count > 0};
}

static bool elements_next(struct elements *e, const uint8_t **p, size_t *size)
{
    if (e->malformed || (e->counted ? e->left == 0 : e->at == e->end))
        return false;
    bool unsized = e->counted && e->left-- == 1;
    *size = (size_t)(e->end - e->at);
    if (!unsized && !read_leb128(size, &e->at, e->end))
        *size = 0;
    if (*size == 0 || *size > (size_t)(e->end - e->at)) {
        e->malformed = true;
        return false;
    }
    *p = e->at;
    e->at += *size;
    return true;
}

static bool elements_are_last(const struct elements *e)
{
    return e->at == e->end;
}

bool av1_parse(struct av1_descriptor *d, const uint8_t *payload, size_t size)
{
    if (size < 2)
        return false;
    *d = (struct av1_descriptor){
        .continues = payload[0] & CONTINUES,
        .continued = payload[0] & CONTINUED,
        .elements = payload[0] >> COUNT_SHIFT & COUNT_MAX,
        .starts_sequence = payload[0] & STARTS_SEQUENCE,
    };
    if (d->starts_sequence && d->continues)
        return false;
    struct elements e = elements_begin(payload, size);
    const uint8_t *p;
    size_t n;
    for (bool begins = !d->continues; elements_next(&e, &p, &n); begins = true) {
        if (!begins || d->has_layer || n < 2 || !(p[0] & HAS_EXTENSION))
            continue;
        d->has_layer = true;
        d->temporal_id = p[1] >> 5;
        d->spatial_id = p[1] >> 3 & 3;
    }
    return !e.malformed;
}

void av1_assemble_begin(struct av1_assembler *a, uint8_t *data, size_t capacity)
{
    *a = (struct av1_assembler){.unit = {.data = data, .capacity = capacity}};
}

/* Size fields should not be there, but may: then the OBU goes on without it as soon as it is
 * there. */
static void strip_size(struct av1_assembler *a)
{
    uint8_t *at = a->unit.data + a->obu_at;
    uint8_t *end = a->unit.data + a->unit.size;
    size_t header_size = at[0] & HAS_EXTENSION ? 2 : 1;
    const uint8_t *p = at + header_size;
    if (!(at[0] & HAS_SIZE) || p >= end || !read_leb128(&a->obu_size, &p, end))
        return;
    a->obu_is_sized = true;
    at[0] &= (uint8_t)~HAS_SIZE;
    memmove(at + header_size, p, (size_t)(end - p));
    a->unit.size -= (size_t)(p - at) - header_size;
}

/* What there is of the OBU that began last; false: it cannot be read, or not yet. */
static bool read_last(const struct av1_assembler *a, struct av1_obu *obu)
{
    const uint8_t *p = a->unit.data + a->obu_at;
    size_t size = a->unit.size - a->obu_at;
    return size > 0 && !(p[0] & HAS_SIZE) && av1_next_obu(obu, &p, &size) > 0;
}

/* Puts the size field into the OBU that is over. */
static void finish_obu(struct av1_assembler *a)
{
    uint8_t *at = a->unit.data + a->obu_at;
    struct av1_obu obu;
    if (!read_last(a, &obu) || (a->obu_is_sized && obu.payload_size != a->obu_size)) {
        a->unit.broken = true;
        return;
    }
    a->unit.size = a->obu_at;
    if (is_left_out(&obu))
        return;
    size_t prefix = obu.header_size + leb128_size(obu.payload_size);
    if (prefix + obu.payload_size > a->unit.capacity - a->obu_at) {
        a->unit.broken = true;
        return;
    }
    memmove(at + prefix, obu.payload, obu.payload_size);
    memcpy(at, obu.header, obu.header_size);
    at[0] |= HAS_SIZE;
    write_leb128(at + obu.header_size, obu.payload_size);
    a->unit.size += prefix + obu.payload_size;
}

static void take_element(struct av1_assembler *a, const uint8_t *p, size_t size, bool is_over)
{
    if (!a->in_obu) {
        a->obu_at = a->unit.size;
        a->obu_is_sized = false;
    }
    assemble_append(&a->unit, p, size);
    a->in_obu = !is_over;
    if (a->unit.broken)
        return;
    strip_size(a);
    if (is_over)
        finish_obu(a);
}

void av1_assemble(struct av1_assembler *a, const uint8_t *payload, size_t size)
{
    struct av1_descriptor d;
    if (a->unit.broken || !av1_parse(&d, payload, size) || d.continues != a->in_obu) {
        a->unit.broken = true;
        return;
    }
    struct elements e = elements_begin(payload, size);
    const uint8_t *p;
    size_t n;
    while (elements_next(&e, &p, &n))
        take_element(a, p, n, !d.continued || !elements_are_last(&e));
}

size_t av1_assemble_part(const struct av1_assembler *a)
{
    struct av1_obu obu;
    bool readable = !a->in_obu || (read_last(a, &obu) && !is_left_out(&obu));
    return readable ? a->unit.size : a->obu_at;
}

bool av1_assemble_end(struct av1_assembler *a)
{
    return !a->unit.broken && !a->in_obu && a->unit.size > 0;
}
