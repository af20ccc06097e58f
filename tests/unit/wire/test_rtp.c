#include "rtp/wire/rtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* One CSRC, a one-byte extension of one word, 3 bytes of payload, 2 of padding. */
static const uint8_t everything[] = {
    0xb1, 0xe0, 0xff, 0xfe, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef, /* header */
    0x11, 0x22, 0x33, 0x44,                                                 /* CSRC */
    0xbe, 0xde, 0x00, 0x01, 0x10, 0x55, 0x00, 0x00,                         /* extension */
    'a',  'b',  'c',  0x00, 0x02,                                           /* payload, padding */
};

static void test_parses_every_part(void **state)
{
    (void)state;
    struct rtp_header h;
    assert_true(rtp_parse(&h, everything, sizeof(everything)));
    assert_true(h.marker);
    assert_int_equal(h.payload_type, 96);
    assert_int_equal(h.seq, 0xfffe);
    assert_int_equal(h.timestamp, 0x01020304);
    assert_true(h.ssrc == 0xdeadbeefu);
    assert_int_equal(h.extension_profile, 0xbede);
    assert_ptr_equal(h.extension, everything + 20);
    assert_int_equal(h.extension_size, 4);
    assert_int_equal(h.header_size, 24);
    assert_int_equal(h.payload_size, 3);
    assert_int_equal(h.padding_size, 2);
}

struct parse_row {
    const char *name;
    bool ok;
    size_t size;
    uint8_t bytes[24];
    size_t header, payload, padding; /* if ok */
};

static const struct parse_row parse_rows[] = {
    {"bare header", true, 12, {0x80}, 12, 0, 0},
    {"one byte of payload", true, 13, {0x80}, 12, 1, 0},
    {"version 0", false, 12, {0x00}, 0, 0, 0},
    {"version 1", false, 12, {0x40}, 0, 0, 0},
    {"version 3", false, 12, {0xc0}, 0, 0, 0},
    {"CSRC cut", false, 15, {0x81}, 0, 0, 0},
    {"CSRC whole", true, 16, {0x81}, 16, 0, 0},
    {"15 CSRCs announced", false, 24, {0x8f}, 0, 0, 0},
    {"extension header cut", false, 15, {0x90}, 0, 0, 0},
    {"empty extension", true, 16, {0x90}, 16, 0, 0},
    {"extension cut", false, 19, {0x90, [15] = 1}, 0, 0, 0},
    {"extension whole", true, 20, {0x90, [15] = 1}, 20, 0, 0},
    {"largest extension", false, 24, {0x90, [14] = 0xff, [15] = 0xff}, 0, 0, 0},
    {"padding without a byte", false, 12, {0xa0}, 0, 0, 0},
    {"padding of 0", false, 13, {0xa0}, 0, 0, 0},
    {"only padding", true, 13, {0xa0, [12] = 1}, 12, 0, 1},
    {"padding into the header", false, 14, {0xa0, [13] = 3}, 0, 0, 0},
    {"padding to the header", true, 14, {0xa0, [13] = 2}, 12, 0, 2},
    {"padding into the extension", false, 18, {0xb0, [17] = 3}, 0, 0, 0},
};

static void test_parse_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parse_rows) / sizeof(parse_rows[0]); i++) {
        const struct parse_row *row = &parse_rows[i];
        uint8_t *exact = malloc(row->size);
        memcpy(exact, row->bytes, row->size);
        struct rtp_header h;
        if (rtp_parse(&h, exact, row->size) != row->ok)
            fail_msg("%s: should be %d", row->name, row->ok);
        if (row->ok && (h.header_size != row->header || h.payload_size != row->payload ||
                        h.padding_size != row->padding))
            fail_msg("%s: %zu + %zu + %zu", row->name, h.header_size, h.payload_size,
                     h.padding_size);
        free(exact);
    }
}

static void test_truncated_at_every_size(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(everything); size++) {
        uint8_t *exact = malloc(size + 1);
        memcpy(exact + 1, everything, size);
        struct rtp_header h;
        bool ok = rtp_parse(&h, exact + 1, size);
        if (size < 24)
            assert_false(ok);
        else if (ok)
            assert_int_equal(h.header_size + h.payload_size + h.padding_size, size);
        free(exact);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static const struct rtp_header rows[] = {
        {.seq = 0, .timestamp = 0, .ssrc = 0},
        {.marker = true, .payload_type = 127, .seq = 65535, .timestamp = UINT32_MAX, .ssrc = 1},
        {.payload_type = 96, .seq = 0x8000, .timestamp = 0x80000000, .ssrc = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t b[RTP_HEADER_SIZE + 4] = {0};
        struct rtp_header h;
        rtp_write(b, &rows[i], false);
        assert_true(rtp_parse(&h, b, RTP_HEADER_SIZE));
        assert_int_equal(h.marker, rows[i].marker);
        assert_int_equal(h.payload_type, rows[i].payload_type);
        assert_int_equal(h.seq, rows[i].seq);
        assert_int_equal(h.timestamp, rows[i].timestamp);
        assert_true(h.ssrc == rows[i].ssrc);
        assert_null(h.extension);

        rtp_write(b, &rows[i], true);
        assert_false(rtp_parse(&h, b, RTP_HEADER_SIZE));
        assert_true(rtp_parse(&h, b, sizeof(b)));
        assert_int_equal(h.header_size, sizeof(b));
    }
}

static void test_datagram_kinds(void **state)
{
    (void)state;
    /* RFC 7983 7, RFC 5761 4: every pair of first bytes */
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            uint8_t b[2] = {(uint8_t)first, (uint8_t)second};
            enum datagram_kind want = DATAGRAM_UNKNOWN;
            if (first < 4)
                want = DATAGRAM_STUN;
            else if (first >= 20 && first < 64)
                want = DATAGRAM_DTLS;
            else if (first >= 128 && first < 192)
                want = second >= 192 && second < 224 ? DATAGRAM_RTCP : DATAGRAM_RTP;
            assert_int_equal(datagram_kind(b, 2), want);
        }
    }
    static const uint8_t rtp[1] = {0x80}, stun[1] = {0};
    assert_int_equal(datagram_kind(rtp, 0), DATAGRAM_UNKNOWN);
    assert_int_equal(datagram_kind(rtp, 1), DATAGRAM_UNKNOWN);
    assert_int_equal(datagram_kind(stun, 1), DATAGRAM_STUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_every_part),       cmocka_unit_test(test_parse_limits),
        cmocka_unit_test(test_truncated_at_every_size), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_datagram_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
