#include "rtp/session/dtls_alert.h"
#include "rtp/wire/bytes.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <string.h>

#define RECORD_HEADER_SIZE 13 /* type, version, epoch, sequence number, length */
#define TYPE_ALERT 21
#define EPOCH 1 /* the only encrypted one: there is no renegotiation */
#define EXPLICIT_NONCE_SIZE 8
#define TAG_SIZE 16
#define ALERT_SIZE 2
#define ALERT_RECORD_SIZE (EXPLICIT_NONCE_SIZE + ALERT_SIZE + TAG_SIZE)
#define LEVEL_FATAL 2
#define CLOSE_NOTIFY 0

/* RFC 5246 5: PRF(secret, label, seed). Parameters of one name are put one behind the other. */
static bool prf(const EVP_MD *md, const uint8_t *secret, size_t secret_size, const uint8_t *seed,
                size_t seed_size, uint8_t *out, size_t out_size)
{
    static const char label[] = "key expansion";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(md), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)secret, secret_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)label, strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)seed, seed_size),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool done = ctx && EVP_KDF_derive(ctx, out, out_size, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return done;
}

static uint8_t gcm_key_size(const SSL_CIPHER *suite)
{
    switch (SSL_CIPHER_get_cipher_nid(suite)) {
    case NID_aes_128_gcm:
        return 16;
    case NID_aes_256_gcm:
        return 32;
    default:
        return 0;
    }
}

/* RFC 5246 6.3: client key, server key, client salt, server salt. There are no MAC keys. */
static bool expand(struct dtls_alert *a, SSL *ssl, bool is_server, const EVP_MD *md)
{
    uint8_t secret[SSL_MAX_MASTER_KEY_LENGTH], seed[2 * SSL3_RANDOM_SIZE];
    uint8_t block[2 * (DTLS_ALERT_KEY_MAX + DTLS_ALERT_SALT_SIZE)];
    size_t secret_size = SSL_SESSION_get_master_key(SSL_get0_session(ssl), secret, sizeof(secret));
    bool done =
        secret_size > 0 && SSL_get_server_random(ssl, seed, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE &&
        SSL_get_client_random(ssl, seed + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE;
    size_t key = a->key_size;
    done = done && prf(md, secret, secret_size, seed, sizeof(seed), block,
                       2 * (key + DTLS_ALERT_SALT_SIZE));
    if (done) {
        memcpy(a->key, is_server ? block : block + key, key);
        memcpy(a->salt, block + 2 * key + (is_server ? 0 : DTLS_ALERT_SALT_SIZE),
               DTLS_ALERT_SALT_SIZE);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

bool dtls_alert_init(struct dtls_alert *a, SSL *ssl, bool is_server)
{
    const SSL_CIPHER *suite = SSL_get_current_cipher(ssl);
    const EVP_MD *md = suite ? SSL_CIPHER_get_handshake_digest(suite) : NULL;
    *a = (struct dtls_alert){.key_size = suite ? gcm_key_size(suite) : 0};
    return md && a->key_size != 0 && expand(a, ssl, is_server, md);
}

/* RFC 5246 6.2.3.3: what is authenticated beside the text is sequence, type, version and size. */
static bool open_record(const struct dtls_alert *a, const uint8_t *record,
                        uint8_t alert[ALERT_SIZE])
{
    const uint8_t *body = record + RECORD_HEADER_SIZE;
    uint8_t nonce[DTLS_ALERT_SALT_SIZE + EXPLICIT_NONCE_SIZE], aad[RECORD_HEADER_SIZE];
    memcpy(nonce, a->salt, DTLS_ALERT_SALT_SIZE);
    memcpy(nonce + DTLS_ALERT_SALT_SIZE, body, EXPLICIT_NONCE_SIZE);
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    put_u16(aad + 11, ALERT_SIZE);

    const EVP_CIPHER *cipher = a->key_size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t tag[TAG_SIZE], rest[TAG_SIZE];
    int n;
    memcpy(tag, body + EXPLICIT_NONCE_SIZE + ALERT_SIZE, TAG_SIZE);
    bool authentic =
        ctx && EVP_DecryptInit_ex(ctx, cipher, NULL, a->key, nonce) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) == 1 &&
        EVP_DecryptUpdate(ctx, alert, &n, body + EXPLICIT_NONCE_SIZE, ALERT_SIZE) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
        EVP_DecryptFinal_ex(ctx, rest, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return authentic;
}

enum dtls_alert_kind dtls_alert_read(const struct dtls_alert *a, const uint8_t *datagram,
                                     size_t size)
{
    while (size >= RECORD_HEADER_SIZE) {
        size_t body = get_u16(datagram + 11);
        if (body > size - RECORD_HEADER_SIZE)
            break;
        uint8_t alert[ALERT_SIZE];
        if (datagram[0] == TYPE_ALERT && get_u16(datagram + 3) == EPOCH &&
            body == ALERT_RECORD_SIZE && open_record(a, datagram, alert)) {
            if (alert[1] == CLOSE_NOTIFY)
                return DTLS_ALERT_CLOSE;
            if (alert[0] == LEVEL_FATAL)
                return DTLS_ALERT_FATAL;
        }
        datagram += RECORD_HEADER_SIZE + body;
        size -= RECORD_HEADER_SIZE + body;
    }
    return DTLS_ALERT_NONE;
}
