#include "rtp/session/seal.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"

#include <assert.h>
#include <errno.h>
#include <srtp2/srtp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RTP_FIXED_SIZE 12
#define RTCP_FIXED_SIZE 8 /* RFC 3711 3.4: header and sender SSRC stay in the clear */
#define PACKET_MAX 65535
#define REPLAY_WINDOW 1024

struct seal {
    srtp_t tx, rx;
    enum seal_profile profile;
    /* libsrtp opens a stream for every authentic SSRC; a peer that holds the keys may not make that
     * list grow without end. */
    uint32_t remote_ssrcs[SEAL_REMOTE_SSRCS_MAX];
    unsigned n_remote_ssrcs;
};

size_t seal_key_size(enum seal_profile profile)
{
    return profile == SEAL_AES_256_GCM ? 32 : 16;
}

size_t seal_salt_size(enum seal_profile profile)
{
    return profile == SEAL_AES128_CM_SHA1_80 ? 14 : 12;
}

static size_t tag_size(enum seal_profile profile)
{
    return profile == SEAL_AES128_CM_SHA1_80 ? 10 : 16;
}

const char *seal_profile_name(enum seal_profile profile)
{
    switch (profile) {
    case SEAL_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    case SEAL_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case SEAL_AES_256_GCM:
        return "SRTP_AEAD_AES_256_GCM";
    }
    return "unknown";
}

static bool set_profile(srtp_policy_t *policy, enum seal_profile profile)
{
    switch (profile) {
    case SEAL_AES128_CM_SHA1_80:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
        return true;
    case SEAL_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        return true;
    case SEAL_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        return true;
    }
    return false;
}

static int create_direction(srtp_t *out, enum seal_profile profile, const uint8_t *key,
                            srtp_ssrc_type_t direction)
{
    uint8_t copy[SEAL_KEY_MAX + SEAL_SALT_MAX]; /* libsrtp's pointer is not const */
    memcpy(copy, key, sizeof(copy));
    srtp_policy_t policy = {
        .ssrc.type = direction,
        .key = copy,
        .window_size = REPLAY_WINDOW,
        .allow_repeat_tx = 1,
    };
    srtp_err_status_t status = srtp_err_status_bad_param;
    if (set_profile(&policy, profile))
        status = srtp_create(out, &policy);
    explicit_bzero(copy, sizeof(copy));
    if (status == srtp_err_status_ok)
        return 0;
    *out = NULL;
    return status == srtp_err_status_alloc_fail ? -ENOMEM : -EINVAL;
}

int seal_create(struct seal **out, const struct seal_keys *keys)
{
    assert(
        cipher_name()[0]); /* cipher_install comes first: stock libsrtp is slow and takes a lock */
    struct seal *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->profile = keys->profile;
    int error = create_direction(&s->tx, keys->profile, keys->local, ssrc_any_outbound);
    if (error == 0)
        error = create_direction(&s->rx, keys->profile, keys->remote, ssrc_any_inbound);
    if (error != 0) {
        seal_destroy(s);
        return error;
    }
    *out = s;
    return 0;
}

void seal_destroy(struct seal *s)
{
    if (!s)
        return;
    if (s->tx)
        srtp_dealloc(s->tx);
    if (s->rx)
        srtp_dealloc(s->rx);
    free(s);
}

/* Where the payload starts according to the header itself, which is what libsrtp goes by. */
static size_t header_size_of(const uint8_t *packet)
{
    size_t size = RTP_FIXED_SIZE + 4 * (size_t)(packet[0] & 0x0f);
    if (packet[0] & 0x10)
        size += 4 + 4 * (size_t)get_u16(packet + size + 2);
    return size;
}

size_t seal_rtp(struct seal *s, uint8_t *out, size_t header_size, const uint8_t *payload,
                size_t payload_size)
{
    assert(header_size >= RTP_FIXED_SIZE && header_size_of(out) == header_size);
    assert(header_size + payload_size <= PACKET_MAX);
    int size = (int)(header_size + payload_size);
    if (payload != out + header_size)
        cipher_set_source(payload);
    srtp_err_status_t status = srtp_protect(s->tx, out, &size);
    cipher_set_source(NULL); /* if it failed before it came to encrypt */
    return status == srtp_err_status_ok ? (size_t)size : 0;
}

size_t seal_rtcp(struct seal *s, uint8_t *packet, size_t size, size_t room)
{
    if (size < RTCP_FIXED_SIZE || size > PACKET_MAX || room < size + SEAL_TRAILER_MAX)
        return 0;
    int n = (int)size;
    return srtp_protect_rtcp(s->tx, packet, &n) == srtp_err_status_ok ? (size_t)n : 0;
}

static bool knows_ssrc(const struct seal *s, uint32_t ssrc)
{
    for (unsigned i = 0; i < s->n_remote_ssrcs; i++) {
        if (s->remote_ssrcs[i] == ssrc)
            return true;
    }
    return false;
}

/* True if libsrtp may open a stream for it, should the packet turn out authentic. */
static bool may_take_ssrc(const struct seal *s, uint32_t ssrc)
{
    return s->n_remote_ssrcs < SEAL_REMOTE_SSRCS_MAX || knows_ssrc(s, ssrc);
}

static void remember_ssrc(struct seal *s, uint32_t ssrc)
{
    if (!knows_ssrc(s, ssrc))
        s->remote_ssrcs[s->n_remote_ssrcs++] = ssrc;
}

size_t unseal_rtp(struct seal *s, uint8_t *packet, size_t size)
{
    if (size < RTP_FIXED_SIZE + tag_size(s->profile) || size > PACKET_MAX)
        return 0;
    uint32_t ssrc = get_u32(packet + 8);
    int n = (int)size;
    if (!may_take_ssrc(s, ssrc) || srtp_unprotect(s->rx, packet, &n) != srtp_err_status_ok)
        return 0;
    remember_ssrc(s, ssrc);
    return (size_t)n;
}

/* RFC 3711 3.4: the E bit. libsrtp takes what is authentic but not encrypted; we agreed on
 * encryption. */
static bool is_encrypted_rtcp(const struct seal *s, const uint8_t *packet, size_t size)
{
    /* RFC 7714 9.2: the index is last, the tag before it; with HMAC it is the other way round */
    size_t behind = s->profile == SEAL_AES128_CM_SHA1_80 ? tag_size(s->profile) : 0;
    return (packet[size - behind - 4] & 0x80) != 0;
}

size_t unseal_rtcp(struct seal *s, uint8_t *packet, size_t size)
{
    if (size < RTCP_FIXED_SIZE + tag_size(s->profile) + 4 || size > PACKET_MAX)
        return 0;
    uint32_t ssrc = get_u32(packet + 4);
    int n = (int)size;
    if (!is_encrypted_rtcp(s, packet, size) || !may_take_ssrc(s, ssrc) ||
        srtp_unprotect_rtcp(s->rx, packet, &n) != srtp_err_status_ok)
        return 0;
    remember_ssrc(s, ssrc);
    return (size_t)n;
}
