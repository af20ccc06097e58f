#include "server/metrics_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Bounds of every histogram, in microseconds: ends of buckets (histogram.h), so that each count is
 * exact. */
static const uint64_t bounds_us[] = {255,   511,   1023,   2047,   4095,   8191,   16383,
                                     32767, 65535, 131071, 262143, 524287, 1048575};
enum { N_BOUNDS = sizeof(bounds_us) / sizeof(bounds_us[0]) };

void metrics_family(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP amphi_%s %s\n# TYPE amphi_%s %s\n", name, help, name, type);
}

static void single(FILE *f, const char *name, const char *type, const char *help, double value)
{
    metrics_family(f, name, type, help);
    fprintf(f, "amphi_%s %.17g\n", name, value);
}

static void write_process(FILE *f, const struct stats *s)
{
    single(f, "uptime_seconds", "gauge", "Time since the program started.",
           (double)s->uptime_us / 1e6);
    single(f, "draining", "gauge", "1 while nobody new is taken.", s->draining);
    single(f, "process_cpu_seconds_total", "counter", "CPU time used, user and system.",
           (double)s->process.cpu_us / 1e6);
    single(f, "process_resident_memory_bytes", "gauge", "Resident memory.",
           (double)s->process.rss_bytes);
    single(f, "process_threads", "gauge", "Threads.", (double)s->process.threads);
    single(f, "process_open_fds", "gauge", "Open file descriptors.", (double)s->process.open_fds);
}

typedef double worker_value_fn(const struct forwarder_worker_stats *w);

static double worker_viewers(const struct forwarder_worker_stats *w)
{
    return w->viewers;
}

static double worker_packets(const struct forwarder_worker_stats *w)
{
    return (double)w->packets_sent;
}

static double worker_bytes(const struct forwarder_worker_stats *w)
{
    return (double)w->bytes_sent;
}

static double worker_calls(const struct forwarder_worker_stats *w)
{
    return (double)w->send_calls;
}

static double worker_errors(const struct forwarder_worker_stats *w)
{
    return (double)w->send_errors;
}

static double worker_blocked(const struct forwarder_worker_stats *w)
{
    return (double)w->send_blocked;
}

static double worker_received(const struct forwarder_worker_stats *w)
{
    return (double)w->datagrams_received;
}

static double worker_unknown(const struct forwarder_worker_stats *w)
{
    return (double)w->datagrams_unknown;
}

static double worker_passed_on(const struct forwarder_worker_stats *w)
{
    return (double)w->datagrams_passed_on;
}

static double worker_dropped(const struct forwarder_worker_stats *w)
{
    return (double)w->frames_dropped;
}

static double worker_lag(const struct forwarder_worker_stats *w)
{
    return (double)w->loop_lag_p99_us / 1e6;
}

static double worker_high_water(const struct forwarder_worker_stats *w)
{
    return w->mailbox_high_water;
}

static double worker_tcp(const struct forwarder_worker_stats *w)
{
    return w->tcp_connections;
}

static double worker_tcp_refused(const struct forwarder_worker_stats *w)
{
    return (double)w->tcp_refused;
}

static double worker_handshakes(const struct forwarder_worker_stats *w)
{
    return w->handshakes;
}

static double worker_handshakes_waited(const struct forwarder_worker_stats *w)
{
    return (double)w->handshakes_waited;
}

static double worker_handshakes_deferred(const struct forwarder_worker_stats *w)
{
    return (double)w->handshakes_deferred;
}

static double worker_gso(const struct forwarder_worker_stats *w)
{
    return w->gso;
}

static const struct {
    const char *name, *type, *help;
    worker_value_fn *value;
} worker_families[] = {
    {"worker_viewers", "gauge", "Viewers the worker owns.", worker_viewers},
    {"worker_packets_sent_total", "counter", "Datagrams sent, media or not.", worker_packets},
    {"worker_sent_bytes_total", "counter", "Payload sent, over UDP and TCP.", worker_bytes},
    {"worker_send_calls_total", "counter", "System calls that sent.", worker_calls},
    {"worker_send_errors_total", "counter", "Datagrams that could not be sent.", worker_errors},
    {"worker_send_blocked_total", "counter", "Times the UDP socket was full.", worker_blocked},
    {"worker_datagrams_received_total", "counter", "Datagrams received.", worker_received},
    {"worker_datagrams_unknown_total", "counter", "Datagrams of nobody we know.", worker_unknown},
    {"worker_datagrams_passed_on_total", "counter", "Datagrams handed to their worker.",
     worker_passed_on},
    {"worker_frames_dropped_total", "counter", "Frames a full mailbox refused.", worker_dropped},
    {"worker_loop_lag_p99_seconds", "gauge", "How late the loop runs.", worker_lag},
    {"worker_mailbox_high_water", "gauge", "Most messages that ever waited.", worker_high_water},
    {"worker_tcp_connections", "gauge", "Connections that carry media or may.", worker_tcp},
    {"worker_tcp_refused_total", "counter", "Connections over a bound.", worker_tcp_refused},
    {"worker_handshakes", "gauge", "DTLS handshakes under way.", worker_handshakes},
    {"worker_handshakes_waited_total", "counter", "Handshake datagrams that waited their turn.",
     worker_handshakes_waited},
    {"worker_handshakes_deferred_total", "counter", "Handshake datagrams left to be repeated.",
     worker_handshakes_deferred},
    {"worker_gso", "gauge", "1 where UDP segmentation offload is used.", worker_gso},
};

static void write_workers(FILE *f, const struct stats *s)
{
    for (size_t i = 0; i < sizeof(worker_families) / sizeof(worker_families[0]); i++) {
        metrics_family(f, worker_families[i].name, worker_families[i].type,
                       worker_families[i].help);
        for (unsigned w = 0; w < s->forwarder.n_workers; w++)
            fprintf(f, "amphi_%s{worker=\"%u\"} %.17g\n", worker_families[i].name, w,
                    worker_families[i].value(&s->forwarder.workers[w]));
    }
}

typedef double stream_value_fn(const struct stats_slot *slot);

static double stream_capture_fps(const struct stats_slot *slot)
{
    return slot->source.capture_fps;
}

static double stream_encode_fps(const struct stats_slot *slot)
{
    return slot->source.encode_fps;
}

static double stream_bitrate(const struct stats_slot *slot)
{
    return (double)slot->source.bitrate_bps;
}

static double stream_captured(const struct stats_slot *slot)
{
    return (double)slot->source.frames_captured;
}

static double stream_superseded(const struct stats_slot *slot)
{
    return (double)slot->source.frames_superseded;
}

static double stream_encoded(const struct stats_slot *slot)
{
    return (double)slot->source.frames_encoded;
}

static double stream_dropped(const struct stats_slot *slot)
{
    return (double)slot->source.frames_dropped;
}

static double stream_keyframes(const struct stats_slot *slot)
{
    return (double)slot->source.keyframes;
}

static double stream_requests(const struct stats_slot *slot)
{
    return (double)slot->source.keyframe_requests;
}

static double stream_coalesced(const struct stats_slot *slot)
{
    return (double)slot->source.keyframe_requests_coalesced;
}

static double stream_joins(const struct stats_slot *slot)
{
    return slot->stream ? (double)slot->stream->joins_from_cache : 0;
}

static double stream_keyframes_cached(const struct stats_slot *slot)
{
    return slot->stream ? (double)slot->stream->keyframes_from_cache : 0;
}

static double stream_waited(const struct stats_slot *slot)
{
    return slot->stream ? (double)slot->stream->joins_waited : 0;
}

static const struct {
    const char *name, *type, *help;
    stream_value_fn *value;
} stream_families[] = {
    {"stream_capture_fps", "gauge", "Pictures captured a second.", stream_capture_fps},
    {"stream_encode_fps", "gauge", "Frames encoded a second.", stream_encode_fps},
    {"stream_bitrate_bps", "gauge", "Bits encoded a second.", stream_bitrate},
    {"stream_frames_captured_total", "counter", "Pictures captured.", stream_captured},
    {"stream_frames_superseded_total", "counter", "Pictures replaced before the encoder.",
     stream_superseded},
    {"stream_frames_encoded_total", "counter", "Frames encoded.", stream_encoded},
    {"stream_frames_dropped_total", "counter", "Pictures the encoder gave no frame for.",
     stream_dropped},
    {"stream_keyframes_total", "counter", "Keyframes encoded.", stream_keyframes},
    {"stream_keyframe_requests_total", "counter", "Keyframes asked for.", stream_requests},
    {"stream_keyframe_requests_coalesced_total", "counter",
     "Requests that shared another's keyframe.", stream_coalesced},
    {"stream_joins_from_cache_total", "counter", "Viewers that started from the cache.",
     stream_joins},
    {"stream_keyframes_from_cache_total", "counter", "Keyframes sent again from the cache.",
     stream_keyframes_cached},
    {"stream_joins_waited_total", "counter", "Viewers that had to wait for a keyframe.",
     stream_waited},
};

static void write_histogram(FILE *f, const char *name, const char *labels,
                            const struct histogram *h)
{
    uint64_t all = histogram_at_most(h, UINT64_MAX);
    for (unsigned b = 0; b < N_BOUNDS; b++)
        fprintf(f, "amphi_%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels,
                (double)bounds_us[b] / 1e6, histogram_at_most(h, bounds_us[b]));
    fprintf(f, "amphi_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, all);
    fprintf(f, "amphi_%s_sum{%s} %.17g\n", name, labels, (double)h->sum_us / 1e6);
    fprintf(f, "amphi_%s_count{%s} %" PRIu64 "\n", name, labels, all);
}

struct labels {
    char text[128];
};

/* A room code and a track id are of our own alphabet: nothing to escape. */
static struct labels stream_labels(const struct stats_room *r, const struct stats_slot *slot)
{
    struct labels l;
    snprintf(l.text, sizeof(l.text), "room=\"%s\",track=\"video%u\"", r->room->code, slot->index);
    return l;
}

typedef void write_slot_fn(FILE *f, size_t what, const char *labels, const struct stats_slot *slot);

static void write_value(FILE *f, size_t what, const char *labels, const struct stats_slot *slot)
{
    fprintf(f, "amphi_%s{%s} %.17g\n", stream_families[what].name, labels,
            stream_families[what].value(slot));
}

static void write_convert(FILE *f, size_t what, const char *labels, const struct stats_slot *slot)
{
    (void)what;
    write_histogram(f, "stream_convert_seconds", labels, slot->source.convert_us);
}

static void write_encode(FILE *f, size_t what, const char *labels, const struct stats_slot *slot)
{
    (void)what;
    write_histogram(f, "stream_encode_seconds", labels, slot->source.encode_us);
}

static void for_each_slot(FILE *f, const struct stats *s, size_t what, write_slot_fn *write)
{
    for (unsigned i = 0; i < s->n_rooms; i++) {
        for (unsigned k = 0; k < s->rooms[i].n_slots; k++) {
            const struct stats_slot *slot = &s->rooms[i].slots[k];
            write(f, what, stream_labels(&s->rooms[i], slot).text, slot);
        }
    }
}

static void write_streams(FILE *f, const struct stats *s)
{
    for (size_t k = 0; k < sizeof(stream_families) / sizeof(stream_families[0]); k++) {
        metrics_family(f, stream_families[k].name, stream_families[k].type,
                       stream_families[k].help);
        for_each_slot(f, s, k, write_value);
    }
    metrics_family(f, "stream_convert_seconds", "histogram", "Time to convert a picture.");
    for_each_slot(f, s, 0, write_convert);
    metrics_family(f, "stream_encode_seconds", "histogram", "Time to encode a picture.");
    for_each_slot(f, s, 0, write_encode);
}

static void write_http(FILE *f, const struct http_counters *h)
{
    metrics_family(f, "http_connections", "gauge", "Connections to the HTTP port.");
    fprintf(f, "amphi_http_connections %u\n", h->connections);
    metrics_family(f, "joins_total", "counter", "Joins from addresses whose rate is limited.");
    fprintf(f, "amphi_joins_total %" PRIu64 "\n", h->joins);
    metrics_family(f, "joins_refused_total", "counter", "Those over the limit.");
    fprintf(f, "amphi_joins_refused_total %" PRIu64 "\n", h->joins_refused);
    metrics_family(f, "http_connections_refused_total", "counter",
                   "Closed at once: there were as many as there may be.");
    fprintf(f, "amphi_http_connections_refused_total %" PRIu64 "\n", h->connections_refused);
    metrics_family(f, "http_address_refused_total", "counter",
                   "Connections refused: their address had as many as it may have.");
    fprintf(f, "amphi_http_address_refused_total %" PRIu64 "\n", h->address_refused);
}

static void write_denied(FILE *f, const struct stats_denied *d)
{
    const struct {
        const char *what, *why;
        uint64_t n;
    } rows[] = {
        {"watch", "required", d->watch_required},
        {"watch", "invalid", d->watch_invalid},
        {"watch", "token-used", d->watch_used},
        {"publish", "no-right", d->publish},
    };
    metrics_family(f, "denied_total", "counter", "Who was not let in.");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        fprintf(f, "amphi_denied_total{what=\"%s\",why=\"%s\"} %" PRIu64 "\n", rows[i].what,
                rows[i].why, rows[i].n);
}

static void write_rooms(FILE *f, const struct stats *s)
{
    single(f, "rooms", "gauge", "Rooms that are open.", s->n_rooms);
    single(f, "rooms_opened_total", "counter", "Rooms that were opened.", (double)s->rooms_opened);
    single(f, "rooms_ended_idle_total", "counter", "Those that ended for nobody presented.",
           (double)s->rooms_idle_end);
    metrics_family(f, "room_viewers", "gauge", "Viewers in the room.");
    for (unsigned i = 0; i < s->n_rooms; i++)
        fprintf(f, "amphi_room_viewers{room=\"%s\"} %u\n", s->rooms[i].room->code,
                s->rooms[i].room->viewers);
    metrics_family(f, "room_viewers_peak", "gauge", "Most viewers the room ever had.");
    for (unsigned i = 0; i < s->n_rooms; i++)
        fprintf(f, "amphi_room_viewers_peak{room=\"%s\"} %u\n", s->rooms[i].room->code,
                s->rooms[i].room->viewers_peak);
    write_streams(f, s);
    metrics_write_forwarder(f, s);
    metrics_write_presenters(f, s);
}

char *metrics_text(const struct stats *s)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    write_process(f, s);
    write_http(f, &s->http);
    write_denied(f, &s->denied);
    write_workers(f, s);
    write_rooms(f, s);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
