/* SHA1_*: the EVP digests of OpenSSL 3.0 allocate when a context is copied, which HMAC with a
 * precomputed key does twice a packet. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "rtp/session/cipher.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <srtp2/auth.h>
#include <srtp2/cipher.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#define GCM_SALT_SIZE 12
#define GCM_IV_SIZE 12
#define GCM_TAG_MAX 16
#define ICM_SALT_SIZE 14
#define BLOCK_SIZE 16
#define HMAC_SIZE 20
#define HMAC_BLOCK_SIZE 64

/* libsrtp's own vectors (RFC 7714, RFC 3711 B.2, RFC 2202): exported, but in no public header. */
extern const srtp_cipher_test_case_t srtp_aes_gcm_128_test_case_0;
extern const srtp_cipher_test_case_t srtp_aes_gcm_256_test_case_0;
extern const srtp_cipher_test_case_t srtp_aes_icm_128_test_case_0;
extern const srtp_cipher_test_case_t srtp_aes_icm_256_test_case_0;
extern const srtp_auth_test_case_t srtp_hmac_test_case_0;

/* libsrtp's crypto kernel is one per process, and so is what hangs in it. Written by cipher_install
 * only, before any session exists. */
static struct {
    const char *name;
    EVP_CIPHER *gcm_128, *gcm_256, *ctr_128, *ctr_256;
#ifdef HAVE_IPSEC_MB
    IMB_MGR *mb; /* only its constant function table is used, so any thread may */
#endif
} kernel = {.name = ""};

static _Thread_local const uint8_t *source;

void cipher_set_source(const uint8_t *plaintext)
{
    source = plaintext;
}

static const uint8_t *take_source(const uint8_t *buffer)
{
    const uint8_t *from = source ? source : buffer;
    source = NULL;
    return from;
}

/* ---- AES-GCM on OpenSSL ---- */

struct evp_gcm {
    srtp_cipher_t base;
    EVP_CIPHER_CTX *ctx; /* owned; holds the key schedule and the GHASH table */
    int tag_size;
};

static const srtp_cipher_type_t evp_gcm_128, evp_gcm_256;

static bool gcm_sizes_fit(int key_size, int tag_size)
{
    return (key_size == 16 + GCM_SALT_SIZE || key_size == 32 + GCM_SALT_SIZE) &&
           (tag_size == 8 || tag_size == GCM_TAG_MAX);
}

static srtp_err_status_t evp_gcm_alloc(srtp_cipher_t **out, int key_size, int tag_size)
{
    if (!gcm_sizes_fit(key_size, tag_size))
        return srtp_err_status_bad_param;
    struct evp_gcm *g = calloc(1, sizeof(*g));
    if (!g)
        return srtp_err_status_alloc_fail;
    g->ctx = EVP_CIPHER_CTX_new();
    if (!g->ctx) {
        free(g);
        return srtp_err_status_alloc_fail;
    }
    g->tag_size = tag_size;
    g->base.type = key_size == 16 + GCM_SALT_SIZE ? &evp_gcm_128 : &evp_gcm_256;
    g->base.algorithm = g->base.type->id;
    g->base.key_len = key_size;
    g->base.state = g;
    *out = &g->base;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_dealloc(srtp_cipher_t *c)
{
    struct evp_gcm *g = c->state;
    EVP_CIPHER_CTX_free(g->ctx);
    free(g);
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_init(void *state, const uint8_t *key)
{
    struct evp_gcm *g = state;
    const EVP_CIPHER *type = g->base.type == &evp_gcm_128 ? kernel.gcm_128 : kernel.gcm_256;
    if (!EVP_CIPHER_CTX_reset(g->ctx) || !EVP_EncryptInit_ex(g->ctx, type, NULL, key, NULL))
        return srtp_err_status_init_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    struct evp_gcm *g = state;
    if (!EVP_CipherInit_ex(g->ctx, NULL, NULL, NULL, iv, direction == srtp_direction_encrypt))
        return srtp_err_status_init_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_set_aad(void *state, const uint8_t *aad, uint32_t size)
{
    struct evp_gcm *g = state;
    int n;
    if (!EVP_CipherUpdate(g->ctx, NULL, &n, aad, (int)size))
        return srtp_err_status_algo_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_encrypt(void *state, uint8_t *buffer, unsigned *size)
{
    struct evp_gcm *g = state;
    const uint8_t *from = take_source(buffer);
    int n;
    if (*size > 0 && !EVP_EncryptUpdate(g->ctx, buffer, &n, from, (int)*size))
        return srtp_err_status_cipher_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_get_tag(void *state, uint8_t *tag, uint32_t *size)
{
    struct evp_gcm *g = state;
    uint8_t none[BLOCK_SIZE];
    int n;
    if (!EVP_EncryptFinal_ex(g->ctx, none, &n) ||
        !EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_GET_TAG, g->tag_size, tag))
        return srtp_err_status_algo_fail;
    *size = (uint32_t)g->tag_size;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_gcm_decrypt(void *state, uint8_t *buffer, unsigned *size)
{
    struct evp_gcm *g = state;
    if (*size < (unsigned)g->tag_size)
        return srtp_err_status_bad_param;
    unsigned plain = *size - (unsigned)g->tag_size;
    uint8_t none[BLOCK_SIZE];
    int n;
    if (!EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_SET_TAG, g->tag_size, buffer + plain) ||
        (plain > 0 && !EVP_DecryptUpdate(g->ctx, buffer, &n, buffer, (int)plain)) ||
        EVP_DecryptFinal_ex(g->ctx, none, &n) <= 0)
        return srtp_err_status_auth_fail;
    *size = plain;
    return srtp_err_status_ok;
}

#define EVP_GCM(vectors, kernel_id, text)                                                          \
    {                                                                                              \
        .alloc = evp_gcm_alloc, .dealloc = evp_gcm_dealloc, .init = evp_gcm_init,                  \
        .set_aad = evp_gcm_set_aad, .encrypt = evp_gcm_encrypt, .decrypt = evp_gcm_decrypt,        \
        .set_iv = evp_gcm_set_iv, .get_tag = evp_gcm_get_tag, .description = (text),               \
        .test_data = &(vectors), .id = (kernel_id),                                                \
    }

static const srtp_cipher_type_t evp_gcm_128 =
    EVP_GCM(srtp_aes_gcm_128_test_case_0, SRTP_AES_GCM_128, "AES-128-GCM on OpenSSL");
static const srtp_cipher_type_t evp_gcm_256 =
    EVP_GCM(srtp_aes_gcm_256_test_case_0, SRTP_AES_GCM_256, "AES-256-GCM on OpenSSL");

/* ---- AES counter mode on OpenSSL (RFC 3711 4.1.1; libsrtp also derives every key with it) ---- */

struct evp_icm {
    srtp_cipher_t base;
    EVP_CIPHER_CTX *ctx; /* owned */
    uint8_t salt[BLOCK_SIZE];
};

static const srtp_cipher_type_t evp_icm_128, evp_icm_256;

static srtp_err_status_t evp_icm_alloc(srtp_cipher_t **out, int key_size, int tag_size)
{
    (void)tag_size;
    if (key_size != 16 + ICM_SALT_SIZE && key_size != 32 + ICM_SALT_SIZE)
        return srtp_err_status_bad_param;
    struct evp_icm *c = calloc(1, sizeof(*c));
    if (!c)
        return srtp_err_status_alloc_fail;
    c->ctx = EVP_CIPHER_CTX_new();
    if (!c->ctx) {
        free(c);
        return srtp_err_status_alloc_fail;
    }
    c->base.type = key_size == 16 + ICM_SALT_SIZE ? &evp_icm_128 : &evp_icm_256;
    c->base.algorithm = c->base.type->id;
    c->base.key_len = key_size;
    c->base.state = c;
    *out = &c->base;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_icm_dealloc(srtp_cipher_t *cipher)
{
    struct evp_icm *c = cipher->state;
    EVP_CIPHER_CTX_free(c->ctx);
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_icm_init(void *state, const uint8_t *key)
{
    struct evp_icm *c = state;
    const EVP_CIPHER *type = c->base.type == &evp_icm_128 ? kernel.ctr_128 : kernel.ctr_256;
    memset(c->salt, 0, sizeof(c->salt));
    memcpy(c->salt, key + c->base.key_len - ICM_SALT_SIZE, ICM_SALT_SIZE);
    if (!EVP_CIPHER_CTX_reset(c->ctx) || !EVP_EncryptInit_ex(c->ctx, type, NULL, key, c->salt))
        return srtp_err_status_init_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_icm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    (void)direction; /* both are the same keystream */
    struct evp_icm *c = state;
    uint8_t counter[BLOCK_SIZE];
    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = c->salt[i] ^ iv[i];
    if (!EVP_EncryptInit_ex(c->ctx, NULL, NULL, NULL, counter))
        return srtp_err_status_init_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_icm_xor(struct evp_icm *c, uint8_t *out, const uint8_t *in,
                                     unsigned size)
{
    int n;
    if (size > 0 && !EVP_EncryptUpdate(c->ctx, out, &n, in, (int)size))
        return srtp_err_status_cipher_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t evp_icm_encrypt(void *state, uint8_t *buffer, unsigned *size)
{
    return evp_icm_xor(state, buffer, take_source(buffer), *size);
}

static srtp_err_status_t evp_icm_decrypt(void *state, uint8_t *buffer, unsigned *size)
{
    return evp_icm_xor(state, buffer, buffer, *size);
}

#define EVP_ICM(vectors, kernel_id, text)                                                          \
    {                                                                                              \
        .alloc = evp_icm_alloc, .dealloc = evp_icm_dealloc, .init = evp_icm_init,                  \
        .encrypt = evp_icm_encrypt, .decrypt = evp_icm_decrypt, .set_iv = evp_icm_set_iv,          \
        .description = (text), .test_data = &(vectors), .id = (kernel_id),                         \
    }

static const srtp_cipher_type_t evp_icm_128 =
    EVP_ICM(srtp_aes_icm_128_test_case_0, SRTP_AES_ICM_128, "AES-128-CM on OpenSSL");
static const srtp_cipher_type_t evp_icm_256 =
    EVP_ICM(srtp_aes_icm_256_test_case_0, SRTP_AES_ICM_256, "AES-256-CM on OpenSSL");

/* ---- HMAC-SHA1 on OpenSSL, with the two key blocks hashed beforehand (RFC 2104 4) ---- */

struct hmac_sha1 {
    srtp_auth_t base;
    SHA_CTX inner, outer, running;
};

static const srtp_auth_type_t hmac_sha1;

static srtp_err_status_t hmac_sha1_alloc(srtp_auth_t **out, int key_size, int tag_size)
{
    if (key_size < 0 || key_size > HMAC_SIZE || tag_size < 0 || tag_size > HMAC_SIZE)
        return srtp_err_status_bad_param;
    struct hmac_sha1 *h = calloc(1, sizeof(*h));
    if (!h)
        return srtp_err_status_alloc_fail;
    h->base.type = &hmac_sha1;
    h->base.state = h;
    h->base.key_len = key_size;
    h->base.out_len = tag_size;
    *out = &h->base;
    return srtp_err_status_ok;
}

static srtp_err_status_t hmac_sha1_dealloc(srtp_auth_t *auth)
{
    struct hmac_sha1 *h = auth->state;
    OPENSSL_cleanse(h, sizeof(*h));
    free(h);
    return srtp_err_status_ok;
}

static void hash_key_block(SHA_CTX *ctx, const uint8_t *key, int key_size, uint8_t pad)
{
    uint8_t block[HMAC_BLOCK_SIZE];
    memset(block, pad, sizeof(block));
    for (int i = 0; i < key_size; i++)
        block[i] ^= key[i];
    SHA1_Init(ctx);
    SHA1_Update(ctx, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

static srtp_err_status_t hmac_sha1_init(void *state, const uint8_t *key, int key_size)
{
    struct hmac_sha1 *h = state;
    if (key_size < 0 || key_size > HMAC_SIZE)
        return srtp_err_status_bad_param;
    hash_key_block(&h->inner, key, key_size, 0x36);
    hash_key_block(&h->outer, key, key_size, 0x5c);
    h->running = h->inner;
    return srtp_err_status_ok;
}

static srtp_err_status_t hmac_sha1_start(void *state)
{
    struct hmac_sha1 *h = state;
    h->running = h->inner;
    return srtp_err_status_ok;
}

static srtp_err_status_t hmac_sha1_update(void *state, const uint8_t *data, int size)
{
    struct hmac_sha1 *h = state;
    SHA1_Update(&h->running, data, (size_t)size);
    return srtp_err_status_ok;
}

static srtp_err_status_t hmac_sha1_compute(void *state, const uint8_t *data, int size, int tag_size,
                                           uint8_t *tag)
{
    struct hmac_sha1 *h = state;
    uint8_t digest[HMAC_SIZE];
    if (tag_size < 0 || tag_size > HMAC_SIZE)
        return srtp_err_status_bad_param;
    SHA1_Update(&h->running, data, (size_t)size);
    SHA1_Final(digest, &h->running);
    h->running = h->outer;
    SHA1_Update(&h->running, digest, sizeof(digest));
    SHA1_Final(digest, &h->running);
    memcpy(tag, digest, (size_t)tag_size);
    return srtp_err_status_ok;
}

static const srtp_auth_type_t hmac_sha1 = {
    .alloc = hmac_sha1_alloc,
    .dealloc = hmac_sha1_dealloc,
    .init = hmac_sha1_init,
    .compute = hmac_sha1_compute,
    .update = hmac_sha1_update,
    .start = hmac_sha1_start,
    .description = "HMAC-SHA1 on OpenSSL",
    .test_data = &srtp_hmac_test_case_0,
    .id = SRTP_HMAC_SHA1,
};

/* ---- AES-GCM on intel-ipsec-mb ---- */

#ifdef HAVE_IPSEC_MB

#define AAD_JOINED_MAX 32

struct mb_gcm {
    _Alignas(64) struct gcm_key_data key;
    srtp_cipher_t base;
    uint8_t iv[GCM_IV_SIZE];
    uint8_t tag[GCM_TAG_MAX];
    uint8_t tag_size;
    /* Additional data comes in one piece for SRTP, and is read from where it is; in two for SRTCP
     * (8 bytes of header, 4 of index), which are joined. */
    const uint8_t *aad; /* borrowed until the encryption or decryption it belongs to */
    uint32_t aad_size;
    uint8_t joined[AAD_JOINED_MAX];
};

static const srtp_cipher_type_t mb_gcm_128, mb_gcm_256;

static srtp_err_status_t mb_gcm_alloc(srtp_cipher_t **out, int key_size, int tag_size)
{
    if (!gcm_sizes_fit(key_size, tag_size))
        return srtp_err_status_bad_param;
    struct mb_gcm *g = aligned_alloc(_Alignof(struct mb_gcm), sizeof(*g));
    if (!g)
        return srtp_err_status_alloc_fail;
    memset(g, 0, sizeof(*g));
    g->tag_size = (uint8_t)tag_size;
    g->base.type = key_size == 16 + GCM_SALT_SIZE ? &mb_gcm_128 : &mb_gcm_256;
    g->base.algorithm = g->base.type->id;
    g->base.key_len = key_size;
    g->base.state = g;
    *out = &g->base;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_dealloc(srtp_cipher_t *c)
{
    struct mb_gcm *g = c->state;
    OPENSSL_cleanse(g, sizeof(*g));
    free(g);
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_init(void *state, const uint8_t *key)
{
    struct mb_gcm *g = state;
    if (g->base.type == &mb_gcm_128)
        IMB_AES128_GCM_PRE(kernel.mb, key, &g->key);
    else
        IMB_AES256_GCM_PRE(kernel.mb, key, &g->key);
    g->aad_size = 0;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    (void)direction;
    struct mb_gcm *g = state;
    memcpy(g->iv, iv, sizeof(g->iv));
    g->aad_size = 0;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_set_aad(void *state, const uint8_t *aad, uint32_t size)
{
    struct mb_gcm *g = state;
    if (g->aad_size == 0) {
        g->aad = aad;
        g->aad_size = size;
        return srtp_err_status_ok;
    }
    if (g->aad_size + size > sizeof(g->joined))
        return srtp_err_status_bad_param;
    if (g->aad != g->joined)
        memcpy(g->joined, g->aad, g->aad_size);
    memcpy(g->joined + g->aad_size, aad, size);
    g->aad = g->joined;
    g->aad_size += size;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_encrypt(void *state, uint8_t *buffer, unsigned *size)
{
    struct mb_gcm *g = state;
    struct gcm_context_data ctx;
    const uint8_t *from = take_source(buffer);
    if (g->base.type == &mb_gcm_128)
        IMB_AES128_GCM_ENC(kernel.mb, &g->key, &ctx, buffer, from, *size, g->iv, g->aad,
                           g->aad_size, g->tag, g->tag_size);
    else
        IMB_AES256_GCM_ENC(kernel.mb, &g->key, &ctx, buffer, from, *size, g->iv, g->aad,
                           g->aad_size, g->tag, g->tag_size);
    g->aad_size = 0;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_get_tag(void *state, uint8_t *tag, uint32_t *size)
{
    struct mb_gcm *g = state;
    memcpy(tag, g->tag, g->tag_size);
    *size = g->tag_size;
    return srtp_err_status_ok;
}

static srtp_err_status_t mb_gcm_decrypt(void *state, uint8_t *buffer, unsigned *size)
{
    struct mb_gcm *g = state;
    struct gcm_context_data ctx;
    if (*size < g->tag_size)
        return srtp_err_status_bad_param;
    unsigned plain = *size - g->tag_size;
    if (g->base.type == &mb_gcm_128)
        IMB_AES128_GCM_DEC(kernel.mb, &g->key, &ctx, buffer, buffer, plain, g->iv, g->aad,
                           g->aad_size, g->tag, g->tag_size);
    else
        IMB_AES256_GCM_DEC(kernel.mb, &g->key, &ctx, buffer, buffer, plain, g->iv, g->aad,
                           g->aad_size, g->tag, g->tag_size);
    g->aad_size = 0;
    if (CRYPTO_memcmp(g->tag, buffer + plain, g->tag_size) != 0)
        return srtp_err_status_auth_fail;
    *size = plain;
    return srtp_err_status_ok;
}

#define MB_GCM(vectors, kernel_id, text)                                                           \
    {                                                                                              \
        .alloc = mb_gcm_alloc, .dealloc = mb_gcm_dealloc, .init = mb_gcm_init,                     \
        .set_aad = mb_gcm_set_aad, .encrypt = mb_gcm_encrypt, .decrypt = mb_gcm_decrypt,           \
        .set_iv = mb_gcm_set_iv, .get_tag = mb_gcm_get_tag, .description = (text),                 \
        .test_data = &(vectors), .id = (kernel_id),                                                \
    }

static const srtp_cipher_type_t mb_gcm_128 =
    MB_GCM(srtp_aes_gcm_128_test_case_0, SRTP_AES_GCM_128, "AES-128-GCM on intel-ipsec-mb");
static const srtp_cipher_type_t mb_gcm_256 =
    MB_GCM(srtp_aes_gcm_256_test_case_0, SRTP_AES_GCM_256, "AES-256-GCM on intel-ipsec-mb");

static int install_mb(void)
{
    if (!kernel.mb) {
        IMB_MGR *mb = alloc_mb_mgr(0);
        IMB_ARCH arch = IMB_ARCH_NONE;
        if (!mb)
            return -ENOTSUP;
        init_mb_mgr_auto(mb, &arch);
        /* below SSE with AES-NI it falls back to tables: slower than OpenSSL, not constant time */
        if (imb_get_errno(mb) != 0 || arch < IMB_ARCH_SSE || !(mb->features & IMB_FEATURE_AESNI) ||
            !(mb->features & IMB_FEATURE_PCLMULQDQ)) {
            free_mb_mgr(mb);
            return -ENOTSUP;
        }
        kernel.mb = mb;
    }
    if (srtp_replace_cipher_type(&mb_gcm_128, SRTP_AES_GCM_128) != srtp_err_status_ok ||
        srtp_replace_cipher_type(&mb_gcm_256, SRTP_AES_GCM_256) != srtp_err_status_ok)
        return -EIO;
    kernel.name = "intel-ipsec-mb";
    return 0;
}

#else

static int install_mb(void)
{
    return -ENOTSUP;
}

#endif

static bool ready;

static void init_once(void)
{
    kernel.gcm_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    kernel.gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    kernel.ctr_128 = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    kernel.ctr_256 = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
    ready = kernel.gcm_128 && kernel.gcm_256 && kernel.ctr_128 && kernel.ctr_256 &&
            srtp_init() == srtp_err_status_ok &&
            srtp_replace_cipher_type(&evp_icm_128, SRTP_AES_ICM_128) == srtp_err_status_ok &&
            srtp_replace_cipher_type(&evp_icm_256, SRTP_AES_ICM_256) == srtp_err_status_ok &&
            srtp_replace_auth_type(&hmac_sha1, SRTP_HMAC_SHA1) == srtp_err_status_ok;
}

static int install_openssl(void)
{
    if (srtp_replace_cipher_type(&evp_gcm_128, SRTP_AES_GCM_128) != srtp_err_status_ok ||
        srtp_replace_cipher_type(&evp_gcm_256, SRTP_AES_GCM_256) != srtp_err_status_ok)
        return -EIO;
    kernel.name = "openssl";
    return 0;
}

int cipher_install(enum cipher_backend backend)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    if (!ready)
        return -EIO;
    if (backend == CIPHER_OPENSSL)
        return install_openssl();
    int error = install_mb();
    if (error == -ENOTSUP && backend == CIPHER_AUTO)
        return install_openssl();
    return error;
}

const char *cipher_name(void)
{
    return kernel.name;
}
