#include "tests/bench/bench_stage.h"

#include "rtp/payload/h264.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    AT_ONCE = 100, /* viewers that connect together */
    CONNECT_US = 20000000,
    CONSENT_US = 8000000,
    SPARE_FILES = 100,
};

void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void bench_sleep_until(int64_t at_us)
{
    struct timespec t = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void add_viewer(struct bench_stage *s, int i, const struct dtls_fingerprint *server,
                       const struct dtls_fingerprint *client)
{
    struct forwarder_seat seat;
    if (forwarder_reserve(s->f, &seat) != 0)
        bench_fail("no seat");
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
                    .kind = FORWARDER_VIDEO,
                    .formats = {[PAYLOAD_H264] = {102, 103}},
                    .extensions = {.transport_cc = 3}}},
    };
    for (; config.n_tracks < VIEWER_TRACKS_MAX; config.n_tracks++)
        config.tracks[config.n_tracks] = (struct viewer_track_config){
            .stream_id = s->reserved_id, .kind = FORWARDER_VIDEO, .ssrc = 10 + config.n_tracks};
    if (forwarder_add_viewer(s->f, &config) != 0)
        bench_fail("viewer refused");
    loopback_client_open(&s->clients[i], forwarder_port(s->f), &seat.ice, s->client, server);
}

static void connect_some(struct bench_stage *s, int first, int n)
{
    struct pollfd fds[AT_ONCE];
    int64_t end_us = bench_now_us() + CONNECT_US;
    for (int connected = 0; connected < n;) {
        if (bench_now_us() > end_us)
            bench_fail("not connected in time");
        for (int i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = s->clients[first + i].fd, .events = POLLIN};
        poll(fds, (nfds_t)n, 10);
        connected = 0;
        for (int i = 0; i < n; i++) {
            loopback_client_pump(&s->clients[first + i]);
            connected += s->clients[first + i].seal != NULL;
        }
    }
    struct forwarder_event ignored;
    while (forwarder_next_event(s->f, &ignored))
        ;
}

/* Another socket in the client's place: it takes from anybody, and has no room. */
static void make_sink(struct bench_stage *s, int i)
{
    struct loopback_client *c = &s->clients[i];
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    int tiny = 1;
    if (getsockname(c->fd, (struct sockaddr *)&name, &size) != 0)
        bench_fail("no address");
    loopback_client_close(c);
    c->fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)) != 0 ||
        bind(c->fd, (struct sockaddr *)&name, sizeof(name)) != 0)
        bench_fail("no sink");
    address_from_sockaddr(&s->sinks[i], (struct sockaddr *)&name);
}

static void fingerprint(struct dtls_fingerprint *out, const struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(ctx, text);
    if (!dtls_fingerprint_parse(out, text))
        bench_fail("no fingerprint");
}

static void connect_all(struct bench_stage *s)
{
    struct dtls_fingerprint server, client;
    fingerprint(&server, s->server);
    fingerprint(&client, s->client);
    for (int first = 0; first < s->n_viewers; first += AT_ONCE) {
        int n = s->n_viewers - first < AT_ONCE ? s->n_viewers - first : AT_ONCE;
        for (int i = first; i < first + n; i++)
            add_viewer(s, i, &server, &client);
        connect_some(s, first, n);
        for (int i = first; i < first + n; i++)
            make_sink(s, i);
        s->n_connected += n;
        bench_stage_keep_alive(s);
    }
}

void bench_stage_keep_alive(struct bench_stage *s)
{
    uint8_t out[600];
    struct address to;
    if (bench_now_us() - s->consent_us < CONSENT_US)
        return;
    if (!address_parse(&to, "127.0.0.1", forwarder_port(s->f)))
        bench_fail("no address");
    for (int i = 0; i < s->n_connected; i++) {
        struct loopback_client *c = &s->clients[i];
        size_t size = ice_lite_write_check(out, sizeof(out), LOOPBACK_UFRAG, c->server.ufrag,
                                           c->server.pwd, 1, c->transaction);
        (void)sendto(c->fd, out, size, 0, &to.sa, address_size(&to));
        if (i % AT_ONCE == 0)
            bench_sleep_until(bench_now_us() + 1000); /* or they do not all fit the socket */
    }
    s->consent_us = bench_now_us();
    bench_sleep_until(s->consent_us + 50000); /* answered outside of what is measured */
}

static void allow_files(int n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("no limit of files");
    if (limit.rlim_cur < (rlim_t)n) {
        limit.rlim_cur = (rlim_t)n;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            bench_fail("too few files are allowed (ulimit -n)");
    }
}

struct bench_stage *bench_stage_new(int n_workers, int n_viewers)
{
    allow_files(n_viewers + SPARE_FILES);
    struct bench_stage *s = calloc(1, sizeof(*s));
    if (!s || dtls_context_create(&s->server) != 0 || dtls_context_create(&s->client) != 0)
        bench_fail("no memory");
    s->n_workers = n_workers;
    s->n_viewers = n_viewers;
    s->clients = calloc((size_t)n_viewers, sizeof(*s->clients));
    s->sinks = calloc((size_t)n_viewers, sizeof(*s->sinks));
    struct forwarder_config config = {.n_workers = n_workers,
                                      .max_viewers = (unsigned)n_viewers,
                                      .dtls = s->server,
                                      .wake = ignore};
    struct forwarder_source source = {.arg = NULL};
    char error[200];
    if (!s->clients || !s->sinks || forwarder_create(&s->f, &config, error, sizeof(error)) != 0)
        bench_fail("no forwarder");
    s->consent_us = bench_now_us();
    s->pool = frame_pool_new(16384, 64);
    if (!s->pool || forwarder_add_stream(s->f, FORWARDER_VIDEO, 1, &s->stream_id) != 0 ||
        forwarder_attach(s->f, s->stream_id, &source, 1) != 0 ||
        forwarder_add_stream(s->f, FORWARDER_VIDEO, 1, &s->reserved_id) != 0)
        bench_fail("no stream");
    connect_all(s);
    return s;
}

void bench_stage_free(struct bench_stage *s)
{
    struct forwarder_worker_stats w = bench_stage_stats(s);
    if (w.viewers != (unsigned)s->n_viewers || w.send_errors > 0 || w.frames_dropped > 0)
        bench_fail("viewers, datagrams or frames were lost");
    forwarder_destroy(s->f);
    for (int i = 0; i < s->n_viewers; i++)
        close(s->clients[i].fd);
    frame_pool_close(s->pool);
    dtls_context_destroy(s->server);
    dtls_context_destroy(s->client);
    free(s->clients);
    free(s->sinks);
    free(s);
}

void bench_stage_publish(struct bench_stage *s)
{
    struct frame *f = frame_get(s->pool);
    size_t size;
    const uint8_t *unit = bench_access_unit(&size);
    if (!f || h264_packetize(&f->payload, unit, size, PACKETIZE_MAX_PAYLOAD) != 0)
        bench_fail("no frame");
    f->codec = PAYLOAD_H264;
    f->captured_us = bench_now_us();
    f->rtp_ts = (uint32_t)(s->n_published * 3000);
    f->keyframe = s->n_published == 0;
    s->n_published++;
    forwarder_publish(s->f, s->stream_id, 0, f);
}

/* Mail is read in order, and whoever removes a stream waits until every worker has read of it. */
void bench_stage_wait(struct bench_stage *s)
{
    uint32_t id;
    if (forwarder_add_stream(s->f, FORWARDER_VIDEO, 1, &id) != 0)
        bench_fail("no stream");
    forwarder_remove_stream(s->f, id);
}

struct forwarder_worker_stats bench_stage_stats(struct bench_stage *s)
{
    struct forwarder_stats stats;
    struct forwarder_worker_stats sum = {0};
    if (forwarder_stats(s->f, &stats) != 0)
        bench_fail("no statistics");
    for (unsigned i = 0; i < stats.n_workers; i++) {
        sum.viewers += stats.workers[i].viewers;
        sum.packets_sent += stats.workers[i].packets_sent;
        sum.send_errors += stats.workers[i].send_errors;
        sum.frames_dropped += stats.workers[i].frames_dropped;
    }
    forwarder_stats_free(&stats);
    return sum;
}
