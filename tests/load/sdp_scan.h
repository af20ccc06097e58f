/* sdp_scan.h - as much of a server's SDP as a viewer of its first video track needs, and a viewer's
 * own offer and answer. Pure.
 */
#pragma once

#include "rtp/session/dtls.h"
#include "rtp/session/ice.h"

#define SDP_SCAN_MEDIA_MAX 16
#define SDP_SCAN_CANDIDATES_MAX 16
#define SDP_SCAN_WRITE_MAX 8192

struct sdp_scan {
    char ufrag[ICE_UFRAG_MAX + 1], pwd[ICE_PWD_MAX + 1];
    char fingerprint[DTLS_FINGERPRINT_TEXT_MAX];
    unsigned n_candidates; /* UDP, component 1, numeric */
    struct address candidates[SDP_SCAN_CANDIDATES_MAX];
    unsigned n_media;
    char mids[SDP_SCAN_MEDIA_MAX][17];
    char kinds[SDP_SCAN_MEDIA_MAX][16]; /* "video", "audio" */
    unsigned video;                     /* the m-line that counts: the first video with a port */
    char format[160];                   /* of that m-line: its a=fmtp parameters */
    uint8_t payload_type;               /* its first H.264 format */
    uint8_t rtx_payload_type;           /* 0: none */
    uint8_t transport_cc_id, playout_delay_id, mid_id; /* 0: none */
};

/* 0, or -EBADMSG with a sentence. */
int sdp_scan(struct sdp_scan *out, const char *text, size_t size, char *error, size_t error_size);

struct sdp_scan_local {
    const char *ufrag, *pwd, *fingerprint;
};

/* The size, with its terminator not counted; 0 if it does not fit. */
size_t sdp_scan_write_offer(char *out, size_t room, const struct sdp_scan_local *local);
/* Accepts the track that was scanned, and nothing else. */
size_t sdp_scan_write_answer(char *out, size_t room, const struct sdp_scan_local *local,
                             const struct sdp_scan *offer);
