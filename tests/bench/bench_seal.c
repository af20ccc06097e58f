/* bench_seal.c - packetizing beside a copy of the bytes, and seal_rtp beside the bare AES-128-GCM
 * of the same library: the same packets for the same number of viewers, each with its own key. */
#include "rtp/payload/h264.h"
#include "rtp/session/cipher.h"
#include "rtp/session/seal.h"
#include "tests/bench/bench.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

enum { ROUNDS = 31, FRAMES = 20, PACKETIZED = 2000, GCM_IV = 12, GCM_TAG = 16 };

static uint8_t scratch[BENCH_VIEWERS][BENCH_FRAME_PACKETS * 1232];

/* --- packetizing --- */

static double packetize(void *arg)
{
    struct packetize *out = arg;
    size_t size;
    const uint8_t *unit = bench_access_unit(&size);
    int64_t before = bench_thread_cpu_ns();
    for (int i = 0; i < PACKETIZED; i++) {
        out->size = 0;
        out->n_packets = 0;
        if (h264_packetize(out, unit, size, PACKETIZE_MAX_PAYLOAD) != 0)
            return -1;
    }
    return (double)(bench_thread_cpu_ns() - before) / PACKETIZED / BENCH_FRAME_PACKETS;
}

static double copy(void *arg)
{
    struct packetize *out = arg;
    size_t size;
    const uint8_t *unit = bench_access_unit(&size);
    int64_t before = bench_thread_cpu_ns();
    for (int i = 0; i < PACKETIZED; i++) {
        memcpy(out->data, unit, size);
        __asm__ volatile("" : : "r"(out->data) : "memory"); /* it is read */
    }
    return (double)(bench_thread_cpu_ns() - before) / PACKETIZED / BENCH_FRAME_PACKETS;
}

void bench_payload(void)
{
    static uint8_t data[16384];
    static struct packetize_packet packets[64];
    struct packetize out = {
        .data = data, .capacity = sizeof(data), .packets = packets, .max_packets = 64};
    bench_compare("packetize", &(struct bench_side){"h264_packetize", packetize, &out},
                  &(struct bench_side){"memcpy", copy, &out}, ROUNDS);
}

/* --- protecting --- */

/* Calls `protect` for all packets of some frames, viewer after viewer. */
typedef bool protect_fn(void *viewer, uint8_t *out, size_t header_size, const uint8_t *payload,
                        size_t size);

static double protect_all(void **viewers, protect_fn *protect)
{
    static uint16_t first_seq; /* goes on from round to round, as an SRTP index must */
    const struct packetize *frame = bench_frame();
    int64_t before = bench_thread_cpu_ns();
    for (int f = 0; f < FRAMES; f++, first_seq = (uint16_t)(first_seq + BENCH_FRAME_PACKETS)) {
        for (int v = 0; v < BENCH_VIEWERS; v++) {
            uint8_t *out = scratch[v];
            for (int k = 0; k < BENCH_FRAME_PACKETS; k++) {
                const struct packetize_packet *p = &frame->packets[k];
                size_t n = bench_write_header(out, (uint16_t)(first_seq + k), 0, 1, p->marker);
                if (!protect(viewers[v], out, n, frame->data + p->offset, p->size))
                    return -1;
                out += n + p->size + GCM_TAG;
            }
        }
    }
    return (double)(bench_thread_cpu_ns() - before) / FRAMES / BENCH_VIEWERS / BENCH_FRAME_PACKETS;
}

static bool protect_seal(void *viewer, uint8_t *out, size_t header_size, const uint8_t *payload,
                         size_t size)
{
    return seal_rtp(viewer, out, header_size, payload, size) != 0;
}

static double run_seal(void *arg)
{
    return protect_all(arg, protect_seal);
}

static void write_iv(uint8_t iv[GCM_IV], const uint8_t *header)
{
    memset(iv, 0, GCM_IV);
    memcpy(iv + 10, header + 2, 2);
}

static bool protect_evp(void *viewer, uint8_t *out, size_t header_size, const uint8_t *payload,
                        size_t size)
{
    EVP_CIPHER_CTX *ctx = viewer;
    uint8_t iv[GCM_IV], *body = out + header_size;
    int n;
    write_iv(iv, out);
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) &&
           EVP_EncryptUpdate(ctx, NULL, &n, out, (int)header_size) &&
           EVP_EncryptUpdate(ctx, body, &n, payload, (int)size) &&
           EVP_EncryptFinal_ex(ctx, body + size, &n) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, body + size);
}

static double run_evp(void *arg)
{
    return protect_all(arg, protect_evp);
}

static void make_seals(void **viewers)
{
    for (int i = 0; i < BENCH_VIEWERS; i++) {
        struct seal_keys keys = {.profile = SEAL_AES_128_GCM, .local = {(uint8_t)i, 1}};
        struct seal *seal;
        if (seal_create(&seal, &keys) != 0)
            abort();
        viewers[i] = seal;
    }
}

static void free_seals(void **viewers)
{
    for (int i = 0; i < BENCH_VIEWERS; i++)
        seal_destroy(viewers[i]);
}

static void bench_openssl(void)
{
    void *seals[BENCH_VIEWERS], *contexts[BENCH_VIEWERS];
    if (cipher_install(CIPHER_OPENSSL) != 0)
        abort();
    make_seals(seals);
    for (int i = 0; i < BENCH_VIEWERS; i++) {
        uint8_t key[16] = {(uint8_t)i, 1};
        contexts[i] = EVP_CIPHER_CTX_new();
        if (!contexts[i] || !EVP_EncryptInit_ex(contexts[i], EVP_aes_128_gcm(), NULL, key, NULL))
            abort();
    }
    bench_compare("protect, openssl", &(struct bench_side){"seal_rtp", run_seal, seals},
                  &(struct bench_side){"EVP AES-128-GCM", run_evp, contexts}, ROUNDS);
    for (int i = 0; i < BENCH_VIEWERS; i++)
        EVP_CIPHER_CTX_free(contexts[i]);
    free_seals(seals);
}

#ifdef HAVE_IPSEC_MB
struct mb_viewer {
    _Alignas(64) struct gcm_key_data key;
    IMB_MGR *mb;
};

static bool protect_mb(void *viewer, uint8_t *out, size_t header_size, const uint8_t *payload,
                       size_t size)
{
    struct mb_viewer *v = viewer;
    uint8_t iv[GCM_IV], *body = out + header_size;
    struct gcm_context_data ctx;
    write_iv(iv, out);
    IMB_AES128_GCM_ENC(v->mb, &v->key, &ctx, body, payload, size, iv, out, header_size, body + size,
                       GCM_TAG);
    return true;
}

static double run_mb(void *arg)
{
    return protect_all(arg, protect_mb);
}

static void bench_mb(void)
{
    if (cipher_install(CIPHER_IPSEC_MB) != 0)
        return; /* not on this processor */
    void *seals[BENCH_VIEWERS], *floor[BENCH_VIEWERS];
    IMB_MGR *mb = alloc_mb_mgr(0);
    struct mb_viewer *viewers = aligned_alloc(64, sizeof(*viewers) * BENCH_VIEWERS);
    if (!mb || !viewers)
        abort();
    IMB_ARCH arch;
    init_mb_mgr_auto(mb, &arch);
    make_seals(seals);
    for (int i = 0; i < BENCH_VIEWERS; i++) {
        uint8_t key[16] = {(uint8_t)i, 1};
        viewers[i].mb = mb;
        IMB_AES128_GCM_PRE(mb, key, &viewers[i].key);
        floor[i] = &viewers[i];
    }
    bench_compare("protect, ipsec-mb", &(struct bench_side){"seal_rtp", run_seal, seals},
                  &(struct bench_side){"IMB_AES128_GCM_ENC", run_mb, floor}, ROUNDS);
    free_seals(seals);
    free(viewers);
    free_mb_mgr(mb);
}
#endif

void bench_seal(void)
{
    bench_openssl();
#ifdef HAVE_IPSEC_MB
    bench_mb();
#endif
    if (cipher_install(CIPHER_AUTO) != 0)
        abort();
}
