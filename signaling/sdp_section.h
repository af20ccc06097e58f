/* sdp_section.h - what our descriptions are put together of: lines, and sections of them.
 *
 * For sdp_write.c and sdp_publish.c alone. Pure. A writer that is full takes no more, and
 * sdp_finish says so.
 */
#pragma once

#include "signaling/sdp.h"

struct sdp_writer {
    char *out;
    size_t size, used;
    bool full;
};

struct sdp_section_format {
    enum sdp_codec codec;
    uint8_t payload_type, rtx_payload_type; /* 0: no RTX */
    uint8_t red_payload_type;               /* of sound; 0: no RED */
    uint8_t feedback;
    uint8_t profile[3]; /* of H.264 */
    bool level_asymmetry;
};

/* One m-section of ours: what does not depend on whether we offer or answer. */
struct sdp_section {
    const struct backend_seat *seat;
    const char *mid, *protocol, *setup;
    int protocol_length;
    unsigned slot;
    bool audio;
    bool bundled;  /* with the first one, which alone has the candidates */
    bool receives; /* recvonly; else sendonly, with our sources */
    unsigned n_formats;
    struct sdp_section_format formats[BACKEND_CODECS];
    struct sdp_extensions extensions;
    bool rtcp_rsize, reference_time; /* we answer receiver reference times (RFC 3611 5.1) */
    const char *title;               /* or NULL */
    const char *layers;              /* of one that receives: whole lines about simulcast, or "" */
};

__attribute__((format(printf, 2, 3))) void sdp_put(struct sdp_writer *w, const char *format, ...);
int sdp_finish(const struct sdp_writer *w); /* the length, or -ENOSPC */

void sdp_put_session(struct sdp_writer *w, const struct backend_seat *seat);
const char *sdp_lite_line(const struct backend_seat *seat);
void sdp_put_section(struct sdp_writer *w, const struct sdp_section *s);
/* An m-line that we do not serve keeps its place with port 0 (RFC 3264 6). */
void sdp_put_rejected(struct sdp_writer *w, const struct sdp_media *media);

const struct sdp_format *sdp_format_of(const struct sdp_media *media, uint8_t payload_type);
/* Adds a format of an offer as it was offered, but for feedback that is not in `known`. */
void sdp_accept_format(struct sdp_section *s, const struct sdp_media *media, enum sdp_codec codec,
                       uint8_t payload_type, uint8_t rtx_payload_type, uint8_t known);
