/* bench_stage.h - a forwarder and its viewers on loopback, whose receivers drop everything: what
 * bench_forward.c measures.
 *
 * Life: bench_stage_new connects everybody, bench_stage_free. One thread beside the workers.
 * Whatever fails ends the program.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "tests/bench/bench.h"
#include "tests/unit/forward/loopback_client.h"

struct bench_stage {
    int n_workers, n_viewers, n_connected;
    struct forwarder *f;
    struct dtls_context *server, *client;
    uint32_t stream_id, reserved_id; /* the latter has no source: every viewer's other tracks' */
    struct frame_pool *pool;
    uint64_t n_published;
    struct loopback_client *clients; /* owned; only their sockets live on, and their passwords */
    int64_t consent_us;              /* when they last gave it */
    struct address *sinks;           /* owned */
};

struct bench_stage *bench_stage_new(int n_workers, int n_viewers);
/* Before every round: viewers that are not heard of for half a minute are dropped. */
void bench_stage_keep_alive(struct bench_stage *s);
void bench_stage_free(struct bench_stage *s);
void bench_stage_publish(struct bench_stage *s); /* a frame of BENCH_FRAME_PACKETS packets */
void bench_stage_wait(struct bench_stage *s);    /* until the workers have dealt with every frame */
struct forwarder_worker_stats bench_stage_stats(struct bench_stage *s); /* of all workers */
void bench_fail(const char *what);
void bench_sleep_until(int64_t at_us);
