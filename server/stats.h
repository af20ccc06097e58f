/* stats.h - one consistent copy of every figure the program keeps, and its JSON form.
 *
 * Taken on the signaling thread when somebody asks; metrics.h writes the same copy for Prometheus.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "server/room.h"
#include "signaling/http.h"

#include <stdbool.h>
#include <stdint.h>

struct stats_process {
    uint64_t cpu_us, rss_bytes, threads, open_fds;
};

struct stats {
    int64_t uptime_us;
    uint16_t udp_port;
    struct stats_process process;
    struct forwarder_stats forwarder;
    struct http_counters http;
    const struct room *room; /* borrowed; NULL: none */
    /* What a viewer's player last said of itself: false: nothing. NULL: nobody was asked. */
    bool (*report)(void *arg, uint32_t viewer_id, struct backend_viewer_report *out);
    void *report_arg;
    int64_t room_age_us;
    /* by slot */
    struct stats_slot {
        bool used, has_audio;
        struct source_info info;
        struct source_stats source;
        uint32_t audio_stream;
        struct source_audio_info audio_info; /* of sound that is there */
        struct source_audio_stats audio;
    } slots[BACKEND_STREAMS_MAX];
};

/* 0 or -ENOMEM; then stats_free. `room` NULL: there is none. */
int stats_take(struct stats *out, struct forwarder *forwarder, const struct room *room,
               int64_t started_us, int64_t now_us);
void stats_free(struct stats *s);
/* What the forwarder knows of a source's stream, or NULL. */
const struct forwarder_stream_stats *stats_stream(const struct stats *s, uint32_t stream_id);

/* One viewer in full, with what was decided for it (`decisions`, NULL if nothing was); malloc'd, or
 * NULL: there is none, or no memory. */
char *stats_viewer_json(const struct stats *s, uint32_t viewer_id,
                        const struct viewer_decision *decisions, int n_decisions);
char *stats_json(const struct stats *s, bool with_viewers); /* malloc'd, or NULL */
