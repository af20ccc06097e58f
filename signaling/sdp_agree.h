/* sdp_agree.h - the parts of agreeing that are the same for viewers and publishers.
 *
 * For sdp_match.c and sdp_publish.c alone. Pure.
 */
#pragma once

#include "signaling/sdp.h"

/* Where the peer's side of the transport is put. */
struct sdp_agreed {
    char *ufrag, *pwd;
    bool *dtls_client;
    unsigned *n_fingerprints;
    char (*fingerprints)[BACKEND_FINGERPRINT_MAX];
};

/* `media`: an m-line that is to be used; `full_ice`: ours, so that the peer's may be lite. 0, or
 * -EINVAL with a sentence. */
int sdp_take_transport(const struct sdp_agreed *out, const struct sdp *sdp,
                       const struct sdp_media *media, bool full_ice, char *error, size_t size);
/* RFC 9143 7.3.3: only one m-line of a bundle has to say it. */
bool sdp_has_rtcp_mux(const struct sdp *sdp, const struct sdp_media *media);
/* Whether media can flow on this m-line of an offer at all, whatever its direction and formats:
 * there is one transport only, and `first` is an m-line that was accepted before it, or NULL. */
bool sdp_is_together(const struct sdp_media *media, const struct sdp_media *first);

/* Of H.264 the one that suits this profile-level-id best. NULL: there is none. */
const struct sdp_format *sdp_best_format(const struct sdp_media *media, enum backend_codec codec,
                                         const uint8_t h264_profile[3]);
uint8_t sdp_opus_of(const struct sdp_media *media); /* its payload type; 0: there is none */
uint8_t sdp_red_of(const struct sdp_media *media, uint8_t opus_payload_type);
uint8_t sdp_rtx_of(const struct sdp_media *media, uint8_t payload_type);

int sdp_refuse(char *error, size_t size, const char *sentence); /* -EINVAL */
void sdp_copy_text(char *out, struct sdp_text text);
