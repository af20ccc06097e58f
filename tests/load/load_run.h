/* load_run.h - one run from the first request to the last goodbye, and what it has shown.
 *
 *     baseline ─▶ ramp: all join ─▶ pause ─▶ steady: measured ─▶ all leave ─▶ is the server empty?
 *
 * The caller's thread only waits, asks the server for its figures and shows the progress.
 */
#pragma once

#include "tests/load/load_counters.h"
#include "tests/load/load_options.h"
#include "tests/load/server_figures.h"

#define LOAD_REASONS_MAX 16

struct load_times {
    int64_t p50_us, p95_us, p99_us, max_us;
    unsigned n;
};

struct load_run {
    struct load_options options;
    bool interrupted;
    bool has_server; /* its figures could be read every time */
    char server_error[200];
    struct server_figures idle, before, steady, end; /* idle to before: the baseline */
    long viewers_before, viewers_after;              /* -1: not known */
    int64_t ramp_us, steady_us;                      /* how long they took */
    int64_t own_cpu_us;                              /* in the steady phase */
    double load_average[2];                          /* of the machine: at the start and the end */
    struct load_totals ramp_totals, steady_totals, totals; /* up to the phase's end; at the end */
    struct load_times agreed, connected, first_packet, keyframe; /* since the first request */
    int64_t longest_freeze_us;
    unsigned n_reasons;
    struct {
        char text[160];
        unsigned n;
    } reasons[LOAD_REASONS_MAX]; /* why viewers failed */
};

/* 0, or -errno with a sentence: then it did not start. */
int load_run(struct load_run *run, const struct load_options *options, char *error,
             size_t error_size);
/* Ends it early, in order; from a signal handler. */
void load_run_interrupt(void);

/* Media packets lost on the wire in all. */
uint64_t load_run_lost(const struct load_totals *t);
bool load_run_is_good(const struct load_run *run);
void load_run_print(const struct load_run *run);
/* 0 or -errno. */
int load_run_write_json(const struct load_run *run, const char *file);
