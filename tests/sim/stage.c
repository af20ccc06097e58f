#include "tests/sim/stage.h"

#include "rtp/session/cipher.h"
#include "rtp/wire/bytes.h"
#include "rtp/wire/rtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(c) ((c) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

#define KEYFRAME_GAP_US 500000
#define FRAME_CAPACITY (1 << 20)
#define PACKETS_MAX 2048
#define HEAD_SIZE 9 /* slice header byte and the frame's id in 8 */
#define SAME_INSTANT_MAX 10000
#define RTP_PADDING 0x20
#define FREEZE_US 200000

static const uint8_t PARAMETER_SETS[] = {0,    0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8d, 0x8d,
                                         0x40, 0, 0, 0, 1,    0x68, 0xce, 0x3c, 0x80};

/* --- the presenter --- */

/* An access unit that follows from its id. No byte of it is 0, so that it holds no start code. */
static size_t make_unit(const struct stage *s, uint8_t *out, uint64_t id, bool keyframe)
{
    size_t size = 0;
    uint64_t random = s->config.seed ^ id;
    size_t body = keyframe ? s->config.keyframe_size
                           : s->config.frame_size / 2 + sim_random(&random) % s->config.frame_size;
    if (keyframe) {
        memcpy(out, PARAMETER_SETS, sizeof(PARAMETER_SETS));
        size = sizeof(PARAMETER_SETS);
    }
    memcpy(out + size, "\0\0\0\1", 4);
    size += 4;
    out[size++] = keyframe ? 0x65 : 0x41;
    for (int i = 7; i >= 0; i--)
        out[size++] = (uint8_t)((id >> 7 * i & 0x7f) | 0x80);
    for (size_t i = 0; i < body; i++, size++)
        out[size] = (uint8_t)(1 + ((random + i * 7919) ^ (i >> 3)) % 255);
    return size;
}

static struct frame *begin_frame(struct stage *s, bool keyframe, int64_t captured_us)
{
    struct frame *f = frame_get(s->pool);
    CHECK(f);
    f->id = ++s->frame_id;
    f->codec = PAYLOAD_H264;
    f->captured_us = captured_us;
    f->rtp_ts = (uint32_t)((uint64_t)captured_us * 9 / 100);
    f->keyframe = keyframe;
    return f;
}

static void push(struct stage *s, struct frame *f)
{
    stream_push(&s->stream, 0, f);
    if (s->viewer) {
        viewer_on_frame(s->viewer, &s->stream, s->now_us);
        stage_drain(s);
    }
}

static void give_part(struct stage *s)
{
    struct stage_open *o = &s->open;
    bool whole = o->part + 1 == STAGE_PARTS;
    struct packetize_unit unit = {.data = o->unit,
                                  .size = o->size * (o->part + 1u) / STAGE_PARTS,
                                  .tail = o->keyframe ? sizeof(PARAMETER_SETS) : 0,
                                  .whole = whole};
    struct frame *f = begin_frame(s, o->keyframe && o->part == 0, o->captured_us);
    f->part = o->part++;
    f->ends = whole;
    o->next_us += s->config.part_us;
    if (whole)
        o->size = 0;
    s->n_cut_off += whole && o->broken;
    if (!whole || !o->broken)
        CHECK(h264_cut(&f->payload, &o->cut, &unit, PACKETIZE_MAX_PAYLOAD) == 0 &&
              f->payload.n_packets > 0);
    push(s, f);
    if (whole && o->broken)
        keyframe_want(&s->keyframes, 1);
}

/* What refers to a picture that was cut off is not published. */
static void open_picture(struct stage *s, const uint8_t *unit, size_t size, bool keyframe)
{
    struct stage_open *o = &s->open;
    if (o->broken && !keyframe)
        return;
    CHECK(o->size == 0 && size > STAGE_PARTS * 2 * PACKETIZE_MAX_PAYLOAD);
    if (!o->unit)
        o->unit = malloc(FRAME_CAPACITY);
    CHECK(o->unit);
    memcpy(o->unit, unit, size);
    o->size = size;
    o->keyframe = keyframe;
    o->broken = sim_random_unit(&s->random) < s->config.cut_off;
    o->part = 0;
    o->captured_us = o->next_us = s->now_us;
    o->cut = (struct packetize_cut){.at = 0};
    give_part(s);
}

static void give_frame(struct stage *s, bool keyframe, bool lost)
{
    static uint8_t unit[FRAME_CAPACITY];
    uint64_t id = s->next_id++;
    if (lost) {
        s->frame_id++;
        return;
    }
    if (keyframe) {
        keyframe_made(&s->keyframes, s->now_us);
        s->keyframes_made++;
    }
    size_t size = make_unit(s, unit, id, keyframe);
    if (s->config.part_us > 0) {
        open_picture(s, unit, size, keyframe);
        return;
    }
    struct frame *f = begin_frame(s, keyframe, s->now_us);
    CHECK(h264_packetize(&f->payload, unit, size, PACKETIZE_MAX_PAYLOAD) == 0);
    push(s, f);
}

void stage_publish(struct stage *s, bool keyframe)
{
    give_frame(s, keyframe, false);
}

void stage_lose_frame(struct stage *s)
{
    give_frame(s, false, true);
}

static void present(struct stage *s)
{
    if (s->open.size > 0 && s->now_us >= s->open.next_us)
        give_part(s);
    if (s->paused || s->ended || s->now_us < s->next_frame_us)
        return;
    s->next_frame_us += 1000000 / s->config.fps;
    bool first = s->next_id == 1;
    bool turn = s->config.gop != 0 && (s->next_id - 1) % s->config.gop == 0;
    give_frame(s, first || turn || keyframe_due(&s->keyframes, s->now_us), false);
}

static void take_keyframe_requests(struct stage *s)
{
    uint32_t *requests = &s->stream.keyframe_requests[0];
    s->keyframe_requests += *requests;
    keyframe_want(&s->keyframes, *requests);
    *requests = 0;
}

void stage_end_stream(struct stage *s)
{
    s->ended = true;
    viewer_on_stream_end(s->viewer, &s->stream);
    stream_detach(&s->stream);
    stage_drain(s);
}

/* --- what the receiver makes of it --- */

static uint64_t read_id(const uint8_t *unit, size_t size, bool *keyframe)
{
    *keyframe =
        size > sizeof(PARAMETER_SETS) && memcmp(unit, PARAMETER_SETS, sizeof(PARAMETER_SETS)) == 0;
    size_t at = (*keyframe ? sizeof(PARAMETER_SETS) : 0) + 5;
    CHECK(size > at + HEAD_SIZE);
    uint64_t id = 0;
    for (int i = 0; i < 8; i++)
        id = id << 7 | (unit[at + i] & 0x7f);
    return id;
}

/* A player holds a picture from when it would be there if nothing were lost. */
static int64_t shown(const struct stage *s, uint32_t timestamp)
{
    for (unsigned i = 0; i < STAGE_HOLDS && i < s->n_holds; i++) {
        const struct stage_hold *h = &s->holds[i];
        int64_t at = h->sent_us + s->config.path.delay_us + h->hold_us;
        if (h->timestamp == timestamp && at > s->now_us)
            return at;
    }
    return s->now_us;
}

static void on_frame(void *arg, const struct receiver_frame *frame)
{
    static uint8_t expected[FRAME_CAPACITY];
    struct stage *s = arg;
    struct stage_seen *seen = &s->seen[frame->track];
    bool keyframe;
    uint64_t id = read_id(frame->data, frame->size, &keyframe);
    size_t size = make_unit(s, expected, id, keyframe);
    CHECK(size == frame->size && memcmp(expected, frame->data, size) == 0);

    if (seen->frames++ == 0) {
        CHECK(keyframe);
        seen->first_id = id;
        seen->first_timestamp = frame->timestamp;
    } else {
        CHECK((int32_t)(frame->timestamp - seen->newest_timestamp) > 0);
        CHECK(keyframe || id == seen->newest_id + 1); /* a gap ends with a keyframe */
        seen->skipped += id > seen->largest_id ? id - seen->largest_id - 1 : 0;
    }
    if (id <= seen->largest_id) {
        seen->again++;
        seen->frames--;
    } else {
        seen->largest_id = id;
    }
    int64_t shown_us = shown(s, frame->timestamp);
    if (shown_us < seen->shown_us)
        shown_us = seen->shown_us;
    if (seen->newest_us > 0 && shown_us - seen->shown_us > FREEZE_US + 1000000 / s->config.fps)
        seen->freezes++;
    seen->shown_us = shown_us;
    seen->newest_us = s->now_us;
    seen->newest_id = id;
    seen->newest_timestamp = frame->timestamp;
    if (s->first_frame_us < 0)
        s->first_frame_us = s->now_us;
}

/* --- what must hold on the wire --- */

static uint64_t digest(const uint8_t *data, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ data[i]) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

static struct stage_wire *find_wire(struct stage *s, uint32_t ssrc)
{
    for (unsigned i = 0; i < s->n_wire; i++) {
        if (s->wire[i].ssrc == ssrc)
            return &s->wire[i];
    }
    CHECK(s->n_wire < sizeof(s->wire) / sizeof(s->wire[0]));
    struct stage_wire *w = &s->wire[s->n_wire++];
    w->ssrc = ssrc;
    w->digests = calloc(65536, sizeof(*w->digests));
    CHECK(w->digests);
    return w;
}

static void watch_transport_seq(struct stage *s, const struct rtp_header *h)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           STAGE_TRANSPORT_CC_ID, &size);
    CHECK((value != NULL) == !s->config.no_rtx);
    if (!value)
        return;
    CHECK(size == 2);
    CHECK(!s->any_transport_seq || get_u16(value) == (uint16_t)(s->transport_seq + 1));
    s->any_transport_seq = true;
    s->transport_seq = get_u16(value);
}

static void note_hold(struct stage *s, const struct rtp_header *h)
{
    size_t size;
    const uint8_t *value = extensions_find(h->extension_profile, h->extension, h->extension_size,
                                           STAGE_PLAYOUT_ID, &size);
    CHECK(value && size == 3);
    unsigned newest = (s->n_holds + STAGE_HOLDS - 1) % STAGE_HOLDS;
    if (s->n_holds == 0 || s->holds[newest].timestamp != h->timestamp)
        s->holds[s->n_holds++ % STAGE_HOLDS] =
            (struct stage_hold){h->timestamp, s->now_us, (int64_t)(get_u24(value) >> 12) * 10000};
}

static void watch_rtp(struct stage *s, const uint8_t *data, size_t size)
{
    /* it is sealed: how much of it is padding cannot be read */
    uint8_t head[VIEWER_DATAGRAM_MAX];
    struct rtp_header h;
    memcpy(head, data, size);
    head[0] &= (uint8_t)~RTP_PADDING;
    CHECK(rtp_parse(&h, head, size));
    watch_transport_seq(s, &h);
    struct stage_wire *w = find_wire(s, h.ssrc);
    uint64_t d = digest(data, size);
    if (w->any && h.seq != (uint16_t)(w->seq + 1)) {
        /* Only without RTX is anything sent twice, and then as it was. */
        CHECK(s->config.no_rtx && w->digests[h.seq] == d);
        s->repeated++;
        return;
    }
    bool rtx = h.ssrc >= STAGE_RTX_SSRC;
    if (h.ssrc == STAGE_SSRC)
        note_hold(s, &h);
    CHECK(rtx || !w->any || (int32_t)(h.timestamp - w->timestamp) >= 0);
    w->any = true;
    w->seq = h.seq;
    w->timestamp = h.timestamp;
    w->digests[h.seq] = d;
}

static void watch_train(struct stage *s, const struct viewer_train *train, const uint8_t *out)
{
    CHECK(train->n_segments >= 1 && train->n_segments <= VIEWER_TRAIN_MAX);
    CHECK(train->segment_size <= VIEWER_DATAGRAM_MAX && train->size <= VIEWER_TRAIN_BYTES);
    CHECK((train->size + train->segment_size - 1) / train->segment_size == train->n_segments);
    CHECK(address_equal(&train->to, &s->address));
    s->trains++;
    s->datagrams += train->n_segments;
    if (train->n_segments > s->largest_train)
        s->largest_train = train->n_segments;
    for (uint32_t at = 0; at < train->size; at += train->segment_size) {
        size_t left = train->size - at;
        size_t size = left < train->segment_size ? left : train->segment_size;
        if (datagram_kind(out + at, size) == DATAGRAM_RTP)
            watch_rtp(s, out + at, size);
        sim_path_send(&s->down, out + at, size, s->now_us);
    }
}

void stage_drain(struct stage *s)
{
    static uint8_t out[VIEWER_TRAIN_MAX * VIEWER_DATAGRAM_MAX];
    struct viewer_train train;
    while (viewer_send(s->viewer, &train, out, sizeof(out), s->now_us))
        watch_train(s, &train, out);
    /* Nothing may be due that the drain did not see to; a handshake's timer is OpenSSL's. */
    if (s->viewer->state != VIEWER_ICE && s->viewer->state != VIEWER_DTLS)
        CHECK(viewer_next_timeout(s->viewer, s->now_us) > s->now_us);
    take_keyframe_requests(s);
}

/* --- the stage --- */

void stage_init(struct stage *s, const struct stage_config *config)
{
    memset(s, 0, sizeof(*s));
    s->config = *config;
    struct stage_config *c = &s->config;
    c->fps = c->fps ? c->fps : 30;
    c->keyframe_size = c->keyframe_size ? c->keyframe_size : 40000;
    c->frame_size = c->frame_size ? c->frame_size : 10000;
    c->role = c->role ? c->role : DTLS_SERVER;
    c->n_tracks = c->n_tracks ? c->n_tracks : 1;
    s->now_us = s->next_frame_us = STAGE_START_US;
    s->random = config->seed;
    s->next_id = 1;
    s->first_frame_us = -1;
    s->pool = frame_pool_new(FRAME_CAPACITY, PACKETS_MAX);
    CHECK(s->pool);
    stream_init(&s->stream, 1, FORWARDER_VIDEO, &s->news);
    stream_attach(&s->stream, s->layers, 1);
    keyframe_init(&s->keyframes, KEYFRAME_GAP_US);
    CHECK(cipher_install(CIPHER_AUTO) == 0);
    CHECK(dtls_context_create(&s->server_dtls) == 0);
    CHECK(dtls_context_create(&s->client_dtls) == 0);
    CHECK(address_parse(&s->address, "192.0.2.7", 50000));
}

void stage_finish(struct stage *s)
{
    if (s->viewer) {
        viewer_finish(s->viewer);
        receiver_finish(&s->receiver);
        sim_path_finish(&s->down);
        sim_path_finish(&s->up);
    }
    free(s->viewer);
    free(s->open.unit);
    for (unsigned i = 0; i < s->n_wire; i++)
        free(s->wire[i].digests);
    if (!s->ended)
        stream_detach(&s->stream);
    frame_pool_close(s->pool);
    dtls_context_destroy(s->server_dtls);
    dtls_context_destroy(s->client_dtls);
}

static void read_fingerprint(const struct dtls_context *dtls, struct dtls_fingerprint *out)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(dtls, text);
    CHECK(dtls_fingerprint_parse(out, text));
}

static void make_viewer(struct stage *s)
{
    struct viewer_config config = {
        .adapts = !s->config.no_adapt,
        .id = 1,
        .seed = sim_random(&s->random),
        .cname = "stage",
        .peer = {.local = {.ufrag = "00000000010000ab", .pwd = "passwordpasswordpassword"},
                 .remote_ufrag = "rcvr",
                 .role = s->config.role,
                 .n_fingerprints = 1},
        .n_tracks = s->config.n_tracks,
    };
    read_fingerprint(s->client_dtls, &config.peer.fingerprints[0]);
    struct stream *streams[VIEWER_TRACKS_MAX];
    for (unsigned i = 0; i < config.n_tracks; i++) {
        streams[i] = &s->stream;
        config.tracks[i] = (struct viewer_track_config){
            .stream_id = s->stream.id,
            .ssrc = STAGE_SSRC + i,
            .rtx_ssrc = STAGE_RTX_SSRC + i,
            .kind = FORWARDER_VIDEO,
            .formats = {[PAYLOAD_H264] = {102, s->config.no_rtx ? 0 : 103}},
            .extensions = {.transport_cc = STAGE_TRANSPORT_CC_ID,
                           .playout_delay = STAGE_PLAYOUT_ID,
                           .mid = 1},
            .mid = "0",
        };
    }
    s->viewer = malloc(viewer_size(config.n_tracks));
    CHECK(s->viewer);
    CHECK(viewer_init(s->viewer, &config, streams, s->server_dtls, STAGE_UNIX_OFFSET_US,
                      s->now_us) == 0);
}

void stage_connect(struct stage *s)
{
    make_viewer(s);
    struct receiver_config config = {
        .remote = &s->viewer->peer.ice.local,
        .dtls = s->client_dtls,
        .role = s->config.role == DTLS_SERVER ? DTLS_CLIENT : DTLS_SERVER,
        .rtt_us = 2 * s->config.path.delay_us,
        .transport_cc_id = s->config.feedback ? STAGE_TRANSPORT_CC_ID : 0,
        .n_tracks = s->config.n_tracks,
        .on_frame = on_frame,
        .arg = s,
    };
    read_fingerprint(s->server_dtls, &config.fingerprint);
    for (unsigned i = 0; i < config.n_tracks; i++) {
        config.tracks[i] = (struct receiver_track_config){
            .ssrc = STAGE_SSRC + i,
            .rtx_ssrc = STAGE_RTX_SSRC + i,
            .payload_type = 102,
            .rtx_payload_type = s->config.no_rtx ? 0 : 103,
        };
    }
    CHECK(receiver_init(&s->receiver, &config, sim_random(&s->random), s->now_us) == 0);
    /* OpenSSL repeats lost flights by the real clock, so that handshakes take a perfect path. */
    struct sim_path_config perfect = {.delay_us = s->config.path.delay_us};
    sim_path_init(&s->down, &perfect, sim_random(&s->random));
    sim_path_init(&s->up, &perfect, sim_random(&s->random));
    s->joined_us = s->now_us;
}

static void receive_down(struct stage *s)
{
    for (struct sim_datagram *d; (d = sim_path_receive(&s->down, s->now_us)) != NULL; free(d))
        receiver_on_datagram(&s->receiver, d->data, d->size, s->now_us);
    uint8_t out[SIM_DATAGRAM_MAX];
    for (size_t n; (n = receiver_next_datagram(&s->receiver, out, sizeof(out), s->now_us)) != 0;)
        sim_path_send(&s->up, out, n, s->now_us);
}

static void receive_up(struct stage *s)
{
    for (struct sim_datagram *d; (d = sim_path_receive(&s->up, s->now_us)) != NULL; free(d)) {
        viewer_on_datagram(s->viewer, d->data, d->size, &s->address, s->now_us);
        stage_drain(s);
    }
    if (viewer_next_timeout(s->viewer, s->now_us) <= s->now_us)
        viewer_on_timeout(s->viewer, s->now_us);
    stage_drain(s);
    if (!s->connected && receiver_is_connected(&s->receiver) &&
        s->viewer->state >= VIEWER_WAIT_KEYFRAME) {
        s->connected = true;
        s->down.config = s->up.config = s->config.path;
    }
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_event(struct stage *s)
{
    int64_t next = s->paused || s->ended ? INT64_MAX : s->next_frame_us;
    if (s->open.size > 0)
        next = min(next, s->open.next_us);
    if (!s->viewer)
        return next;
    next = min(next, viewer_next_timeout(s->viewer, s->now_us));
    next = min(next, receiver_next_timeout(&s->receiver));
    next = min(next, sim_path_next_timeout(&s->down));
    return min(next, sim_path_next_timeout(&s->up));
}

static void step(struct stage *s)
{
    present(s);
    if (s->viewer) {
        receive_up(s);
        receive_down(s);
    }
    take_keyframe_requests(s);
}

void stage_run(struct stage *s, int64_t for_us)
{
    int64_t end = s->now_us + for_us;
    unsigned same_instant = 0;
    for (;;) {
        step(s);
        int64_t next = next_event(s);
        if (next > end)
            break;
        same_instant = next > s->now_us ? 0 : same_instant + 1;
        CHECK(same_instant < SAME_INSTANT_MAX); /* it spins */
        s->now_us = next > s->now_us ? next : s->now_us;
    }
    s->now_us = end;
}

bool stage_run_until_connected(struct stage *s)
{
    for (int i = 0; i < 1000 && !s->connected; i++)
        stage_run(s, 1000);
    return s->connected;
}

void stage_feed_rtcp(struct stage *s, const uint8_t *packet, size_t size)
{
    uint8_t sealed[SIM_DATAGRAM_MAX];
    memcpy(sealed, packet, size);
    size = receiver_seal_rtcp(&s->receiver, sealed, size, sizeof(sealed));
    CHECK(size != 0);
    viewer_on_datagram(s->viewer, sealed, size, &s->address, s->now_us);
    stage_drain(s);
}
