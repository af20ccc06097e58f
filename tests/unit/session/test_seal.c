#include "rtp/session/cipher.h"
#include "rtp/session/seal.h"
#include "rtp/wire/bytes.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <srtp2/srtp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROOM 1600

static const enum seal_profile profiles[] = {SEAL_AES_128_GCM, SEAL_AES_256_GCM,
                                             SEAL_AES128_CM_SHA1_80};

struct pair {
    struct seal *tx, *rx;
    size_t tag;
};

static struct seal *create(enum seal_profile profile, bool mirrored, uint8_t salt)
{
    struct seal_keys keys = {.profile = profile};
    for (size_t i = 0; i < sizeof(keys.local); i++) {
        (mirrored ? keys.remote : keys.local)[i] = (uint8_t)(i * 7 + 1 + salt);
        (mirrored ? keys.local : keys.remote)[i] = (uint8_t)(i * 11 + 5 + salt);
    }
    struct seal *s = NULL;
    assert_int_equal(seal_create(&s, &keys), 0);
    return s;
}

static struct pair create_pair(enum seal_profile profile)
{
    return (struct pair){create(profile, false, 0), create(profile, true, 0),
                         profile == SEAL_AES128_CM_SHA1_80 ? 10 : 16};
}

static void destroy_pair(struct pair *p)
{
    seal_destroy(p->tx);
    seal_destroy(p->rx);
}

static size_t write_header(uint8_t *out, uint16_t seq, uint32_t ssrc, unsigned words)
{
    out[0] = words ? 0x90 : 0x80;
    out[1] = 96;
    put_u16(out + 2, seq);
    put_u32(out + 4, seq * 3000u);
    put_u32(out + 8, ssrc);
    if (words == 0)
        return 12;
    put_u16(out + 12, 0xbede);
    put_u16(out + 14, (uint16_t)words);
    memset(out + 16, 0x10, words * 4);
    return 16 + words * 4;
}

static size_t write_rr(uint8_t *out, uint32_t ssrc)
{
    put_u32(out, 0x80c90001);
    put_u32(out + 4, ssrc);
    put_u32(out + 8, 0x81ce0002); /* and a PLI */
    put_u32(out + 12, ssrc);
    put_u32(out + 16, 0x55555555);
    return 20;
}

static void fill(uint8_t *p, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)((i + seed) * 2654435761u >> 24);
}

static void test_sizes_of_profiles(void **state)
{
    (void)state;
    static const struct {
        enum seal_profile profile;
        size_t key, salt;
        const char *name;
    } rows[] = {
        {SEAL_AES_128_GCM, 16, 12, "SRTP_AEAD_AES_128_GCM"},
        {SEAL_AES_256_GCM, 32, 12, "SRTP_AEAD_AES_256_GCM"},
        {SEAL_AES128_CM_SHA1_80, 16, 14, "SRTP_AES128_CM_SHA1_80"},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(seal_key_size(rows[i].profile), rows[i].key);
        assert_int_equal(seal_salt_size(rows[i].profile), rows[i].salt);
        assert_string_equal(seal_profile_name(rows[i].profile), rows[i].name);
    }
}

static void test_unknown_profile_is_refused(void **state)
{
    (void)state;
    struct seal_keys keys = {.profile = (enum seal_profile)2}; /* the one with a 32-bit tag */
    struct seal *s = NULL;
    assert_int_equal(seal_create(&s, &keys), -EINVAL);
    assert_null(s);
}

/* Every payload size, in place and out of place, with and without header extension. */
static void test_rtp_round_trip(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]), b = create_pair(profiles[p]);
        uint8_t payload[1200], in_place[ROOM], out_of_place[ROOM];
        for (size_t size = 0; size <= sizeof(payload); size++) {
            fill(payload, size, (uint32_t)size);
            unsigned words = (unsigned)size % 3;
            size_t header = write_header(in_place, (uint16_t)(65000 + size), 7, words);
            write_header(out_of_place, (uint16_t)(65000 + size), 7, words);
            memcpy(in_place + header, payload, size);
            memset(out_of_place + header, 0xee, sizeof(out_of_place) - header);

            size_t n = seal_rtp(a.tx, in_place, header, in_place + header, size);
            assert_int_equal(n, header + size + a.tag);
            assert_int_equal(seal_rtp(b.tx, out_of_place, header, payload, size), n);
            assert_memory_equal(in_place, out_of_place, n);
            for (size_t i = n; i < sizeof(out_of_place); i++)
                assert_int_equal(out_of_place[i], 0xee);
            if (size >= 16)
                assert_memory_not_equal(in_place + header, payload, size);

            assert_int_equal(unseal_rtp(a.rx, in_place, n), header + size);
            assert_memory_equal(in_place + header, payload, size);
        }
        destroy_pair(&a);
        destroy_pair(&b);
    }
}

static void test_rtcp_round_trip(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        for (uint32_t i = 0; i < 100; i++) {
            uint8_t packet[ROOM], plain[ROOM];
            size_t size = write_rr(plain, 9);
            memcpy(packet, plain, size);
            size_t n = seal_rtcp(a.tx, packet, size, sizeof(packet));
            assert_int_equal(n, size + a.tag + 4);
            assert_memory_equal(packet, plain, 8);
            assert_memory_not_equal(packet + 8, plain + 8, size - 8);
            assert_int_equal(unseal_rtcp(a.rx, packet, n), size);
            assert_memory_equal(packet, plain, size);
        }
        destroy_pair(&a);
    }
}

static void test_rtcp_needs_room(void **state)
{
    (void)state;
    struct pair a = create_pair(SEAL_AES_128_GCM);
    uint8_t packet[ROOM];
    size_t size = write_rr(packet, 9);
    assert_int_equal(seal_rtcp(a.tx, packet, size, size + SEAL_TRAILER_MAX - 1), 0);
    assert_int_equal(seal_rtcp(a.tx, packet, 7, sizeof(packet)), 0);
    assert_int_not_equal(seal_rtcp(a.tx, packet, size, size + SEAL_TRAILER_MAX), 0);
    destroy_pair(&a);
}

static void test_every_tampered_bit_is_seen(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t rtp[ROOM], rtcp[ROOM], copy[ROOM], payload[40];
        fill(payload, sizeof(payload), 1);
        size_t header = write_header(rtp, 1, 7, 1);
        size_t n = seal_rtp(a.tx, rtp, header, payload, sizeof(payload));
        size_t m = seal_rtcp(a.tx, rtcp, write_rr(rtcp, 7), sizeof(rtcp));
        for (size_t bit = 0; bit < n * 8; bit++) {
            memcpy(copy, rtp, n);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(unseal_rtp(a.rx, copy, n), 0);
        }
        for (size_t bit = 0; bit < m * 8; bit++) {
            memcpy(copy, rtcp, m);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(unseal_rtcp(a.rx, copy, m), 0);
        }
        assert_int_equal(unseal_rtp(a.rx, rtp, n), header + sizeof(payload));
        assert_int_equal(unseal_rtcp(a.rx, rtcp, m), 20);
        destroy_pair(&a);
    }
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t rtp[ROOM], rtcp[ROOM], payload[40] = {0};
        size_t n = seal_rtp(a.tx, rtp, write_header(rtp, 1, 7, 1), payload, sizeof(payload));
        size_t m = seal_rtcp(a.tx, rtcp, write_rr(rtcp, 7), sizeof(rtcp));
        for (size_t i = 0; i < n; i++) {
            uint8_t *exact = malloc(i ? i : 1); /* so that a sanitizer sees a read past the end */
            assert_non_null(exact);
            memcpy(exact, rtp, i);
            assert_int_equal(unseal_rtp(a.rx, exact, i), 0);
            free(exact);
        }
        for (size_t i = 0; i < m; i++) {
            uint8_t *exact = malloc(i ? i : 1);
            assert_non_null(exact);
            memcpy(exact, rtcp, i);
            assert_int_equal(unseal_rtcp(a.rx, exact, i), 0);
            free(exact);
        }
        destroy_pair(&a);
    }
}

static void test_header_that_lies_about_its_size_is_refused(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t packet[64] = {0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xbe, 0xde, 0xff, 0xff};
        assert_int_equal(unseal_rtp(a.rx, packet, sizeof(packet)), 0);
        packet[0] = 0x8f; /* 15 CSRCs do not fit into 40 bytes */
        assert_int_equal(unseal_rtp(a.rx, packet, 40), 0);
        destroy_pair(&a);
    }
}

static void test_replay_is_refused(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t rtp[ROOM], copy[ROOM], rtcp[ROOM], payload[40] = {0};
        size_t n = seal_rtp(a.tx, rtp, write_header(rtp, 1, 7, 0), payload, sizeof(payload));
        memcpy(copy, rtp, n);
        assert_int_not_equal(unseal_rtp(a.rx, copy, n), 0);
        memcpy(copy, rtp, n);
        assert_int_equal(unseal_rtp(a.rx, copy, n), 0);

        size_t m = seal_rtcp(a.tx, rtcp, write_rr(rtcp, 7), sizeof(rtcp));
        memcpy(copy, rtcp, m);
        assert_int_not_equal(unseal_rtcp(a.rx, copy, m), 0);
        memcpy(copy, rtcp, m);
        assert_int_equal(unseal_rtcp(a.rx, copy, m), 0);
        destroy_pair(&a);
    }
}

/* Retransmission without RTX: the same bytes may go out again, and are the same when sealed. */
static void test_same_packet_may_be_sent_again(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t first[ROOM], again[ROOM], other[ROOM], payload[100];
        fill(payload, sizeof(payload), 3);
        size_t n = seal_rtp(a.tx, first, write_header(first, 65530, 7, 1), payload, 100);
        for (uint16_t seq = 65531; seq != 500; seq++) /* over the wrap, within the window */
            assert_int_not_equal(
                seal_rtp(a.tx, other, write_header(other, seq, 7, 1), payload, 100), 0);
        assert_int_equal(seal_rtp(a.tx, again, write_header(again, 65530, 7, 1), payload, 100), n);
        assert_memory_equal(first, again, n);
        assert_int_equal(unseal_rtp(a.rx, again, n), 20 + 100);
        destroy_pair(&a);
    }
}

static void test_reordered_within_window_and_rollover(void **state)
{
    (void)state;
    struct pair a = create_pair(SEAL_AES_128_GCM);
    enum { COUNT = 2000 };
    static uint8_t packets[COUNT][64];
    size_t size = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t payload[20];
        fill(payload, sizeof(payload), i);
        size = seal_rtp(a.tx, packets[i], write_header(packets[i], (uint16_t)(64000 + i), 7, 0),
                        payload, sizeof(payload));
    }
    for (unsigned block = 0; block < COUNT; block += 500) {
        for (unsigned i = 500; i-- > 0;)
            assert_int_equal(unseal_rtp(a.rx, packets[block + i], size), 32);
    }
    destroy_pair(&a);
}

static void test_wrong_key_opens_nothing(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        struct seal *stranger = create(profiles[p], true, 1);
        uint8_t packet[ROOM], copy[ROOM], payload[40] = {0};
        size_t n = seal_rtp(a.tx, packet, write_header(packet, 1, 7, 0), payload, sizeof(payload));
        memcpy(copy, packet, n);
        assert_int_equal(unseal_rtp(stranger, copy, n), 0);
        memcpy(copy, packet, n);
        assert_int_equal(unseal_rtp(a.tx, copy, n), 0); /* not with our own direction either */
        n = seal_rtcp(a.tx, packet, write_rr(packet, 7), sizeof(packet));
        assert_int_equal(unseal_rtcp(stranger, packet, n), 0);
        seal_destroy(stranger);
        destroy_pair(&a);
    }
}

/* A failed out-of-place seal leaves nothing behind that the next packet could pick up. */
static void test_no_stale_source(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct pair a = create_pair(profiles[p]);
        uint8_t packet[ROOM], secret[100], plain[ROOM];
        memset(secret, 0x5e, sizeof(secret));
        size_t header = write_header(packet, 1000, 7, 0);
        assert_int_not_equal(seal_rtp(a.tx, packet, header, secret, sizeof(secret)), 0);
        for (unsigned seq = 1001; seq < 4000; seq++) {
            write_header(packet, (uint16_t)seq, 7, 0);
            assert_int_not_equal(seal_rtp(a.tx, packet, header, secret, 1), 0);
        }
        write_header(packet, 1001, 7, 0); /* left the window: libsrtp refuses before encrypting */
        assert_int_equal(seal_rtp(a.tx, packet, header, secret, sizeof(secret)), 0);
        size_t size = write_rr(packet, 7);
        memcpy(plain, packet, size);
        size_t n = seal_rtcp(a.tx, packet, size, sizeof(packet));
        assert_int_equal(unseal_rtcp(a.rx, packet, n), size);
        assert_memory_equal(packet, plain, size);
        destroy_pair(&a);
    }
}

/* Authentic, but the sender chose not to encrypt: E bit 0 (RFC 3711 3.4, RFC 7714 9.3). */
static void test_unencrypted_rtcp_is_refused(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        for (int encrypt = 0; encrypt <= 1; encrypt++) {
            struct seal_keys keys = {.profile = profiles[p], .remote = {1, 2, 3}};
            struct seal *s;
            srtp_t sender;
            srtp_policy_t policy = {.ssrc.type = ssrc_any_outbound, .key = keys.remote};
            srtp_profile_t profile = (srtp_profile_t)profiles[p];
            assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile), 0);
            assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile),
                             0);
            policy.rtcp.sec_serv = encrypt ? sec_serv_conf_and_auth : sec_serv_auth;
            assert_int_equal(srtp_create(&sender, &policy), srtp_err_status_ok);
            assert_int_equal(seal_create(&s, &keys), 0);
            uint8_t packet[ROOM];
            int n = (int)write_rr(packet, 7);
            assert_int_equal(srtp_protect_rtcp(sender, packet, &n), srtp_err_status_ok);
            assert_int_equal(unseal_rtcp(s, packet, (size_t)n), encrypt ? 20 : 0);
            srtp_dealloc(sender);
            seal_destroy(s);
        }
    }
}

static void test_remote_ssrcs_are_bounded(void **state)
{
    (void)state;
    struct pair a = create_pair(SEAL_AES_128_GCM);
    for (uint32_t ssrc = 1; ssrc <= 3 * SEAL_REMOTE_SSRCS_MAX; ssrc++) {
        uint8_t rtp[ROOM], rtcp[ROOM], payload[10] = {0};
        size_t n = seal_rtp(a.tx, rtp, write_header(rtp, 1, ssrc, 0), payload, sizeof(payload));
        size_t m = seal_rtcp(a.tx, rtcp, write_rr(rtcp, ssrc), sizeof(rtcp));
        bool taken = ssrc <= SEAL_REMOTE_SSRCS_MAX;
        assert_int_equal(unseal_rtp(a.rx, rtp, n), taken ? 22 : 0);
        assert_int_equal(unseal_rtcp(a.rx, rtcp, m), taken ? 20 : 0);
    }
    destroy_pair(&a);
}

struct worker {
    pthread_t thread;
    enum seal_profile profile;
    unsigned failures;
};

static void *seal_many(void *argument)
{
    struct worker *w = argument;
    for (unsigned round = 0; round < 4; round++) {
        struct seal_keys keys = {.profile = w->profile, .local = {1, 2, 3}, .remote = {1, 2, 3}};
        struct seal *s;
        if (seal_create(&s, &keys) != 0) {
            w->failures++;
            break;
        }
        uint8_t payload[600], packet[ROOM];
        for (uint16_t seq = 1; seq < 500; seq++) {
            fill(payload, sizeof(payload), seq);
            size_t n = seal_rtp(s, packet, write_header(packet, seq, 7, 0), payload, 600);
            w->failures += unseal_rtp(s, packet, n) != 612;
            w->failures += memcmp(packet + 12, payload, 600) != 0;
        }
        seal_destroy(s);
    }
    return NULL;
}

static void test_sessions_on_two_threads(void **state)
{
    (void)state;
    static const enum cipher_backend backends[] = {CIPHER_OPENSSL, CIPHER_AUTO};
    for (size_t b = 0; b < 2; b++) {
        assert_int_equal(cipher_install(backends[b]), 0);
        for (size_t p = 0; p < 3; p++) {
            struct worker w[2] = {{.profile = profiles[p]}, {.profile = profiles[p]}};
            for (size_t i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&w[i].thread, NULL, seal_many, &w[i]), 0);
            for (size_t i = 0; i < 2; i++) {
                pthread_join(w[i].thread, NULL);
                assert_int_equal(w[i].failures, 0);
            }
        }
    }
}

static int install_auto(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO);
}

static int install_openssl(void **state)
{
    (void)state;
    return cipher_install(CIPHER_OPENSSL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_of_profiles),
        cmocka_unit_test(test_unknown_profile_is_refused),
        cmocka_unit_test(test_rtp_round_trip),
        cmocka_unit_test(test_rtcp_round_trip),
        cmocka_unit_test(test_rtcp_needs_room),
        cmocka_unit_test(test_every_tampered_bit_is_seen),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_header_that_lies_about_its_size_is_refused),
        cmocka_unit_test(test_replay_is_refused),
        cmocka_unit_test(test_same_packet_may_be_sent_again),
        cmocka_unit_test(test_reordered_within_window_and_rollover),
        cmocka_unit_test(test_wrong_key_opens_nothing),
        cmocka_unit_test(test_no_stale_source),
        cmocka_unit_test(test_unencrypted_rtcp_is_refused),
        cmocka_unit_test(test_remote_ssrcs_are_bounded),
    };
    const struct CMUnitTest threads[] = {cmocka_unit_test(test_sessions_on_two_threads)};
    int failed = cmocka_run_group_tests_name("best backend", tests, install_auto, NULL);
    failed += cmocka_run_group_tests_name("openssl", tests, install_openssl, NULL);
    failed += cmocka_run_group_tests_name("threads", threads, install_auto, NULL);
    return failed;
}
