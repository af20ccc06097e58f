#include "rtp/payload/packetize.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void packetize_clear(struct packetize *out)
{
    out->size = 0;
    out->n_packets = 0;
}

uint8_t *packetize_add(struct packetize *out, size_t size)
{
    if (out->n_packets == out->max_packets || size > out->capacity - out->size)
        return NULL;
    out->packets[out->n_packets++] =
        (struct packetize_packet){.offset = out->size, .size = (uint16_t)size};
    uint8_t *at = out->data + out->size;
    out->size += (uint32_t)size;
    return at;
}

int packetize_frame(struct packetize *out, const struct packetize_headers *headers,
                    const uint8_t *frame, size_t size, size_t max_payload)
{
    assert(size > 0 && headers->first_size >= 1 && 2 * headers->first_size < max_payload);
    assert(max_payload <= UINT16_MAX);
    /* What the first header has more than the others counts as a part of the frame. */
    size_t extra = headers->first_size - 1;
    size_t total = size + extra;
    size_t n = (total + max_payload - 2) / (max_payload - 1);
    size_t each = (total + n - 1) / n;

    packetize_clear(out);
    for (bool first = true; size > 0; first = false) {
        size_t header = first ? headers->first_size : 1;
        size_t part = first ? each - extra : each;
        if (part > size)
            part = size;
        uint8_t *p = packetize_add(out, header + part);
        if (!p) {
            packetize_clear(out);
            return -ENOSPC;
        }
        memcpy(p, first ? headers->first : &headers->rest, header);
        memcpy(p + header, frame, part);
        frame += part;
        size -= part;
        if (size == 0)
            p[0] |= headers->last_bits;
    }
    out->packets[out->n_packets - 1].marker = true;
    return 0;
}

/* So many bytes as fill their packets, and leave one. */
static size_t full_packets(const struct packetize_headers *headers, size_t left, size_t max_payload)
{
    size_t extra = headers->first_size - 1;
    size_t n = left > 0 ? (left - 1 + extra) / (max_payload - 1) : 0;
    return n > 0 ? n * (max_payload - 1) - extra : 0;
}

int packetize_part(struct packetize *out, const struct packetize_headers *headers,
                   struct packetize_cut *cut, const struct packetize_unit *unit, size_t max_payload)
{
    struct packetize_headers h = *headers;
    assert(cut->at <= unit->size);
    if (cut->at > 0) {
        h.first = &headers->rest;
        h.first_size = 1;
    }
    if (!unit->whole)
        h.last_bits = 0;
    size_t left = unit->size - cut->at;
    size_t take = unit->whole ? left : full_packets(&h, left, max_payload);
    packetize_clear(out);
    if (take == 0)
        return unit->whole ? -EBADMSG : 0;
    int rc = packetize_frame(out, &h, unit->data + cut->at, take, max_payload);
    if (rc != 0)
        return rc;
    out->packets[out->n_packets - 1].marker = unit->whole;
    cut->at += take;
    return 0;
}

void assemble_append(struct assemble *a, const uint8_t *bytes, size_t size)
{
    if (a->broken || size > a->capacity - a->size) {
        a->broken = true;
        return;
    }
    if (size > 0)
        memcpy(a->data + a->size, bytes, size);
    a->size += size;
}
