/* bench_forward.c - the whole way of a worker: frames published to workers with connected viewers
 * on loopback.
 *
 * Beside the bare loop of the same calls (header, seal_rtp, sendmmsg with UDP_SEGMENT) to the same
 * sockets, for 100 to 4000 viewers: what a worker adds must not grow with them. The sockets'
 * receive buffers are full: the kernel drops at the receiver's ingress, so that the sender's cost
 * is measured and not a receiver's. Both run at the same pace, frame after frame, and are charged
 * all CPU of the process.
 *
 * Once more with somebody who reads it all, as viewers do: then only who sends is charged.
 *
 * And two workers beside one: the CPU a packet takes, and the time until all is sent when each
 * worker has as much to do as it can. 1.00 is twice the work; 1.11 is 1.8 times. The time is only
 * worth something if two cores have nothing else to do.
 */
#include "rtp/forward/udp.h"
#include "rtp/forward/worker.h"
#include "tests/bench/bench_receivers.h"
#include "tests/bench/bench_stage.h"

#include <dirent.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLOOR_BATCH = 32, /* trains per sendmmsg */
    TRAIN_BYTES = BENCH_FRAME_PACKETS * 1232,
    SHARD_VIEWERS = 1000,
    SHARD_FRAMES = 8,
    SHARD_ROUNDS = 31,
    WORKERS_MAX = 8,
    POLL_US = 4000,
    END_US = 20000000,
};

struct floor_message {
    struct sockaddr_in6 to;
    struct iovec iov;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
};

struct scene {
    struct bench_stage *stage;
    struct bench_receivers *receivers; /* NULL: the kernel drops at the sockets */
    int frames;
    int64_t frame_us;

    struct udp udp;      /* the floor's */
    struct seal **seals; /* owned */
    uint16_t seq;
    struct mmsghdr msgs[FLOOR_BATCH];
    struct floor_message floor[FLOOR_BATCH];
    uint8_t scratch[FLOOR_BATCH][TRAIN_BYTES];
};

/* --- the forwarder --- */

/* Until the workers have sent that many packets in all. */
static void wait_for(struct bench_stage *stage, uint64_t packets)
{
    bench_stage_wait(stage); /* asking costs them something */
    int64_t end_us = bench_now_us() + END_US;
    while (bench_stage_stats(stage).packets_sent < packets) {
        if (bench_now_us() > end_us)
            bench_fail("the workers did not send all of it");
        bench_sleep_until(bench_now_us() + POLL_US);
    }
}

/* CPU time of every thread that is a worker, of whichever stage, in the order of their ids. */
static unsigned read_workers(uint64_t cpu_ns[WORKERS_MAX])
{
    unsigned n = 0;
    struct dirent **tasks;
    int n_tasks = scandir("/proc/self/task", &tasks, NULL, alphasort);
    for (int i = 0; i < n_tasks; i++) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tasks[i]->d_name);
        FILE *f = fopen(path, "r");
        bool is_worker = f && fgets(name, sizeof(name), f) &&
                         strncmp(name, WORKER_NAME, strlen(WORKER_NAME)) == 0;
        if (f)
            fclose(f);
        snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", tasks[i]->d_name);
        f = is_worker && n < WORKERS_MAX ? fopen(path, "r") : NULL;
        if (f && fscanf(f, "%" SCNu64, &cpu_ns[n]) == 1)
            n++;
        if (f)
            fclose(f);
        free(tasks[i]);
    }
    if (n_tasks >= 0)
        free(tasks);
    return n;
}

/* All of the process, unless somebody in it reads: then of who sends. */
static int64_t forwarder_cpu_ns(const struct scene *s)
{
    uint64_t cpu_ns[WORKERS_MAX] = {0}, sum = 0;
    if (!s->receivers)
        return bench_process_cpu_ns();
    unsigned n = read_workers(cpu_ns);
    for (unsigned i = 0; i < n; i++)
        sum += cpu_ns[i];
    return (int64_t)sum;
}

static int64_t floor_cpu_ns(const struct scene *s)
{
    return s->receivers ? bench_thread_cpu_ns() : bench_process_cpu_ns();
}

static double run_forwarder(void *arg)
{
    struct scene *s = arg;
    struct bench_stage *stage = s->stage;
    uint64_t packets = (uint64_t)s->frames * (uint64_t)stage->n_viewers * BENCH_FRAME_PACKETS;
    bench_stage_keep_alive(stage);
    uint64_t end = bench_stage_stats(stage).packets_sent + packets;
    int64_t at_us = bench_now_us(), before = forwarder_cpu_ns(s);
    for (int i = 0; i < s->frames; i++) {
        bench_stage_publish(stage);
        bench_sleep_until(at_us += s->frame_us);
    }
    wait_for(stage, end);
    return (double)(forwarder_cpu_ns(s) - before) / (double)packets;
}

/* --- the bare loop --- */

static void send_batch(struct scene *s, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(s->udp.fd, s->msgs + done, n - done, MSG_DONTWAIT);
        if (sent <= 0)
            bench_fail("the bare loop cannot send");
        done += (unsigned)sent;
    }
}

static size_t protect_frame(struct scene *s, int viewer, uint8_t *out)
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

static void prepare(struct scene *s, unsigned i, int viewer, size_t size)
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
        hdr->msg_namelen = address_to_v6(&s->stage->sinks[viewer], &m->to);
    } else {
        hdr->msg_namelen = address_size(&s->stage->sinks[viewer]);
        memcpy(&m->to, &s->stage->sinks[viewer], hdr->msg_namelen);
    }
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
    cmsg->cmsg_level = SOL_UDP;
    cmsg->cmsg_type = UDP_SEGMENT;
    cmsg->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(cmsg), &segment, sizeof(segment));
}

static double run_floor(void *arg)
{
    struct scene *s = arg;
    int64_t at_us = bench_now_us(), before = floor_cpu_ns(s);
    for (int f = 0; f < s->frames; f++) {
        unsigned n = 0;
        for (int i = 0; i < s->stage->n_viewers; i++) {
            prepare(s, n, i, protect_frame(s, i, s->scratch[n]));
            if (++n == FLOOR_BATCH || i + 1 == s->stage->n_viewers) {
                send_batch(s, n);
                n = 0;
            }
        }
        s->seq = (uint16_t)(s->seq + BENCH_FRAME_PACKETS);
        bench_sleep_until(at_us += s->frame_us);
    }
    int64_t spent_ns = floor_cpu_ns(s) - before;
    return (double)spent_ns / s->frames / s->stage->n_viewers / BENCH_FRAME_PACKETS;
}

static void add_floor(struct scene *s)
{
    if (udp_open(&s->udp, 0, NULL, false) != 0 || !s->udp.gso)
        bench_fail("this kernel has no UDP_SEGMENT");
    s->seals = calloc((size_t)s->stage->n_viewers, sizeof(*s->seals));
    for (int i = 0; s->seals && i < s->stage->n_viewers; i++) {
        struct seal_keys keys = {.profile = SEAL_AES_128_GCM,
                                 .local = {(uint8_t)i, (uint8_t)(i >> 8), 1}};
        if (seal_create(&s->seals[i], &keys) != 0)
            bench_fail("no seal");
    }
    if (!s->seals)
        bench_fail("no memory");
}

static void remove_floor(struct scene *s)
{
    for (int i = 0; i < s->stage->n_viewers; i++)
        seal_destroy(s->seals[i]);
    free(s->seals);
    udp_close(&s->udp);
}

static void compare_with_floor(int n_viewers, int frames, int64_t frame_us, int rounds,
                               bool received)
{
    struct scene *s = calloc(1, sizeof(*s));
    if (!s)
        bench_fail("no memory");
    s->stage = bench_stage_new(1, n_viewers);
    s->frames = frames;
    s->frame_us = frame_us;
    add_floor(s);
    if (received)
        s->receivers = bench_receivers_new(s->stage);
    char name[48];
    snprintf(name, sizeof(name), "forward, %d viewers%s", n_viewers, received ? ", read" : "");
    bench_compare(name, &(struct bench_side){"worker", run_forwarder, s},
                  &(struct bench_side){"header + seal + sendmmsg", run_floor, s}, rounds);
    remove_floor(s);
    if (received)
        bench_receivers_free(s->receivers);
    bench_stage_free(s->stage);
    free(s);
}

/* --- one worker and two --- */

struct shards {
    struct bench_stage *stage;
    double busiest_ns, time_ns; /* of a packet, in the last round */
};

static void run_shards(struct shards *s)
{
    struct bench_stage *stage = s->stage;
    uint64_t before[WORKERS_MAX], after[WORKERS_MAX], busiest = 0;
    uint64_t packets = (uint64_t)SHARD_FRAMES * (uint64_t)stage->n_viewers * BENCH_FRAME_PACKETS;
    bench_stage_keep_alive(stage);
    uint64_t end = bench_stage_stats(stage).packets_sent + packets;
    unsigned n = read_workers(before);
    int64_t begun_us = bench_now_us();
    for (int i = 0; i < SHARD_FRAMES; i++)
        bench_stage_publish(stage);
    bench_stage_wait(stage);
    s->time_ns = (double)(bench_now_us() - begun_us) * 1000 / (double)packets;
    if (read_workers(after) != n || n == 0)
        bench_fail("no CPU times of threads");
    for (unsigned i = 0; i < n; i++)
        busiest = after[i] - before[i] > busiest ? after[i] - before[i] : busiest;
    s->busiest_ns = (double)busiest / (double)packets;
    if (bench_stage_stats(stage).packets_sent < end)
        bench_fail("a pacer held something back");
}

static double busiest_of(void *arg)
{
    struct shards *s = arg;
    run_shards(s);
    return s->busiest_ns * s->stage->n_workers;
}

static double time_of(void *arg)
{
    struct shards *s = arg;
    run_shards(s);
    return s->time_ns * s->stage->n_workers;
}

static void compare_shards(void)
{
    struct shards one = {.stage = bench_stage_new(1, SHARD_VIEWERS)};
    struct shards two = {.stage = bench_stage_new(2, SHARD_VIEWERS)};
    bench_compare("shards, CPU",
                  &(struct bench_side){"busiest of 2 workers, x 2", busiest_of, &two},
                  &(struct bench_side){"1 worker", busiest_of, &one}, SHARD_ROUNDS);
    bench_compare("shards, time", &(struct bench_side){"2 workers, x 2", time_of, &two},
                  &(struct bench_side){"1 worker", time_of, &one}, SHARD_ROUNDS);
    bench_stage_free(one.stage);
    bench_stage_free(two.stage);
}

void bench_forward(void)
{
    compare_with_floor(100, 50, 3000, 21, false); /* the pacer lets 11 kB leave every 1.8 ms */
    compare_with_floor(500, 10, 9000, 11, false);
    compare_with_floor(1000, 5, 18000, 11, false);
    compare_with_floor(4000, 2, 72000, 11, false);
}

/* At the rate of 30 pictures a second: the reader keeps up. */
void bench_received(void)
{
    compare_with_floor(500, 30, 33333, 5, true);
    compare_with_floor(2000, 30, 33333, 5, true);
}

void bench_shards(void)
{
    compare_shards();
}
