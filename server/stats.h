/* stats.h - one consistent copy of every figure the program keeps, and its JSON form.
 *
 * Taken on the signaling thread when somebody asks; metrics.h writes the same copy for Prometheus.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "server/rooms.h"
#include "signaling/http.h"

#include <stdbool.h>
#include <stdint.h>

struct stats_process {
    uint64_t cpu_us, rss_bytes, threads, open_fds;
};

struct stats_slot {
    unsigned index;
    bool has_audio;
    struct source_info info;
    struct source_stats source;
    const struct forwarder_stream_stats *stream; /* borrowed: of stats.forwarder; NULL: none */
    struct source_audio_info audio_info;         /* of sound that is there */
    struct source_audio_stats audio;
};

struct stats_room {
    const struct room *room; /* borrowed */
    int64_t age_us;
    unsigned n_slots; /* that show something */
    const struct stats_slot *slots;
};

/* What signaling's thread knows of a viewer. */
struct stats_guest {
    const struct room *room; /* NULL: it has ended */
    const char *kind;        /* of a presenter: "whip", "browser", "gopeep" */
    bool has_report;
    struct backend_viewer_report report; /* what its player last said of itself */
};

/* Who was not let in. */
struct stats_denied {
    uint64_t watch_required; /* nothing was shown where something is asked for */
    uint64_t watch_invalid;  /* a wrong password or token */
    uint64_t watch_used;     /* a token that was used up, or has run out */
    uint64_t publish;
};

struct stats_config {
    const struct stats_denied *denied;
    struct forwarder *forwarder;
    const struct rooms *rooms;
    int64_t started_us, now_us;
    bool draining;
    bool (*guest)(void *arg, uint32_t viewer_id, struct stats_guest *out); /* false: unknown */
    void *guest_arg;
};

struct stats {
    int64_t uptime_us;
    bool draining; /* nobody new is taken */
    uint16_t udp_port;
    struct stats_process process;
    struct forwarder_stats forwarder;
    struct http_counters http;
    struct stats_denied denied;
    uint64_t rooms_opened,
        rooms_idle_end; /* since it began; of those that nobody was in any more */
    unsigned n_rooms;
    struct stats_room *rooms; /* owned; in the order they were opened in */
    struct stats_slot *slots; /* owned; of all rooms */
    bool (*guest)(void *arg, uint32_t viewer_id, struct stats_guest *out);
    void *guest_arg;
};

/* 0 or -ENOMEM; then stats_free. */
int stats_take(struct stats *out, const struct stats_config *config);
void stats_free(struct stats *s);
const struct forwarder_stream_stats *stats_find_stream(const struct forwarder_stats *f,
                                                       uint32_t stream_id); /* or NULL */

/* One viewer in full, with what was decided for it (`decisions`, NULL if nothing was); malloc'd, or
 * NULL: there is none, or no memory. */
char *stats_viewer_json(const struct stats *s, uint32_t viewer_id,
                        const struct viewer_decision *decisions, int n_decisions);
/* The same decisions alone, for the viewer itself; malloc'd, or NULL. */
char *stats_decisions_json(const struct viewer_decision *decisions, int n_decisions);
char *stats_json(const struct stats *s, bool with_viewers); /* malloc'd, or NULL */
