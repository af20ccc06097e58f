/* sdp_write.c - our offers and answers. */
#include "signaling/sdp_section.h"

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
    PAYLOAD_TYPE_RED,
};
enum {
    SENDER_FEEDBACK =
        SDP_FEEDBACK_NACK | SDP_FEEDBACK_PLI | SDP_FEEDBACK_FIR | SDP_FEEDBACK_TRANSPORT_CC
};
enum { EXT_TRANSPORT_CC = 1, EXT_PLAYOUT_DELAY, EXT_MID, EXT_DEPENDENCY };

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

static void add_offered_format(struct sdp_section *s, const struct sdp_offered *offered,
                               enum backend_codec codec)
{
    static const uint8_t payload_types[] = {
        [BACKEND_VP8] = PAYLOAD_TYPE_VP8,
        [BACKEND_VP9] = PAYLOAD_TYPE_VP9,
        [BACKEND_AV1] = PAYLOAD_TYPE_AV1,
    };
    uint8_t payload_type =
        codec == BACKEND_H264 ? h264_payload_type(offered, s->slot) : payload_types[codec];
    s->formats[s->n_formats] = (struct sdp_section_format){
        .codec = (enum sdp_codec)codec,
        .payload_type = payload_type,
        .rtx_payload_type = (uint8_t)(payload_type + 1),
        .feedback = SENDER_FEEDBACK,
        .level_asymmetry = true,
    };
    memcpy(s->formats[s->n_formats++].profile, offered->profiles[s->slot], 3);
}

/* What the slot carries now comes first, or what others do: some peers take only that. */
static void add_offered_formats(struct sdp_section *s, const struct sdp_offered *offered,
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

static const char *title_of(const struct backend_stream *stream)
{
    return stream->window_name[0] ? stream->window_name : stream->app_name;
}

static void put_offered(struct sdp_writer *w, const struct backend_room *room,
                        const struct backend_seat *seat, const struct sdp_offered *offered,
                        unsigned index)
{
    char mid[12];
    bool audio = offered->media[index].audio;
    struct sdp_section s = {
        .seat = seat,
        .mid = mid,
        .protocol = "UDP/TLS/RTP/SAVPF",
        .protocol_length = 17,
        .setup = "actpass",
        .slot = offered->media[index].slot,
        .audio = audio,
        .bundled = index > 0,
        .extensions = {.transport_cc = EXT_TRANSPORT_CC,
                       .playout_delay = audio ? 0 : EXT_PLAYOUT_DELAY,
                       .mid = EXT_MID,
                       .dependency = audio ? 0 : EXT_DEPENDENCY},
        .rtcp_rsize = true,
        .reference_time = !audio,
    };
    snprintf(mid, sizeof(mid), "%u", index);
    /* viewers read names in messages, where they change */
    if (offered->full_ice && !audio)
        s.title = title_of(&room->streams[s.slot]);
    if (!audio)
        add_offered_formats(&s, offered, room);
    else
        s.formats[s.n_formats++] = (struct sdp_section_format){
            .codec = SDP_CODEC_OPUS,
            .payload_type = PAYLOAD_TYPE_OPUS,
            /* a server is given what every server takes */
            .red_payload_type = offered->full_ice ? 0 : PAYLOAD_TYPE_RED,
            .feedback = SDP_FEEDBACK_TRANSPORT_CC};
    sdp_put_section(w, &s);
}

static int write_offer(char *out, size_t size, const struct backend_room *room,
                       const struct backend_seat *seat, const struct sdp_offered *offered)
{
    struct sdp_writer w = {.out = out, .size = size};
    sdp_put_session(&w, seat);
    sdp_put(&w, "a=group:BUNDLE");
    for (unsigned i = 0; i < offered->n_media; i++)
        sdp_put(&w, " %u", i);
    sdp_put(&w, "\r\n%sa=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n", sdp_lite_line(seat));
    for (unsigned i = 0; i < offered->n_media; i++)
        put_offered(&w, room, seat, offered, i);
    return sdp_finish(&w);
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

/* What the slot carries now comes first: some peers take only that. Of H.264 the profile is the
 * stream's own, where it is known. */
static void add_accepted_formats(struct sdp_section *s, const struct sdp_media *media,
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
        sdp_accept_format(s, media, (enum sdp_codec)c, plan->tracks[track].formats[c].payload_type,
                          plan->tracks[track].formats[c].rtx_payload_type, SENDER_FEEDBACK);
        if (c == BACKEND_H264 &&
            (stream->codec == BACKEND_H264 ||
             !sdp_format_of(media, s->formats[s->n_formats - 1].payload_type)->has_profile))
            sdp_h264_profile(s->formats[s->n_formats - 1].profile, stream);
    }
    if (plan->tracks[track].opus_payload_type == 0)
        return;
    sdp_accept_format(s, media, SDP_CODEC_OPUS, plan->tracks[track].opus_payload_type, 0,
                      SDP_FEEDBACK_TRANSPORT_CC);
    s->formats[s->n_formats - 1].red_payload_type = plan->tracks[track].red_payload_type;
}

static void put_accepted(struct sdp_writer *w, const struct sdp_media *media,
                         const struct backend_room *room, const struct backend_seat *seat,
                         const struct backend_answer *plan, unsigned track)
{
    unsigned slot = plan->tracks[track].slot;
    const struct backend_stream *stream = &room->streams[slot];
    struct sdp_section s = {
        .seat = seat,
        .mid = plan->tracks[track].mid,
        .protocol = media->protocol.at,
        .protocol_length = (int)media->protocol.length,
        .setup = plan->dtls_client ? "active" : "passive",
        .slot = slot,
        .audio = plan->tracks[track].audio,
        .extensions = {.transport_cc = plan->tracks[track].transport_cc_id,
                       .playout_delay = plan->tracks[track].playout_delay_id,
                       .mid = plan->tracks[track].mid_id,
                       .dependency = plan->tracks[track].dependency_id},
        .rtcp_rsize = media->rtcp_rsize,
        /* of one m-line's kind alone, as in offers: a viewer's last reference is what is answered
         */
        .reference_time = media->reference_time && media->is_video,
    };
    add_accepted_formats(&s, media, plan, track, stream);
    sdp_put_section(w, &s);
}

int sdp_write_answer(char *out, size_t size, const struct sdp *offer,
                     const struct backend_room *room, const struct backend_seat *seat,
                     const struct backend_answer *plan, const struct sdp_places *places)
{
    struct sdp_writer w = {.out = out, .size = size};
    sdp_put_session(&w, seat);
    if (offer->media[places->media[0]].bundled) {
        sdp_put(&w, "a=group:BUNDLE");
        for (unsigned i = 0; i < plan->n_tracks; i++)
            sdp_put(&w, " %s", plan->tracks[i].mid);
        sdp_put(&w, "\r\n");
    }
    sdp_put(&w, "%sa=msid-semantic: WMS *\r\n", sdp_lite_line(seat));
    if (offer->extmap_allow_mixed)
        sdp_put(&w, "a=extmap-allow-mixed\r\n");
    unsigned track = 0;
    for (unsigned i = 0; i < offer->n_media; i++) {
        if (track < plan->n_tracks && places->media[track] == i)
            put_accepted(&w, &offer->media[i], room, seat, plan, track++);
        else
            sdp_put_rejected(&w, &offer->media[i]);
    }
    return sdp_finish(&w);
}
