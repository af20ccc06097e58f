/* rtcp.h - RTCP packets (RFC 3550 6, RFC 4585, RFC 5104, RFC 5506), read and written. Pure.
 * Transport-wide feedback as in draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1.
 *
 * Reading: rtcp_next walks a compound or reduced-size packet; the typed readers then look into one
 * packet and return false on anything malformed. Writing: each writer appends one RTCP packet at
 * `out` and returns its size, or 0 if it does not fit in `room`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_RTPFB = 205,
    RTCP_PSFB = 206,
    RTCP_XR = 207,
};

enum rtcp_rtpfb { RTCP_NACK = 1, RTCP_TRANSPORT_CC = 15 };
/* Blocks of RTCP_XR (RFC 3611 4). */
enum rtcp_xr { RTCP_XR_RRTR = 4, RTCP_XR_DLRR = 5 };
enum rtcp_psfb { RTCP_PLI = 1, RTCP_FIR = 4, RTCP_AFB = 15 };

struct rtcp_packet {
    uint8_t type;        /* any value: unknown types are skipped by the caller */
    uint8_t count;       /* report or source count, or FMT */
    const uint8_t *body; /* after the 4-byte header; borrowed: the datagram */
    size_t body_size;    /* without padding */
};

struct rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost;   /* 1/256 */
    int32_t cumulative_lost; /* signed 24 bits */
    uint32_t extended_highest_seq;
    uint32_t jitter;              /* RTP clock units */
    uint32_t last_sr;             /* middle 32 bits of the NTP timestamp; 0: none yet */
    uint32_t delay_since_last_sr; /* 1/65536 s */
};

struct rtcp_sender_info {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t rtp_timestamp;
    uint32_t packets, octets;
};

struct rtcp_feedback {
    uint32_t sender_ssrc, media_ssrc;
    const uint8_t *fci;
    size_t fci_size;
};

/* Transport-wide feedback, and how far it was walked. */
struct rtcp_transport_cc {
    uint16_t base_seq, n_statuses;
    uint32_t reference; /* 24 bits, 64 ms each, on the receiver's clock */
    uint8_t feedback_count;

    /* the reader's place */
    const uint8_t *chunk, *delta; /* borrowed: the datagram */
    uint16_t left;                /* statuses to come */
    uint16_t chunk_left;          /* of them in the chunk before `chunk` */
    int32_t ticks;                /* of the newest arrival since the reference, 250 us each */
};

struct rtcp_arrival {
    uint16_t seq;
    bool received;
    int64_t at_us; /* since the reference time; 0 if not received */
};

/* Takes the next packet off the front of *data. False at the end or on malformed input; *size is
 * then 0 only if everything was consumed. */
bool rtcp_next(struct rtcp_packet *out, const uint8_t **data, size_t *size);

bool rtcp_read_sender_info(const struct rtcp_packet *p, struct rtcp_sender_info *out);
/* Block `i` of an SR or RR. */
bool rtcp_read_block(const struct rtcp_packet *p, unsigned i, struct rtcp_report_block *out);
bool rtcp_read_feedback(const struct rtcp_packet *p, struct rtcp_feedback *out);
/* Writes the sequence numbers a generic NACK asks for (RFC 4585 6.2.1) into seqs, at most `max`;
 * returns how many. */
size_t rtcp_read_nack(const struct rtcp_feedback *f, uint16_t *seqs, size_t max);
/* Entry `i` of a FIR (RFC 5104 4.3.1). */
bool rtcp_read_fir(const struct rtcp_feedback *f, unsigned i, uint32_t *ssrc, uint8_t *seq);
/* REMB (draft-alvestrand-rmcat-remb-03): false if the AFB is something else. */
bool rtcp_read_remb(const struct rtcp_feedback *f, uint64_t *bitrate_bps);
/* Transport-wide feedback (FMT 15), checked whole: false if any of it is malformed. */
bool rtcp_read_transport_cc(const struct rtcp_feedback *f, struct rtcp_transport_cc *out);
/* The next status, in the order of sequence numbers; false at the end. */
bool rtcp_next_arrival(struct rtcp_transport_cc *t, struct rtcp_arrival *out);
/* What the DLRR blocks of an XR say of our RRTR (RFC 3611 4.5): false if there is nothing about
 * `ssrc`. Only last_sr (the RRTR's) and delay_since_last_sr are set, and ssrc. */
bool rtcp_read_dlrr(const struct rtcp_packet *p, uint32_t ssrc, struct rtcp_report_block *out);
/* The receiver reference time of an XR (RFC 3611 4.4), and whose it is: false if there is none. */
bool rtcp_read_rrtr(const struct rtcp_packet *p, uint32_t *sender_ssrc, uint64_t *ntp);
/* SSRC `i` of a BYE. */
bool rtcp_read_bye(const struct rtcp_packet *p, unsigned i, uint32_t *ssrc);

size_t rtcp_write_sr(uint8_t *out, size_t room, const struct rtcp_sender_info *info);
size_t rtcp_write_rr(uint8_t *out, size_t room, uint32_t sender_ssrc,
                     const struct rtcp_report_block *blocks, unsigned n);
size_t rtcp_write_cname(uint8_t *out, size_t room, uint32_t ssrc, const char *cname);
size_t rtcp_write_bye(uint8_t *out, size_t room, const uint32_t *ssrcs, unsigned n);
size_t rtcp_write_pli(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc);
size_t rtcp_write_fir(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc,
                      uint8_t seq);
/* REMB for `n` (at most 255) media SSRCs; the rate is rounded down to 18 bits. */
size_t rtcp_write_remb(uint8_t *out, size_t room, uint32_t sender_ssrc, uint64_t bitrate_bps,
                       const uint32_t *ssrcs, unsigned n);
/* An XR with one receiver reference time (RFC 3611 4.4). */
size_t rtcp_write_rrtr(uint8_t *out, size_t room, uint32_t sender_ssrc, uint64_t ntp);
/* An XR that answers the RRTR of `block->ssrc`: its last_sr and delay_since_last_sr are of that. */
size_t rtcp_write_dlrr(uint8_t *out, size_t room, uint32_t sender_ssrc,
                       const struct rtcp_report_block *block);
/* `seqs` ascending (mod 2^16); packs them into PID+BLP pairs. */
size_t rtcp_write_nack(uint8_t *out, size_t room, uint32_t sender_ssrc, uint32_t media_ssrc,
                       const uint16_t *seqs, size_t n);

/* 64-bit NTP timestamp of a wall clock in microseconds since 1970 (RFC 3550 4). */
uint64_t rtcp_ntp_from_unix_us(int64_t unix_us);
