/* ingest_internal.h - what the files of the ingest share; nobody else uses it.
 *
 *     ingest.c        follows the transport, decides what goes next, tells what is known
 *     ingest_rtp.c    whose packet is it: SSRCs, RIDs, retransmissions
 *     ingest_flow.c   puts the packets of one SSRC in order, and asks for what is missing
 *     ingest_unit.c   puts packets together to pictures and sound, and publishes them
 *     ingest_rtcp.c   reads reports and writes feedback
 */
#pragma once

#include "rtp/control/keyframe.h"
#include "rtp/control/meter.h"
#include "rtp/control/nack.h"
#include "rtp/control/receive.h"
#include "rtp/forward/ingest.h"
#include "rtp/forward/worker_samples.h"
#include "rtp/payload/h264_sets.h"
#include "rtp/wire/dependency_descriptor.h"
#include "rtp/wire/rtp.h"

#define INGEST_WINDOW 1024  /* sequence numbers from a gap on; a power of two */
#define INGEST_ARRIVALS 256 /* packets of a unit whose delay is measured */
#define INGEST_DEPENDENCY_MAX 255
#define INGEST_POOLS 4
#define INGEST_HEADROOM H264_SETS_MAX /* before a unit, for parameter sets */
#define INGEST_NO_TEMPORAL UINT8_MAX
#define INGEST_PART_US 4000             /* so long a packet waits for the rest of its picture */
#define INGEST_REST_US 1000000          /* so long viewers wait for the rest, while nothing comes */
#define INGEST_RATE_US 500000           /* rates are measured over this long */
#define INGEST_FIRST_KEYFRAME_US 300000 /* it is probably on its way; then it is asked for */

/* One packet on its way; the pointers are valid for as long as it is dealt with. */
struct ingest_packet {
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool resent;   /* came as a retransmission */
    uint8_t codec; /* enum payload_codec; of padding 0 */
    uint8_t dependency_size;
    uint16_t size;
    int64_t arrived_us;
    const uint8_t *payload, *dependency;
};

/* One that waits behind a gap. */
struct ingest_buffer {
    struct ingest_packet packet; /* its pointers are not used */
    uint16_t next_free;          /* index + 1; 0: none */
    uint8_t dependency[INGEST_DEPENDENCY_MAX];
    uint8_t payload[INGEST_PACKET_MAX];
};

struct ingest_arrival {
    int64_t at_us;
    size_t end; /* of what it brought, in the unit */
};

/* The SSRC of one layer of a track. */
struct ingest_flow {
    uint8_t track, index; /* of its RID */
    uint32_t ssrc, rtx_ssrc;
    bool nack_on;

    /* the row of its packets */
    bool any;
    uint16_t next_seq; /* the next one to be dealt with */
    uint16_t n_waiting;
    uint16_t slots[INGEST_WINDOW]; /* buffers, index + 1, by seq % INGEST_WINDOW */
    int64_t gap_since_us;          /* when the first one behind the gap came; if any wait */
    struct receive receive;
    struct nack nack;
    struct timing timing;
    struct meter meter;
    int64_t newest_us; /* when something last came */

    /* the unit */
    uint8_t *unit; /* owned; INGEST_HEADROOM + INGEST_UNIT_MAX; NULL with sound */
    struct payload_assembler assembler;
    bool in_unit;
    bool aligned; /* the next packet begins a unit */
    bool any_ts;
    uint8_t unit_codec, unit_temporal;
    uint32_t unit_ts, last_ts;
    uint16_t unit_width,
        unit_height;     /* of its largest layer, as its payloads say; 0: they do not */
    unsigned n_arrivals; /* of what is not published yet */
    struct ingest_arrival arrivals[INGEST_ARRIVALS];
    int64_t part_due_us; /* INT64_MAX: nothing new came */
    /* what is published of it, as it began */
    uint16_t n_parts;
    bool unit_keyframe;
    uint8_t unit_id; /* its temporal layer, for viewers */
    int64_t unit_captured_us;
    size_t unit_sets; /* bytes of parameter sets that are put in front */
    struct packetize_cut cut;
    bool unit_described; /* AV1: by the two that follow, as all of its parts are */
    uint16_t unit_number;
    struct dependency_frame unit_dependency;
    struct h264_sets sets;
    struct dependency_structure *structure; /* owned; of the publisher's descriptors; or NULL */

    /* what it publishes */
    bool lost; /* nothing before the next keyframe can be used */
    bool live;
    int64_t published_us; /* INT64_MIN: never */
    struct keyframe_budget budget;
    unsigned gop_frames, gop_parts;
    uint64_t gop_bytes;
    int64_t pli_next_us;
    unsigned pli_tries;
    uint16_t number; /* of the next frame, in our own descriptors */
    struct dependency_tracker tracker;
    struct dependency_structure own;

    /* what is told of it */
    uint8_t codec, n_temporal;
    uint16_t width, height;
    uint8_t h264_profile[3];
    uint64_t packets, bytes, frames, keyframes, frames_dropped, plis;
    int fraction_lost;
    uint64_t remb_missing, remb_packets; /* when the rate was last told */
    struct worker_samples delay;
};

struct ingest_track {
    struct ingest_track_config config;
    unsigned n_layers;
    struct ingest_flow *flows[INGEST_LAYERS_MAX]; /* owned; in the order of the RIDs */
    uint8_t layer_of[INGEST_LAYERS_MAX];          /* of each RID */
    bool watched[INGEST_LAYERS_MAX];              /* by layer */
};

struct ingest_source {
    uint32_t ssrc;
    uint8_t track, index;
    bool rtx;
    bool deposed; /* another one sends its layer now */
};

struct ingest {
    uint32_t id;
    enum ingest_state state;
    int64_t created_us, state_since_us, heard_us;
    struct peer peer;
    char cname[INGEST_CNAME_MAX];
    uint32_t rtcp_ssrc;
    ingest_publish_fn *publish;
    void *publish_arg;
    int64_t published_us; /* INT64_MIN: nothing yet */
    bool closing;         /* RTCP BYE is still to be sent */
    uint32_t version;
    uint64_t random;

    struct ingest_extensions ids; /* of the whole session */
    bool sends_transport_cc, sends_remb;
    struct ingest_source sources[INGEST_SSRCS_MAX];
    unsigned n_sources;

    /* owned; INGEST_BUFFERS, of which those that were never used cost nothing */
    struct ingest_buffer *buffers;
    uint16_t n_buffers;                     /* ever used */
    uint16_t free_buffer;                   /* of those, index + 1 */
    struct frame_pool *pools[INGEST_POOLS]; /* owned */

    struct timing_group clock;
    struct twcc_feedback transport;
    int64_t transport_due_us; /* INT64_MAX: nothing waits */
    int64_t report_due_us;
    struct remb remb;
    uint64_t remb_told_bps;
    int64_t rtt_us;

    struct ingest_counters counters;
    unsigned n_tracks;
    struct ingest_track tracks[];
};

static inline const struct ingest_track *ingest_track_of(const struct ingest *in,
                                                         const struct ingest_flow *f)
{
    return &in->tracks[f->track];
}

static inline bool ingest_is_sound(const struct ingest *in, const struct ingest_flow *f)
{
    return in->tracks[f->track].config.kind == FORWARDER_AUDIO;
}

/* The flow, or NULL: nothing came of it yet. `at` goes from 0 to INGEST_FLOWS - 1. */
#define INGEST_FLOWS(in) ((in)->n_tracks * INGEST_LAYERS_MAX)
static inline struct ingest_flow *ingest_flow_at(const struct ingest *in, unsigned at)
{
    return in->tracks[at / INGEST_LAYERS_MAX].flows[at % INGEST_LAYERS_MAX];
}

/* ingest.c */
void ingest_note_published(struct ingest *in, int64_t now_us);
void ingest_on_rtt(struct ingest *in, int64_t sample_us);
uint64_t ingest_draw(struct ingest *in); /* random */
/* Of the frames of each pool, the smallest first. */
extern const uint32_t ingest_pool_capacity[INGEST_POOLS];
/* Which layer a RID is may have to change, now that a size is known. */
void ingest_sort_layers(struct ingest *in, struct ingest_track *t);

/* ingest_rtp.c */
void ingest_on_rtp(struct ingest *in, const uint8_t *data, size_t size, int64_t now_us);
void ingest_tell_sources(struct ingest *in); /* what the offer said */

/* ingest_flow.c */
struct ingest_flow *ingest_flow_new(struct ingest *in, unsigned track, unsigned index,
                                    uint32_t ssrc, int64_t now_us);
void ingest_flow_free(struct ingest *in, struct ingest_flow *f); /* NULL is fine */
/* What came from the wire. */
void ingest_flow_receive(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p);
/* Gives up what has been waited for long enough. */
void ingest_flow_on_time(struct ingest *in, struct ingest_flow *f, int64_t now_us);
int64_t ingest_flow_timeout(const struct ingest *in, const struct ingest_flow *f);
struct ingest_buffer *ingest_take_buffer(struct ingest *in); /* NULL: all wait */

/* ingest_unit.c */
void ingest_unit_take(struct ingest *in, struct ingest_flow *f, const struct ingest_packet *p,
                      int64_t now_us);
/* Packets are missing here: what was begun is of no use. */
void ingest_unit_break(struct ingest *in, struct ingest_flow *f);
void ingest_unit_lose(struct ingest *in, struct ingest_flow *f); /* needs a keyframe */
/* If there are parts of it: viewers are told that the rest does not come. */
void ingest_unit_cut_off(struct ingest *in, struct ingest_flow *f);
/* What there is of a picture that takes long is published. */
void ingest_unit_on_time(struct ingest *in, struct ingest_flow *f, int64_t now_us);
int64_t ingest_unit_timeout(const struct ingest_flow *f);

/* ingest_rtcp.c */
void ingest_on_rtcp(struct ingest *in, const uint8_t *data, size_t size, int64_t now_us);
/* Each writes one sealed datagram; 0: nothing is due. */
size_t ingest_write_feedback(struct ingest *in, uint8_t *out, size_t room, int64_t now_us);
size_t ingest_write_bye(struct ingest *in, uint8_t *out, size_t room);
int64_t ingest_feedback_timeout(const struct ingest *in);
