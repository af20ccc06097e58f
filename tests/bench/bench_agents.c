/* bench_agents.c - 500 viewers behind full ICE agents beside 500 on the one port.
 *
 * What a packet takes of the worker's time, and what the worker takes while nothing is sent. The
 * far ends are lite peers on plain sockets: they answer the agents' checks and send checks of their
 * own as often as a browser does. A filter drops everything but STUN at their sockets, so that the
 * sender's cost is measured; the one-port side's sockets are full, which costs as much.
 */
#include "tests/bench/bench_stage.h"

#include <dirent.h>
#include <linux/filter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <stun/usages/ice.h>
#include <sys/epoll.h>

enum {
    VIEWERS = 500,
    FRAMES = 30,
    FRAME_US = 33333,
    ROUNDS = 9,
    IDLE_US = 10000000,
    SETTLE_US = 3000000, /* until libnice's timers of the connecting have run out */
    CHECK_US = 2500000,  /* Chromium's pause between two checks of a pair that works */
    TURN_US = 20000,
    CONNECT_TOGETHER = 50,
};

#define FAR_PWD "password-of-the-far-ends"

struct far_end {
    struct loopback_client loop;
    struct ice_lite ice; /* answers */
    uint32_t viewer_id;
    uint16_t port; /* of its agent; 0: not known yet */
};

struct agents {
    struct forwarder *f;
    struct dtls_context *server, *client;
    struct ice_servers servers;
    struct bench_stage publisher; /* only what publishing needs */
    struct far_end ends[VIEWERS];
    int n;
    pthread_t answering;
    atomic_bool stop;
    int worker_tid;
};

/* --- the worker's own time --- */

static uint64_t thread_cpu_ns(int tid)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        bench_fail("no schedstat");
    fclose(f);
    return ns;
}

/* The worker that is not `other`. */
static int find_worker(int other)
{
    DIR *tasks = opendir("/proc/self/task");
    int found = 0;
    for (const struct dirent *e; tasks && (e = readdir(tasks));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fgets(name, sizeof(name), f) && strncmp(name, "amphi-worker0", 13) == 0 &&
            atoi(e->d_name) != other)
            found = atoi(e->d_name);
        if (f)
            fclose(f);
    }
    closedir(tasks);
    if (!found)
        bench_fail("no worker thread");
    return found;
}

/* --- far ends --- */

static void answer(struct far_end *e, uint8_t *data, size_t size)
{
    uint8_t reply[512];
    size_t n = sizeof(reply);
    struct address from;
    if (!address_parse(&from, "127.0.0.1", e->port))
        bench_fail("no address");
    if (data[0] == 0 && data[1] == 1 && size >= 20) {
        if (ice_lite_on_stun(&e->ice, data, size, &from, reply, &n, bench_now_us()) != ICE_IGNORED)
            e->loop.ice_done = true;
        if (n > 0)
            (void)send(e->loop.fd, reply, n, 0);
    } else if (e->loop.dtls && data[0] > 3) {
        loopback_client_on_datagram(&e->loop, data, size);
    }
}

static void read_all(struct far_end *e)
{
    uint8_t data[2048];
    ssize_t n;
    while ((n = recv(e->loop.fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
        answer(e, data, (size_t)n);
}

/* As a controlled browser's. */
static void check(struct far_end *e, uint64_t serial)
{
    static const uint16_t known[] = {STUN_ATTRIBUTE_USERNAME, STUN_ATTRIBUTE_PRIORITY, 0};
    StunAgent agent;
    StunMessage m;
    uint8_t out[512];
    char name[64];
    int n = snprintf(name, sizeof(name), "%s:" LOOPBACK_UFRAG, e->loop.server.ufrag);
    stun_agent_init(&agent, known, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    size_t size = stun_usage_ice_conncheck_create(
        &agent, &m, out, sizeof(out), (const uint8_t *)name, (size_t)n,
        (const uint8_t *)e->loop.server.pwd, strlen(e->loop.server.pwd), false, false, 1853817087u,
        serial, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
    (void)send(e->loop.fd, out, size, 0);
}

/* Of everyone's checks a share each TURN_US, and answers to what has come. */
static void *answer_all(void *arg)
{
    struct agents *a = arg;
    uint64_t serial = 1, sent = 0;
    int64_t begun_us = bench_now_us();
    while (!a->stop) {
        bench_sleep_until(bench_now_us() + TURN_US);
        for (int i = 0; i < VIEWERS; i++)
            read_all(&a->ends[i]);
        uint64_t due = (uint64_t)(bench_now_us() - begun_us) * VIEWERS / CHECK_US;
        for (; sent < due; sent++)
            check(&a->ends[sent % VIEWERS], serial++);
    }
    return NULL;
}

/* Lets only STUN in (RFC 7983). */
static void make_sink(const struct far_end *e)
{
    struct sock_filter code[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, 8}, /* behind the UDP header */
        {BPF_JMP | BPF_JGE | BPF_K, 1, 0, 4},
        {BPF_RET | BPF_K, 0, 0, 0xffff},
        {BPF_RET | BPF_K, 0, 0, 0},
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (setsockopt(e->loop.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
        bench_fail("no filter");
}

static void take_candidates(struct agents *a)
{
    struct forwarder_candidate c;
    while (forwarder_next_candidate(a->f, &c)) {
        unsigned port = 0;
        for (int i = 0; c.text && i < VIEWERS; i++) {
            if (a->ends[i].viewer_id == c.viewer_id &&
                sscanf(c.text, "candidate:%*s %*s %*s %*s 127.0.0.1 %u", &port) == 1)
                a->ends[i].port = (uint16_t)port;
        }
        free(c.text);
    }
    struct forwarder_event ignored;
    while (forwarder_next_event(a->f, &ignored))
        ;
}

static void fingerprint(struct dtls_fingerprint *out, const struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(ctx, text);
    if (!dtls_fingerprint_parse(out, text))
        bench_fail("no fingerprint");
}

static struct forwarder_seat reserve(struct agents *a, struct far_end *e)
{
    struct forwarder_seat seat;
    if (forwarder_reserve_to_offer(a->f, &seat) != 0)
        bench_fail("no seat");
    e->viewer_id = seat.viewer_id;
    while (e->port == 0)
        take_candidates(a);
    return seat;
}

static void begin(struct agents *a, struct far_end *e)
{
    struct dtls_fingerprint server, client;
    struct ice_local own = {.ufrag = LOOPBACK_UFRAG, .pwd = FAR_PWD};
    fingerprint(&server, a->server);
    fingerprint(&client, a->client);
    struct forwarder_seat seat = reserve(a, e);
    ice_lite_init(&e->ice, &own, seat.ice.ufrag, seat.ice.pwd, bench_now_us());
    loopback_client_open(&e->loop, e->port, &seat.ice, a->client, &server);
    e->loop.check_us = INT64_MAX;
    struct viewer_config config = {
        .id = seat.viewer_id,
        .seed = seat.viewer_id,
        .cname = "bench",
        .peer = {.local = seat.ice,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1,
                 .fingerprints = {client}},
        .n_tracks = 1,
        .tracks = {{.stream_id = a->publisher.stream_id,
                    .ssrc = 1,
                    .rtx_ssrc = 2,
                    .kind = FORWARDER_VIDEO,
                    .formats = {[PAYLOAD_H264] = {102, 103}},
                    .extensions = {.transport_cc = 3}}},
    };
    snprintf(config.peer.remote_ufrag, sizeof(config.peer.remote_ufrag), LOOPBACK_UFRAG);
    snprintf(config.peer.remote_pwd, sizeof(config.peer.remote_pwd), FAR_PWD);
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    char text[96];
    if (forwarder_add_viewer(a->f, &config) != 0 ||
        getsockname(e->loop.fd, (struct sockaddr *)&name, &size) != 0)
        bench_fail("viewer refused");
    snprintf(text, sizeof(text), "candidate:1 1 udp 2122260223 127.0.0.1 %u typ host",
             ntohs(name.sin_port));
    forwarder_add_candidate(a->f, seat.viewer_id, text);
}

static void connect_end(struct far_end *e, bool *started)
{
    read_all(e);
    if (e->loop.ice_done && !*started) {
        dtls_start(e->loop.dtls);
        *started = true;
    }
    if (*started)
        loopback_client_pump(&e->loop);
}

static void connect_some(struct agents *a, int first, int n)
{
    bool started[CONNECT_TOGETHER] = {false};
    int64_t end_us = bench_now_us() + 20000000;
    for (int i = first; i < first + n; i++)
        begin(a, &a->ends[i]);
    for (int connected = 0; connected < n;) {
        if (bench_now_us() > end_us)
            bench_fail("agents did not connect in time");
        connected = 0;
        for (int i = 0; i < n; i++) {
            connect_end(&a->ends[first + i], &started[i]);
            connected += a->ends[first + i].loop.seal != NULL;
        }
        for (int i = 0; i < first; i++)
            read_all(&a->ends[i]);
        take_candidates(a);
        bench_sleep_until(bench_now_us() + 2000);
    }
    for (int i = first; i < first + n; i++)
        make_sink(&a->ends[i]);
}

static void ignore(void *arg)
{
    (void)arg;
}

static struct agents *open_agents(void)
{
    struct agents *a = calloc(1, sizeof(*a));
    if (!a || dtls_context_create(&a->server) != 0 || dtls_context_create(&a->client) != 0)
        bench_fail("no memory");
    a->servers.n_addresses = 1;
    (void)address_parse(&a->servers.addresses[0], "127.0.0.1", 0);
    struct forwarder_config config = {.n_workers = 1,
                                      .max_viewers = VIEWERS,
                                      .dtls = a->server,
                                      .ice = &a->servers,
                                      .wake = ignore};
    struct forwarder_source source = {.arg = NULL};
    char error[200];
    if (forwarder_create(&a->f, &config, error, sizeof(error)) != 0)
        bench_fail("no forwarder");
    a->publisher = (struct bench_stage){.f = a->f};
    a->publisher.pool = frame_pool_new(16384, 64);
    uint32_t *id = &a->publisher.stream_id;
    if (!a->publisher.pool || forwarder_add_stream(a->f, FORWARDER_VIDEO, 1, id) != 0 ||
        forwarder_attach(a->f, *id, &source, 1) != 0)
        bench_fail("no stream");
    for (int first = 0; first < VIEWERS; first += CONNECT_TOGETHER)
        connect_some(a, first, CONNECT_TOGETHER);
    if (pthread_create(&a->answering, NULL, answer_all, a) != 0)
        bench_fail("no thread");
    return a;
}

static void close_agents(struct agents *a)
{
    struct forwarder_worker_stats w = bench_stage_stats(&a->publisher);
    if (w.viewers != VIEWERS || w.send_errors > 0)
        bench_fail("agents or datagrams were lost");
    a->stop = true;
    pthread_join(a->answering, NULL);
    forwarder_destroy(a->f);
    for (int i = 0; i < VIEWERS; i++)
        loopback_client_close(&a->ends[i].loop);
    frame_pool_close(a->publisher.pool);
    dtls_context_destroy(a->server);
    dtls_context_destroy(a->client);
    free(a);
}

/* --- what is measured --- */

struct side {
    struct bench_stage *stage;
    int tid;
    bool keep_alive;
};

static double run_side(void *arg)
{
    struct side *s = arg;
    uint64_t packets = (uint64_t)FRAMES * VIEWERS * BENCH_FRAME_PACKETS;
    if (s->keep_alive)
        bench_stage_keep_alive(s->stage);
    uint64_t end = bench_stage_stats(s->stage).packets_sent + packets;
    uint64_t before = thread_cpu_ns(s->tid);
    int64_t at_us = bench_now_us(), last_us = at_us + 20000000;
    for (int i = 0; i < FRAMES; i++) {
        bench_stage_publish(s->stage);
        bench_sleep_until(at_us += FRAME_US);
    }
    while (bench_stage_stats(s->stage).packets_sent < end) {
        if (bench_now_us() > last_us)
            bench_fail("not all was sent");
        bench_sleep_until(bench_now_us() + 4000);
    }
    return (double)(thread_cpu_ns(s->tid) - before) / (double)packets;
}

static double idle_percent(const struct side *s)
{
    if (s->keep_alive)
        bench_stage_keep_alive(s->stage);
    int64_t begun_us = bench_now_us();
    uint64_t before = thread_cpu_ns(s->tid);
    bench_sleep_until(begun_us + IDLE_US);
    return (double)(thread_cpu_ns(s->tid) - before) / 10.0 / (double)(bench_now_us() - begun_us);
}

void bench_agents(void)
{
    struct bench_stage *port = bench_stage_new(1, VIEWERS);
    struct side on_port = {.stage = port, .tid = find_worker(0), .keep_alive = true};
    struct agents *a = open_agents();
    struct side behind = {.stage = &a->publisher, .tid = find_worker(on_port.tid)};
    bench_sleep_until(bench_now_us() + SETTLE_US);
    double port_percent = idle_percent(&on_port), percent = idle_percent(&behind);
    fprintf(stderr, "idle: %d agents take %.2f %% of a core, the one port %.2f %%\n", VIEWERS,
            percent, port_percent);
    bench_stage_keep_alive(port);
    bench_compare("agents, 500 viewers", &(struct bench_side){"worker, agents", run_side, &behind},
                  &(struct bench_side){"worker, one port", run_side, &on_port}, ROUNDS);
    close_agents(a);
    bench_stage_free(port);
}
