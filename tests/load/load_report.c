/* load_report.c - a run's figures for people, and as JSON. */
#include "tests/load/load_run.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Figures that both forms show; NAN-free: 0 where the server said nothing. */
struct derived {
    double cpu_us_per_packet, cpu_us_per_packet_without_source, rss_kb_per_viewer;
    double server_cpu_percent, idle_cpu_percent, own_cpu_percent;
    double packets_per_s, mbit_per_s, packets_per_send, joins_per_s;
    uint64_t server_packets;
};

static double per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static struct derived derive(const struct load_run *r)
{
    struct derived d = {0};
    const struct load_totals *a = &r->ramp_totals, *b = &r->steady_totals;
    double steady_us = (double)r->steady_us;
    d.own_cpu_percent = per((double)r->own_cpu_us * 100, steady_us);
    d.packets_per_s = per((double)(b->v[LOAD_PACKETS] - a->v[LOAD_PACKETS]) * 1e6, steady_us);
    d.mbit_per_s = per((double)(b->v[LOAD_BYTES] - a->v[LOAD_BYTES]) * 8, steady_us);
    d.joins_per_s = per((double)a->v[LOAD_READY] * 1e6, (double)r->ramp_us);
    if (!r->has_server)
        return d;
    double cpu_us = (double)(r->end.cpu_us - r->steady.cpu_us);
    double wall_us = (double)(r->end.at_us - r->steady.at_us);
    double idle =
        per((double)(r->before.cpu_us - r->idle.cpu_us), (double)(r->before.at_us - r->idle.at_us));
    if (r->options.baseline_us == 0)
        idle = 0;
    d.server_packets = r->end.packets_sent - r->steady.packets_sent;
    d.cpu_us_per_packet = per(cpu_us, (double)d.server_packets);
    d.cpu_us_per_packet_without_source = per(cpu_us - idle * wall_us, (double)d.server_packets);
    d.rss_kb_per_viewer =
        ((double)r->end.rss_bytes - (double)r->before.rss_bytes) / 1024 / r->options.viewers;
    d.server_cpu_percent = per(cpu_us * 100, wall_us);
    d.idle_cpu_percent = idle * 100;
    d.packets_per_send =
        per((double)d.server_packets, (double)(r->end.send_calls - r->steady.send_calls));
    return d;
}

/* --- for people --- */

static void print_times(const char *name, const struct load_times *t)
{
    printf("  %-22s p50 %8.1f   p95 %8.1f   p99 %8.1f   max %8.1f ms   (%u)\n", name,
           (double)t->p50_us / 1e3, (double)t->p95_us / 1e3, (double)t->p99_us / 1e3,
           (double)t->max_us / 1e3, t->n);
}

static void print_server(const struct load_run *r, const struct derived *d)
{
    if (!r->has_server) {
        printf("server: no figures (%s)\n",
               r->options.admin_token[0] ? r->server_error : "--admin-token was not given");
        return;
    }
    printf("server, %.1f s with %u viewers:\n", (double)r->steady_us / 1e6, r->options.viewers);
    printf("  %.3f us CPU per packet (%.3f without the %.1f %% of a core it takes with nobody "
           "watching)\n",
           d->cpu_us_per_packet, d->cpu_us_per_packet_without_source, d->idle_cpu_percent);
    printf("  %.1f %% of a core, %" PRIu64 " packets, %.1f per send call, %" PRIu64
           " send errors, GSO %s\n",
           d->server_cpu_percent, d->server_packets, d->packets_per_send,
           r->end.send_errors - r->idle.send_errors, r->end.gso ? "on" : "off");
    printf("  %.1f KB resident per viewer (%.1f MB before, %.1f MB with them)\n",
           d->rss_kb_per_viewer, (double)r->before.rss_bytes / 1048576,
           (double)r->end.rss_bytes / 1048576);
    printf("  %.1f fps, %" PRIu64 " keyframes, %" PRIu64 " asked for, %" PRIu64
           " joins from the cache, loop lag p99 %.1f ms, capture to send p99 %.1f ms\n",
           r->end.encode_fps, r->end.keyframes - r->idle.keyframes,
           r->end.keyframe_requests - r->idle.keyframe_requests,
           r->end.joins_from_cache - r->idle.joins_from_cache, (double)r->end.loop_lag_p99_us / 1e3,
           (double)r->end.capture_to_send_us_p99 / 1e3);
}

static void print_media(const struct load_run *r)
{
    const uint64_t *v = r->totals.v;
    printf("media, the whole run: %" PRIu64 " packets, lost on the way %" PRIu64
           " and for good %" PRIu64 ", reordered %" PRIu64 ", duplicates %" PRIu64 ", RTX %" PRIu64
           " (%" PRIu64 " of use)\n",
           v[LOAD_PACKETS], load_run_lost(&r->totals), v[LOAD_MISSING] - v[LOAD_FILLED],
           v[LOAD_REORDERED], v[LOAD_DUPLICATES], v[LOAD_RTX], v[LOAD_REPAIRED]);
    printf("  sent: %" PRIu64 " NACKed, %" PRIu64 " PLI, %" PRIu64
           " feedbacks; own socket drops %" PRIu64 ", impaired %" PRIu64 ", not authentic %" PRIu64
           "\n",
           v[LOAD_NACKS], v[LOAD_PLIS], v[LOAD_FEEDBACKS], v[LOAD_SOCKET_DROPS], v[LOAD_IMPAIRED],
           v[LOAD_NOT_AUTHENTIC]);
    printf("  sample of %u: %" PRIu64 " frames whole, %" PRIu64 " broken, %" PRIu64
           " left out, %" PRIu64 " freezes (longest %.0f ms)\n",
           r->options.sample, v[LOAD_FRAMES], v[LOAD_BROKEN], v[LOAD_SKIPPED], v[LOAD_FREEZES],
           (double)r->longest_freeze_us / 1e3);
}

void load_run_print(const struct load_run *r)
{
    struct derived d = derive(r);
    const uint64_t *v = r->totals.v;
    const struct load_options *o = &r->options;
    printf("%u viewers by %s of %s: %" PRIu64 " connected, %" PRIu64 " saw a keyframe, %" PRIu64
           " failed, %" PRIu64 " retries; %.1f joins/s\n",
           o->viewers, o->signaling == JOINER_WHEP ? "WHEP" : "WebSocket", o->room,
           v[LOAD_CONNECTED], v[LOAD_READY], v[LOAD_FAILED], v[LOAD_RETRIES], d.joins_per_s);
    for (unsigned i = 0; i < r->n_reasons; i++)
        printf("  failed: %u: %s\n", r->reasons[i].n, r->reasons[i].text);
    print_times("SDP agreed", &r->agreed);
    print_times("connected", &r->connected);
    print_times("first packet", &r->first_packet);
    print_times("decodable keyframe", &r->keyframe);
    print_server(r, &d);
    print_media(r);
    printf("this program: %.1f %% of a core, %u thread%s, GRO %s%s; received %.0f packets/s, %.1f "
           "Mbit/s; load average %.2f to %.2f\n",
           d.own_cpu_percent, o->threads, o->threads == 1 ? "" : "s", o->no_gro ? "off" : "on",
           o->drop ? ", media dropped at the sockets" : "", d.packets_per_s, d.mbit_per_s,
           r->load_average[0], r->load_average[1]);
    if (r->viewers_after < 0)
        printf("afterwards the server does not answer: %s\n", r->server_error);
    else if (r->viewers_after != r->viewers_before)
        printf("the server still has %ld viewers, %ld before\n", r->viewers_after,
               r->viewers_before);
    printf("%s\n", r->interrupted ? "interrupted" : load_run_is_good(r) ? "ok" : "NOT OK");
}

/* --- JSON --- */

static const char *const counter_names[LOAD_COUNTERS] = {
    [LOAD_STARTED] = "viewers_started",
    [LOAD_RETRIES] = "retries",
    [LOAD_CONNECTED] = "viewers_connected",
    [LOAD_READY] = "viewers_ready",
    [LOAD_SETTLED] = "viewers_settled",
    [LOAD_FAILED] = "viewers_failed",
    [LOAD_ENDED] = "viewers_ended_by_server",
    [LOAD_GONE] = "viewers_gone",
    [LOAD_PACKETS] = "packets",
    [LOAD_BYTES] = "bytes",
    [LOAD_MISSING] = "missing",
    [LOAD_REORDERED] = "reordered",
    [LOAD_REPAIRED] = "repaired",
    [LOAD_FILLED] = "filled",
    [LOAD_DUPLICATES] = "duplicates",
    [LOAD_RTX] = "rtx",
    [LOAD_NOT_AUTHENTIC] = "not_authentic",
    [LOAD_NACKS] = "nacked",
    [LOAD_PLIS] = "plis",
    [LOAD_FEEDBACKS] = "feedbacks",
    [LOAD_FRAMES] = "sample_frames",
    [LOAD_KEYFRAMES] = "sample_keyframes",
    [LOAD_BROKEN] = "sample_broken",
    [LOAD_FREEZES] = "sample_freezes",
    [LOAD_SKIPPED] = "sample_left_out",
    [LOAD_IMPAIRED] = "impaired",
    [LOAD_SOCKET_DROPS] = "socket_drops",
    [LOAD_SEND_ERRORS] = "send_errors",
};

static void set_int(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void set_real(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, json_real(v));
}

static json_t *totals_json(const struct load_totals *t, const struct load_totals *from)
{
    json_t *o = json_object();
    for (int i = 0; i < LOAD_COUNTERS; i++)
        set_int(o, counter_names[i], t->v[i] - (from ? from->v[i] : 0));
    uint64_t lost = load_run_lost(t), before = from ? load_run_lost(from) : 0;
    json_object_set_new(o, "lost", json_integer((json_int_t)(lost - before)));
    uint64_t for_good = t->v[LOAD_MISSING] - t->v[LOAD_FILLED];
    before = from ? from->v[LOAD_MISSING] - from->v[LOAD_FILLED] : 0;
    json_object_set_new(o, "lost_for_good", json_integer((json_int_t)(for_good - before)));
    return o;
}

static json_t *times_json(const struct load_times *t)
{
    json_t *o = json_object();
    set_int(o, "n", t->n);
    set_real(o, "p50_ms", (double)t->p50_us / 1e3);
    set_real(o, "p95_ms", (double)t->p95_us / 1e3);
    set_real(o, "p99_ms", (double)t->p99_us / 1e3);
    set_real(o, "max_ms", (double)t->max_us / 1e3);
    return o;
}

static json_t *server_json(const struct load_run *r, const struct derived *d)
{
    json_t *o = json_object();
    set_real(o, "cpu_us_per_packet", d->cpu_us_per_packet);
    set_real(o, "cpu_us_per_packet_without_source", d->cpu_us_per_packet_without_source);
    set_real(o, "cpu_percent", d->server_cpu_percent);
    set_real(o, "idle_cpu_percent", d->idle_cpu_percent);
    set_real(o, "rss_kb_per_viewer", d->rss_kb_per_viewer);
    set_int(o, "rss_bytes", r->end.rss_bytes);
    set_int(o, "packets_sent", d->server_packets);
    set_real(o, "packets_per_send_call", d->packets_per_send);
    set_int(o, "send_errors", r->end.send_errors - r->idle.send_errors);
    set_int(o, "frames_dropped", r->end.frames_dropped - r->idle.frames_dropped);
    set_int(o, "workers", r->end.workers);
    set_real(o, "encode_fps", r->end.encode_fps);
    set_int(o, "keyframes", r->end.keyframes - r->idle.keyframes);
    set_int(o, "keyframe_requests", r->end.keyframe_requests - r->idle.keyframe_requests);
    set_int(o, "joins_from_cache", r->end.joins_from_cache - r->idle.joins_from_cache);
    set_int(o, "loop_lag_p99_us", r->end.loop_lag_p99_us);
    set_int(o, "capture_to_send_us_p99", r->end.capture_to_send_us_p99);
    json_object_set_new(o, "gso", json_boolean(r->end.gso));
    return o;
}

static json_t *reasons_json(const struct load_run *r)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < r->n_reasons; i++)
        set_int(o, r->reasons[i].text, r->reasons[i].n);
    return o;
}

static json_t *run_json(const struct load_run *r)
{
    struct derived d = derive(r);
    const struct load_options *o = &r->options;
    json_t *root = json_object(), *joins = json_object();
    json_object_set_new(root, "ok", json_boolean(load_run_is_good(r)));
    json_object_set_new(root, "interrupted", json_boolean(r->interrupted));
    json_object_set_new(root, "signaling",
                        json_string(o->signaling == JOINER_WHEP ? "whep" : "ws"));
    set_int(root, "viewers", o->viewers);
    set_int(root, "sample", o->sample);
    json_object_set_new(root, "gro", json_boolean(!o->no_gro));
    json_object_set_new(root, "drop", json_boolean(o->drop));
    set_real(root, "ramp_s", (double)r->ramp_us / 1e6);
    set_real(root, "steady_s", (double)r->steady_us / 1e6);
    set_real(root, "joins_per_s", d.joins_per_s);
    set_real(root, "packets_per_s", d.packets_per_s);
    set_real(root, "mbit_per_s", d.mbit_per_s);
    set_real(root, "own_cpu_percent", d.own_cpu_percent);
    set_real(root, "load_average_before", r->load_average[0]);
    set_real(root, "load_average_after", r->load_average[1]);
    set_real(root, "sample_longest_freeze_ms", (double)r->longest_freeze_us / 1e3);
    json_object_set_new(root, "viewers_before", json_integer(r->viewers_before));
    json_object_set_new(root, "viewers_after", json_integer(r->viewers_after));
    json_object_set_new(joins, "agreed", times_json(&r->agreed));
    json_object_set_new(joins, "connected", times_json(&r->connected));
    json_object_set_new(joins, "first_packet", times_json(&r->first_packet));
    json_object_set_new(joins, "keyframe", times_json(&r->keyframe));
    json_object_set_new(root, "join_times", joins);
    json_object_set_new(root, "server", r->has_server ? server_json(r, &d) : json_null());
    json_object_set_new(root, "steady", totals_json(&r->steady_totals, &r->ramp_totals));
    json_object_set_new(root, "whole", totals_json(&r->totals, NULL));
    json_object_set_new(root, "failures", reasons_json(r));
    return root;
}

int load_run_write_json(const struct load_run *r, const char *file)
{
    size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(6);
    json_t *root = run_json(r);
    int rc = strcmp(file, "-") == 0 ? json_dumpf(root, stdout, flags)
                                    : json_dump_file(root, file, flags);
    if (rc == 0 && strcmp(file, "-") == 0)
        printf("\n");
    json_decref(root);
    return rc == 0 ? 0 : -EIO;
}
