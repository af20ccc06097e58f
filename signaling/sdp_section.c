/* sdp_section.c - lines and m-sections. */
#include "signaling/sdp_section.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) void sdp_put(struct sdp_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->out + w->used, w->size - w->used, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= w->size - w->used)
        w->full = true;
    else
        w->used += (size_t)n;
}

int sdp_finish(const struct sdp_writer *w)
{
    return w->full ? -ENOSPC : (int)w->used;
}

/* RFC 3264 5 wants numeric session ids that do not repeat: the credentials of the seat do not. */
static uint64_t session_id(const struct backend_seat *seat)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = seat->ufrag; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    hash = (hash ^ seat->viewer_id) * 1099511628211u;
    return hash >> 2; /* RFC 9429 5.2.1: two high bits zero */
}

void sdp_put_session(struct sdp_writer *w, const struct backend_seat *seat)
{
    sdp_put(w, "v=0\r\no=- %" PRIu64 " 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", session_id(seat));
}

static bool is_ipv6(const char *ip)
{
    return strchr(ip, ':') != NULL;
}

/* The foundation is the same for candidates of one base address (RFC 8445 5.1.1.3). */
static unsigned foundation_of(const struct backend_seat *seat, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (strcmp(seat->candidates[k].ip, seat->candidates[i].ip) == 0)
            return k + 1;
    return i + 1;
}

/* One that waits for the peer's connection. RFC 6544 4.2: a lower type preference than any UDP
 * candidate's, so that UDP is used where it passes; direction preference 4; earlier addresses
 * preferred. Another transport has another foundation (RFC 8445 5.1.1.3). */
static void put_tcp_candidate(struct sdp_writer *w, const struct backend_seat *seat, unsigned i)
{
    if (seat->candidates[i].tcp_port == 0)
        return;
    uint32_t local = 4u << 13 | (8191u - i);
    uint32_t priority = 90u << 24 | local << 8 | 255u;
    sdp_put(w, "a=candidate:%u 1 tcp %" PRIu32 " %s %u typ host tcptype passive\r\n",
            seat->n_candidates + foundation_of(seat, i), priority, seat->candidates[i].ip,
            (unsigned)seat->candidates[i].tcp_port);
}

static void put_candidates(struct sdp_writer *w, const struct backend_seat *seat)
{
    if (seat->full_ice)
        return; /* see sdp_add_candidate */
    for (unsigned i = 0; i < seat->n_candidates; i++) {
        /* RFC 8445 5.1.2.1: host candidates, component 1; earlier addresses preferred */
        uint32_t priority = 126u << 24 | (65535u - i) << 8 | 255u;
        sdp_put(w, "a=candidate:%u 1 udp %" PRIu32 " %s %u typ host\r\n", foundation_of(seat, i),
                priority, seat->candidates[i].ip, (unsigned)seat->candidates[i].port);
    }
    for (unsigned i = 0; i < seat->n_candidates; i++)
        put_tcp_candidate(w, seat, i);
    sdp_put(w, "a=end-of-candidates\r\n");
}

static void put_transport(struct sdp_writer *w, const struct sdp_section *s)
{
    sdp_put(w, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n", s->seat->ufrag,
            s->seat->pwd);
    sdp_put(w, "a=fingerprint:%s\r\na=setup:%s\r\n", s->seat->fingerprint, s->setup);
    sdp_put(w, "a=rtcp-mux\r\na=rtcp-mux-only\r\n");
    if (s->rtcp_rsize)
        sdp_put(w, "a=rtcp-rsize\r\n");
    if (s->reference_time)
        sdp_put(w, "a=rtcp-xr:rcvr-rtt=all\r\n");
}

static void put_extensions(struct sdp_writer *w, const struct sdp_extensions *ext)
{
    if (ext->transport_cc != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_TRANSPORT_CC "\r\n", ext->transport_cc);
    if (ext->playout_delay != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_PLAYOUT_DELAY "\r\n", ext->playout_delay);
    if (ext->mid != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_MID "\r\n", ext->mid);
    if (ext->dependency != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_DEPENDENCY "\r\n", ext->dependency);
    if (ext->rid != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_RID "\r\n", ext->rid);
    if (ext->repaired_rid != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_REPAIRED_RID "\r\n", ext->repaired_rid);
    if (ext->abs_send_time != 0)
        sdp_put(w, "a=extmap:%u " SDP_URI_ABS_SEND_TIME "\r\n", ext->abs_send_time);
}

static void put_h264_parameters(struct sdp_writer *w, const struct sdp_section_format *f)
{
    sdp_put(w, "a=fmtp:%u %spacketization-mode=1;profile-level-id=%02x%02x%02x\r\n",
            f->payload_type, f->level_asymmetry ? "level-asymmetry-allowed=1;" : "", f->profile[0],
            f->profile[1], f->profile[2]);
}

static void put_format(struct sdp_writer *w, const struct sdp_section_format *f, bool receives)
{
    static const char *const names[] = {
        [SDP_CODEC_H264] = "H264/90000",   [SDP_CODEC_VP8] = "VP8/90000",
        [SDP_CODEC_VP9] = "VP9/90000",     [SDP_CODEC_AV1] = "AV1/90000",
        [SDP_CODEC_OPUS] = "opus/48000/2",
    };
    unsigned type = f->payload_type;
    sdp_put(w, "a=rtpmap:%u %s\r\n", type, names[f->codec]);
    if (f->codec == SDP_CODEC_H264)
        put_h264_parameters(w, f);
    else if (f->codec == SDP_CODEC_VP9)
        sdp_put(w, "a=fmtp:%u profile-id=0\r\n", type);
    else if (f->codec == SDP_CODEC_AV1)
        sdp_put(w, "a=fmtp:%u profile=0\r\n", type);
    else if (f->codec == SDP_CODEC_OPUS) /* RFC 7587 6.1 */
        sdp_put(w, "a=fmtp:%u minptime=10;stereo=1;%suseinbandfec=1\r\n", type,
                receives ? "" : "sprop-stereo=1;");
    if (f->feedback & SDP_FEEDBACK_REMB)
        sdp_put(w, "a=rtcp-fb:%u goog-remb\r\n", type);
    if (f->feedback & SDP_FEEDBACK_TRANSPORT_CC)
        sdp_put(w, "a=rtcp-fb:%u transport-cc\r\n", type);
    if (f->feedback & SDP_FEEDBACK_FIR)
        sdp_put(w, "a=rtcp-fb:%u ccm fir\r\n", type);
    if (f->feedback & SDP_FEEDBACK_NACK)
        sdp_put(w, "a=rtcp-fb:%u nack\r\n", type);
    if (f->feedback & SDP_FEEDBACK_PLI)
        sdp_put(w, "a=rtcp-fb:%u nack pli\r\n", type);
    if (f->rtx_payload_type != 0)
        sdp_put(w, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", f->rtx_payload_type,
                f->rtx_payload_type, type);
    if (f->red_payload_type != 0)
        sdp_put(w, "a=rtpmap:%u red/48000/2\r\na=fmtp:%u %u/%u\r\n", f->red_payload_type,
                f->red_payload_type, type, type);
}

/* The title of a window, which may have lines. */
static void put_title(struct sdp_writer *w, const char *title)
{
    for (const char *at = title; at && *at; at++) {
        bool plain = (unsigned char)*at >= ' ' && *at != 0x7f;
        sdp_put(w, "%s%c", at == title ? "\r\ni=" : "", plain ? *at : ' ');
    }
}

static void put_media_line(struct sdp_writer *w, const struct sdp_section *s)
{
    const struct backend_seat *seat = s->seat;
    const char *ip = seat->n_candidates > 0 ? seat->candidates[0].ip : "0.0.0.0";
    unsigned port = seat->n_candidates > 0 ? seat->candidates[0].port : 9;
    sdp_put(w, "m=%s %u %.*s", s->audio ? "audio" : "video", port, s->protocol_length, s->protocol);
    for (unsigned i = 0; i < s->n_formats; i++) {
        sdp_put(w, " %u", s->formats[i].payload_type);
        if (s->formats[i].rtx_payload_type != 0)
            sdp_put(w, " %u", s->formats[i].rtx_payload_type);
        if (s->formats[i].red_payload_type != 0)
            sdp_put(w, " %u", s->formats[i].red_payload_type);
    }
    put_title(w, s->title);
    sdp_put(w, "\r\nc=IN %s %s\r\n", is_ipv6(ip) ? "IP6" : "IP4", ip);
}

static void put_sources(struct sdp_writer *w, const struct sdp_section *s)
{
    bool rtx = false;
    for (unsigned i = 0; i < s->n_formats; i++)
        rtx |= s->formats[i].rtx_payload_type != 0;
    uint32_t rtx_ssrc = s->seat->video[s->slot].rtx_ssrc;
    uint32_t ssrc = s->audio ? s->seat->audio[s->slot].ssrc : s->seat->video[s->slot].ssrc;
    if (rtx)
        sdp_put(w, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n", ssrc, rtx_ssrc);
    sdp_put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", ssrc, s->seat->cname);
    if (rtx)
        sdp_put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", rtx_ssrc, s->seat->cname);
}

/* A picture and its sound are of one media stream, so that players keep them together. */
void sdp_put_section(struct sdp_writer *w, const struct sdp_section *s)
{
    put_media_line(w, s);
    if (s->mid[0] != '\0')
        sdp_put(w, "a=mid:%s\r\n", s->mid);
    if (s->receives)
        sdp_put(w, "a=recvonly\r\n");
    else
        sdp_put(w, "a=sendonly\r\na=msid:video%u %s%u\r\n", s->slot, s->audio ? "audio" : "video",
                s->slot);
    put_transport(w, s);
    put_extensions(w, &s->extensions);
    for (unsigned i = 0; i < s->n_formats; i++)
        put_format(w, &s->formats[i], s->receives);
    if (s->receives)
        sdp_put(w, "%s", s->layers);
    else
        put_sources(w, s);
    if (!s->bundled)
        put_candidates(w, s->seat);
}

const char *sdp_lite_line(const struct backend_seat *seat)
{
    return seat->full_ice ? "" : "a=ice-lite\r\n";
}

void sdp_put_rejected(struct sdp_writer *w, const struct sdp_media *media)
{
    sdp_put(w, "m=%.*s 0 %.*s %.*s\r\nc=IN IP4 0.0.0.0\r\n", (int)media->kind.length,
            media->kind.at, (int)media->protocol.length, media->protocol.at,
            (int)media->first_format.length, media->first_format.at);
    if (media->mid.at)
        sdp_put(w, "a=mid:%.*s\r\n", (int)media->mid.length, media->mid.at);
    sdp_put(w, "a=inactive\r\n");
}

const struct sdp_format *sdp_format_of(const struct sdp_media *media, uint8_t payload_type)
{
    unsigned i = 0;
    while (i + 1 < media->n_formats && media->formats[i].payload_type != payload_type)
        i++;
    return &media->formats[i];
}

void sdp_accept_format(struct sdp_section *s, const struct sdp_media *media, enum sdp_codec codec,
                       uint8_t payload_type, uint8_t rtx_payload_type, uint8_t known)
{
    const struct sdp_format *format = sdp_format_of(media, payload_type);
    s->formats[s->n_formats++] = (struct sdp_section_format){
        .codec = codec,
        .payload_type = payload_type,
        .rtx_payload_type = rtx_payload_type,
        .feedback = (uint8_t)(format->feedback & known),
        .profile = {format->profile[0], format->profile[1], format->profile[2]},
        .level_asymmetry = format->level_asymmetry,
    };
}
