#include "rtp/wire/rtcp.h"

#include "rtp/wire/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct rtcp_sender_info info = {
    .ssrc = 0xdeadbeef,
    .ntp = UINT64_C(0xb44db70520000000),
    .rtp_timestamp = 0xfffffff0,
    .packets = 70000,
    .octets = UINT32_MAX,
};

static const struct rtcp_report_block blocks[] = {
    {1, 0, 0, 0, 0, 0, 0},
    {UINT32_MAX, 255, 0x7fffff, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
    {3, 7, -0x800000, 0x0001fffe, 90, 0xb7052000, 0x00054000},
    {4, 1, -1, 1, 2, 3, 4},
};
#define N_BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

static void assert_same_block(const struct rtcp_report_block *a, const struct rtcp_report_block *b)
{
    assert_true(a->ssrc == b->ssrc && a->fraction_lost == b->fraction_lost);
    assert_int_equal(a->cumulative_lost, b->cumulative_lost);
    assert_true(a->extended_highest_seq == b->extended_highest_seq && a->jitter == b->jitter);
    assert_true(a->last_sr == b->last_sr && a->delay_since_last_sr == b->delay_since_last_sr);
}

/* The first packet of `bytes`, which must be there. */
static struct rtcp_packet only(const uint8_t *bytes, size_t size)
{
    struct rtcp_packet p;
    assert_true(rtcp_next(&p, &bytes, &size));
    assert_int_equal(size, 0);
    return p;
}

static void test_sender_report(void **state)
{
    (void)state;
    uint8_t b[28];
    assert_int_equal(rtcp_write_sr(b, sizeof(b), &info), 28);
    struct rtcp_packet p = only(b, 28);
    struct rtcp_sender_info got;
    assert_int_equal(p.type, RTCP_SR);
    assert_int_equal(p.count, 0);
    assert_true(rtcp_read_sender_info(&p, &got));
    assert_true(got.ssrc == info.ssrc && got.ntp == info.ntp && got.octets == info.octets);
    assert_true(got.rtp_timestamp == info.rtp_timestamp && got.packets == info.packets);
    struct rtcp_report_block block;
    assert_false(rtcp_read_block(&p, 0, &block));
}

static void test_receiver_report(void **state)
{
    (void)state;
    uint8_t b[8 + 24 * N_BLOCKS];
    assert_int_equal(rtcp_write_rr(b, sizeof(b), 77, blocks, N_BLOCKS), sizeof(b));
    struct rtcp_packet p = only(b, sizeof(b));
    assert_int_equal(p.type, RTCP_RR);
    assert_int_equal(get_u32(p.body), 77);
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        struct rtcp_report_block got;
        assert_true(rtcp_read_block(&p, i, &got));
        assert_same_block(&got, &blocks[i]);
    }
    struct rtcp_report_block got;
    assert_false(rtcp_read_block(&p, N_BLOCKS, &got));
    assert_false(rtcp_read_block(&p, UINT32_MAX, &got));
    struct rtcp_sender_info no;
    assert_false(rtcp_read_sender_info(&p, &no));
}

static void test_block_behind_sender_info(void **state)
{
    (void)state;
    uint8_t b[28 + 24] = {0};
    uint8_t rr[8 + 24];
    rtcp_write_sr(b, sizeof(b), &info);
    rtcp_write_rr(rr, sizeof(rr), 0, &blocks[2], 1);
    memcpy(b + 28, rr + 8, 24);
    b[0] |= 1;
    b[3] = 12;
    struct rtcp_packet p = only(b, sizeof(b));
    struct rtcp_report_block got;
    assert_true(rtcp_read_block(&p, 0, &got));
    assert_same_block(&got, &blocks[2]);
}

static void test_cname_ends_with_zeros(void **state)
{
    (void)state;
    char name[256] = "";
    for (size_t length = 0; length < 256; length++) {
        memset(name, 'x', length);
        name[length] = 0;
        uint8_t b[300];
        memset(b, 0xff, sizeof(b));
        size_t size = rtcp_write_cname(b, sizeof(b), 9, name);
        assert_true(size > 10 + length && size <= 14 + length && size % 4 == 0);
        assert_int_equal(b[size], 0xff);
        struct rtcp_packet p = only(b, size);
        assert_int_equal(p.type, RTCP_SDES);
        assert_int_equal(p.count, 1);
        assert_int_equal(get_u32(p.body), 9);
        assert_int_equal(p.body[4], 1);
        assert_int_equal(p.body[5], length);
        assert_memory_equal(p.body + 6, name, length);
        for (size_t i = 6 + length; i < p.body_size; i++)
            assert_int_equal(p.body[i], 0);
    }
}

static void test_bye(void **state)
{
    (void)state;
    static const uint32_t ssrcs[2] = {5, UINT32_MAX};
    uint8_t b[12];
    uint32_t ssrc;
    assert_int_equal(rtcp_write_bye(b, sizeof(b), ssrcs, 2), 12);
    struct rtcp_packet p = only(b, 12);
    assert_true(rtcp_read_bye(&p, 0, &ssrc) && ssrc == 5);
    assert_true(rtcp_read_bye(&p, 1, &ssrc) && ssrc == UINT32_MAX);
    assert_false(rtcp_read_bye(&p, 2, &ssrc));
    p.count = 1; /* what follows is then the reason for leaving */
    assert_false(rtcp_read_bye(&p, 1, &ssrc));
    p.count = 3; /* more announced than there is */
    assert_false(rtcp_read_bye(&p, 2, &ssrc));
    p.type = RTCP_RR;
    assert_false(rtcp_read_bye(&p, 0, &ssrc));
}

static void test_pli_and_fir(void **state)
{
    (void)state;
    uint8_t b[20];
    struct rtcp_feedback f;
    uint32_t ssrc;
    uint8_t seq;

    assert_int_equal(rtcp_write_pli(b, sizeof(b), 1, 2), 12);
    struct rtcp_packet p = only(b, 12);
    assert_int_equal(p.type, RTCP_PSFB);
    assert_int_equal(p.count, RTCP_PLI);
    assert_true(rtcp_read_feedback(&p, &f));
    assert_true(f.sender_ssrc == 1 && f.media_ssrc == 2 && f.fci_size == 0);
    assert_false(rtcp_read_fir(&f, 0, &ssrc, &seq));

    assert_int_equal(rtcp_write_fir(b, sizeof(b), 1, 0xcafe, 200), 20);
    p = only(b, 20);
    assert_int_equal(p.count, RTCP_FIR);
    assert_true(rtcp_read_feedback(&p, &f));
    assert_true(f.sender_ssrc == 1 && f.media_ssrc == 0);
    assert_true(rtcp_read_fir(&f, 0, &ssrc, &seq));
    assert_int_equal(ssrc, 0xcafe);
    assert_int_equal(seq, 200);
    assert_false(rtcp_read_fir(&f, 1, &ssrc, &seq));
    p.type = RTCP_SR;
    assert_false(rtcp_read_feedback(&p, &f));
}

struct nack_row {
    size_t n, entries;
    uint16_t seqs[20];
};

static const struct nack_row nack_rows[] = {
    {1, 1, {0}},
    {1, 1, {65535}},
    {2, 1, {10, 26}},          /* 16 ahead: the last bit of the mask */
    {2, 2, {10, 27}},          /* 17 ahead: an entry of its own */
    {3, 1, {65534, 65535, 3}}, /* over the wrap */
    {17, 1, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    {18, 2, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
    {4, 4, {0, 1000, 30000, 60000}},
};

static void test_nack_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(nack_rows) / sizeof(nack_rows[0]); i++) {
        const struct nack_row *row = &nack_rows[i];
        uint8_t b[100];
        size_t size = rtcp_write_nack(b, sizeof(b), 1, 2, row->seqs, row->n);
        assert_int_equal(size, 12 + 4 * row->entries);
        assert_int_equal(rtcp_write_nack(b, size - 1, 1, 2, row->seqs, row->n), 0);

        struct rtcp_packet p = only(b, size);
        struct rtcp_feedback f;
        uint16_t got[20];
        assert_int_equal(p.type, RTCP_RTPFB);
        assert_int_equal(p.count, RTCP_NACK);
        assert_true(rtcp_read_feedback(&p, &f));
        assert_int_equal(rtcp_read_nack(&f, got, 20), row->n);
        assert_memory_equal(got, row->seqs, row->n * sizeof(got[0]));
        for (size_t max = 0; max < row->n; max++)
            assert_int_equal(rtcp_read_nack(&f, got, max), max);
    }
    uint8_t b[100];
    assert_int_equal(rtcp_write_nack(b, sizeof(b), 1, 2, NULL, 0), 0);
}

static void test_nack_every_mask(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask <= UINT16_MAX; mask++) {
        uint16_t seqs[17] = {65530}, got[18];
        size_t n = 1;
        for (unsigned bit = 0; bit < 16; bit++)
            if (mask >> bit & 1)
                seqs[n++] = (uint16_t)(65531 + bit);
        uint8_t b[16];
        assert_int_equal(rtcp_write_nack(b, sizeof(b), 1, 2, seqs, n), 16);
        assert_int_equal(get_u16(b + 14), mask);
        struct rtcp_feedback f = {.fci = b + 12, .fci_size = 4};
        assert_int_equal(rtcp_read_nack(&f, got, 18), n);
        assert_memory_equal(got, seqs, n * sizeof(got[0]));
    }
}

struct remb_row {
    const char *name;
    bool ok;
    size_t size;
    uint8_t fci[16];
    uint64_t bps;
};

static const struct remb_row remb_rows[] = {
    {"one SSRC", true, 12, {'R', 'E', 'M', 'B', 1, 0x0b, 0xff, 0xff, 0, 0, 0, 1}, 0x3ffff << 2},
    {"no SSRC", true, 8, {'R', 'E', 'M', 'B', 0, 0x00, 0x00, 0x01}, 1},
    {"zero", true, 8, {'R', 'E', 'M', 'B', 0, 0xfc, 0x00, 0x00}, 0},
    {"largest that fits",
     true,
     8,
     {'R', 'E', 'M', 'B', 0, 46 << 2 | 3, 0xff, 0xff},
     UINT64_C(0x3ffff) << 46},
    {"too large", true, 8, {'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff}, UINT64_MAX},
    {"another name", false, 12, {'R', 'E', 'M', 'C', 1}, 0},
    {"SSRC cut", false, 11, {'R', 'E', 'M', 'B', 1}, 0},
    {"255 SSRCs announced", false, 16, {'R', 'E', 'M', 'B', 255}, 0},
    {"cut", false, 7, {'R', 'E', 'M', 'B', 0, 0, 0}, 0},
};

static void test_remb(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(remb_rows) / sizeof(remb_rows[0]); i++) {
        const struct remb_row *row = &remb_rows[i];
        uint8_t *exact = malloc(row->size);
        memcpy(exact, row->fci, row->size);
        struct rtcp_feedback f = {.fci = exact, .fci_size = row->size};
        uint64_t bps = 0;
        if (rtcp_read_remb(&f, &bps) != row->ok || bps != row->bps)
            fail_msg("%s: %llu", row->name, (unsigned long long)bps);
        free(exact);
    }
}

static void test_remb_round_trip(void **state)
{
    (void)state;
    static const uint64_t rates[] = {0, 1, 0x3ffff, 0x40000, 2500000, UINT64_C(30000000000)};
    static const uint32_t ssrcs[] = {1, 2, 3};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        uint8_t b[64];
        struct rtcp_packet p;
        struct rtcp_feedback f;
        uint64_t bps = 0;
        const uint8_t *at = b;
        size_t size = rtcp_write_remb(b, sizeof(b), 7, rates[i], ssrcs, 3);
        assert_int_equal(size, 32);
        assert_true(rtcp_next(&p, &at, &size) && size == 0);
        assert_true(rtcp_read_feedback(&p, &f) && rtcp_read_remb(&f, &bps));
        assert_int_equal(f.sender_ssrc, 7);
        assert_true(bps <= rates[i] && rates[i] - bps <= rates[i] >> 17);
    }
}

static void test_reference_times(void **state)
{
    (void)state;
    uint8_t b[64];
    assert_int_equal(rtcp_write_rrtr(b, sizeof(b), 7, UINT64_C(0x1122334455667788)), 20);
    static const uint8_t expected[] = {0x80, 207, 0,    4,    0,    0,    0,    7,    4,    0,
                                       0,    2,   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    assert_memory_equal(b, expected, sizeof(expected));
    /* The answer, behind a block of another kind: about two receivers. */
    static const uint8_t body[] = {0, 0, 0, 1, 4, 0, 0,    2,    0,    0,    0, 0, 0, 0, 0,
                                   0, 5, 0, 0, 6, 0, 0,    0,    8,    1,    1, 1, 1, 2, 2,
                                   2, 2, 0, 0, 0, 7, 0x33, 0x44, 0x55, 0x66, 0, 1, 0, 0};
    struct rtcp_report_block block;
    for (size_t size = 0; size <= sizeof(body); size++) {
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, body, size);
        struct rtcp_packet p = {.type = RTCP_XR, .body = exact, .body_size = size};
        assert_true(rtcp_read_dlrr(&p, 7, &block) == (size == sizeof(body)));
        assert_false(rtcp_read_dlrr(&p, 9, &block));
        p.type = RTCP_RR;
        assert_false(rtcp_read_dlrr(&p, 7, &block));
        free(exact);
    }
    struct rtcp_packet p = {.type = RTCP_XR, .body = body, .body_size = sizeof(body)};
    assert_true(rtcp_read_dlrr(&p, 7, &block));
    assert_int_equal(block.last_sr, 0x33445566);
    assert_int_equal(block.delay_since_last_sr, 65536);
}

static void test_reference_time_of_others(void **state)
{
    (void)state;
    uint8_t b[64];
    const uint8_t *at = b;
    uint64_t ntp = 0;
    uint32_t ssrc = 0;
    struct rtcp_packet p;
    size_t size = rtcp_write_rrtr(b, sizeof(b), 7, UINT64_C(0x1122334455667788));
    assert_true(rtcp_next(&p, &at, &size));
    assert_true(rtcp_read_rrtr(&p, &ssrc, &ntp));
    assert_int_equal(ssrc, 7);
    assert_true(ntp == UINT64_C(0x1122334455667788));
    /* behind a block of another kind; one that is cut, or of another length, is none */
    static const uint8_t body[] = {0, 0, 0, 9, 5, 0, 0, 0, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t n = 0; n <= sizeof(body); n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, body, n);
        p = (struct rtcp_packet){.type = RTCP_XR, .body = exact, .body_size = n};
        assert_true(rtcp_read_rrtr(&p, &ssrc, &ntp) == (n == sizeof(body)));
        p.type = RTCP_RR;
        assert_false(rtcp_read_rrtr(&p, &ssrc, &ntp));
        free(exact);
    }
    assert_int_equal(ssrc, 9);
    static const uint8_t longer[] = {0, 0, 0, 9, 4, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9};
    p = (struct rtcp_packet){.type = RTCP_XR, .body = longer, .body_size = sizeof(longer)};
    assert_false(rtcp_read_rrtr(&p, &ssrc, &ntp));
    /* what we answer is what we read of others' answers */
    struct rtcp_report_block block = {.ssrc = 9, .last_sr = 5, .delay_since_last_sr = 6}, read;
    size = rtcp_write_dlrr(b, sizeof(b), 1, &block);
    assert_int_equal(size, 24);
    at = b;
    assert_true(rtcp_next(&p, &at, &size) && rtcp_read_dlrr(&p, 9, &read));
    assert_int_equal(read.last_sr, 5);
    assert_int_equal(read.delay_since_last_sr, 6);
}

struct walk_row {
    const char *name;
    bool ok;
    size_t size;
    uint8_t bytes[16];
    size_t body, left; /* if ok */
};

static const struct walk_row walk_rows[] = {
    {"nothing", false, 0, {0}, 0, 0},
    {"header cut", false, 3, {0x80, 201, 0}, 0, 0},
    {"only a header", true, 4, {0x80, 201}, 0, 0},
    {"a byte left over", true, 5, {0x80, 201}, 0, 1},
    {"version 1", false, 4, {0x40, 201}, 0, 0},
    {"version 3", false, 4, {0xc0, 201}, 0, 0},
    {"longer than there is", false, 7, {0x80, 201, 0, 1}, 0, 0},
    {"longest", false, 16, {0x80, 201, 0xff, 0xff}, 0, 0},
    {"unknown type", true, 8, {0x80, 77, 0, 1}, 4, 0},
    {"padding", true, 12, {0xa0, 201, 0, 2, [11] = 4}, 4, 0},
    {"all padding", true, 12, {0xa0, 201, 0, 2, [11] = 8}, 0, 0},
    {"padding of 0", false, 12, {0xa0, 201, 0, 2}, 0, 0},
    {"padding of 3, as browsers send", true, 12, {0xa0, 201, 0, 2, [11] = 3}, 5, 0},
    {"padding into the header", false, 12, {0xa0, 201, 0, 2, [11] = 12}, 0, 0},
    {"padding without a byte", false, 4, {0xa0, 201}, 0, 0},
};

/* A feedback's FCI: base, count, reference and feedback count, chunks, deltas. */
struct arrivals_row {
    const char *name;
    uint8_t fci[48];
    size_t size;
    unsigned n;
    int ticks[24]; /* of each status since the reference; -1: not received */
};

static const struct arrivals_row arrivals_rows[] = {
    {"run of small deltas", {0, 5, 0, 3, 0, 0, 1, 7, 0x20, 3, 4, 0, 255}, 13, 3, {4, 4, 259}},
    {"run of lost ones, then one",
     {255, 255, 0, 9, 0, 0, 1, 0, 0, 8, 0x20, 1, 9},
     13,
     9,
     {-1, -1, -1, -1, -1, -1, -1, -1, 9}},
    {"large deltas, one of them back",
     {0, 0, 0, 2, 0, 0, 0, 0, 0x40, 2, 0x7f, 0xff, 0x80, 0x01},
     14,
     2,
     {32767, 0}},
    {"one bit each: the first, the last and the one between are there",
     {0, 0, 0, 14, 0, 0, 0, 0, 0xa0, 0x41, 1, 2, 3},
     13,
     14,
     {1, -1, -1, -1, -1, -1, -1, 3, -1, -1, -1, -1, -1, 6}},
    {"two bits each, cut short: what is behind does not count",
     {0, 0, 0, 3, 0, 0, 0, 0, 0xd2, 0xff, 1, 0, 2},
     13,
     3,
     {1, -1, 3}},
    {"more deltas than needed are padding",
     {0, 0, 0, 1, 0, 0, 0, 0, 0x20, 1, 8, 0, 0, 2},
     14,
     1,
     {8}},
};

static void test_transport_cc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(arrivals_rows) / sizeof(arrivals_rows[0]); i++) {
        const struct arrivals_row *row = &arrivals_rows[i];
        const struct rtcp_feedback f = {.fci = row->fci, .fci_size = row->size};
        struct rtcp_transport_cc t;
        print_message("%s\n", row->name);
        assert_true(rtcp_read_transport_cc(&f, &t));
        assert_int_equal(t.base_seq, get_u16(row->fci));
        assert_int_equal(t.reference, get_u24(row->fci + 4));
        assert_int_equal(t.feedback_count, row->fci[7]);
        struct rtcp_arrival a;
        for (unsigned n = 0; n < row->n; n++) {
            assert_true(rtcp_next_arrival(&t, &a));
            assert_int_equal(a.seq, (uint16_t)(t.base_seq + n));
            assert_int_equal(a.received, row->ticks[n] >= 0);
            assert_int_equal(a.at_us, row->ticks[n] >= 0 ? row->ticks[n] * 250 : 0);
        }
        assert_false(rtcp_next_arrival(&t, &a));
        assert_false(rtcp_next_arrival(&t, &a));
    }
}

static const struct {
    uint8_t fci[16];
    size_t size;
} bad_transport_cc[] = {
    {{0}, 0},
    {{0, 0, 0, 1, 0, 0, 0}, 7},                          /* shorter than its header */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0}, 10},             /* no statuses */
    {{0, 0, 0, 1, 0, 0, 0, 0}, 8},                       /* no chunk */
    {{0, 0, 0, 1, 0, 0, 0, 0, 0x20}, 9},                 /* half a chunk */
    {{0, 0, 0, 2, 0, 0, 0, 0, 0x20, 1, 5}, 11},          /* one chunk too few */
    {{0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x20, 2, 1, 1}, 14}, /* a run of none */
    {{0, 0, 0, 2, 0, 0, 0, 0, 0x20, 2, 1}, 11},          /* a delta too few */
    {{0, 0, 0, 1, 0, 0, 0, 0, 0x40, 1, 1}, 11},          /* half a large delta */
    {{0, 0, 0, 1, 0, 0, 0, 0, 0x60, 1, 1, 1, 1}, 13},    /* a run of the reserved status */
    {{0, 0, 0, 2, 0, 0, 0, 0, 0xcc, 0, 1, 1, 1, 1}, 14}, /* the reserved status in a vector */
    {{0, 0, 255, 255, 0, 0, 0, 0, 0x3f, 255, 1, 1}, 12}, /* tens of thousands announced */
};

static void test_transport_cc_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_transport_cc) / sizeof(bad_transport_cc[0]); i++) {
        size_t size = bad_transport_cc[i].size;
        uint8_t *fci = malloc(size ? size : 1); /* exact: the sanitizer sees a byte too far */
        assert_non_null(fci);
        memcpy(fci, bad_transport_cc[i].fci, size);
        const struct rtcp_feedback f = {.fci = fci, .fci_size = size};
        struct rtcp_transport_cc t;
        if (rtcp_read_transport_cc(&f, &t))
            fail_msg("row %zu was taken", i);
        free(fci);
    }
}

static void test_walk_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(walk_rows) / sizeof(walk_rows[0]); i++) {
        const struct walk_row *row = &walk_rows[i];
        uint8_t *exact = malloc(row->size + 1);
        memcpy(exact + 1, row->bytes, row->size);
        const uint8_t *data = exact + 1;
        size_t size = row->size;
        struct rtcp_packet p;
        if (rtcp_next(&p, &data, &size) != row->ok)
            fail_msg("%s: should be %d", row->name, row->ok);
        if (row->ok && (p.body_size != row->body || size != row->left))
            fail_msg("%s: body %zu, left %zu", row->name, p.body_size, size);
        if (!row->ok)
            assert_int_equal(size, row->size);
        free(exact);
    }
}

/* One of everything, as a compound packet. */
static size_t write_compound(uint8_t *b, size_t room)
{
    static const uint16_t seqs[3] = {1, 2, 100};
    static const uint32_t ssrcs[2] = {1, 2};
    size_t n = rtcp_write_sr(b, room, &info);
    n += rtcp_write_rr(b + n, room - n, 1, blocks, N_BLOCKS);
    n += rtcp_write_cname(b + n, room - n, 1, "someone");
    n += rtcp_write_nack(b + n, room - n, 1, 2, seqs, 3);
    n += rtcp_write_pli(b + n, room - n, 1, 2);
    n += rtcp_write_fir(b + n, room - n, 1, 2, 3);
    n += rtcp_write_bye(b + n, room - n, ssrcs, 2);
    return n;
}

/* Every reader on every packet; returns how many packets there were. */
static unsigned read_everything(const uint8_t *data, size_t size, size_t *left)
{
    struct rtcp_packet p;
    unsigned n = 0;
    for (; rtcp_next(&p, &data, &size); n++) {
        struct rtcp_sender_info sender;
        struct rtcp_report_block block;
        struct rtcp_feedback f;
        uint16_t seqs[8];
        uint32_t ssrc;
        uint64_t bps;
        uint8_t seq;
        rtcp_read_sender_info(&p, &sender);
        for (unsigned i = 0; i < 32; i++) {
            rtcp_read_block(&p, i, &block);
            rtcp_read_bye(&p, i, &ssrc);
        }
        if (!rtcp_read_feedback(&p, &f))
            continue;
        assert_true(rtcp_read_nack(&f, seqs, 8) <= 8);
        unsigned entries = 0;
        while (rtcp_read_fir(&f, entries, &ssrc, &seq))
            entries++;
        assert_int_equal(entries, f.fci_size / 8);
        rtcp_read_remb(&f, &bps);
    }
    *left = size;
    return n;
}

static void test_compound_truncated_at_every_size(void **state)
{
    (void)state;
    uint8_t b[512];
    size_t whole = write_compound(b, sizeof(b)), left;
    assert_int_equal(read_everything(b, whole, &left), 7);
    assert_int_equal(left, 0);
    for (size_t size = 0; size < whole; size++) {
        uint8_t *exact = malloc(size + 1);
        memcpy(exact + 1, b, size);
        assert_true(read_everything(exact + 1, size, &left) < 7);
        free(exact);
    }
}

/* Each packet cut short, its length field telling the truth about it. */
static void test_bodies_too_short(void **state)
{
    (void)state;
    static const uint8_t types[] = {200, 201, 203, 205, 206};
    for (size_t t = 0; t < sizeof(types); t++) {
        for (uint8_t words = 0; words < 13; words++) {
            size_t size = 4 + words * 4u;
            uint8_t *exact = calloc(1, size);
            exact[0] = 0x9f;
            exact[1] = types[t];
            exact[3] = words;
            struct rtcp_packet p = only(exact, size);
            struct rtcp_sender_info sender;
            struct rtcp_report_block block;
            struct rtcp_feedback f;
            uint32_t ssrc;
            assert_int_equal(rtcp_read_sender_info(&p, &sender), types[t] == 200 && words >= 6);
            assert_int_equal(rtcp_read_block(&p, 0, &block),
                             (types[t] == 200 && words >= 12) || (types[t] == 201 && words >= 7));
            assert_int_equal(rtcp_read_feedback(&p, &f), types[t] >= 205 && words >= 2);
            assert_int_equal(rtcp_read_bye(&p, 2, &ssrc), types[t] == 203 && words >= 3);
            free(exact);
        }
    }
}

static void test_writers_need_their_room(void **state)
{
    (void)state;
    static const uint32_t ssrcs[2] = {1, 2};
    for (size_t room = 0; room < 60; room++) {
        uint8_t *b = malloc(room + 1);
        assert_int_equal(rtcp_write_sr(b, room, &info), room >= 28 ? 28 : 0);
        assert_int_equal(rtcp_write_rr(b, room, 1, blocks, 0), room >= 8 ? 8 : 0);
        assert_int_equal(rtcp_write_rr(b, room, 1, blocks, 2), room >= 56 ? 56 : 0);
        assert_int_equal(rtcp_write_cname(b, room, 1, "abc"), room >= 16 ? 16 : 0);
        assert_int_equal(rtcp_write_bye(b, room, ssrcs, 2), room >= 12 ? 12 : 0);
        assert_int_equal(rtcp_write_pli(b, room, 1, 2), room >= 12 ? 12 : 0);
        assert_int_equal(rtcp_write_fir(b, room, 1, 2, 3), room >= 20 ? 20 : 0);
        assert_int_equal(rtcp_write_remb(b, room, 1, 9, ssrcs, 2), room >= 28 ? 28 : 0);
        assert_int_equal(rtcp_write_rrtr(b, room, 1, 9), room >= 20 ? 20 : 0);
        assert_int_equal(rtcp_write_dlrr(b, room, 1, &(struct rtcp_report_block){.ssrc = 1}),
                         room >= 24 ? 24 : 0);
        free(b);
    }
}

static void test_ntp(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_us;
        uint64_t ntp;
    } rows[] = {
        {0, UINT64_C(2208988800) << 32},
        {500000, UINT64_C(2208988800) << 32 | 0x80000000},
        {-1000000, UINT64_C(2208988799) << 32},
        /* RFC 3550 6.4.1, figure 2: 10 November 1995, 11:33:25.125 UTC */
        {INT64_C(816003205125000), UINT64_C(0xb44db70520000000)},
        {INT64_C(2085978496000000), 0}, /* 7 February 2036: era 1 begins */
        {999999, UINT64_C(2208988800) << 32 | 0xffffef39},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(rtcp_ntp_from_unix_us(rows[i].unix_us) == rows[i].ntp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sender_report),
        cmocka_unit_test(test_receiver_report),
        cmocka_unit_test(test_block_behind_sender_info),
        cmocka_unit_test(test_cname_ends_with_zeros),
        cmocka_unit_test(test_bye),
        cmocka_unit_test(test_pli_and_fir),
        cmocka_unit_test(test_nack_round_trip),
        cmocka_unit_test(test_nack_every_mask),
        cmocka_unit_test(test_remb),
        cmocka_unit_test(test_remb_round_trip),
        cmocka_unit_test(test_reference_times),
        cmocka_unit_test(test_reference_time_of_others),
        cmocka_unit_test(test_transport_cc),
        cmocka_unit_test(test_transport_cc_malformed),
        cmocka_unit_test(test_walk_limits),
        cmocka_unit_test(test_compound_truncated_at_every_size),
        cmocka_unit_test(test_bodies_too_short),
        cmocka_unit_test(test_writers_need_their_room),
        cmocka_unit_test(test_ntp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
