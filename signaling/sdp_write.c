/* sdp_write.c - our offers and answers. */
#include "signaling/sdp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PAYLOAD_TYPE_FIRST = 96, EXT_TRANSPORT_CC = 1, EXT_PLAYOUT_DELAY = 2, EXT_MID = 3 };

struct writer {
    char *out;
    size_t size, used;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
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

static int finish(const struct writer *w)
{
    return w->full ? -ENOSPC : (int)w->used;
}

/* One m-section of ours: what does not depend on whether we offer or answer. */
struct section {
    const struct backend_stream *stream;
    const struct backend_seat *seat;
    const char *mid, *protocol, *setup;
    int protocol_length;
    unsigned index; /* of the seat's track */
    uint8_t payload_type, rtx_payload_type, feedback;
    struct sdp_extensions extensions;
    bool rtcp_rsize, level_asymmetry;
};

/* RFC 3264 5 wants numeric session ids that do not repeat: the credentials of the seat do not. */
static uint64_t session_id(const struct backend_seat *seat)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = seat->ufrag; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    hash = (hash ^ seat->viewer_id) * 1099511628211u;
    return hash >> 2; /* RFC 9429 5.2.1: two high bits zero */
}

static void put_session(struct writer *w, const struct backend_seat *seat)
{
    put(w, "v=0\r\no=- %" PRIu64 " 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", session_id(seat));
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
static void put_tcp_candidate(struct writer *w, const struct backend_seat *seat, unsigned i)
{
    if (seat->candidates[i].tcp_port == 0)
        return;
    uint32_t local = 4u << 13 | (8191u - i);
    uint32_t priority = 90u << 24 | local << 8 | 255u;
    put(w, "a=candidate:%u 1 tcp %" PRIu32 " %s %u typ host tcptype passive\r\n",
        seat->n_candidates + foundation_of(seat, i), priority, seat->candidates[i].ip,
        (unsigned)seat->candidates[i].tcp_port);
}

static void put_candidates(struct writer *w, const struct backend_seat *seat)
{
    if (seat->full_ice)
        return; /* see sdp_add_candidate */
    for (unsigned i = 0; i < seat->n_candidates; i++) {
        /* RFC 8445 5.1.2.1: host candidates, component 1; earlier addresses preferred */
        uint32_t priority = 126u << 24 | (65535u - i) << 8 | 255u;
        put(w, "a=candidate:%u 1 udp %" PRIu32 " %s %u typ host\r\n", foundation_of(seat, i),
            priority, seat->candidates[i].ip, (unsigned)seat->candidates[i].port);
    }
    for (unsigned i = 0; i < seat->n_candidates; i++)
        put_tcp_candidate(w, seat, i);
    put(w, "a=end-of-candidates\r\n");
}

static void put_transport(struct writer *w, const struct section *s)
{
    put(w, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n", s->seat->ufrag,
        s->seat->pwd);
    put(w, "a=fingerprint:%s\r\na=setup:%s\r\n", s->seat->fingerprint, s->setup);
    put(w, "a=rtcp-mux\r\na=rtcp-mux-only\r\n");
    if (s->rtcp_rsize)
        put(w, "a=rtcp-rsize\r\n");
}

static void put_extensions(struct writer *w, const struct sdp_extensions *ext)
{
    if (ext->transport_cc != 0)
        put(w, "a=extmap:%u " SDP_URI_TRANSPORT_CC "\r\n", ext->transport_cc);
    if (ext->playout_delay != 0)
        put(w, "a=extmap:%u " SDP_URI_PLAYOUT_DELAY "\r\n", ext->playout_delay);
    if (ext->mid != 0)
        put(w, "a=extmap:%u " SDP_URI_MID "\r\n", ext->mid);
}

static void put_format(struct writer *w, const struct section *s)
{
    const uint8_t *profile = s->stream->h264_profile;
    unsigned type = s->payload_type;
    put(w,
        "a=rtpmap:%u H264/90000\r\na=fmtp:%u "
        "%spacketization-mode=1;profile-level-id=%02x%02x%02x\r\n",
        type, type, s->level_asymmetry ? "level-asymmetry-allowed=1;" : "", profile[0], profile[1],
        profile[2]);
    if (s->feedback & SDP_FEEDBACK_TRANSPORT_CC)
        put(w, "a=rtcp-fb:%u transport-cc\r\n", type);
    if (s->feedback & SDP_FEEDBACK_FIR)
        put(w, "a=rtcp-fb:%u ccm fir\r\n", type);
    if (s->feedback & SDP_FEEDBACK_NACK)
        put(w, "a=rtcp-fb:%u nack\r\n", type);
    if (s->feedback & SDP_FEEDBACK_PLI)
        put(w, "a=rtcp-fb:%u nack pli\r\n", type);
    if (s->rtx_payload_type != 0)
        put(w, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", s->rtx_payload_type,
            s->rtx_payload_type, type);
}

static void put_sources(struct writer *w, const struct section *s)
{
    uint32_t ssrc = s->seat->tracks[s->index].ssrc, rtx = s->seat->tracks[s->index].rtx_ssrc;
    if (s->rtx_payload_type != 0)
        put(w, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n", ssrc, rtx);
    put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", ssrc, s->seat->cname);
    if (s->rtx_payload_type != 0)
        put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", rtx, s->seat->cname);
}

static void put_section(struct writer *w, const struct section *s)
{
    const struct backend_seat *seat = s->seat;
    const char *ip = seat->n_candidates > 0 ? seat->candidates[0].ip : "0.0.0.0";
    unsigned port = seat->n_candidates > 0 ? seat->candidates[0].port : 9;
    put(w, "m=video %u %.*s %u", port, s->protocol_length, s->protocol, s->payload_type);
    if (s->rtx_payload_type != 0)
        put(w, " %u", s->rtx_payload_type);
    put(w, "\r\nc=IN %s %s\r\n", is_ipv6(ip) ? "IP6" : "IP4", ip);
    if (s->mid[0] != '\0')
        put(w, "a=mid:%s\r\n", s->mid);
    put(w, "a=sendonly\r\n");
    put_transport(w, s);
    put_extensions(w, &s->extensions);
    put(w, "a=msid:%s %s\r\n", s->stream->track_id, s->stream->track_id);
    put_format(w, s);
    put_sources(w, s);
    put_candidates(w, seat);
}

static unsigned first_alike(const struct backend_room *room, unsigned stream)
{
    unsigned i = 0;
    while (memcmp(room->streams[i].h264_profile, room->streams[stream].h264_profile, 3) != 0)
        i++;
    return i;
}

/* One payload type means one configuration in all of a bundle (RFC 9143 9.1), so that streams with
 * the same profile-level-id share theirs and others have their own. */
static uint8_t payload_type_of(const struct backend_room *room, unsigned stream)
{
    unsigned first = first_alike(room, stream), others = 0;
    for (unsigned i = 0; i < first; i++)
        others += first_alike(room, i) == i;
    return (uint8_t)(PAYLOAD_TYPE_FIRST + 2 * others);
}

static const char *lite_line(const struct backend_seat *seat)
{
    return seat->full_ice ? "" : "a=ice-lite\r\n";
}

int sdp_write_offer(char *out, size_t size, const struct backend_room *room,
                    const struct backend_seat *seat)
{
    struct writer w = {.out = out, .size = size};
    put_session(&w, seat);
    put(&w, "a=group:BUNDLE");
    for (unsigned i = 0; i < room->n_streams; i++)
        put(&w, " %u", i);
    put(&w, "\r\n%sa=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n", lite_line(seat));
    for (unsigned i = 0; i < room->n_streams; i++) {
        char mid[12];
        snprintf(mid, sizeof(mid), "%u", i);
        uint8_t payload_type = payload_type_of(room, i);
        put_section(&w, &(struct section){
                            .stream = &room->streams[i],
                            .seat = seat,
                            .mid = mid,
                            .protocol = "UDP/TLS/RTP/SAVPF",
                            .protocol_length = 17,
                            .setup = "actpass",
                            .index = i,
                            .payload_type = payload_type,
                            .rtx_payload_type = (uint8_t)(payload_type + 1),
                            .feedback = SDP_FEEDBACK_NACK | SDP_FEEDBACK_PLI | SDP_FEEDBACK_FIR |
                                        SDP_FEEDBACK_TRANSPORT_CC,
                            .extensions = {EXT_TRANSPORT_CC, EXT_PLAYOUT_DELAY, EXT_MID},
                            .rtcp_rsize = true,
                            .level_asymmetry = true,
                        });
    }
    return finish(&w);
}

/* An m-line that we do not serve keeps its place with port 0 (RFC 3264 6). */
static void put_rejected(struct writer *w, const struct sdp_media *media)
{
    put(w, "m=%.*s 0 %.*s %.*s\r\nc=IN IP4 0.0.0.0\r\n", (int)media->kind.length, media->kind.at,
        (int)media->protocol.length, media->protocol.at, (int)media->first_format.length,
        media->first_format.at);
    if (media->mid.at)
        put(w, "a=mid:%.*s\r\n", (int)media->mid.length, media->mid.at);
    put(w, "a=inactive\r\n");
}

static const struct sdp_format *format_of(const struct sdp_media *media, uint8_t payload_type)
{
    unsigned i = 0;
    while (i + 1 < media->n_formats && media->formats[i].payload_type != payload_type)
        i++;
    return &media->formats[i];
}

static void put_accepted(struct writer *w, const struct sdp_media *media,
                         const struct backend_room *room, const struct backend_seat *seat,
                         const struct backend_answer *plan, unsigned track)
{
    unsigned stream = plan->tracks[track].stream;
    const struct sdp_format *format = format_of(media, plan->tracks[track].payload_type);
    put_section(
        w, &(struct section){
               .stream = &room->streams[stream],
               .seat = seat,
               .mid = plan->tracks[track].mid,
               .protocol = media->protocol.at,
               .protocol_length = (int)media->protocol.length,
               .setup = plan->dtls_client ? "active" : "passive",
               .index = stream,
               .payload_type = plan->tracks[track].payload_type,
               .rtx_payload_type = plan->tracks[track].rtx_payload_type,
               .feedback = format->feedback,
               .extensions = {plan->tracks[track].transport_cc_id,
                              plan->tracks[track].playout_delay_id, plan->tracks[track].mid_id},
               .rtcp_rsize = media->rtcp_rsize,
               .level_asymmetry = format->level_asymmetry,
           });
}

int sdp_write_answer(char *out, size_t size, const struct sdp *offer,
                     const struct backend_room *room, const struct backend_seat *seat,
                     const struct backend_answer *plan, const struct sdp_places *places)
{
    struct writer w = {.out = out, .size = size};
    put_session(&w, seat);
    if (offer->media[places->media[0]].bundled) {
        put(&w, "a=group:BUNDLE");
        for (unsigned i = 0; i < plan->n_tracks; i++)
            put(&w, " %s", plan->tracks[i].mid);
        put(&w, "\r\n");
    }
    put(&w, "%sa=msid-semantic: WMS *\r\n", lite_line(seat));
    if (offer->extmap_allow_mixed)
        put(&w, "a=extmap-allow-mixed\r\n");
    unsigned track = 0;
    for (unsigned i = 0; i < offer->n_media; i++) {
        if (track < plan->n_tracks && places->media[track] == i)
            put_accepted(&w, &offer->media[i], room, seat, plan, track++);
        else
            put_rejected(&w, &offer->media[i]);
    }
    return finish(&w);
}
