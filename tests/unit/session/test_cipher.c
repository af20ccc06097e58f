#include "rtp/session/cipher.h"
#include "rtp/session/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <srtp2/auth.h>
#include <srtp2/cipher.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* In libsrtp's library, but in no public header. */
const srtp_cipher_type_t *srtp_crypto_kernel_get_cipher_type(srtp_cipher_type_id_t id);
const srtp_auth_type_t *srtp_crypto_kernel_get_auth_type(srtp_auth_type_id_t id);

static const enum cipher_backend backends[] = {CIPHER_OPENSSL, CIPHER_IPSEC_MB};

/* False if this machine or build does not have it. */
static bool install(enum cipher_backend backend)
{
    int error = cipher_install(backend);
    if (error == -ENOTSUP && backend == CIPHER_IPSEC_MB) {
        print_message("intel-ipsec-mb is not there: skipped\n");
        return false;
    }
    assert_int_equal(error, 0);
    return true;
}

static size_t unhex(uint8_t *out, const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        unsigned byte;
        if (*text == ' ')
            continue;
        assert_int_equal(sscanf(text, "%2x", &byte), 1);
        out[n++] = (uint8_t)byte;
        text++;
    }
    return n;
}

/* RFC 7714 16.1.1, 16.2.1, 17.1, 17.3: session keys, so below SRTP's key derivation. The
 * additional data of SRTCP comes in two parts, as libsrtp gives it. */
#define KEY_16 "000102030405060708090a0b0c0d0e0f"
#define KEY_32 KEY_16 "101112131415161718191a1b1c1d1e1f"
#define SALT "517569642070726f2071756f"
#define RTP_IV "51753c6580c2726f20718414"
#define RTP_AAD "8040f17b 8041f8d3 5501a0b2"
#define RTP_PLAIN                                                                                  \
    "47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573"
#define RTCP_AAD "81c8000d 4d617273"
#define RTCP_INDEX "800005d4"
#define RTCP_IV "517524055203726f207170bb"
#define RTCP_PLAIN                                                                                 \
    "4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef "   \
    "deadbeef"

static const struct vector {
    srtp_cipher_type_id_t type;
    const char *key, *iv, *aad, *aad2, *plain, *sealed;
} vectors[] = {
    {SRTP_AES_GCM_128, KEY_16 SALT, RTP_IV, RTP_AAD, "", RTP_PLAIN,
     "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833"
     "899d7f27 beb16a91 52cf765e e4390cce"},
    {SRTP_AES_GCM_256, KEY_32 SALT, RTP_IV, RTP_AAD, "", RTP_PLAIN,
     "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b"
     "7aa3db36 dfffd6b0 f9bb7878 d7a76c13"},
    {SRTP_AES_GCM_128, KEY_16 SALT, RTCP_IV, RTCP_AAD, RTCP_INDEX, RTCP_PLAIN,
     "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded "
     "0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade"},
    {SRTP_AES_GCM_256, KEY_32 SALT, RTCP_IV, RTCP_AAD, RTCP_INDEX, RTCP_PLAIN,
     "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 "
     "6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be"},
};

static void start(srtp_cipher_t *c, const struct vector *v, srtp_cipher_direction_t direction)
{
    static uint8_t iv[16], aad[64], aad2[64]; /* borrowed until the operation */
    unhex(iv, v->iv);
    assert_int_equal(srtp_cipher_set_iv(c, iv, direction), srtp_err_status_ok);
    size_t n = unhex(aad, v->aad), n2 = unhex(aad2, v->aad2);
    assert_int_equal(srtp_cipher_set_aad(c, aad, (uint32_t)n), srtp_err_status_ok);
    if (n2 > 0)
        assert_int_equal(srtp_cipher_set_aad(c, aad2, (uint32_t)n2), srtp_err_status_ok);
}

static void check_vector(const struct vector *v)
{
    uint8_t key[44], plain[128], sealed[128], buffer[128];
    size_t key_size = unhex(key, v->key);
    size_t plain_size = unhex(plain, v->plain), sealed_size = unhex(sealed, v->sealed);
    assert_int_equal(sealed_size, plain_size + 16);
    srtp_cipher_t *c;
    const srtp_cipher_type_t *type = srtp_crypto_kernel_get_cipher_type(v->type);
    assert_int_equal(srtp_cipher_type_alloc(type, &c, (int)key_size, 16), srtp_err_status_ok);
    assert_int_equal(srtp_cipher_init(c, key), srtp_err_status_ok);

    for (int out_of_place = 0; out_of_place <= 1; out_of_place++) {
        start(c, v, srtp_direction_encrypt);
        unsigned n = (unsigned)plain_size;
        uint32_t tag_size = 16;
        memset(buffer, 0xaa, sizeof(buffer));
        if (out_of_place)
            cipher_set_source(plain);
        else
            memcpy(buffer, plain, plain_size);
        assert_int_equal(srtp_cipher_encrypt(c, buffer, &n), srtp_err_status_ok);
        assert_int_equal(srtp_cipher_get_tag(c, buffer + n, &tag_size), srtp_err_status_ok);
        assert_int_equal(n + tag_size, sealed_size);
        assert_memory_equal(buffer, sealed, sealed_size);
    }

    start(c, v, srtp_direction_decrypt);
    unsigned n = (unsigned)sealed_size;
    assert_int_equal(srtp_cipher_decrypt(c, buffer, &n), srtp_err_status_ok);
    assert_int_equal(n, plain_size);
    assert_memory_equal(buffer, plain, plain_size);

    for (size_t i = 0; i < sealed_size; i++) {
        memcpy(buffer, sealed, sealed_size);
        buffer[i] ^= 0x40;
        start(c, v, srtp_direction_decrypt);
        n = (unsigned)sealed_size;
        assert_int_equal(srtp_cipher_decrypt(c, buffer, &n), srtp_err_status_auth_fail);
    }
    srtp_cipher_dealloc(c);
}

static void test_rfc7714_vectors(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        for (size_t i = 0; install(backends[b]) && i < sizeof(vectors) / sizeof(vectors[0]); i++)
            check_vector(&vectors[i]);
    }
}

static void test_libsrtp_self_tests(void **state)
{
    (void)state;
    static const srtp_cipher_type_id_t ids[] = {SRTP_AES_GCM_128, SRTP_AES_GCM_256,
                                                SRTP_AES_ICM_128, SRTP_AES_ICM_256};
    for (size_t b = 0; b < 2; b++) {
        if (!install(backends[b]))
            continue;
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
            const srtp_cipher_type_t *type = srtp_crypto_kernel_get_cipher_type(ids[i]);
            bool mb = backends[b] == CIPHER_IPSEC_MB && i < 2;
            assert_non_null(strstr(type->description, mb ? "intel-ipsec-mb" : "OpenSSL"));
            assert_int_equal(srtp_cipher_type_self_test(type), srtp_err_status_ok);
        }
        const srtp_auth_type_t *auth = srtp_crypto_kernel_get_auth_type(SRTP_HMAC_SHA1);
        assert_non_null(strstr(auth->description, "OpenSSL"));
        assert_int_equal(srtp_auth_type_self_test(auth), srtp_err_status_ok);
    }
}

static void test_refuses_sizes_it_does_not_have(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        if (!install(backends[b]))
            continue;
        srtp_cipher_t *c;
        srtp_auth_t *a;
        const srtp_cipher_type_t *gcm = srtp_crypto_kernel_get_cipher_type(SRTP_AES_GCM_128);
        const srtp_cipher_type_t *icm = srtp_crypto_kernel_get_cipher_type(SRTP_AES_ICM_128);
        const srtp_auth_type_t *auth = srtp_crypto_kernel_get_auth_type(SRTP_HMAC_SHA1);
        static const int bad[] = {0, 12, 16, 27, 29, 36, 45};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            assert_int_equal(gcm->alloc(&c, bad[i], 16), srtp_err_status_bad_param);
            assert_int_equal(icm->alloc(&c, bad[i], 0), srtp_err_status_bad_param);
        }
        assert_int_equal(gcm->alloc(&c, 28, 4), srtp_err_status_bad_param);
        assert_int_equal(gcm->alloc(&c, 28, 17), srtp_err_status_bad_param);
        assert_int_equal(auth->alloc(&a, 21, 10), srtp_err_status_bad_param);
        assert_int_equal(auth->alloc(&a, 20, 21), srtp_err_status_bad_param);
    }
}

static void test_less_than_a_tag_is_refused(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        if (!install(backends[b]))
            continue;
        srtp_cipher_t *c;
        uint8_t key[28] = {1}, buffer[16] = {0};
        const srtp_cipher_type_t *type = srtp_crypto_kernel_get_cipher_type(SRTP_AES_GCM_128);
        assert_int_equal(srtp_cipher_type_alloc(type, &c, 28, 16), srtp_err_status_ok);
        assert_int_equal(srtp_cipher_init(c, key), srtp_err_status_ok);
        for (unsigned n = 0; n < 16; n++) {
            start(c, &vectors[0], srtp_direction_decrypt);
            unsigned size = n;
            assert_int_not_equal(srtp_cipher_decrypt(c, buffer, &size), srtp_err_status_ok);
        }
        srtp_cipher_dealloc(c);
    }
}

static void test_names_the_backend(void **state)
{
    (void)state;
    assert_true(install(CIPHER_OPENSSL));
    assert_string_equal(cipher_name(), "openssl");
    bool mb = install(CIPHER_IPSEC_MB);
    assert_string_equal(cipher_name(), mb ? "intel-ipsec-mb" : "openssl");
    assert_int_equal(cipher_install(CIPHER_AUTO), 0);
    assert_string_equal(cipher_name(), mb ? "intel-ipsec-mb" : "openssl");
}

static struct seal *create(enum cipher_backend backend, enum seal_profile profile, bool mirrored)
{
    assert_int_equal(cipher_install(backend), 0);
    struct seal_keys keys = {.profile = profile};
    for (size_t i = 0; i < sizeof(keys.local); i++) {
        (mirrored ? keys.remote : keys.local)[i] = (uint8_t)(i * 7 + 1);
        (mirrored ? keys.local : keys.remote)[i] = (uint8_t)(i * 11 + 5);
    }
    struct seal *s;
    assert_int_equal(seal_create(&s, &keys), 0);
    return s;
}

/* What one backend seals the other opens, and both seal to the same bytes. */
static void test_backends_agree(void **state)
{
    (void)state;
    if (!install(CIPHER_IPSEC_MB))
        skip();
    static const enum seal_profile profiles[] = {SEAL_AES_128_GCM, SEAL_AES_256_GCM,
                                                 SEAL_AES128_CM_SHA1_80};
    for (size_t i = 0; i < 3; i++) {
        struct seal *mb = create(CIPHER_IPSEC_MB, profiles[i], false);
        struct seal *mb_peer = create(CIPHER_IPSEC_MB, profiles[i], true);
        struct seal *evp = create(CIPHER_OPENSSL, profiles[i], false);
        struct seal *evp_peer = create(CIPHER_OPENSSL, profiles[i], true);
        for (uint16_t seq = 0; seq < 300; seq++) {
            uint8_t a[1400] = {0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq}, b[1400], payload[1200];
            memset(payload, seq, sizeof(payload));
            memcpy(b, a, sizeof(b));
            size_t size = (size_t)seq * 4;
            size_t n = seal_rtp(mb, a, 12, payload, size);
            assert_int_equal(seal_rtp(evp, b, 12, payload, size), n);
            assert_memory_equal(a, b, n);
            assert_int_equal(unseal_rtp(evp_peer, a, n), 12 + size);
            assert_int_equal(unseal_rtp(mb_peer, b, n), 12 + size);
            assert_memory_equal(a + 12, payload, size);
            assert_memory_equal(b + 12, payload, size);
        }
        seal_destroy(mb);
        seal_destroy(mb_peer);
        seal_destroy(evp);
        seal_destroy(evp_peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7714_vectors),
        cmocka_unit_test(test_libsrtp_self_tests),
        cmocka_unit_test(test_refuses_sizes_it_does_not_have),
        cmocka_unit_test(test_less_than_a_tag_is_refused),
        cmocka_unit_test(test_names_the_backend),
        cmocka_unit_test(test_backends_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
