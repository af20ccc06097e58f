/* server_figures.h - what a server says of itself: GET /api/v1/stats and /api/v1/rooms/{ROOM}.
 *
 * Each call is one request that waits for its answer, a few seconds at most.
 */
#pragma once

#include "tests/load/load_options.h"

struct server_figures {
    int64_t at_us;              /* when they were taken, our clock */
    uint64_t cpu_us, rss_bytes; /* of its process */
    uint64_t packets_sent, bytes_sent, send_calls, send_errors, frames_dropped;
    uint64_t workers, loop_lag_p99_us; /* the worst worker's */
    bool gso;                          /* every worker */
    /* the room's first stream */
    double encode_fps;
    uint64_t keyframes, keyframe_requests, joins_from_cache, capture_to_send_us_p99;
};

/* 0, or -errno with a sentence. An empty room is set to the server's first. */
int server_figures_read(struct server_figures *out, struct load_options *o, char *error,
                        size_t error_size);
/* How many viewers the room has, or -errno with a sentence. */
long server_figures_viewers(const struct load_options *o, char *error, size_t error_size);
