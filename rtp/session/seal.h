/* seal.h - one peer's SRTP and SRTCP (RFC 3711, RFC 7714), on libsrtp2. One thread per seal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SEAL_TRAILER_MAX                                                                           \
    32 /* room a sealed packet may need behind its payload (SRTCP: tag + index) */
#define SEAL_KEY_MAX 32
#define SEAL_SALT_MAX 14
#define SEAL_REMOTE_SSRCS_MAX 64 /* packets of further SSRCs are refused, even authentic ones */

/* The DTLS-SRTP protection profile numbers (RFC 5764 4.1.2, RFC 7714 14.2). */
enum seal_profile {
    SEAL_AES128_CM_SHA1_80 = 1,
    SEAL_AES_128_GCM = 7,
    SEAL_AES_256_GCM = 8,
};

struct seal_keys {
    enum seal_profile profile;
    uint8_t local[SEAL_KEY_MAX + SEAL_SALT_MAX];  /* key, then salt: what we send with */
    uint8_t remote[SEAL_KEY_MAX + SEAL_SALT_MAX]; /* what we receive with */
};

struct seal;

size_t seal_key_size(enum seal_profile profile);
size_t seal_salt_size(enum seal_profile profile);
const char *seal_profile_name(enum seal_profile profile);

int seal_create(struct seal **out, const struct seal_keys *keys);
void seal_destroy(struct seal *s); /* NULL is fine */

/* Protects one RTP packet out of place: its header (with extension) of `header_size` bytes stands
 * at `out`, its payload is read from `payload`; the ciphertext and tag are written behind the
 * header. `out` has room for SEAL_TRAILER_MAX more. Returns the packet's size, 0 on failure.
 * `payload` may also be out + header_size (in place). The same sequence number may be sent again
 * only with the same bytes. */
size_t seal_rtp(struct seal *s, uint8_t *out, size_t header_size, const uint8_t *payload,
                size_t payload_size);
/* In place; `room` is the whole buffer. Returns the new size, 0 on failure. */
size_t seal_rtcp(struct seal *s, uint8_t *packet, size_t size, size_t room);
/* In place. Returns the plain size, 0 if it is not authentic, a replay or malformed. */
size_t unseal_rtp(struct seal *s, uint8_t *packet, size_t size);
size_t unseal_rtcp(struct seal *s, uint8_t *packet, size_t size);
