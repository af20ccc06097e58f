/* Tokens are made here with the library's signing half, and by hand where it would refuse. */
#include "server/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1000000
#define ROOM "CALM-FOX-007"
#define SECRET "0123456789abcdef0123456789abcdef"

static struct watch_tokens tokens;
static struct watch_key key;
static struct backend_grant grant;

static void set_secret(void)
{
    key = (struct watch_key){.kind = WATCH_KEY_HS256, .size = strlen(SECRET)};
    memcpy(key.data, SECRET, sizeof(SECRET));
    watch_tokens_set_key(&tokens, &key);
}

static int setup(void **state)
{
    (void)state;
    watch_tokens_init(&tokens);
    set_secret();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    watch_tokens_finish(&tokens);
    return 0;
}

/* Signed with what is given. */
static char *sign(const char *header, const char *claims, const void *secret, size_t size)
{
    char *h = g_base64_encode((const guchar *)header, strlen(header));
    char *c = g_base64_encode((const guchar *)claims, strlen(claims));
    char *signing = g_strdup_printf("%s.%s", h, c);
    g_strdelimit(g_strdelimit(signing, "+", '-'), "/", '_');
    for (char *from = signing, *to = signing;; from++) {
        if (*from != '=')
            *to++ = *from;
        if (!*from)
            break;
    }
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    assert_non_null(HMAC(EVP_sha256(), secret, (int)size, (const unsigned char *)signing,
                         strlen(signing), mac, &n));
    char *m = g_base64_encode(mac, n);
    g_strdelimit(g_strdelimit(g_strdelimit(m, "+", '-'), "/", '_'), "=", '\0');
    char *token = g_strdup_printf("%s.%s", signing, m);
    g_free(h);
    g_free(c);
    g_free(m);
    g_free(signing);
    return token;
}

#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static enum backend_access take_at(const char *header, const char *claims, int64_t unix_s)
{
    char *token = sign(header, claims, SECRET, strlen(SECRET));
    enum backend_access access = watch_tokens_take(&tokens, token, ROOM, unix_s, &grant);
    g_free(token);
    return access;
}

static enum backend_access take(const char *claims)
{
    return take_at(HS256, claims, NOW);
}

static void a_good_token_lets_in(void **state)
{
    (void)state;
    assert_int_equal(take("{\"room\":\"" ROOM "\",\"exp\":1000001}"), BACKEND_ACCESS_GRANTED);
    assert_int_equal(grant.best_layer, 0);
    assert_int_equal(take("{\"room\":\"calm-fox-007\",\"exp\":1000001,\"max_layer\":2,"
                          "\"aud\":\"amphi\",\"nbf\":1000000}"),
                     BACKEND_ACCESS_GRANTED);
    assert_int_equal(grant.best_layer, 2);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"room\":\"CALM-FOX-008\",\"exp\":1000001}", /* another room */
        "{\"exp\":1000001}",
        "{\"room\":7,\"exp\":1000001}",
        "{\"room\":\"" ROOM "\"}", /* for ever */
        "{\"room\":\"" ROOM "\",\"exp\":\"1000001\"}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"nbf\":1000001}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"nbf\":\"soon\"}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"aud\":\"other\"}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"aud\":[\"amphi\"]}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"max_layer\":3}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"max_layer\":-1}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"max_layer\":\"1\"}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"jti\":\"\"}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"jti\":9}",
        "{\"room\":\"" ROOM "\",\"exp\":1000001,\"jti\":"
        "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
        "[]",
        "{",
        "",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (take(bad[i]) != BACKEND_ACCESS_INVALID)
            fail_msg("%s was let in", bad[i]);
    }
    assert_int_equal(take("{\"room\":\"" ROOM "\",\"exp\":1000000}"), BACKEND_ACCESS_TOKEN_USED);
}

static void only_the_algorithm_of_the_key_counts(void **state)
{
    (void)state;
    static const char good[] = "{\"room\":\"" ROOM "\",\"exp\":1000001}";
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\"}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"x\"],\"x\":1}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_int_equal(take_at(headers[i], good, NOW), BACKEND_ACCESS_INVALID);
    /* nor without a signature: {"alg":"none"} and the good claims */
    char *token = sign("{\"alg\":\"none\"}", good, SECRET, strlen(SECRET));
    strrchr(token, '.')[1] = '\0';
    assert_int_equal(watch_tokens_take(&tokens, token, ROOM, NOW, &grant), BACKEND_ACCESS_INVALID);
    g_free(token);
    token = sign(HS256, good, "another secret of thirty-two bytes", 34);
    assert_int_equal(watch_tokens_take(&tokens, token, ROOM, NOW, &grant), BACKEND_ACCESS_INVALID);
    g_free(token);
}

static void rubbish_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ".",     "..",          "...",
                                      "a.b", "a.b.c", "e30.e30.e30", "eyJhbGciOiJIUzI1NiJ9.e30."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(watch_tokens_take(&tokens, bad[i], ROOM, NOW, &grant),
                         BACKEND_ACCESS_INVALID);
    char *longer = malloc(WATCH_TOKEN_MAX + 2);
    memset(longer, 'a', WATCH_TOKEN_MAX + 1);
    longer[WATCH_TOKEN_MAX + 1] = '\0';
    longer[5] = longer[9] = '.';
    assert_int_equal(watch_tokens_take(&tokens, longer, ROOM, NOW, &grant), BACKEND_ACCESS_INVALID);
    free(longer);
}

static enum backend_access take_id(unsigned id, int64_t exp, int64_t unix_s)
{
    char claims[128];
    snprintf(claims, sizeof(claims), "{\"room\":\"" ROOM "\",\"exp\":%lld,\"jti\":\"%u\"}",
             (long long)exp, id);
    return take_at(HS256, claims, unix_s);
}

static void an_id_serves_once(void **state)
{
    (void)state;
    assert_int_equal(take_id(1, NOW + 10, NOW), BACKEND_ACCESS_GRANTED);
    assert_int_equal(take_id(1, NOW + 10, NOW), BACKEND_ACCESS_TOKEN_USED);
    assert_int_equal(take_id(1, NOW + 99, NOW), BACKEND_ACCESS_TOKEN_USED); /* a copy that lasts */
    assert_int_equal(take_id(2, NOW + 10, NOW), BACKEND_ACCESS_GRANTED);
    watch_tokens_set_key(&tokens, &key); /* a new key does not make them good again */
    assert_int_equal(take_id(1, NOW + 10, NOW), BACKEND_ACCESS_TOKEN_USED);
}

static void used_ids_are_bounded_and_forgotten(void **state)
{
    (void)state;
    int64_t exp = NOW + 100;
    for (unsigned i = 0; i < WATCH_IDS_MAX; i++) {
        char *id = g_strdup_printf("x%u", i);
        g_hash_table_insert(tokens.used, id, g_memdup2(&exp, sizeof(exp)));
    }
    assert_int_equal(take_id(1, NOW + 200, NOW), BACKEND_ACCESS_TOKEN_USED);
    assert_int_equal(g_hash_table_size(tokens.used), WATCH_IDS_MAX);
    assert_int_equal(take_id(1, NOW + 200, exp), BACKEND_ACCESS_GRANTED);
    assert_int_equal(g_hash_table_size(tokens.used), 1);
}

/* --- keys --- */

static char path[] = "/tmp/amphi-key-XXXXXX";

static int read_key(const void *text, size_t size)
{
    char error[512] = "";
    strcpy(strrchr(path, '-'), "-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    int err = watch_key_read(&key, path, error, sizeof(error));
    unlink(path);
    assert_int_equal(err != 0, error[0] != '\0');
    return err;
}

static char *pem_of(EVP_PKEY *k, bool public)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *data;
    assert_int_equal(public ? PEM_write_bio_PUBKEY(out, k)
                            : PEM_write_bio_PrivateKey(out, k, NULL, NULL, 0, NULL, NULL),
                     1);
    size_t n = (size_t)BIO_get_mem_data(out, &data);
    char *text = g_strndup(data, n);
    BIO_free(out);
    return text;
}

static void the_file_of_a_secret(void **state)
{
    (void)state;
    assert_int_equal(read_key(SECRET "\r\n", strlen(SECRET) + 2), 0);
    assert_int_equal(key.kind, WATCH_KEY_HS256);
    assert_int_equal(key.size, strlen(SECRET));
    assert_int_equal(read_key(SECRET, strlen(SECRET) - 1), -EINVAL);
    assert_int_equal(key.size, 0);
    assert_int_equal(read_key("", 0), -EINVAL);
    static char large[WATCH_KEY_MAX + 1];
    assert_int_equal(read_key(large, WATCH_KEY_MAX), 0);
    assert_int_equal(read_key(large, sizeof(large)), -EINVAL);
    char error[512] = "";
    assert_int_equal(watch_key_read(&key, "/nowhere/at/all", error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "/nowhere/at/all"));
}

/* A public key is no secret: what is signed with its text is signed by anybody. */
static void a_public_key_takes_es256_alone(void **state)
{
    (void)state;
    static const char claims[] = "{\"room\":\"" ROOM "\",\"exp\":1000001}";
    EVP_PKEY *k = EVP_EC_gen("P-256");
    char *public = pem_of(k, true), *private = pem_of(k, false);
    assert_int_equal(read_key(public, strlen(public)), 0);
    assert_int_equal(key.kind, WATCH_KEY_ES256);
    watch_tokens_set_key(&tokens, &key);
    jwt_t *jwt;
    assert_int_equal(jwt_new(&jwt), 0);
    jwt_add_grant(jwt, "room", ROOM);
    jwt_add_grant_int(jwt, "exp", NOW + 1);
    assert_int_equal(
        jwt_set_alg(jwt, JWT_ALG_ES256, (unsigned char *)private, (int)strlen(private)), 0);
    char *good = jwt_encode_str(jwt);
    assert_int_equal(watch_tokens_take(&tokens, good, ROOM, NOW, &grant), BACKEND_ACCESS_GRANTED);
    good[strlen(good) - 10] ^= 1;
    assert_int_equal(watch_tokens_take(&tokens, good, ROOM, NOW, &grant), BACKEND_ACCESS_INVALID);
    free(good);
    jwt_free(jwt);
    char *confused = sign(HS256, claims, public, strlen(public));
    assert_int_equal(watch_tokens_take(&tokens, confused, ROOM, NOW, &grant),
                     BACKEND_ACCESS_INVALID);
    g_free(confused);
    assert_int_equal(read_key(private, strlen(private)), -EINVAL);
    g_free(public);
    g_free(private);
    EVP_PKEY_free(k);
}

static void keys_of_other_kinds_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *kinds[] = {EVP_EC_gen("P-384"), EVP_RSA_gen(2048)};
    for (int i = 0; i < 2; i++) {
        char *text = pem_of(kinds[i], true);
        assert_int_equal(read_key(text, strlen(text)), -EINVAL);
        g_free(text);
        EVP_PKEY_free(kinds[i]);
    }
    assert_int_equal(read_key("-----BEGIN PUBLIC KEY-----\n", 27), -EINVAL);
}

static void one_that_was_made_here_is_good_once_and_there(void **state)
{
    (void)state;
    char text[BACKEND_TOKEN_MAX], other[BACKEND_TOKEN_MAX];
    assert_true(watch_tokens_can_sign(&tokens));
    assert_int_equal(watch_tokens_sign(&tokens, ROOM, NOW + 60, 1, text, sizeof(text)), 0);
    assert_int_equal(watch_tokens_sign(&tokens, ROOM, NOW + 60, 0, other, sizeof(other)), 0);
    assert_int_equal(watch_tokens_sign(&tokens, ROOM, NOW + 60, 0, other, 40), -ENOSPC);
    assert_int_equal(watch_tokens_sign(&tokens, ROOM, NOW + 60, 0, other, sizeof(other)), 0);
    assert_int_equal(watch_tokens_take(&tokens, text, "OTHER", NOW, &grant),
                     BACKEND_ACCESS_INVALID);
    assert_int_equal(watch_tokens_take(&tokens, text, ROOM, NOW, &grant), BACKEND_ACCESS_GRANTED);
    assert_int_equal(grant.best_layer, 1);
    assert_int_equal(watch_tokens_take(&tokens, text, ROOM, NOW, &grant),
                     BACKEND_ACCESS_TOKEN_USED);
    assert_int_equal(watch_tokens_take(&tokens, other, ROOM, NOW + 60, &grant),
                     BACKEND_ACCESS_TOKEN_USED);
    assert_int_equal(watch_tokens_take(&tokens, other, ROOM, NOW + 59, &grant),
                     BACKEND_ACCESS_GRANTED);
    assert_int_equal(grant.best_layer, 0);
    tokens.key.kind = WATCH_KEY_ES256; /* a public key signs nothing */
    assert_false(watch_tokens_can_sign(&tokens));
    assert_int_equal(watch_tokens_sign(&tokens, ROOM, NOW + 60, 0, text, sizeof(text)), -ENOTSUP);
}

static void without_a_key_no_token_is_good(void **state)
{
    (void)state;
    watch_tokens_set_key(&tokens, &(struct watch_key){.size = 0});
    assert_int_equal(take("{\"room\":\"" ROOM "\",\"exp\":1000001}"), BACKEND_ACCESS_INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_token_lets_in),
        TEST(what_does_not_fit_is_refused),
        TEST(only_the_algorithm_of_the_key_counts),
        TEST(rubbish_is_refused),
        TEST(an_id_serves_once),
        TEST(used_ids_are_bounded_and_forgotten),
        TEST(the_file_of_a_secret),
        TEST(a_public_key_takes_es256_alone),
        TEST(keys_of_other_kinds_are_refused),
        TEST(one_that_was_made_here_is_good_once_and_there),
        TEST(without_a_key_no_token_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
