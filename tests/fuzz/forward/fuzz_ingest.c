/* fuzz_ingest.c - a connected publisher that sends anything: RTP of any SSRC, number and payload in
 * four codecs and Opus, retransmissions, reports, datagrams; with wishes and time in between.
 *
 * An input is a row of steps: a byte says what happens, bytes say how, and bytes that arrive
 * follow. After every step what is published must be whole, and nothing may be due any more.
 */
#include "rtp/forward/ingest_internal.h"
#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(c) ((c) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

#define STEPS_MAX 600
#define START_US INT64_C(1000000000)
#define ROUNDS_MAX 10000
#define DEPENDENCY_ID 7
#define MID_ID 4
#define RID_ID 10
#define REPAIRED_ID 11
#define TRANSPORT_ID 3

enum step {
    STEP_RTP,
    STEP_REPEAT,
    STEP_RTCP,
    STEP_DATAGRAM,
    STEP_TIME,
    STEP_WISH,
    STEP_END,
    STEPS
};

struct world {
    int64_t now_us;
    struct ingest *in;
    struct address address;
    uint16_t seq[8];
    uint32_t timestamp;
    uint64_t frames;
    uint16_t parts[4][INGEST_LAYERS_MAX]; /* of the picture that is open; 0: none is */
};

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static void on_frame(void *arg, uint32_t stream_id, unsigned layer, struct frame *f)
{
    struct world *w = arg;
    CHECK(stream_id >= 1 && stream_id <= 3 && layer < INGEST_LAYERS_MAX);
    CHECK(f->codec > 0 && f->codec < PAYLOAD_CODECS);
    uint16_t *parts = &w->parts[stream_id][layer];
    CHECK(f->part == *parts && !(f->part > 0 && f->keyframe));
    CHECK(!frame_is_broken(f) || (f->part > 0 && f->ends));
    *parts = f->ends ? 0 : (uint16_t)(f->part + 1);
    CHECK((stream_id == 3) == (f->codec == PAYLOAD_OPUS));
    CHECK(stream_id != 3 || (f->payload.n_packets == 1 && f->keyframe));
    CHECK(f->temporal_id < FORWARDER_TEMPORAL_MAX);
    CHECK(f->dependency_size <= EXTENSIONS_DEPENDENCY_MAX);
    CHECK(f->dependency_full_size <= EXTENSIONS_DEPENDENCY_MAX);
    for (unsigned i = 0; i < f->payload.n_packets; i++)
        CHECK(f->payload.packets[i].size <= PACKETIZE_MAX_PAYLOAD);
    w->frames++;
    frame_unref(f);
}

static void drain(struct world *w)
{
    uint8_t out[INGEST_DATAGRAM_MAX];
    struct address to;
    for (unsigned i = 0; ingest_send(w->in, out, sizeof(out), &to, w->now_us) > 0; i++)
        CHECK(i < ROUNDS_MAX);
}

/* As a worker would. */
static void settle(struct world *w)
{
    drain(w);
    for (unsigned i = 0; ingest_next_timeout(w->in, w->now_us) <= w->now_us; i++) {
        CHECK(i < ROUNDS_MAX);
        ingest_on_timeout(w->in, w->now_us);
        drain(w);
    }
}

/* Who and what: an SSRC of eight, a payload type, labels, then the payload. */
static void step_rtp(struct world *w, struct input *in, bool again)
{
    static const uint8_t types[8] = {102, 96, 98, 45, 111, 103, 97, 50};
    uint8_t packet[300] = {0}, who = take(in), what = take(in), size = take(in);
    unsigned sender = who & 7;
    int8_t step = (int8_t)take(in);
    if (!again) {
        w->seq[sender] = (uint16_t)(w->seq[sender] + (what & 0x80 ? step * 97 : 1));
        w->timestamp += what & 0x40 ? (uint32_t)step * 3000 : 0;
    }
    struct rtp_header h = {.marker = what & 0x20,
                           .payload_type = types[what & 7],
                           .seq = w->seq[sender],
                           .timestamp = w->timestamp,
                           .ssrc = 100 + sender};
    rtp_write(packet, &h, true);
    put_u16(packet + 12, 0xbede);
    put_u16(packet + 14, 4);
    uint8_t *e = packet + 16;
    e[0] = TRANSPORT_ID << 4 | 1;
    put_u16(e + 1, w->seq[sender]);
    e[3] = MID_ID << 4;
    e[4] = (uint8_t)('0' + (who >> 3 & 3));
    e[5] = (uint8_t)((who & 0x40 ? REPAIRED_ID : RID_ID) << 4);
    e[6] = who & 0x20 ? (uint8_t)('a' + (who >> 6)) : 0;
    e[7] = DEPENDENCY_ID << 4 | 2;
    e[8] = 0xc0;
    e[10] = size;
    size_t n = size < in->size ? size : in->size;
    memcpy(packet + 32, in->data, n);
    in->data += n;
    in->size -= n;
    ingest_on_rtp(w->in, packet, 32 + n, w->now_us);
}

static void step_bytes(struct world *w, struct input *in, bool rtcp)
{
    uint8_t datagram[255];
    size_t size = take(in);
    size = size < in->size ? size : in->size;
    memcpy(datagram, in->data, size);
    in->data += size;
    in->size -= size;
    if (rtcp)
        ingest_on_rtcp(w->in, datagram, size, w->now_us);
    else
        ingest_on_datagram(w->in, datagram, size, &w->address, w->now_us);
}

static void step_time(struct world *w, int64_t for_us)
{
    int64_t end_us = w->now_us + for_us;
    for (unsigned i = 0; ingest_next_timeout(w->in, w->now_us) <= end_us; i++) {
        CHECK(i < ROUNDS_MAX);
        int64_t at_us = ingest_next_timeout(w->in, w->now_us);
        w->now_us = at_us > w->now_us ? at_us : w->now_us;
        ingest_on_timeout(w->in, w->now_us);
        drain(w);
    }
    w->now_us = end_us;
}

static void step_wish(struct world *w, uint8_t how)
{
    unsigned track = how % 3, layer = how / 4 % INGEST_LAYERS_MAX;
    struct ingest_track_info info;
    ingest_want_keyframe(w->in, track, layer, how);
    ingest_set_watched(w->in, track, layer, how & 1);
    ingest_set_max_rate(w->in, how & 0x40 ? how * 10000u : 0);
    ingest_track_info(w->in, track, &info, w->now_us);
    CHECK(info.n_layers <= INGEST_LAYERS_MAX);
    CHECK(ingest_active_layers(w->in, track, w->now_us) < 1 << INGEST_LAYERS_MAX);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take(in) % STEPS;
    bool connected = ingest_state(w->in) != INGEST_CLOSED;
    switch (what) {
    case STEP_RTP:
    case STEP_REPEAT:
        if (connected)
            step_rtp(w, in, what == STEP_REPEAT);
        break;
    case STEP_RTCP:
    case STEP_DATAGRAM:
        if (connected)
            step_bytes(w, in, what == STEP_RTCP);
        break;
    case STEP_TIME: {
        int64_t a = take(in);
        step_time(w, a * a * 50);
        break;
    }
    case STEP_WISH:
        step_wish(w, take(in));
        break;
    case STEP_END:
        if (take(in) == 7)
            ingest_close(w->in, w->now_us);
        break;
    }
}

static struct ingest_config configure(void)
{
    const struct ingest_extensions ids = {.transport_cc = TRANSPORT_ID,
                                          .mid = MID_ID,
                                          .rid = RID_ID,
                                          .repaired_rid = REPAIRED_ID,
                                          .dependency = DEPENDENCY_ID};
    struct ingest_config c = {
        .id = 1,
        .seed = 1,
        .cname = "fuzz",
        .peer = {.full_ice = true, .role = DTLS_SERVER, .n_fingerprints = 1},
        .rtcp_ssrc = 9,
        .n_tracks = 3,
    };
    c.peer.fingerprints[0].hash_size = 32;
    for (unsigned i = 0; i < 3; i++) {
        bool sound = i == 2;
        c.tracks[i] = (struct ingest_track_config){
            .stream_id = i + 1,
            .kind = sound ? FORWARDER_AUDIO : FORWARDER_VIDEO,
            .mid = {(char)('0' + i)},
            .ssrc = i == 0 ? 100 : 0,
            .nack = i == 0,
            .transport_cc = true,
            .remb = true,
            .extensions = ids,
        };
        if (sound) {
            c.tracks[i].formats[PAYLOAD_OPUS].payload_type = 111;
            continue;
        }
        c.tracks[i].formats[PAYLOAD_H264] = (struct ingest_format){102, 103};
        c.tracks[i].formats[PAYLOAD_VP8] = (struct ingest_format){96, 97};
        c.tracks[i].formats[PAYLOAD_VP9].payload_type = 98;
        c.tracks[i].formats[PAYLOAD_AV1].payload_type = 45;
    }
    c.tracks[1].n_rids = 2;
    c.tracks[1].rids[0][0] = 'a';
    c.tracks[1].rids[1][0] = 'b';
    return c;
}

static void begin(struct world *w, struct dtls_context *dtls)
{
    struct ingest_config config = configure();
    CHECK(ingest_create(&w->in, &config, dtls, on_frame, w, w->now_us) == 0);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM};
    CHECK(seal_create(&w->in->peer.seal, &keys) == 0);
    w->in->peer.ice.selected = w->in->peer.ice.proved = true;
    w->in->peer.ice.remote = w->address;
    w->in->peer.state = PEER_CONNECTED;
    w->in->peer.deadline_us = INT64_MAX;
    ingest_on_timeout(w->in, w->now_us);
    CHECK(ingest_state(w->in) == INGEST_WAIT_MEDIA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dtls_context *dtls; /* the process's, so never freed */
    if (!dtls)
        CHECK(cipher_install(CIPHER_AUTO) == 0 && dtls_context_create(&dtls) == 0);
    struct world w = {.now_us = START_US};
    CHECK(address_parse(&w.address, "192.0.2.1", 5000));
    begin(&w, dtls);
    struct input in = {data, size};
    for (int i = 0; i < STEPS_MAX && in.size > 0; i++) {
        step(&w, &in);
        settle(&w);
    }
    ingest_destroy(w.in);
    return 0;
}
