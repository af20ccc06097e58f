#include "rtp/wire/rtcp.h"

#include "rtp/wire/bytes.h"

#include <assert.h>
#include <string.h>

#define HEADER_SIZE 4
#define SENDER_INFO_SIZE 24
#define BLOCK_SIZE 24
#define FEEDBACK_SIZE 8
#define FIR_ENTRY_SIZE 8
#define TRANSPORT_CC_HEADER_SIZE 8
#define COUNT_MAX 31
#define CNAME_MAX 255
#define SDES_CNAME 1
#define NTP_UNIX_SECONDS 2208988800u /* from 1900 to 1970 */

bool rtcp_next(struct rtcp_packet *out, const uint8_t **data, size_t *size)
{
    const uint8_t *p = *data;
    if (*size < HEADER_SIZE || p[0] >> 6 != 2)
        return false;
    size_t whole = (get_u16(p + 2) + 1u) * 4;
    if (whole > *size)
        return false;

    size_t padding = 0;
    if (p[0] & 0x20) {
        /* The last octet counts the padding. RFC 3550 6.4.1 wants a multiple of four; browsers fill
         * transport-wide feedback up with one to three octets, so any count is taken. */
        padding = p[whole - 1];
        if (padding == 0 || padding > whole - HEADER_SIZE)
            return false;
    }
    *out = (struct rtcp_packet){
        .type = p[1],
        .count = p[0] & 0x1f,
        .body = p + HEADER_SIZE,
        .body_size = whole - HEADER_SIZE - padding,
    };
    *data += whole;
    *size -= whole;
    return true;
}

bool rtcp_read_sender_info(const struct rtcp_packet *p, struct rtcp_sender_info *out)
{
    if (p->type != RTCP_SR || p->body_size < SENDER_INFO_SIZE)
        return false;
    *out = (struct rtcp_sender_info){
        .ssrc = get_u32(p->body),
        .ntp = get_u64(p->body + 4),
        .rtp_timestamp = get_u32(p->body + 12),
        .packets = get_u32(p->body + 16),
        .octets = get_u32(p->body + 20),
    };
    return true;
}

static int32_t sign_extend_24(uint32_t v)
{
    return v & 0x800000 ? (int32_t)v - 0x1000000 : (int32_t)v;
}

bool rtcp_read_block(const struct rtcp_packet *p, unsigned i, struct rtcp_report_block *out)
{
    if ((p->type != RTCP_SR && p->type != RTCP_RR) || i >= p->count)
        return false;
    size_t at = (p->type == RTCP_SR ? SENDER_INFO_SIZE : 4) + i * (size_t)BLOCK_SIZE;
    if (p->body_size < at + BLOCK_SIZE)
        return false;
    const uint8_t *b = p->body + at;
    *out = (struct rtcp_report_block){
        .ssrc = get_u32(b),
        .fraction_lost = b[4],
        .cumulative_lost = sign_extend_24(get_u24(b + 5)),
        .extended_highest_seq = get_u32(b + 8),
        .jitter = get_u32(b + 12),
        .last_sr = get_u32(b + 16),
        .delay_since_last_sr = get_u32(b + 20),
    };
    return true;
}

bool rtcp_read_feedback(const struct rtcp_packet *p, struct rtcp_feedback *out)
{
    if ((p->type != RTCP_RTPFB && p->type != RTCP_PSFB) || p->body_size < FEEDBACK_SIZE)
        return false;
    *out = (struct rtcp_feedback){
        .sender_ssrc = get_u32(p->body),
        .media_ssrc = get_u32(p->body + 4),
        .fci = p->body + FEEDBACK_SIZE,
        .fci_size = p->body_size - FEEDBACK_SIZE,
    };
    return true;
}

size_t rtcp_read_nack(const struct rtcp_feedback *f, uint16_t *seqs, size_t max)
{
    size_t n = 0;
    for (size_t at = 0; at + 4 <= f->fci_size; at += 4) {
        uint16_t pid = get_u16(f->fci + at);
        /* Bit 0 of the mask stands for PID + 1, so PID itself goes in below it. */
        uint32_t mask = (uint32_t)get_u16(f->fci + at + 2) << 1 | 1;
        for (unsigned bit = 0; bit <= 16; bit++) {
            if (!(mask >> bit & 1))
                continue;
            if (n == max)
                return n;
            seqs[n++] = (uint16_t)(pid + bit);
        }
    }
    return n;
}

bool rtcp_read_fir(const struct rtcp_feedback *f, unsigned i, uint32_t *ssrc, uint8_t *seq)
{
    if (i >= f->fci_size / FIR_ENTRY_SIZE)
        return false;
    const uint8_t *entry = f->fci + i * (size_t)FIR_ENTRY_SIZE;
    *ssrc = get_u32(entry);
    *seq = entry[4];
    return true;
}

bool rtcp_read_remb(const struct rtcp_feedback *f, uint64_t *bitrate_bps)
{
    if (f->fci_size < 8 || memcmp(f->fci, "REMB", 4) != 0)
        return false;
    if (f->fci_size < 8 + f->fci[4] * 4u)
        return false;
    unsigned exponent = f->fci[5] >> 2;
    uint64_t mantissa = get_u24(f->fci + 5) & 0x3ffff;
    *bitrate_bps = mantissa > UINT64_MAX >> exponent ? UINT64_MAX : mantissa << exponent;
    return true;
}

/* Packet statuses in transport-wide feedback (draft-holmer 3.1.1 to 3.1.4). */
enum symbol { NOT_RECEIVED, SMALL_DELTA, LARGE_DELTA, RESERVED };

/* How many statuses a chunk holds: a run says it, vectors have 14 of one bit or 7 of two. */
static unsigned chunk_symbols(unsigned chunk)
{
    if (!(chunk & 0x8000))
        return chunk & 0x1fff;
    return chunk & 0x4000 ? 7 : 14;
}

/* Status `i` of a chunk, from its front. */
static enum symbol chunk_symbol(unsigned chunk, unsigned i)
{
    if (!(chunk & 0x8000))
        return (enum symbol)(chunk >> 13 & 3);
    if (chunk & 0x4000)
        return (enum symbol)(chunk >> (12 - 2 * i) & 3);
    return chunk >> (13 - i) & 1 ? SMALL_DELTA : NOT_RECEIVED;
}

/* Bytes of the deltas that the first n statuses of a chunk announce; false if one is reserved. */
static bool chunk_deltas(unsigned chunk, unsigned n, size_t *bytes)
{
    if (!(chunk & 0x8000)) {
        *bytes += n * (size_t)chunk_symbol(chunk, 0); /* a small delta is one byte, a large two */
        return chunk_symbol(chunk, 0) != RESERVED;
    }
    for (unsigned i = 0; i < n; i++) {
        if (chunk_symbol(chunk, i) == RESERVED)
            return false;
        *bytes += chunk_symbol(chunk, i);
    }
    return true;
}

bool rtcp_read_transport_cc(const struct rtcp_feedback *f, struct rtcp_transport_cc *out)
{
    if (f->fci_size < TRANSPORT_CC_HEADER_SIZE)
        return false;
    const uint8_t *chunks = f->fci + TRANSPORT_CC_HEADER_SIZE;
    size_t room = f->fci_size - TRANSPORT_CC_HEADER_SIZE;
    unsigned n_statuses = get_u16(f->fci + 2);
    if (n_statuses == 0)
        return false;

    size_t at = 0, deltas = 0;
    for (unsigned left = n_statuses; left > 0; at += 2) {
        if (at + 2 > room)
            return false;
        unsigned chunk = get_u16(chunks + at);
        unsigned n = chunk_symbols(chunk) < left ? chunk_symbols(chunk) : left;
        if (n == 0 || !chunk_deltas(chunk, n, &deltas))
            return false;
        left -= n;
    }
    if (deltas > room - at)
        return false;
    *out = (struct rtcp_transport_cc){
        .base_seq = get_u16(f->fci),
        .n_statuses = (uint16_t)n_statuses,
        .reference = get_u24(f->fci + 4),
        .feedback_count = f->fci[7],
        .chunk = chunks,
        .delta = chunks + at,
        .left = (uint16_t)n_statuses,
    };
    return true;
}

bool rtcp_next_arrival(struct rtcp_transport_cc *t, struct rtcp_arrival *out)
{
    if (t->left == 0)
        return false;
    if (t->chunk_left == 0) {
        t->chunk_left = (uint16_t)chunk_symbols(get_u16(t->chunk));
        t->chunk += 2;
    }
    unsigned chunk = get_u16(t->chunk - 2);
    enum symbol symbol = chunk_symbol(chunk, chunk_symbols(chunk) - t->chunk_left);
    *out = (struct rtcp_arrival){
        .seq = (uint16_t)(t->base_seq + t->n_statuses - t->left),
        .received = symbol != NOT_RECEIVED,
    };
    t->left--;
    t->chunk_left--;
    if (!out->received)
        return true;
    t->ticks += symbol == SMALL_DELTA ? t->delta[0] : (int16_t)get_u16(t->delta);
    t->delta += symbol;
    out->at_us = (int64_t)t->ticks * 250;
    return true;
}

bool rtcp_read_dlrr(const struct rtcp_packet *p, uint32_t ssrc, struct rtcp_report_block *out)
{
    if (p->type != RTCP_XR)
        return false;
    for (size_t at = 4; at + 4 <= p->body_size;) {
        size_t size = get_u16(p->body + at + 2) * (size_t)4;
        size_t end = at + 4 + size;
        if (end > p->body_size)
            return false;
        for (size_t b = at + 4; p->body[at] == RTCP_XR_DLRR && b + 12 <= end; b += 12) {
            if (get_u32(p->body + b) != ssrc)
                continue;
            *out = (struct rtcp_report_block){.ssrc = ssrc,
                                              .last_sr = get_u32(p->body + b + 4),
                                              .delay_since_last_sr = get_u32(p->body + b + 8)};
            return true;
        }
        at = end;
    }
    return false;
}

bool rtcp_read_rrtr(const struct rtcp_packet *p, uint32_t *sender_ssrc, uint64_t *ntp)
{
    if (p->type != RTCP_XR)
        return false;
    for (size_t at = 4; at + 4 <= p->body_size;) {
        size_t size = get_u16(p->body + at + 2) * (size_t)4;
        if (size > p->body_size - at - 4)
            return false;
        if (p->body[at] == RTCP_XR_RRTR && size == 8) {
            *sender_ssrc = get_u32(p->body);
            *ntp = (uint64_t)get_u32(p->body + at + 4) << 32 | get_u32(p->body + at + 8);
            return true;
        }
        at += 4 + size;
    }
    return false;
}

bool rtcp_read_bye(const struct rtcp_packet *p, unsigned i, uint32_t *ssrc)
{
    if (p->type != RTCP_BYE || i >= p->count || p->body_size < (i + 1) * (size_t)4)
        return false;
    *ssrc = get_u32(p->body + i * (size_t)4);
    return true;
}

/* Writes the header of a packet of `size` bytes; false if there is no room for it. */
static bool begin(uint8_t *out, size_t room, unsigned count, enum rtcp_type type, size_t size)
{
    assert(count <= COUNT_MAX && size % 4 == 0 && size / 4 - 1 <= UINT16_MAX);
    if (size > room)
        return false;
    out[0] = (uint8_t)(0x80 | count);
    out[1] = (uint8_t)type;
    put_u16(out + 2, (uint16_t)(size / 4 - 1));
    return true;
}

size_t rtcp_write_sr(uint8_t *out, size_t room, const struct rtcp_sender_info *info)
{
    size_t size = HEADER_SIZE + SENDER_INFO_SIZE;
    if (!begin(out, room, 0, RTCP_SR, size))
        return 0;
    put_u32(out + 4, info->ssrc);
    put_u64(out + 8, info->ntp);
    put_u32(out + 16, info->rtp_timestamp);
    put_u32(out + 20, info->packets);
    put_u32(out + 24, info->octets);
    return size;
}

static void write_block(uint8_t *out, const struct rtcp_report_block *b)
{
    put_u32(out, b->ssrc);
    out[4] = b->fraction_lost;
    put_u24(out + 5, (uint32_t)b->cumulative_lost & 0xffffff);
    put_u32(out + 8, b->extended_highest_seq);
    put_u32(out + 12, b->jitter);
    put_u32(out + 16, b->last_sr);
    put_u32(out + 20, b->delay_since_last_sr);
}

size_t rtcp_write_rr(uint8_t *out, size_t room, uint32_t sender_ssrc,
                     const struct rtcp_report_block *blocks, unsigned n)
{
    size_t size = HEADER_SIZE + 4 + n * (size_t)BLOCK_SIZE;
    if (!begin(out, room, n, RTCP_RR, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    for (unsigned i = 0; i < n; i++)
        write_block(out + 8 + i * (size_t)BLOCK_SIZE, &blocks[i]);
    return size;
}

size_t rtcp_write_cname(uint8_t *out, size_t room, uint32_t ssrc, const char *cname)
{
    size_t length = strlen(cname);
    assert(length <= CNAME_MAX);
    /* The item list ends with at least one zero octet, then up to a word (RFC 3550 6.5). */
    size_t used = HEADER_SIZE + 4 + 2 + length;
    size_t size = (used + 4) & ~(size_t)3;
    if (!begin(out, room, 1, RTCP_SDES, size))
        return 0;
    put_u32(out + 4, ssrc);
    out[8] = SDES_CNAME;
    out[9] = (uint8_t)length;
    memcpy(out + 10, cname, length);
    memset(out + used, 0, size - used);
    return size;
}

size_t rtcp_write_bye(uint8_t *out, size_t room, const uint32_t *ssrcs, unsigned n)
{
    size_t size = HEADER_SIZE + n * (size_t)4;
    if (!begin(out, room, n, RTCP_BYE, size))
        return 0;
    for (unsigned i = 0; i < n; i++)
        put_u32(out + HEADER_SIZE + i * (size_t)4, ssrcs[i]);
    return size;
}

size_t rtcp_write_pli(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    size_t size = HEADER_SIZE + FEEDBACK_SIZE;
    if (!begin(out, room, RTCP_PLI, RTCP_PSFB, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, media_ssrc);
    return size;
}

size_t rtcp_write_fir(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc,
                      uint8_t seq)
{
    size_t size = HEADER_SIZE + FEEDBACK_SIZE + FIR_ENTRY_SIZE;
    if (!begin(out, room, RTCP_FIR, RTCP_PSFB, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, 0); /* RFC 5104 4.3.1.2: the entry names the media, not the header */
    put_u32(out + 12, media_ssrc);
    put_u32(out + 16, (uint32_t)seq << 24);
    return size;
}

size_t rtcp_write_remb(uint8_t *out, size_t room, uint32_t sender_ssrc, uint64_t bitrate_bps,
                       const uint32_t *ssrcs, unsigned n)
{
    size_t size = HEADER_SIZE + FEEDBACK_SIZE + 8 + n * (size_t)4;
    assert(n <= UINT8_MAX);
    if (!begin(out, room, RTCP_AFB, RTCP_PSFB, size))
        return 0;
    unsigned exponent = 0;
    while (bitrate_bps >> exponent > 0x3ffff)
        exponent++;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, 0);
    memcpy(out + 12, "REMB", 4);
    put_u32(out + 16, (uint32_t)n << 24 | exponent << 18 | (uint32_t)(bitrate_bps >> exponent));
    for (unsigned i = 0; i < n; i++)
        put_u32(out + 20 + i * (size_t)4, ssrcs[i]);
    return size;
}

size_t rtcp_write_rrtr(uint8_t *out, size_t room, uint32_t sender_ssrc, uint64_t ntp)
{
    size_t size = HEADER_SIZE + 4 + 12;
    if (!begin(out, room, 0, RTCP_XR, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, (uint32_t)RTCP_XR_RRTR << 24 | 2);
    put_u64(out + 12, ntp);
    return size;
}

size_t rtcp_write_dlrr(uint8_t *out, size_t room, uint32_t sender_ssrc,
                       const struct rtcp_report_block *block)
{
    size_t size = HEADER_SIZE + 4 + 16;
    if (!begin(out, room, 0, RTCP_XR, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, (uint32_t)RTCP_XR_DLRR << 24 | 3);
    put_u32(out + 12, block->ssrc);
    put_u32(out + 16, block->last_sr);
    put_u32(out + 20, block->delay_since_last_sr);
    return size;
}

size_t rtcp_write_nack(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc,
                       const uint16_t *seqs, size_t n)
{
    size_t size = HEADER_SIZE + FEEDBACK_SIZE;
    for (size_t i = 0; i < n; size += 4) {
        uint16_t pid = seqs[i++], mask = 0;
        for (; i < n; i++) {
            uint16_t step = (uint16_t)(seqs[i] - pid);
            if (step > 16)
                break;
            if (step > 0)
                mask |= (uint16_t)(1u << (step - 1));
        }
        if (size + 4 > room)
            return 0;
        put_u16(out + size, pid);
        put_u16(out + size + 2, mask);
    }
    if (n == 0 || !begin(out, room, RTCP_NACK, RTCP_RTPFB, size))
        return 0;
    put_u32(out + 4, sender_ssrc);
    put_u32(out + 8, media_ssrc);
    return size;
}

uint64_t rtcp_ntp_from_unix_us(int64_t unix_us)
{
    uint64_t us = (uint64_t)unix_us + NTP_UNIX_SECONDS * UINT64_C(1000000);
    uint64_t seconds = us / 1000000; /* era 0 ends in 2036: only the low 32 bits go out */
    return seconds << 32 | (us % 1000000 << 32) / 1000000;
}
