/* stage.h - a presenter, one viewer and its receiver on a virtual clock, and what must always hold.
 *
 * The presenter publishes frames whose bytes follow from their id; every frame the receiver puts
 * together is compared with what was published. The wire is watched: trains keep to their rule, all
 * datagrams go where they should, sequence numbers are contiguous, one sequence number never stands
 * for two different packets, timestamps rise. A deadline that has passed with nothing to do, a
 * wrong frame or a broken rule ends the program at once.
 *
 * Life: stage_init, stage_connect (a viewer joins), stage_run to a time, stage_finish.
 */
#pragma once

#include "rtp/control/keyframe.h"
#include "rtp/forward/viewer.h"
#include "tests/sim/receiver.h"
#include "tests/sim/sim.h"

#define STAGE_START_US INT64_C(1000000000)
#define STAGE_UNIX_OFFSET_US INT64_C(1700000000000000)
#define STAGE_SSRC 0x1000
#define STAGE_RTX_SSRC 0x2000
#define STAGE_TRANSPORT_CC_ID 3
#define STAGE_PLAYOUT_ID 5
#define STAGE_HOLDS 256
#define STAGE_PARTS 4

struct stage_config {
    uint64_t seed;
    int fps;      /* 0: 30 */
    unsigned gop; /* frames from keyframe to keyframe; 0: only the first and when asked for */
    size_t keyframe_size; /* 0: 40000 */
    size_t frame_size;    /* on average; 0: 10000 */
    int64_t part_us;      /* a picture comes in STAGE_PARTS parts, one each; 0: at once */
    double cut_off;       /* of pictures in parts, those whose rest does not come */
    bool no_rtx;
    bool feedback;               /* transport-wide, too: else reports alone tell what is lost */
    bool no_adapt;               /* the pace is the test's own */
    enum dtls_role role;         /* the viewer's; 0: DTLS_SERVER */
    unsigned n_tracks;           /* of the one stream; 0: 1 */
    struct sim_path_config path; /* both ways, once connected */
};

/* A picture that comes in parts. */
struct stage_open {
    uint8_t *unit; /* owned */
    size_t size;   /* 0: none is open */
    bool keyframe, broken;
    uint16_t part;
    int64_t captured_us, next_us;
    struct packetize_cut cut;
};

/* What was seen of one SSRC on the wire. */
struct stage_wire {
    uint32_t ssrc;
    bool any;
    uint16_t seq;
    uint32_t timestamp;
    uint64_t *digests; /* owned: of the packet sent as each sequence number; 0: none */
};

/* When a picture of the first track was sent, and what its player was asked to hold it for. */
struct stage_hold {
    uint32_t timestamp;
    int64_t sent_us, hold_us;
};

/* What the receiver put together of one track. */
struct stage_seen {
    uint64_t frames, skipped; /* skipped: ids left out, each time up to a keyframe */
    uint64_t again;           /* frames that came once more, each time from a keyframe on */
    uint64_t first_id, newest_id, largest_id;
    uint32_t first_timestamp, newest_timestamp;
    int64_t newest_us; /* when it was there */
    int64_t shown_us;  /* when it was shown: held for as long as it was asked to be */
    uint64_t freezes;  /* pauses of more than 200 ms beyond the frame interval */
};

struct stage {
    struct stage_config config;
    int64_t now_us;
    uint64_t random;

    /* the presenter */
    struct frame_pool *pool;
    struct stream_news news;
    struct stream_layer layers[FORWARDER_LAYERS_MAX];
    struct stream stream;
    bool paused, ended;
    int64_t next_frame_us;
    uint64_t next_id;  /* of pictures */
    uint64_t frame_id; /* the newest */
    struct stage_open open;
    uint64_t n_cut_off;
    struct keyframe_budget keyframes;
    uint64_t keyframe_requests, keyframes_made;

    /* the viewer */
    struct dtls_context *server_dtls, *client_dtls;
    struct viewer *viewer; /* owned; NULL: nobody has joined */
    struct address address;
    struct receiver receiver;
    bool connected;
    struct sim_path down, up;
    int64_t joined_us;
    int64_t first_frame_us; /* when the receiver had its first whole frame; -1: not yet */

    struct stage_seen seen[VIEWER_TRACKS_MAX];

    /* the wire */
    uint64_t trains, datagrams, repeated;
    uint32_t largest_train;
    bool any_transport_seq;
    uint16_t transport_seq;
    struct stage_wire wire[2 * VIEWER_TRACKS_MAX];
    unsigned n_wire;
    struct stage_hold holds[STAGE_HOLDS]; /* the newest */
    unsigned n_holds;                     /* ever */
};

void stage_init(struct stage *s, const struct stage_config *config);
void stage_finish(struct stage *s);
void stage_connect(
    struct stage *s); /* makes the viewer and its receiver; stage_run does the rest */
void stage_run(struct stage *s, int64_t for_us);
bool stage_run_until_connected(struct stage *s);
void stage_publish(struct stage *s, bool keyframe); /* one frame, out of turn */
void stage_lose_frame(struct stage *s);             /* the stream is never given the next frame */
void stage_end_stream(struct stage *s);
/* Delivers a plain RTCP packet to the viewer, sealed by the receiver. */
void stage_feed_rtcp(struct stage *s, const uint8_t *packet, size_t size);
void stage_drain(struct stage *s); /* what the viewer has to send, onto the wire */
