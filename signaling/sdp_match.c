/* sdp_match.c - what a peer's description and our streams have in common (RFC 3264, 6184, 9143). */
#include "signaling/sdp_agree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum h264_profile {
    H264_CONSTRAINED_BASELINE = 1,
    H264_BASELINE,
    H264_MAIN,
    H264_EXTENDED,
    H264_HIGH,
    H264_CONSTRAINED_HIGH,
    H264_OTHER,
};

/* RFC 6184 8.1, table 5: the constraint bits tell constrained baseline from three profile_idc. */
static enum h264_profile profile_of(const uint8_t id[3])
{
    static const struct {
        uint8_t idc, mask, bits;
        enum h264_profile profile;
    } rows[] = {
        {0x42, 0x4f, 0x40, H264_CONSTRAINED_BASELINE},
        {0x4d, 0x8f, 0x80, H264_CONSTRAINED_BASELINE},
        {0x58, 0xcf, 0xc0, H264_CONSTRAINED_BASELINE},
        {0x42, 0x4f, 0x00, H264_BASELINE},
        {0x58, 0xcf, 0x80, H264_BASELINE},
        {0x4d, 0xaf, 0x00, H264_MAIN},
        {0x58, 0xcf, 0x00, H264_EXTENDED},
        {0x64, 0xff, 0x00, H264_HIGH},
        {0x64, 0xff, 0x0c, H264_CONSTRAINED_HIGH},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (id[0] == rows[i].idc && (id[1] & rows[i].mask) == rows[i].bits)
            return rows[i].profile;
    return H264_OTHER;
}

/* level_idc in steps that compare; 1b (level 11 with constraint_set3) lies between 1 and 1.1. */
static unsigned level_of(const uint8_t id[3])
{
    bool low_profile = id[0] == 0x42 || id[0] == 0x4d || id[0] == 0x58;
    return low_profile && id[2] == 11 && (id[1] & 0x10) ? 105 : id[2] * 10u;
}

/* A decoder of the second profile plays streams of the first (H.264 A.2); more is nearer. */
static int profile_fit(const uint8_t stream[3], const uint8_t peer[3])
{
    static const struct {
        enum h264_profile stream, peer;
        int fit;
    } rows[] = {
        {H264_CONSTRAINED_BASELINE, H264_BASELINE, 6},
        {H264_CONSTRAINED_BASELINE, H264_MAIN, 5},
        {H264_CONSTRAINED_BASELINE, H264_CONSTRAINED_HIGH, 4},
        {H264_CONSTRAINED_BASELINE, H264_HIGH, 4},
        {H264_MAIN, H264_HIGH, 4},
        {H264_CONSTRAINED_HIGH, H264_HIGH, 6},
    };
    enum h264_profile a = profile_of(stream), b = profile_of(peer);
    if (a == H264_OTHER || b == H264_OTHER)
        return stream[0] == peer[0] && stream[1] == peer[1] ? 8 : 0;
    if (a == b)
        return 8;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].stream == a && rows[i].peer == b)
            return rows[i].fit;
    return 0;
}

static const uint8_t h264_default[3] = {0x42, 0xe0, 0x1f};

void sdp_h264_profile(uint8_t out[3], const struct backend_stream *slot)
{
    bool known = slot->active && slot->codec == BACKEND_H264;
    memcpy(out, known ? slot->h264_profile : h264_default, 3);
}

int sdp_h264_fit(const uint8_t stream[3], const struct sdp_format *format)
{
    if (format->codec != SDP_CODEC_H264)
        return 0;
    /* A receiver that says nothing about its format takes what comes, and pipelines built from caps
     * say nothing. RFC 6184 8.1 would make that mode 0 and level 1, which plays nowhere. */
    if (!format->has_fmtp)
        return 1;
    if (format->packetization_mode != 1)
        return 0;
    if (!format->has_profile)
        return 2;
    if (!format->level_asymmetry && level_of(stream) > level_of(format->profile))
        return 0; /* RFC 6184 8.2.2: then its level is a limit */
    return profile_fit(stream, format->profile);
}

/* How well a format suits a codec of ours, 0: not at all. Where a profile is named it has to be the
 * first one, the only one we send of these (RFC 9628 6.1, AV1 RTP 7.2.1: it is the default too). */
static int fit_of(enum backend_codec codec, const uint8_t h264_profile[3],
                  const struct sdp_format *format)
{
    if (codec == BACKEND_H264)
        return sdp_h264_fit(h264_profile, format);
    return format->codec == codec && format->profile_number == 0;
}

const struct sdp_format *sdp_best_format(const struct sdp_media *media, enum backend_codec codec,
                                         const uint8_t h264_profile[3])
{
    const struct sdp_format *best = NULL;
    int best_fit = 0;
    for (unsigned i = 0; i < media->n_formats; i++) {
        int fit = fit_of(codec, h264_profile, &media->formats[i]);
        if (fit > best_fit && media->formats[i].payload_type !=
                                  0) { /* of equals the peer's first, which it prefers */
            best = &media->formats[i];
            best_fit = fit;
        }
    }
    return best;
}

uint8_t sdp_opus_of(const struct sdp_media *media)
{
    for (unsigned i = 0; i < media->n_formats; i++)
        if (media->formats[i].codec == SDP_CODEC_OPUS)
            return media->formats[i].payload_type;
    return 0;
}

static uint8_t format_for(const struct sdp_media *media, enum sdp_codec codec, uint8_t payload_type)
{
    for (unsigned i = 0; i < media->n_formats; i++) {
        const struct sdp_format *format = &media->formats[i];
        if (format->codec == codec && format->has_apt && format->apt == payload_type)
            return format->payload_type;
    }
    return 0;
}

uint8_t sdp_red_of(const struct sdp_media *media, uint8_t opus_payload_type)
{
    return format_for(media, SDP_CODEC_RED, opus_payload_type);
}

uint8_t sdp_rtx_of(const struct sdp_media *media, uint8_t payload_type)
{
    return format_for(media, SDP_CODEC_RTX, payload_type);
}

bool sdp_is_ice_text(struct sdp_text value, size_t min, size_t max)
{
    for (size_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '/')
            return false;
    }
    return value.length >= min && value.length <= max;
}

bool sdp_fingerprint(char out[BACKEND_FINGERPRINT_MAX], struct sdp_text value)
{
    /* RFC 8122 5; SHA-1 and older are not relied on */
    static const struct {
        const char *name;
        size_t bytes;
    } hashes[] = {{"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};
    const char *space = value.length > 0 ? memchr(value.at, ' ', value.length) : NULL;
    if (!space)
        return false;
    struct sdp_text name = {value.at, (size_t)(space - value.at)};
    struct sdp_text hex = {space + 1, value.length - name.length - 1};
    const char *hash = NULL;
    for (unsigned i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
        if (sdp_text_is(name, hashes[i].name) && hex.length == 3 * hashes[i].bytes - 1)
            hash = hashes[i].name;
    if (!hash)
        return false;
    int n = snprintf(out, BACKEND_FINGERPRINT_MAX, "%s ", hash);
    for (size_t i = 0; i < hex.length; i++) {
        char c = hex.at[i];
        c = (char)(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
        bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
        if (i % 3 == 2 ? c != ':' : !digit)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

int sdp_refuse(char *error, size_t size, const char *sentence)
{
    snprintf(error, size, "%s", sentence);
    return -EINVAL;
}

void sdp_copy_text(char *out, struct sdp_text text)
{
    if (text.length > 0)
        memcpy(out, text.at, text.length);
    out[text.length] = '\0';
}

/* The m-line whose transport counts for `media`: itself, or where it left that to its bundle the
 * first of it that says it (RFC 9143 7.2). When we refuse the first m-line of an offered bundle,
 * the transport of the first one that we accept is the one in use. */
static const struct sdp_media *transport_media(const struct sdp *sdp, const struct sdp_media *media)
{
    if (media->transport.ufrag.at)
        return media;
    for (unsigned i = 0; media->bundled && i < sdp->n_media; i++) {
        const struct sdp_media *m = &sdp->media[i];
        if (m->bundled && m->transport.ufrag.at)
            return m;
    }
    return media;
}

static int take_fingerprints(const struct sdp_agreed *out, const struct sdp_transport *from,
                             char *error, size_t size)
{
    unsigned n = 0;
    for (unsigned i = 0; i < from->n_fingerprints && n < BACKEND_FINGERPRINTS_MAX; i++)
        n += sdp_fingerprint(out->fingerprints[n], from->fingerprints[i]);
    *out->n_fingerprints = n;
    if (n == 0)
        return sdp_refuse(error, size,
                          from->n_fingerprints == 0
                              ? "the description has no a=fingerprint"
                              : "no a=fingerprint is well-formed and of SHA-224 or stronger");
    return 0;
}

int sdp_take_transport(const struct sdp_agreed *out, const struct sdp *sdp,
                       const struct sdp_media *media, bool full_ice, char *error, size_t size)
{
    const struct sdp_transport *own = &transport_media(sdp, media)->transport;
    const struct sdp_transport *all = &sdp->transport;
    struct sdp_text ufrag = own->ufrag.at ? own->ufrag : all->ufrag;
    struct sdp_text pwd = own->pwd.at ? own->pwd : all->pwd;
    if (!sdp_is_ice_text(ufrag, 4, BACKEND_UFRAG_MAX - 1))
        return sdp_refuse(error, size, "a=ice-ufrag is missing or not of 4 to 256 ice-chars");
    if (!sdp_is_ice_text(pwd, 22, BACKEND_PWD_MAX - 1))
        return sdp_refuse(error, size, "a=ice-pwd is missing or not of 22 to 256 ice-chars");
    if (sdp->ice_lite && !full_ice)
        return sdp_refuse(error, size, "both sides are ice-lite: nobody would check connectivity");
    sdp_copy_text(out->ufrag, ufrag);
    sdp_copy_text(out->pwd, pwd);
    enum sdp_setup setup = own->setup != 0 ? own->setup : all->setup;
    if (setup == SDP_SETUP_HOLDCONN)
        return sdp_refuse(error, size, "a=setup:holdconn leaves nobody to start DTLS");
    *out->dtls_client = setup == SDP_SETUP_PASSIVE;
    return take_fingerprints(out, own->n_fingerprints > 0 ? own : all, error, size);
}

static struct sdp_agreed agreed_of(struct backend_answer *out)
{
    return (struct sdp_agreed){out->ufrag, out->pwd, &out->dtls_client, &out->n_fingerprints,
                               out->fingerprints};
}

static enum sdp_setup setup_of(const struct sdp *sdp, const struct sdp_media *media)
{
    enum sdp_setup own = transport_media(sdp, media)->transport.setup;
    return own != 0 ? own : sdp->transport.setup;
}

/* Of our codecs, those that the m-line has. False if it has none; nothing is added then. */
static bool add_track(struct backend_answer *out, unsigned slot, const struct sdp_media *media,
                      const uint8_t h264_profile[3])
{
    unsigned n = out->n_tracks;
    bool any = false;
    memset(&out->tracks[n], 0, sizeof(out->tracks[n]));
    if (media->is_audio) {
        out->tracks[n].opus_payload_type = sdp_opus_of(media);
        out->tracks[n].red_payload_type = sdp_red_of(media, out->tracks[n].opus_payload_type);
        any = out->tracks[n].opus_payload_type != 0;
    }
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS && media->is_video; c++) {
        const struct sdp_format *format = sdp_best_format(media, c, h264_profile);
        if (!format)
            continue;
        out->tracks[n].formats[c].payload_type = format->payload_type;
        out->tracks[n].formats[c].rtx_payload_type = sdp_rtx_of(media, format->payload_type);
        any = true;
    }
    out->tracks[n].slot = slot;
    out->tracks[n].audio = media->is_audio;
    sdp_copy_text(out->tracks[n].mid, media->mid);
    out->tracks[n].transport_cc_id = media->extensions.transport_cc;
    out->tracks[n].playout_delay_id = media->is_video ? media->extensions.playout_delay : 0;
    out->tracks[n].dependency_id = media->is_video ? media->extensions.dependency : 0;
    out->tracks[n].mid_id = media->mid.at ? media->extensions.mid : 0;
    out->n_tracks += any;
    return any;
}

static bool is_like_default(const struct backend_stream *s)
{
    return s->active && s->codec == BACKEND_H264 &&
           profile_of(s->h264_profile) == H264_CONSTRAINED_BASELINE;
}

/* A slot without H.264 says what another one does, if that is what every browser takes: one payload
 * type is enough then. */
static void note_profiles(struct sdp_offered *out, const struct backend_room *room)
{
    const struct backend_stream nothing = {.active = false}, *common = &nothing;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX && common == &nothing; i++)
        if (is_like_default(&room->streams[i]))
            common = &room->streams[i];
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        bool known = room->streams[i].active && room->streams[i].codec == BACKEND_H264;
        sdp_h264_profile(out->profiles[i], known ? &room->streams[i] : common);
    }
}

static void note_media(struct sdp_offered *out, unsigned slot, bool audio)
{
    out->media[out->n_media].slot = (uint8_t)slot;
    out->media[out->n_media++].audio = audio;
}

void sdp_note_offered(struct sdp_offered *out, const struct backend_room *room)
{
    *out = (struct sdp_offered){.full_ice = false};
    note_profiles(out, room);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        note_media(out, i, false);
    for (unsigned i = 0; i < SDP_AUDIO_SLOTS; i++)
        note_media(out, i, true);
}

void sdp_note_sent(struct sdp_offered *out, const struct backend_room *room)
{
    *out = (struct sdp_offered){.full_ice = true};
    note_profiles(out, room);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (room->streams[i].active)
            note_media(out, i, false);
    }
    for (unsigned i = 0; i < SDP_AUDIO_SLOTS; i++) {
        if (room->streams[i].active && room->streams[i].has_audio)
            note_media(out, i, true);
    }
}

bool sdp_has_rtcp_mux(const struct sdp *sdp, const struct sdp_media *media)
{
    return media->rtcp_mux || (media->bundled && transport_media(sdp, media)->rtcp_mux);
}

/* What is wrong with an m-line that an answer accepts; NULL: nothing. `first` is the one accepted
 * before it, or NULL. */
static const char *fault_of(const struct sdp *answer, unsigned i, const struct sdp_media *first)
{
    const struct sdp_media *media = &answer->media[i];
    char mid[12];
    snprintf(mid, sizeof(mid), "%u", i);
    if (!media->mid.at || !sdp_text_is(media->mid, mid))
        return "the answer's a=mid lines are not those of the offer";
    if (media->direction == SDP_SENDONLY)
        return "an answer to a sendonly m-line must be recvonly or inactive";
    if (!sdp_has_rtcp_mux(answer, media))
        return "the answer does not accept a=rtcp-mux";
    if (setup_of(answer, media) == SDP_SETUP_ACTPASS)
        return "an answer must say a=setup:active or passive (RFC 5763)";
    if (first && !(media->bundled && first->bundled))
        return "the answer does not bundle its m-lines";
    return NULL;
}

/* One m-line of an answer to our offer: 0, with a track added if it is accepted. `first` is the one
 * accepted before it. */
static int take_answered(struct backend_answer *out, const struct sdp *answer, unsigned i,
                         const struct sdp_offered *offered, const struct sdp_media **first,
                         char *error, size_t size)
{
    const struct sdp_media *media = &answer->media[i];
    bool audio = offered->media[i].audio;
    unsigned slot = offered->media[i].slot;
    if (!(audio ? media->is_audio : media->is_video) || !media->is_rtp)
        return sdp_refuse(error, size, "the answer's m-lines are not those of the offer");
    if (media->port == 0 || media->direction == SDP_INACTIVE)
        return 0;
    const char *fault = fault_of(answer, i, *first);
    if (fault)
        return sdp_refuse(error, size, fault);
    const struct sdp_agreed agreed = agreed_of(out);
    int error_code =
        *first ? 0 : sdp_take_transport(&agreed, answer, media, offered->full_ice, error, size);
    if (error_code != 0)
        return error_code;
    if (!add_track(out, slot, media, offered->profiles[slot]))
        return sdp_refuse(error, size,
                          "the answer accepts an m-line without a format of its offer");
    if (!*first)
        *first = media;
    return 0;
}

int sdp_take_answer(struct backend_answer *out, const struct sdp *answer,
                    const struct sdp_offered *offered, char *error, size_t error_size)
{
    const struct sdp_media *first = NULL;
    memset(out, 0, sizeof(*out));
    if (answer->n_media != offered->n_media)
        return sdp_refuse(error, error_size, "the answer has not as many m-lines as the offer");
    for (unsigned i = 0; i < answer->n_media; i++) {
        int error_code = take_answered(out, answer, i, offered, &first, error, error_size);
        if (error_code != 0)
            return error_code;
    }
    if (out->n_tracks == 0)
        return sdp_refuse(error, error_size, "the answer accepts no stream");
    return 0;
}

bool sdp_is_together(const struct sdp_media *media, const struct sdp_media *first)
{
    bool placed = media->port != 0 || (media->bundle_only && media->bundled);
    bool together = !first || (media->bundled && first->bundled);
    return media->is_rtp && placed && together;
}

/* Whether we can send on this m-line of an offer at all, besides what its formats say. */
static bool is_open(const struct sdp_media *media, const struct sdp_media *first)
{
    bool wanted = media->direction == SDP_RECVONLY || media->direction == SDP_SENDRECV;
    return wanted && sdp_is_together(media, first);
}

static int no_fit(const struct sdp *offer, char *error, size_t size)
{
    bool video = false;
    for (unsigned i = 0; i < offer->n_media; i++)
        video |= offer->media[i].is_video && offer->media[i].is_rtp &&
                 offer->media[i].direction != SDP_SENDONLY &&
                 offer->media[i].direction != SDP_INACTIVE;
    snprintf(error, size, "%s",
             video ? "no m=video of the offer has the codec of a stream that is live (H.264 with "
                     "packetization-mode=1 and a profile and level that it fits, VP8, VP9 profile "
                     "0, AV1)"
                   : "the offer has no m=video over DTLS-SRTP that wants to receive");
    return -ENOTSUP;
}

/* The slot of each m-line of an offer, or -1. */
struct plan {
    int8_t slots[SDP_MEDIA_MAX];
    const struct sdp_media *first; /* of those that have one */
    unsigned with_video;           /* bit per slot */
};

static void place(struct plan *plan, const struct sdp *offer, unsigned i, unsigned slot)
{
    const struct sdp_media *media = &offer->media[i];
    plan->slots[i] = (int8_t)slot;
    if (!plan->first || media < plan->first)
        plan->first = media;
    if (media->is_video)
        plan->with_video |= 1u << slot;
}

static bool is_wanted(const struct backend_room *room, unsigned slot, int only_slot)
{
    return room->streams[slot].active && (only_slot < 0 || only_slot == (int)slot);
}

static void plan_video(struct plan *plan, const struct sdp *offer, const struct backend_room *room,
                       int only_slot)
{
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *media = &offer->media[i];
        bool open = media->is_video && is_open(media, plan->first);
        for (unsigned slot = 0; slot < BACKEND_STREAMS_MAX && open; slot++) {
            const struct backend_stream *s = &room->streams[slot];
            if (is_wanted(room, slot, only_slot) && !(plan->with_video & 1u << slot) &&
                sdp_best_format(media, s->codec, s->h264_profile)) {
                place(plan, offer, i, slot);
                break;
            }
        }
    }
}

/* The sound goes along with its picture; where no picture is wanted, alone. */
static void plan_audio(struct plan *plan, const struct sdp *offer, const struct backend_room *room,
                       int only_slot)
{
    unsigned heard = 0, with_video = plan->with_video;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *media = &offer->media[i];
        bool open = media->is_audio && is_open(media, plan->first) && sdp_opus_of(media) != 0;
        for (unsigned slot = 0; slot < BACKEND_STREAMS_MAX && open; slot++) {
            if (is_wanted(room, slot, only_slot) && room->streams[slot].has_audio &&
                (with_video == 0 || with_video & 1u << slot) && !(heard & 1u << slot)) {
                heard |= 1u << slot;
                place(plan, offer, i, slot);
                break;
            }
        }
    }
}

int sdp_take_offer(struct backend_answer *out, struct sdp_places *places, const struct sdp *offer,
                   const struct backend_room *room, int only_slot, char *error, size_t error_size)
{
    struct plan plan = {.first = NULL};
    memset(out, 0, sizeof(*out));
    memset(places, 0, sizeof(*places));
    memset(plan.slots, -1, sizeof(plan.slots));
    plan_video(&plan, offer, room, only_slot);
    plan_audio(&plan, offer, room, only_slot);
    if (!plan.first)
        return no_fit(offer, error, error_size);
    const struct sdp_agreed agreed = agreed_of(out);
    int error_code = sdp_take_transport(&agreed, offer, plan.first, false, error, error_size);
    for (unsigned i = 0; i < offer->n_media && error_code == 0; i++) {
        const struct sdp_media *media = &offer->media[i];
        uint8_t profile[3];
        if (plan.slots[i] < 0)
            continue;
        if (!sdp_has_rtcp_mux(offer, media))
            return sdp_refuse(error, error_size,
                              "the offer has no a=rtcp-mux, and there is one port only");
        sdp_h264_profile(profile, &room->streams[plan.slots[i]]);
        places->media[out->n_tracks] = (uint8_t)i;
        add_track(out, (unsigned)plan.slots[i], media, profile);
    }
    return error_code;
}
