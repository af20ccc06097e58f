/* bench_forward.c - the whole way of a worker: frames published to one worker with connected
 * viewers on loopback, beside the bare loop of the same calls (header, seal_rtp, sendmmsg with
 * UDP_SEGMENT).
 *
 * Both send to the same sockets, whose receive buffers are full: the kernel drops at the receiver's
 * ingress, so that the sender's cost is measured and not a receiver's. Both run at the same pace,
 * frame after frame, and are charged all CPU of the process.
 */
#include "rtp/forward/forwarder.h"
#include "rtp/forward/udp.h"
#include "rtp/payload/h264.h"
#include "tests/bench/bench.h"
#include "tests/unit/forward/loopback_client.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROUNDS = 21,
    FRAMES = 50,
    FRAME_US = 3000,  /* the pacer lets 11 kB leave every 1.8 ms */
    FLOOR_BATCH = 32, /* trains per sendmmsg */
    CONNECT_US = 10000000,
    FLUSH_US = 1000000,
    TRAIN_BYTES = BENCH_FRAME_PACKETS * 1232,
};

struct floor_message {
    struct sockaddr_in6 to;
    struct iovec iov;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
};

struct stage {
    struct forwarder *f;
    struct dtls_context *server, *client;
    uint32_t stream_id;
    struct frame_pool *pool;
    uint64_t next_id;
    struct loopback_client clients[BENCH_VIEWERS];

    struct udp udp; /* the floor's */
    struct seal *seals[BENCH_VIEWERS];
    struct address sinks[BENCH_VIEWERS];
    uint16_t seq;
    struct mmsghdr msgs[FLOOR_BATCH];
    struct floor_message floor[FLOOR_BATCH];
    uint8_t scratch[FLOOR_BATCH][TRAIN_BYTES];
};

static void fail(const char *what)
{
    fprintf(stderr, "bench forward: %s\n", what);
    exit(1);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void ignore_requests(void *arg, uint32_t requests)
{
    (void)arg;
    (void)requests;
}

/* --- connecting --- */

static void add_viewer(struct stage *s, int i, const struct dtls_fingerprint *server,
                       const struct dtls_fingerprint *client)
{
    struct forwarder_seat seat;
    if (forwarder_reserve(s->f, &seat) != 0)
        fail("no seat");
    struct viewer_config config = {
        .id = seat.viewer_id,
        .seed = seat.viewer_id,
        .cname = "bench",
        .peer = {.local = seat.ice,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1,
                 .fingerprints = {*client}},
        .n_tracks = 1,
        .tracks = {{.stream_id = s->stream_id,
                    .ssrc = 1,
                    .rtx_ssrc = 2,
                    .payload_type = 102,
                    .rtx_payload_type = 103,
                    .extensions = {.transport_cc = 3}}},
    };
    if (forwarder_add_viewer(s->f, &config) != 0)
        fail("viewer refused");
    loopback_client_open(&s->clients[i], forwarder_port(s->f), &seat.ice, s->client, server);
}

static void connect_all(struct stage *s)
{
    struct pollfd fds[BENCH_VIEWERS];
    int64_t end_us = bench_now_us() + CONNECT_US;
    for (int connected = 0; connected < BENCH_VIEWERS;) {
        if (bench_now_us() > end_us)
            fail("not connected in time");
        for (int i = 0; i < BENCH_VIEWERS; i++)
            fds[i] = (struct pollfd){.fd = s->clients[i].fd, .events = POLLIN};
        poll(fds, BENCH_VIEWERS, 10);
        connected = 0;
        for (int i = 0; i < BENCH_VIEWERS; i++) {
            loopback_client_pump(&s->clients[i]);
            connected += s->clients[i].seal != NULL;
        }
    }
}

/* Another socket in the client's place: it takes from anybody, and has no room. */
static void make_sink(struct stage *s, int i)
{
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    int tiny = 1, *fd = &s->clients[i].fd;
    if (getsockname(*fd, (struct sockaddr *)&name, &size) != 0)
        fail("no address");
    close(*fd);
    *fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)) != 0 ||
        bind(*fd, (struct sockaddr *)&name, sizeof(name)) != 0)
        fail("no sink");
    address_from_sockaddr(&s->sinks[i], (struct sockaddr *)&name);
    struct seal_keys keys = {.profile = SEAL_AES_128_GCM, .local = {(uint8_t)i, 1}};
    if (seal_create(&s->seals[i], &keys) != 0)
        fail("no seal");
}

static void fingerprint(struct dtls_fingerprint *out, const struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(ctx, text);
    if (!dtls_fingerprint_parse(out, text))
        fail("no fingerprint");
}

static struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof(*s));
    if (!s || dtls_context_create(&s->server) != 0 || dtls_context_create(&s->client) != 0)
        fail("no memory");
    struct forwarder_config config = {
        .n_workers = 1, .max_viewers = BENCH_VIEWERS, .dtls = s->server, .wake = ignore};
    struct forwarder_source source = {.want_keyframe = ignore_requests};
    char error[200];
    if (forwarder_create(&s->f, &config, error, sizeof(error)) != 0)
        fail(error);
    s->pool = frame_pool_new(16384, 64);
    s->next_id = 1;
    if (!s->pool || forwarder_add_stream(s->f, &source, &s->stream_id) != 0)
        fail("no stream");
    struct dtls_fingerprint server, client;
    fingerprint(&server, s->server);
    fingerprint(&client, s->client);
    for (int i = 0; i < BENCH_VIEWERS; i++)
        add_viewer(s, i, &server, &client);
    connect_all(s);
    for (int i = 0; i < BENCH_VIEWERS; i++)
        make_sink(s, i);
    if (udp_open(&s->udp, 0, NULL, false) != 0)
        fail("no socket");
    return s;
}

static void stage_free(struct stage *s)
{
    forwarder_destroy(s->f);
    for (int i = 0; i < BENCH_VIEWERS; i++) {
        loopback_client_close(&s->clients[i]);
        seal_destroy(s->seals[i]);
    }
    udp_close(&s->udp);
    frame_pool_close(s->pool);
    dtls_context_destroy(s->server);
    dtls_context_destroy(s->client);
    free(s);
}

/* --- the forwarder --- */

static void publish(struct stage *s)
{
    struct frame *f = frame_get(s->pool);
    size_t size;
    const uint8_t *unit = bench_access_unit(&size);
    if (!f || h264_packetize(&f->payload, unit, size, PACKETIZE_MAX_PAYLOAD) != 0)
        fail("no frame");
    f->id = s->next_id++;
    f->captured_us = bench_now_us();
    f->rtp_ts = (uint32_t)(f->id * 3000);
    f->keyframe = f->id == 1;
    forwarder_publish(s->f, s->stream_id, f);
}

static void sleep_until(int64_t at_us)
{
    struct timespec t = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static struct forwarder_worker_stats worker_stats(struct stage *s)
{
    struct forwarder_stats stats;
    if (forwarder_stats(s->f, &stats) != 0)
        fail("no statistics");
    struct forwarder_worker_stats w = stats.workers[0];
    forwarder_stats_free(&stats);
    return w;
}

static double run_forwarder(void *arg)
{
    struct stage *s = arg;
    uint64_t packets_before = worker_stats(s).packets_sent;
    uint64_t want = (uint64_t)FRAMES * BENCH_VIEWERS * BENCH_FRAME_PACKETS;
    int64_t at_us = bench_now_us(), before = bench_process_cpu_ns();
    for (int i = 0; i < FRAMES; i++) {
        publish(s);
        sleep_until(at_us += FRAME_US);
    }
    int64_t spent_ns = bench_process_cpu_ns() - before; /* what is still under way is not charged */
    uint64_t packets = worker_stats(s).packets_sent - packets_before;
    if (packets < want * 99 / 100)
        return -1;
    return (double)spent_ns / (double)packets;
}

/* --- the bare loop --- */

static void send_batch(struct stage *s, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(s->udp.fd, s->msgs + done, n - done, MSG_DONTWAIT);
        if (sent <= 0)
            fail("the bare loop cannot send");
        done += (unsigned)sent;
    }
}

static size_t protect_frame(struct stage *s, int viewer, uint8_t *out)
{
    const struct packetize *frame = bench_frame();
    size_t used = 0;
    for (int k = 0; k < BENCH_FRAME_PACKETS; k++) {
        const struct packetize_packet *p = &frame->packets[k];
        size_t n = bench_write_header(out + used, (uint16_t)(s->seq + k), s->seq, 1, p->marker);
        used += seal_rtp(s->seals[viewer], out + used, n, frame->data + p->offset, p->size);
    }
    return used;
}

static void prepare(struct stage *s, unsigned i, int viewer, size_t size)
{
    struct floor_message *m = &s->floor[i];
    struct msghdr *hdr = &s->msgs[i].msg_hdr;
    uint16_t segment =
        (uint16_t)(RTP_HEADER_SIZE + BENCH_EXTENSION_SIZE + bench_frame()->packets[0].size + 16);
    m->iov = (struct iovec){s->scratch[i], size};
    *hdr = (struct msghdr){.msg_name = &m->to,
                           .msg_iov = &m->iov,
                           .msg_iovlen = 1,
                           .msg_control = m->control.bytes,
                           .msg_controllen = sizeof(m->control.bytes)};
    if (s->udp.v6) {
        hdr->msg_namelen = address_to_v6(&s->sinks[viewer], &m->to);
    } else {
        hdr->msg_namelen = address_size(&s->sinks[viewer]);
        memcpy(&m->to, &s->sinks[viewer], hdr->msg_namelen);
    }
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
    cmsg->cmsg_level = SOL_UDP;
    cmsg->cmsg_type = UDP_SEGMENT;
    cmsg->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(cmsg), &segment, sizeof(segment));
}

static double run_floor(void *arg)
{
    struct stage *s = arg;
    int64_t at_us = bench_now_us(), before = bench_process_cpu_ns();
    for (int f = 0; f < FRAMES; f++) {
        unsigned n = 0;
        for (int i = 0; i < BENCH_VIEWERS; i++) {
            prepare(s, n, i, protect_frame(s, i, s->scratch[n]));
            if (++n == FLOOR_BATCH || i + 1 == BENCH_VIEWERS) {
                send_batch(s, n);
                n = 0;
            }
        }
        s->seq = (uint16_t)(s->seq + BENCH_FRAME_PACKETS);
        sleep_until(at_us += FRAME_US);
    }
    int64_t spent_ns = bench_process_cpu_ns() - before;
    return (double)spent_ns / FRAMES / BENCH_VIEWERS / BENCH_FRAME_PACKETS;
}

void bench_forward(void)
{
    struct stage *s = stage_new();
    if (!s->udp.gso)
        fail("this kernel has no UDP_SEGMENT");
    bench_compare("forward, 100 viewers", &(struct bench_side){"worker", run_forwarder, s},
                  &(struct bench_side){"header + seal + sendmmsg", run_floor, s}, ROUNDS);
    struct forwarder_worker_stats w = worker_stats(s);
    if (w.viewers != BENCH_VIEWERS || w.send_errors > 0 || w.frames_dropped > 0)
        fail("viewers, datagrams or frames were lost");
    stage_free(s);
}
