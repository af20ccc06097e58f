#include "rtp/forward/ingest_internal.h"
#include "rtp/wire/bytes.h"

#include <string.h>

#define FEEDBACK_US 50000 /* transport-wide feedback comes this long after what it is about */
#define FEEDBACK_SOON 200 /* or at once when so many packets wait to be told of */
#define RTX_HEADER 2      /* the original sequence number (RFC 4588 4) */

/* What the header of one packet says of where it belongs. */
struct labels {
    const struct rtp_header *h;
    int track; /* by its MID; -1: it has none, or one that is nobody's */
    char rid[INGEST_RID_MAX + 1], repaired[INGEST_RID_MAX + 1]; /* "": none */
};

/* --- SSRCs --- */

static struct ingest_source *find_source(struct ingest *in, uint32_t ssrc)
{
    for (unsigned i = 0; i < in->n_sources; i++) {
        if (in->sources[i].ssrc == ssrc)
            return &in->sources[i];
    }
    return NULL;
}

/* Who sent this layer before is not it any more: a publisher may change its SSRCs. */
static void depose(struct ingest *in, unsigned track, unsigned index, bool rtx)
{
    for (unsigned i = 0; i < in->n_sources; i++) {
        struct ingest_source *s = &in->sources[i];
        if (s->track == track && s->index == index && s->rtx == rtx)
            s->deposed = true;
    }
}

/* NULL: there are too many. All are authentic, so that a publisher can only fill its own table. */
static struct ingest_source *add_source(struct ingest *in, uint32_t ssrc, unsigned track,
                                        unsigned index, bool rtx)
{
    if (in->n_sources == INGEST_SSRCS_MAX)
        return NULL;
    depose(in, track, index, rtx);
    struct ingest_source *s = &in->sources[in->n_sources++];
    *s = (struct ingest_source){
        .ssrc = ssrc, .track = (uint8_t)track, .index = (uint8_t)index, .rtx = rtx};
    struct ingest_flow *f = in->tracks[track].flows[index];
    if (rtx && f)
        f->rtx_ssrc = ssrc;
    return s;
}

void ingest_tell_sources(struct ingest *in)
{
    for (unsigned i = 0; i < in->n_tracks; i++) {
        const struct ingest_track_config *c = &in->tracks[i].config;
        if (c->n_rids > 0)
            continue; /* which RID an SSRC is its packets say */
        if (c->ssrc != 0 && !find_source(in, c->ssrc))
            (void)add_source(in, c->ssrc, i, 0, false);
        if (c->rtx_ssrc != 0 && !find_source(in, c->rtx_ssrc))
            (void)add_source(in, c->rtx_ssrc, i, 0, true);
    }
}

static uint32_t rtx_ssrc_of(const struct ingest *in, unsigned track, unsigned index)
{
    for (unsigned i = 0; i < in->n_sources; i++) {
        const struct ingest_source *s = &in->sources[i];
        if (s->rtx && !s->deposed && s->track == track && s->index == index)
            return s->ssrc;
    }
    return 0;
}

/* Memory comes with its first packet. NULL: there is none. */
static struct ingest_flow *flow_of(struct ingest *in, const struct ingest_source *s, int64_t now_us)
{
    struct ingest_flow **place = &in->tracks[s->track].flows[s->index];
    if (*place && (*place)->ssrc != s->ssrc) {
        ingest_unit_cut_off(in, *place);
        ingest_flow_free(in, *place);
        *place = NULL;
    }
    if (*place)
        return *place;
    *place = ingest_flow_new(in, s->track, s->index, s->ssrc, now_us);
    if (!*place) {
        in->counters.no_frames++;
        return NULL;
    }
    (*place)->rtx_ssrc = rtx_ssrc_of(in, s->track, s->index);
    in->version++;
    return *place;
}

/* --- whose is it --- */

/* The codec a track has for this payload type; 0: none. */
static unsigned codec_of(const struct ingest_track_config *c, uint8_t type, bool rtx)
{
    for (unsigned i = 1; i < PAYLOAD_CODECS; i++) {
        uint8_t known = rtx ? c->formats[i].rtx_payload_type : c->formats[i].payload_type;
        if (known != 0 && known == type)
            return i;
    }
    return 0;
}

static int find_rid(const struct ingest_track_config *c, const char *rid)
{
    for (unsigned i = 0; i < c->n_rids; i++) {
        if (strcmp(c->rids[i], rid) == 0)
            return (int)i;
    }
    return -1;
}

/* Which of the track's RIDs it is; 0 where it has none; -1: it cannot be told. */
static int index_of(const struct ingest_track_config *c, const struct labels *l)
{
    if (c->n_rids == 0)
        return 0;
    return find_rid(c, l->repaired[0] ? l->repaired : l->rid);
}

static bool may_take(const struct ingest_track_config *c, const struct labels *l)
{
    uint8_t type = l->h->payload_type;
    return (codec_of(c, type, false) != 0 || codec_of(c, type, true) != 0) && index_of(c, l) >= 0;
}

/* The one of its MID, or else the only one that could have it. -1: none, or several. */
static int find_track(const struct ingest *in, const struct labels *l)
{
    if (l->track >= 0)
        return may_take(&in->tracks[l->track].config, l) ? l->track : -1;
    int found = -1;
    for (unsigned i = 0; i < in->n_tracks; i++) {
        if (!may_take(&in->tracks[i].config, l))
            continue;
        if (found >= 0)
            return -1;
        found = (int)i;
    }
    return found;
}

/* RFC 8843 9.2, RFC 8852 3: an SSRC that nobody told is learnt from what its packets say. */
static struct ingest_source *learn(struct ingest *in, const struct labels *l)
{
    int track = find_track(in, l);
    if (track < 0)
        return NULL;
    const struct ingest_track_config *c = &in->tracks[track].config;
    bool rtx = codec_of(c, l->h->payload_type, true) != 0;
    return add_source(in, l->h->ssrc, (unsigned)track, (unsigned)index_of(c, l), rtx);
}

static void copy_label(char *out, const struct rtp_header *h, uint8_t id)
{
    size_t size;
    const uint8_t *value =
        extensions_find(h->extension_profile, h->extension, h->extension_size, id, &size);
    out[0] = '\0';
    if (!value || size > INGEST_RID_MAX)
        return;
    memcpy(out, value, size);
    out[size] = '\0';
}

static void read_labels(const struct ingest *in, struct labels *l, const struct rtp_header *h)
{
    char mid[INGEST_RID_MAX + 1];
    *l = (struct labels){.h = h, .track = -1};
    copy_label(l->rid, h, in->ids.rid);
    copy_label(l->repaired, h, in->ids.repaired_rid);
    copy_label(mid, h, in->ids.mid);
    for (unsigned i = 0; mid[0] && i < in->n_tracks; i++) {
        if (strcmp(in->tracks[i].config.mid, mid) == 0)
            l->track = (int)i;
    }
}

/* --- packets --- */

static void note_transport(struct ingest *in, const struct rtp_header *h, int64_t now_us)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           in->ids.transport_cc, &size);
    if (!value || size != 2 || !in->sends_transport_cc)
        return;
    twcc_feedback_on_packet(&in->transport, get_u16(value), now_us);
    if (in->transport_due_us == INT64_MAX)
        in->transport_due_us = now_us + FEEDBACK_US;
    if (twcc_feedback_waiting(&in->transport) >= FEEDBACK_SOON)
        in->transport_due_us = now_us;
}

static void take_dependency(const struct ingest *in, struct ingest_packet *p,
                            const struct rtp_header *h)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           in->ids.dependency, &size);
    if (!value || size > INGEST_DEPENDENCY_MAX)
        return;
    p->dependency = value;
    p->dependency_size = (uint8_t)size;
}

/* What was sent again. */
static void deliver_resent(struct ingest *in, const struct ingest_source *s,
                           struct ingest_packet *p)
{
    struct ingest_flow *f = in->tracks[s->track].flows[s->index];
    if (p->size <= RTX_HEADER) {
        in->counters.padding++; /* it only probes */
        return;
    }
    in->counters.rtx++;
    if (!f) {
        in->counters.unknown++;
        return;
    }
    p->seq = get_u16(p->payload);
    p->payload += RTX_HEADER;
    p->size = (uint16_t)(p->size - RTX_HEADER);
    p->resent = true;
    ingest_flow_receive(in, f, p);
}

static void deliver(struct ingest *in, const struct ingest_source *s, struct ingest_packet *p)
{
    struct ingest_flow *f = flow_of(in, s, p->arrived_us);
    if (!f)
        return;
    if (p->size == 0) {
        in->counters.padding++;
        p->codec = 0; /* its place in the row counts */
    }
    ingest_flow_receive(in, f, p);
}

static const struct ingest_source *source_of(struct ingest *in, const struct rtp_header *h)
{
    const struct ingest_source *s = find_source(in, h->ssrc);
    if (s)
        return s;
    struct labels l;
    read_labels(in, &l, h);
    return learn(in, &l);
}

void ingest_on_rtp(struct ingest *in, const uint8_t *data, size_t size, int64_t now_us)
{
    struct rtp_header h;
    in->counters.packets++;
    in->counters.bytes += size;
    if (!rtp_parse(&h, data, size) || h.payload_size > INGEST_PACKET_MAX) {
        in->counters.malformed++;
        return;
    }
    note_transport(in, &h, now_us);
    const struct ingest_source *s = source_of(in, &h);
    unsigned codec = s ? codec_of(&in->tracks[s->track].config, h.payload_type, s->rtx) : 0;
    if (codec == 0 || s->deposed) {
        in->counters.unknown++;
        return;
    }
    struct ingest_packet p = {
        .seq = h.seq,
        .timestamp = h.timestamp,
        .marker = h.marker,
        .codec = (uint8_t)codec,
        .size = (uint16_t)h.payload_size,
        .arrived_us = now_us,
        .payload = data + h.header_size,
    };
    take_dependency(in, &p, &h);
    if (s->rtx)
        deliver_resent(in, s, &p);
    else
        deliver(in, s, &p);
}
