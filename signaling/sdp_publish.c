/* sdp_publish.c - what we take of a publisher's offer, and our answer to it (RFC 8851-8853). */
#include "signaling/sdp_agree.h"
#include "signaling/sdp_section.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TAKEN_FEEDBACK = 0xff };

/* What viewers are told when nothing is known: every browser plays it. Of the lowest level, since
 * a publisher's own is no limit to what we pass on. */
static const uint8_t h264_preferred[3] = {0x42, 0xe0, 0x0a};
#define H264_LEVEL_MAX 0x34 /* 5.2 */

/* Cuts the part before the first `separator` off `rest`; all of it when there is none. */
static struct sdp_text cut(struct sdp_text *rest, char separator)
{
    struct sdp_text part = *rest;
    const char *end = rest->length > 0 ? memchr(rest->at, separator, rest->length) : NULL;
    part.length = end ? (size_t)(end - part.at) : rest->length;
    size_t skip = part.length + (end != NULL);
    *rest = (struct sdp_text){rest->length > 0 ? rest->at + skip : rest->at, rest->length - skip};
    return part;
}

static bool is_same(struct sdp_text a, struct sdp_text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* --- simulcast ----------------------------------------------------------------------------------
 */

/* RFC 8852 3.1: letters and digits; older programs use '-' and '_' too. */
static bool is_rid(struct sdp_text id)
{
    for (size_t i = 0; i < id.length; i++) {
        char c = id.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return id.length > 0 && id.length < BACKEND_RID_MAX;
}

static bool is_taken_type(const struct backend_publish_track *track, struct sdp_text number)
{
    char text[8];
    for (unsigned c = 0; c < BACKEND_CODECS; c++) {
        snprintf(text, sizeof(text), "%u", track->formats[c].payload_type);
        if (track->formats[c].payload_type != 0 && sdp_text_is(number, text))
            return true;
    }
    return false;
}

/* The payload types of its pt= that we take, comma-separated. False: it has some, but none of
 * these. "": it has no pt=. */
static bool types_of(char out[64], const struct sdp_rid *rid,
                     const struct backend_publish_track *track)
{
    struct sdp_text rest = rid->restrictions;
    out[0] = '\0';
    while (rest.length > 0) {
        struct sdp_text value = cut(&rest, ';');
        if (!sdp_text_is(cut(&value, '='), "pt"))
            continue;
        size_t used = 0;
        while (value.length > 0 && used < 56) {
            struct sdp_text number = cut(&value, ',');
            if (is_taken_type(track, number))
                used += (size_t)snprintf(out + used, 64 - used, "%s%.*s", used > 0 ? "," : "",
                                         (int)number.length, number.at);
        }
        return used > 0;
    }
    return true;
}

static const struct sdp_rid *rid_of(const struct sdp_media *media, struct sdp_text id)
{
    for (unsigned i = 0; i < media->n_rids; i++)
        if (is_same(media->rids[i].id, id))
            return &media->rids[i];
    return NULL;
}

struct layer {
    const struct sdp_rid *rid;
    bool paused; /* offered with "~": it may begin to send later (RFC 8853 5.2) */
    char types[64];
};

/* The next layer of a=simulcast that can be taken, in the order of the offer; of alternatives the
 * first one (RFC 8853 5.3.2: an answer may leave out any). False: there are no more. */
static bool next_layer(struct layer *out, struct sdp_text *rest, const struct sdp_media *media,
                       const struct backend_publish_track *track)
{
    while (rest->length > 0) {
        struct sdp_text alternatives = cut(rest, ';');
        while (alternatives.length > 0) {
            struct sdp_text id = cut(&alternatives, ',');
            out->paused = id.length > 0 && id.at[0] == '~';
            if (out->paused)
                id = (struct sdp_text){id.at + 1, id.length - 1};
            out->rid = is_rid(id) ? rid_of(media, id) : NULL;
            if (out->rid && types_of(out->types, out->rid, track))
                return true;
        }
    }
    return false;
}

static bool is_text(struct sdp_text text, const char *other)
{
    return text.length == strlen(other) && memcmp(text.at, other, text.length) == 0;
}

static bool has_layer(const struct backend_publish_track *track, struct sdp_text id)
{
    for (unsigned i = 0; i < track->n_rids; i++)
        if (is_text(id, track->rids[i]))
            return true;
    return false;
}

/* Without the header extension there is no telling the layers apart: then there is one. */
static void take_layers(struct backend_publish_track *track, const struct sdp_media *media)
{
    struct sdp_text rest = media->simulcast;
    struct layer layer;
    if (track->rid_id == 0)
        return;
    while (track->n_rids < BACKEND_LAYERS_MAX && next_layer(&layer, &rest, media, track))
        if (!has_layer(track, layer.rid->id))
            sdp_copy_text(track->rids[track->n_rids++], layer.rid->id);
}

/* a=rid and a=simulcast of the answer: the same order, and the same pauses. */
static void put_layers(struct sdp_writer *w, const struct sdp_media *media,
                       const struct backend_publish_track *track)
{
    struct sdp_text rest = media->simulcast;
    struct layer layer;
    char line[BACKEND_LAYERS_MAX * (BACKEND_RID_MAX + 2)];
    struct sdp_writer list = {.out = line, .size = sizeof(line)};
    unsigned n = 0;
    line[0] = '\0';
    while (n < track->n_rids && next_layer(&layer, &rest, media, track)) {
        if (!is_text(layer.rid->id, track->rids[n]))
            continue; /* a second time */
        sdp_put(&list, "%s%s%s", n > 0 ? ";" : "", layer.paused ? "~" : "", track->rids[n]);
        sdp_put(w, "a=rid:%s recv%s%s\r\n", track->rids[n], layer.types[0] ? " pt=" : "",
                layer.types);
        n++;
    }
    if (n > 0)
        sdp_put(w, "a=simulcast:recv %s\r\n", line);
}

/* --- what is taken ------------------------------------------------------------------------------
 */

/* RFC 3264 8.2: a port of zero is an m-line that is not in use. */
static bool sends(const struct sdp_media *media)
{
    bool offered = media->direction == SDP_SENDONLY || media->direction == SDP_SENDRECV;
    return offered && (media->port != 0 || media->bundle_only);
}

static bool take_formats(struct backend_publish_track *track, const struct sdp_media *media)
{
    bool any = false;
    if (media->is_audio) {
        track->opus_payload_type = sdp_opus_of(media);
        return track->opus_payload_type != 0;
    }
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++) {
        const struct sdp_format *format = sdp_best_format(media, c, h264_preferred);
        if (!format)
            continue;
        track->formats[c].payload_type = format->payload_type;
        track->formats[c].rtx_payload_type = sdp_rtx_of(media, format->payload_type);
        any = true;
    }
    return any;
}

/* Of all the formats that are taken. */
static uint8_t feedback_of(const struct backend_publish_track *track, const struct sdp_media *media)
{
    uint8_t feedback = 0;
    if (track->audio)
        return sdp_format_of(media, track->opus_payload_type)->feedback;
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++)
        if (track->formats[c].payload_type != 0)
            feedback |= sdp_format_of(media, track->formats[c].payload_type)->feedback;
    return feedback;
}

static void take_feedback(struct backend_publish_track *track, const struct sdp_media *media)
{
    const struct sdp_extensions *ext = &media->extensions;
    uint8_t feedback = feedback_of(track, media);
    track->nack = feedback & SDP_FEEDBACK_NACK;
    track->remb = feedback & SDP_FEEDBACK_REMB;
    track->transport_cc = feedback & SDP_FEEDBACK_TRANSPORT_CC && ext->transport_cc != 0;
    track->transport_cc_id = track->transport_cc ? ext->transport_cc : 0;
    track->mid_id = media->mid.at ? ext->mid : 0;
    track->abs_send_time_id = ext->abs_send_time;
    track->rid_id = track->audio ? 0 : ext->rid;
    track->repaired_rid_id = track->audio ? 0 : ext->repaired_rid;
    track->dependency_id = track->audio ? 0 : ext->dependency;
}

/* The one source of an m-line without layers, as far as it is told. */
static void take_sources(struct backend_publish_track *track, const struct sdp_media *media)
{
    if (track->n_rids > 0 || media->n_ssrcs == 0)
        return;
    track->ssrc = media->n_repairs > 0 ? media->repairs[0].ssrc : media->ssrcs[0];
    track->rtx_ssrc = media->n_repairs > 0 ? media->repairs[0].rtx_ssrc : 0;
}

static void take_track_id(struct backend_publish_track *track, struct sdp_text id)
{
    for (size_t i = 0; i < id.length; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~')
            return;
    if (id.length < sizeof(track->track_id))
        sdp_copy_text(track->track_id, id);
}

/* The slot of a picture; of sound, the picture's that it belongs to. Negative: there is none. */
static int slot_of(const struct backend_publication *out, const struct sdp_places *places,
                   const struct sdp *offer, const struct sdp_media *media,
                   const struct sdp_publish_wish *wish)
{
    unsigned taken = 0, heard = 0, seen = 0;
    for (unsigned i = 0; i < out->n_tracks; i++) {
        taken |= 1u << out->tracks[i].slot;
        *(out->tracks[i].audio ? &heard : &seen) |= 1u << out->tracks[i].slot;
    }
    if (media->is_video || seen == 0)
        return wish->slot(wish->arg, taken);
    int any = -1;
    for (unsigned i = 0; i < out->n_tracks; i++) {
        const struct backend_publish_track *t = &out->tracks[i];
        if (t->audio || heard & 1u << t->slot)
            continue;
        if (media->msid.length > 0 && is_same(offer->media[places->media[i]].msid, media->msid))
            return (int)t->slot;
        any = any < 0 ? (int)t->slot : any;
    }
    return any;
}

static void take_title(struct backend_publish_track *track, struct sdp_text title)
{
    size_t n = title.length < sizeof(track->title) ? title.length : sizeof(track->title) - 1;
    if (n > 0)
        memcpy(track->title, title.at, n);
}

static int take_media(struct backend_publication *out, struct sdp_places *places,
                      const struct sdp *offer, unsigned i, const struct sdp_publish_wish *wish)
{
    const struct sdp_media *media = &offer->media[i];
    struct backend_publish_track *track = &out->tracks[out->n_tracks];
    memset(track, 0, sizeof(*track));
    track->audio = media->is_audio;
    if (!take_formats(track, media))
        return -ENOTSUP;
    int slot = slot_of(out, places, offer, media, wish);
    if (slot < 0)
        return -ENOSPC;
    track->slot = (unsigned)slot;
    sdp_copy_text(track->mid, media->mid);
    take_track_id(track, media->track_id);
    take_title(track, media->title);
    take_feedback(track, media);
    if (media->is_video)
        take_layers(track, media);
    take_sources(track, media);
    places->media[out->n_tracks++] = (uint8_t)i;
    return 0;
}

/* One kind of m-lines. 0, or what was wrong with the last one that was left out. */
static int take_kind(struct backend_publication *out, struct sdp_places *places,
                     const struct sdp *offer, const struct sdp_publish_wish *wish, bool audio)
{
    int left_out = 0;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *media = &offer->media[i];
        const struct sdp_media *first = out->n_tracks > 0 ? &offer->media[places->media[0]] : NULL;
        if ((audio ? !media->is_audio : !media->is_video) || !sends(media))
            continue;
        bool together = sdp_is_together(media, first);
        int status = together ? take_media(out, places, offer, i, wish) : -ENOTSUP;
        left_out = status != 0 ? status : left_out;
    }
    return left_out;
}

/* Rising by m-line: answers are written in that order. */
static void sort_tracks(struct backend_publication *out, struct sdp_places *places)
{
    for (unsigned i = 1; i < out->n_tracks; i++) {
        struct backend_publish_track track = out->tracks[i];
        uint8_t place = places->media[i];
        unsigned k = i;
        for (; k > 0 && places->media[k - 1] > place; k--) {
            out->tracks[k] = out->tracks[k - 1];
            places->media[k] = places->media[k - 1];
        }
        out->tracks[k] = track;
        places->media[k] = place;
    }
}

static int no_fit(int status, char *error, size_t size)
{
    snprintf(error, size, "%s",
             status == -ENOSPC
                 ? "there is no place left in this room for another picture"
                 : "an m-line that sends has no codec that is taken here (H.264 with "
                   "packetization-mode=1 that browsers play, VP8, VP9 profile 0, AV1 main; Opus), "
                   "or is not of one DTLS-SRTP bundle");
    return status;
}

int sdp_take_publish_offer(struct backend_publication *out, struct sdp_places *places,
                           const struct sdp *offer, const struct sdp_publish_wish *wish,
                           char *error, size_t error_size)
{
    memset(out, 0, sizeof(*out));
    memset(places, 0, sizeof(*places));
    int video = take_kind(out, places, offer, wish, false);
    int audio = take_kind(out, places, offer, wish, true);
    int left_out = video != 0 ? video : audio;
    if (left_out != 0 && (wish->whole || out->n_tracks == 0))
        return no_fit(left_out, error, error_size);
    if (out->n_tracks == 0) {
        snprintf(error, error_size, "the offer has no m=video or m=audio that sends");
        return -ENOTSUP;
    }
    sort_tracks(out, places);
    for (unsigned i = 0; i < out->n_tracks; i++)
        if (!sdp_has_rtcp_mux(offer, &offer->media[places->media[i]]))
            return sdp_refuse(error, error_size,
                              "the offer has no a=rtcp-mux, and there is one port only");
    const struct sdp_agreed agreed = {out->ufrag, out->pwd, &out->dtls_client, &out->n_fingerprints,
                                      out->fingerprints};
    return sdp_take_transport(&agreed, offer, &offer->media[places->media[0]], false, error,
                              error_size);
}

/* --- the answer ---------------------------------------------------------------------------------
 */

/* RFC 6184 8.2.2: with asymmetry the level is what we can receive, which is any; some encoders
 * slow down to the level that they are told. */
static void raise_level(struct sdp_section_format *format, bool has_profile)
{
    if (!has_profile)
        memcpy(format->profile, h264_preferred, 3);
    if ((format->level_asymmetry || !has_profile) && format->profile[2] < H264_LEVEL_MAX)
        format->profile[2] = H264_LEVEL_MAX;
}

/* In the order of the offer, which is the publisher's preference (RFC 3264 6.1). */
static void accept_formats(struct sdp_section *s, const struct sdp_media *media,
                           const struct backend_publish_track *track)
{
    uint8_t known = TAKEN_FEEDBACK;
    if (!track->transport_cc)
        known &= (uint8_t)~SDP_FEEDBACK_TRANSPORT_CC;
    for (unsigned i = 0; i < media->n_formats; i++) {
        const struct sdp_format *format = &media->formats[i];
        uint8_t type = format->payload_type;
        if (track->audio && type == track->opus_payload_type)
            sdp_accept_format(s, media, SDP_CODEC_OPUS, type, 0, known);
        unsigned c = format->codec;
        if (track->audio || c < BACKEND_H264 || c >= BACKEND_CODECS ||
            type != track->formats[c].payload_type)
            continue;
        sdp_accept_format(s, media, (enum sdp_codec)c, type, track->formats[c].rtx_payload_type,
                          known);
        if (c == BACKEND_H264)
            raise_level(&s->formats[s->n_formats - 1], format->has_profile);
    }
}

static void put_accepted(struct sdp_writer *w, const struct sdp_media *media,
                         const struct backend_seat *seat, const struct backend_publication *plan,
                         unsigned i)
{
    const struct backend_publish_track *track = &plan->tracks[i];
    char lines[512] = "";
    struct sdp_writer layers = {.out = lines, .size = sizeof(lines)};
    struct sdp_section s = {
        .seat = seat,
        .mid = track->mid,
        .protocol = media->protocol.at,
        .protocol_length = (int)media->protocol.length,
        .setup = plan->dtls_client ? "active" : "passive",
        .slot = track->slot,
        .audio = track->audio,
        .bundled = i > 0,
        .receives = true,
        .extensions = {.transport_cc = track->transport_cc_id,
                       .mid = track->mid_id,
                       .dependency = track->dependency_id,
                       .rid = track->rid_id,
                       .repaired_rid = track->repaired_rid_id,
                       .abs_send_time = track->abs_send_time_id},
        .rtcp_rsize = media->rtcp_rsize,
        .layers = lines,
    };
    accept_formats(&s, media, track);
    put_layers(&layers, media, track);
    sdp_put_section(w, &s);
}

int sdp_write_publish_answer(char *out, size_t size, const struct sdp *offer,
                             const struct backend_seat *seat,
                             const struct backend_publication *plan,
                             const struct sdp_places *places)
{
    struct sdp_writer w = {.out = out, .size = size};
    unsigned track = 0;
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
    for (unsigned i = 0; i < offer->n_media; i++) {
        if (track < plan->n_tracks && places->media[track] == i)
            put_accepted(&w, &offer->media[i], seat, plan, track++);
        else
            sdp_put_rejected(&w, &offer->media[i]);
    }
    return sdp_finish(&w);
}
