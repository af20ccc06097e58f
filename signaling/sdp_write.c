/* sdp_write.c - our offers and answers. */
#include "signaling/sdp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* In our offers. One payload type means one configuration in all of a bundle (RFC 9143 9.1), so
 * that slots with the same profile-level-id of H.264 share theirs and others have their own. RTX
 * has the next number. */
enum {
    PAYLOAD_TYPE_H264 = 96, /* and two more for each other profile */
    PAYLOAD_TYPE_VP8 = PAYLOAD_TYPE_H264 + 2 * BACKEND_STREAMS_MAX,
    PAYLOAD_TYPE_VP9 = PAYLOAD_TYPE_VP8 + 2,
    PAYLOAD_TYPE_AV1 = PAYLOAD_TYPE_VP9 + 2,
    PAYLOAD_TYPE_OPUS = PAYLOAD_TYPE_AV1 + 2,
};
enum { EXT_TRANSPORT_CC = 1, EXT_PLAYOUT_DELAY, EXT_MID, EXT_DEPENDENCY };

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

struct section_format {
    enum sdp_codec codec;
    uint8_t payload_type, rtx_payload_type; /* 0: no RTX */
    uint8_t feedback;
    uint8_t profile[3]; /* of H.264 */
    bool level_asymmetry;
};

/* One m-section of ours: what does not depend on whether we offer or answer. */
struct section {
    const struct backend_seat *seat;
    const char *mid, *protocol, *setup;
    int protocol_length;
    unsigned slot;
    bool audio;
    bool bundled; /* of an offer: with the first one, which alone has the candidates */
    unsigned n_formats;
    struct section_format formats[BACKEND_CODECS];
    struct sdp_extensions extensions;
    bool rtcp_rsize;
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
    if (ext->dependency != 0)
        put(w, "a=extmap:%u " SDP_URI_DEPENDENCY "\r\n", ext->dependency);
}

static void put_h264_parameters(struct writer *w, const struct section_format *f)
{
    put(w, "a=fmtp:%u %spacketization-mode=1;profile-level-id=%02x%02x%02x\r\n", f->payload_type,
        f->level_asymmetry ? "level-asymmetry-allowed=1;" : "", f->profile[0], f->profile[1],
        f->profile[2]);
}

static void put_format(struct writer *w, const struct section_format *f)
{
    static const char *const names[] = {
        [SDP_CODEC_H264] = "H264/90000",   [SDP_CODEC_VP8] = "VP8/90000",
        [SDP_CODEC_VP9] = "VP9/90000",     [SDP_CODEC_AV1] = "AV1/90000",
        [SDP_CODEC_OPUS] = "opus/48000/2",
    };
    unsigned type = f->payload_type;
    put(w, "a=rtpmap:%u %s\r\n", type, names[f->codec]);
    if (f->codec == SDP_CODEC_H264)
        put_h264_parameters(w, f);
    else if (f->codec == SDP_CODEC_VP9)
        put(w, "a=fmtp:%u profile-id=0\r\n", type);
    else if (f->codec == SDP_CODEC_AV1)
        put(w, "a=fmtp:%u profile=0\r\n", type);
    else if (f->codec == SDP_CODEC_OPUS) /* RFC 7587 6.1 */
        put(w, "a=fmtp:%u minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1\r\n", type);
    if (f->feedback & SDP_FEEDBACK_TRANSPORT_CC)
        put(w, "a=rtcp-fb:%u transport-cc\r\n", type);
    if (f->feedback & SDP_FEEDBACK_FIR)
        put(w, "a=rtcp-fb:%u ccm fir\r\n", type);
    if (f->feedback & SDP_FEEDBACK_NACK)
        put(w, "a=rtcp-fb:%u nack\r\n", type);
    if (f->feedback & SDP_FEEDBACK_PLI)
        put(w, "a=rtcp-fb:%u nack pli\r\n", type);
    if (f->rtx_payload_type != 0)
        put(w, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", f->rtx_payload_type,
            f->rtx_payload_type, type);
}

static void put_sources(struct writer *w, const struct section *s)
{
    bool rtx = false;
    for (unsigned i = 0; i < s->n_formats; i++)
        rtx |= s->formats[i].rtx_payload_type != 0;
    uint32_t rtx_ssrc = s->seat->video[s->slot].rtx_ssrc;
    uint32_t ssrc = s->audio ? s->seat->audio[s->slot].ssrc : s->seat->video[s->slot].ssrc;
    if (rtx)
        put(w, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n", ssrc, rtx_ssrc);
    put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", ssrc, s->seat->cname);
    if (rtx)
        put(w, "a=ssrc:%" PRIu32 " cname:%s\r\n", rtx_ssrc, s->seat->cname);
}

static void put_media_line(struct writer *w, const struct section *s)
{
    const struct backend_seat *seat = s->seat;
    const char *ip = seat->n_candidates > 0 ? seat->candidates[0].ip : "0.0.0.0";
    unsigned port = seat->n_candidates > 0 ? seat->candidates[0].port : 9;
    put(w, "m=%s %u %.*s", s->audio ? "audio" : "video", port, s->protocol_length, s->protocol);
    for (unsigned i = 0; i < s->n_formats; i++) {
        put(w, " %u", s->formats[i].payload_type);
        if (s->formats[i].rtx_payload_type != 0)
            put(w, " %u", s->formats[i].rtx_payload_type);
    }
    put(w, "\r\nc=IN %s %s\r\n", is_ipv6(ip) ? "IP6" : "IP4", ip);
}

/* A picture and its sound are of one media stream, so that players keep them together. */
static void put_section(struct writer *w, const struct section *s)
{
    put_media_line(w, s);
    if (s->mid[0] != '\0')
        put(w, "a=mid:%s\r\n", s->mid);
    put(w, "a=sendonly\r\na=msid:video%u %s%u\r\n", s->slot, s->audio ? "audio" : "video", s->slot);
    put_transport(w, s);
    put_extensions(w, &s->extensions);
    for (unsigned i = 0; i < s->n_formats; i++)
        put_format(w, &s->formats[i]);
    put_sources(w, s);
    if (!s->bundled)
        put_candidates(w, s->seat);
}

/* Of the payload types for H.264, which are by profile. */
static uint8_t h264_payload_type(const struct sdp_offered *offered, unsigned slot)
{
    unsigned others = 0;
    for (unsigned i = 0; memcmp(offered->profiles[i], offered->profiles[slot], 3) != 0; i++) {
        unsigned k = 0;
        while (memcmp(offered->profiles[k], offered->profiles[i], 3) != 0)
            k++;
        others += k == i;
    }
    return (uint8_t)(PAYLOAD_TYPE_H264 + 2 * others);
}

static void add_offered_format(struct section *s, const struct sdp_offered *offered,
                               enum backend_codec codec)
{
    static const uint8_t payload_types[] = {
        [BACKEND_VP8] = PAYLOAD_TYPE_VP8,
        [BACKEND_VP9] = PAYLOAD_TYPE_VP9,
        [BACKEND_AV1] = PAYLOAD_TYPE_AV1,
    };
    uint8_t payload_type =
        codec == BACKEND_H264 ? h264_payload_type(offered, s->slot) : payload_types[codec];
    s->formats[s->n_formats] = (struct section_format){
        .codec = (enum sdp_codec)codec,
        .payload_type = payload_type,
        .rtx_payload_type = (uint8_t)(payload_type + 1),
        .feedback =
            SDP_FEEDBACK_NACK | SDP_FEEDBACK_PLI | SDP_FEEDBACK_FIR | SDP_FEEDBACK_TRANSPORT_CC,
        .level_asymmetry = true,
    };
    memcpy(s->formats[s->n_formats++].profile, offered->profiles[s->slot], 3);
}

/* What the slot carries now comes first, or what others do: some peers take only that. */
static void add_offered_formats(struct section *s, const struct sdp_offered *offered,
                                const struct backend_room *room)
{
    enum backend_codec first = 0;
    if (room->streams[s->slot].active)
        first = room->streams[s->slot].codec;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && first == 0; i++)
        if (room->streams[i].active)
            first = room->streams[i].codec;
    first = first != 0 ? first : BACKEND_H264;
    add_offered_format(s, offered, first);
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++)
        if (c != first)
            add_offered_format(s, offered, c);
}

static void put_offered(struct writer *w, const struct backend_room *room,
                        const struct backend_seat *seat, const struct sdp_offered *offered,
                        unsigned index)
{
    char mid[12];
    bool audio = offered->media[index].audio;
    struct section s = {
        .seat = seat,
        .mid = mid,
        .protocol = "UDP/TLS/RTP/SAVPF",
        .protocol_length = 17,
        .setup = "actpass",
        .slot = offered->media[index].slot,
        .audio = audio,
        .bundled = index > 0,
        .extensions = {EXT_TRANSPORT_CC, audio ? 0 : EXT_PLAYOUT_DELAY, EXT_MID,
                       audio ? 0 : EXT_DEPENDENCY},
        .rtcp_rsize = true,
    };
    snprintf(mid, sizeof(mid), "%u", index);
    if (!audio)
        add_offered_formats(&s, offered, room);
    else
        s.formats[s.n_formats++] = (struct section_format){.codec = SDP_CODEC_OPUS,
                                                           .payload_type = PAYLOAD_TYPE_OPUS,
                                                           .feedback = SDP_FEEDBACK_TRANSPORT_CC};
    put_section(w, &s);
}

static const char *lite_line(const struct backend_seat *seat)
{
    return seat->full_ice ? "" : "a=ice-lite\r\n";
}

static int write_offer(char *out, size_t size, const struct backend_room *room,
                       const struct backend_seat *seat, const struct sdp_offered *offered)
{
    struct writer w = {.out = out, .size = size};
    put_session(&w, seat);
    put(&w, "a=group:BUNDLE");
    for (unsigned i = 0; i < offered->n_media; i++)
        put(&w, " %u", i);
    put(&w, "\r\n%sa=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n", lite_line(seat));
    for (unsigned i = 0; i < offered->n_media; i++)
        put_offered(&w, room, seat, offered, i);
    return finish(&w);
}

int sdp_write_offer(char *out, size_t size, const struct backend_room *room,
                    const struct backend_seat *seat)
{
    struct sdp_offered offered;
    sdp_note_offered(&offered, room);
    return write_offer(out, size, room, seat, &offered);
}

int sdp_write_sent(char *out, size_t size, const struct backend_room *room,
                   const struct backend_seat *seat)
{
    struct sdp_offered offered;
    sdp_note_sent(&offered, room);
    return write_offer(out, size, room, seat, &offered);
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

static void add_accepted_format(struct section *s, const struct sdp_media *media,
                                enum sdp_codec codec, uint8_t payload_type,
                                uint8_t rtx_payload_type)
{
    const struct sdp_format *format = format_of(media, payload_type);
    uint8_t known = codec == SDP_CODEC_OPUS ? SDP_FEEDBACK_TRANSPORT_CC : 0xff;
    s->formats[s->n_formats++] = (struct section_format){
        .codec = codec,
        .payload_type = payload_type,
        .rtx_payload_type = rtx_payload_type,
        .feedback = format->feedback & known,
        .profile = {format->profile[0], format->profile[1], format->profile[2]},
        .level_asymmetry = format->level_asymmetry,
    };
}

/* What the slot carries now comes first: some peers take only that. Of H.264 the profile is the
 * stream's own, where it is known. */
static void add_accepted_formats(struct section *s, const struct sdp_media *media,
                                 const struct backend_answer *plan, unsigned track,
                                 const struct backend_stream *stream)
{
    unsigned order[BACKEND_CODECS] = {stream->codec}, n = 1;
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++)
        if (c != stream->codec)
            order[n++] = c;
    for (unsigned i = 0; i < n; i++) {
        unsigned c = order[i];
        if (plan->tracks[track].formats[c].payload_type == 0)
            continue;
        add_accepted_format(s, media, (enum sdp_codec)c,
                            plan->tracks[track].formats[c].payload_type,
                            plan->tracks[track].formats[c].rtx_payload_type);
        if (c == BACKEND_H264 &&
            (stream->codec == BACKEND_H264 ||
             !format_of(media, s->formats[s->n_formats - 1].payload_type)->has_profile))
            sdp_h264_profile(s->formats[s->n_formats - 1].profile, stream);
    }
    if (plan->tracks[track].opus_payload_type != 0)
        add_accepted_format(s, media, SDP_CODEC_OPUS, plan->tracks[track].opus_payload_type, 0);
}

static void put_accepted(struct writer *w, const struct sdp_media *media,
                         const struct backend_room *room, const struct backend_seat *seat,
                         const struct backend_answer *plan, unsigned track)
{
    unsigned slot = plan->tracks[track].slot;
    const struct backend_stream *stream = &room->streams[slot];
    struct section s = {
        .seat = seat,
        .mid = plan->tracks[track].mid,
        .protocol = media->protocol.at,
        .protocol_length = (int)media->protocol.length,
        .setup = plan->dtls_client ? "active" : "passive",
        .slot = slot,
        .audio = plan->tracks[track].audio,
        .extensions = {plan->tracks[track].transport_cc_id, plan->tracks[track].playout_delay_id,
                       plan->tracks[track].mid_id, plan->tracks[track].dependency_id},
        .rtcp_rsize = media->rtcp_rsize,
    };
    add_accepted_formats(&s, media, plan, track, stream);
    put_section(w, &s);
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
