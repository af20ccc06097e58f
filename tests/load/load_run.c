#include "tests/load/load_run.h"

#include "rtp/session/cipher.h"
#include "tests/load/load_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    THREADS_MAX = 16,
    TICK_US = 20000,
    PROGRESS_US = 1000000,
    PAUSE_US = 1000000,     /* between the last join and the steady phase */
    EMPTY_US = 10000000,    /* until the server has noticed that all are gone */
    DESCRIPTORS_SPARE = 64, /* besides two for each viewer */
};

struct crew {
    struct load_setup setup;
    struct joiner_config joiner;
    char fingerprint[DTLS_FINGERPRINT_TEXT_MAX];
    struct seat *seats;
    struct load_thread *threads[THREADS_MAX];
    unsigned n_threads;
    int64_t shown_us; /* the progress line */
    struct load_totals shown;
};

static volatile sig_atomic_t interrupted;

void load_run_interrupt(void)
{
    interrupted = 1;
}

static int64_t own_cpu_us(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec +
           use.ru_stime.tv_usec;
}

static struct load_totals totals_of(const struct crew *c)
{
    struct load_totals sum = {0};
    for (unsigned i = 0; i < c->n_threads; i++)
        load_counters_add(&sum, &c->threads[i]->counters);
    return sum;
}

uint64_t load_run_lost(const struct load_totals *t)
{
    return t->v[LOAD_MISSING] - t->v[LOAD_REORDERED];
}

/* --- waiting --- */

static void show_progress(struct crew *c, const char *phase)
{
    int64_t now_us = load_now_us();
    if (!isatty(STDERR_FILENO) || now_us - c->shown_us < PROGRESS_US)
        return;
    struct load_totals t = totals_of(c);
    double s = (double)(now_us - c->shown_us) / 1e6;
    fprintf(stderr,
            "\r%-8s %" PRIu64 " joining, %" PRIu64 " watching, %" PRIu64 " failed; %.0f packets/s, "
            "%.1f Mbit/s, lost %" PRIu64 ", freezes %" PRIu64 "   ",
            phase, t.v[LOAD_STARTED] - t.v[LOAD_SETTLED], t.v[LOAD_SETTLED] - t.v[LOAD_FAILED],
            t.v[LOAD_FAILED], (double)(t.v[LOAD_PACKETS] - c->shown.v[LOAD_PACKETS]) / s,
            (double)(t.v[LOAD_BYTES] - c->shown.v[LOAD_BYTES]) * 8e-6 / s, load_run_lost(&t),
            t.v[LOAD_FREEZES]);
    c->shown = t;
    c->shown_us = now_us;
}

static void wait_until(struct crew *c, const char *phase, int64_t end_us)
{
    while (!interrupted && load_now_us() < end_us) {
        show_progress(c, phase);
        usleep(TICK_US);
    }
}

static void wait_for(struct crew *c, const char *phase,
                     bool (*done)(const struct load_totals *t, unsigned viewers))
{
    for (;;) {
        struct load_totals t = totals_of(c);
        if (interrupted || done(&t, c->setup.options->viewers))
            return;
        show_progress(c, phase);
        usleep(TICK_US);
    }
}

static bool all_joined(const struct load_totals *t, unsigned viewers)
{
    return t->v[LOAD_SETTLED] >= viewers;
}

static bool all_gone(const struct load_totals *t, unsigned viewers)
{
    return t->v[LOAD_GONE] >= viewers;
}

/* --- before --- */

static int raise_descriptors(unsigned viewers, char *error, size_t error_size)
{
    struct rlimit limit;
    rlim_t wanted = 2 * (rlim_t)viewers + DESCRIPTORS_SPARE;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return 0;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    snprintf(error, error_size, "%u viewers need %lu descriptors, and no more than %lu are allowed",
             viewers, (unsigned long)wanted, (unsigned long)limit.rlim_max);
    return -EMFILE;
}

static int prepare(struct crew *c, struct load_run *run, char *error, size_t error_size)
{
    const struct load_options *o = &run->options;
    snprintf(error, error_size, "SRTP or DTLS cannot be set up on this machine");
    int rc = cipher_install(CIPHER_AUTO);
    if (rc == 0)
        rc = dtls_context_create(&c->setup.dtls);
    if (rc == 0)
        rc = raise_descriptors(o->viewers, error, error_size);
    if (rc != 0)
        return rc;
    dtls_context_fingerprint(c->setup.dtls, c->fingerprint);
    c->seats = calloc(o->viewers, sizeof(*c->seats));
    if (!c->seats) {
        snprintf(error, error_size, "no memory for %u viewers", o->viewers);
        return -ENOMEM;
    }
    c->joiner = (struct joiner_config){
        .signaling = o->signaling,
        .host = o->host,
        .room = o->room,
        .fingerprint = c->fingerprint,
        .pwd = "loadloadloadloadloadload", /* no secret */
    };
    c->setup.options = o;
    c->setup.joiner = &c->joiner;
    return 0;
}

static void read_server(struct load_run *run, struct server_figures *out)
{
    if (run->has_server &&
        server_figures_read(out, &run->options, run->server_error, sizeof(run->server_error)) != 0)
        run->has_server = false;
}

static int look_at_server(struct load_run *run, char *error, size_t error_size)
{
    run->has_server = run->options.admin_token[0] != '\0';
    read_server(run, &run->idle);
    if (run->options.admin_token[0] != '\0' && !run->has_server) {
        snprintf(error, error_size, "%s", run->server_error);
        return -EIO;
    }
    run->viewers_before = server_figures_viewers(&run->options, error, error_size);
    return run->viewers_before < 0 ? (int)run->viewers_before : 0;
}

static int start_threads(struct crew *c, const struct load_options *o, char *error,
                         size_t error_size)
{
    for (unsigned i = 0; i < o->threads && i < o->viewers; i++) {
        int rc = load_thread_start(&c->threads[i], &c->setup, c->seats, o->viewers, i, o->threads);
        if (rc != 0) {
            snprintf(error, error_size, "cannot start a thread: %s", strerror(-rc));
            return rc;
        }
        c->n_threads++;
    }
    return 0;
}

/* --- after --- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct load_times times_of(const struct crew *c, int64_t (*at)(const struct seat *s))
{
    struct load_times t = {0};
    int64_t *all = malloc(c->setup.options->viewers * sizeof(*all));
    for (unsigned i = 0; all && i < c->setup.options->viewers; i++) {
        const struct seat *s = &c->seats[i];
        if (s->started_us >= 0 && at(s) >= 0)
            all[t.n++] = at(s) - s->started_us;
    }
    if (t.n > 0) {
        qsort(all, t.n, sizeof(*all), compare);
        t.p50_us = all[(t.n - 1) * 50 / 100];
        t.p95_us = all[(t.n - 1) * 95 / 100];
        t.p99_us = all[(t.n - 1) * 99 / 100];
        t.max_us = all[t.n - 1];
    }
    free(all);
    return t;
}

static int64_t agreed_at(const struct seat *s)
{
    return s->agreed_us;
}

static int64_t connected_at(const struct seat *s)
{
    return s->has_watcher ? s->watcher.connected_us : -1;
}

static int64_t first_packet_at(const struct seat *s)
{
    return s->has_watcher ? s->watcher.first_packet_us : -1;
}

static int64_t keyframe_at(const struct seat *s)
{
    return s->has_watcher ? s->watcher.first_keyframe_us : -1;
}

static void note_reason(struct load_run *run, const char *text)
{
    unsigned i = 0;
    while (i < run->n_reasons && strcmp(run->reasons[i].text, text) != 0)
        i++;
    if (i == LOAD_REASONS_MAX)
        return;
    if (i == run->n_reasons) {
        snprintf(run->reasons[i].text, sizeof(run->reasons[i].text), "%s", text);
        run->n_reasons++;
    }
    run->reasons[i].n++;
}

static void look_at_seats(struct load_run *run, const struct crew *c)
{
    run->agreed = times_of(c, agreed_at);
    run->connected = times_of(c, connected_at);
    run->first_packet = times_of(c, first_packet_at);
    run->keyframe = times_of(c, keyframe_at);
    for (unsigned i = 0; i < run->options.viewers; i++) {
        const struct seat *s = &c->seats[i];
        if (s->failure[0] != '\0')
            note_reason(run, s->failure);
        if (s->longest_freeze_us > run->longest_freeze_us)
            run->longest_freeze_us = s->longest_freeze_us;
    }
}

/* The server forgets a viewer when its goodbye has reached the worker: a moment later. */
static void wait_for_empty_server(struct load_run *run)
{
    int64_t end_us = load_now_us() + EMPTY_US;
    do {
        run->viewers_after =
            server_figures_viewers(&run->options, run->server_error, sizeof(run->server_error));
        if (run->viewers_after <= run->viewers_before)
            return;
        usleep(5 * TICK_US);
    } while (load_now_us() < end_us);
}

static void finish(struct crew *c)
{
    for (unsigned i = 0; i < c->n_threads; i++)
        load_thread_destroy(c->threads[i]);
    free(c->seats);
    dtls_context_destroy(c->setup.dtls);
}

/* --- the run --- */

static void measure(struct load_run *run, struct crew *c)
{
    int64_t start_us = load_now_us();
    wait_for(c, "join", all_joined);
    run->ramp_us = load_now_us() - start_us;
    wait_until(c, "pause", load_now_us() + PAUSE_US);
    run->ramp_totals = totals_of(c);
    read_server(run, &run->steady);
    int64_t cpu_us = own_cpu_us();
    start_us = load_now_us();
    wait_until(c, "steady", start_us + run->options.duration_us);
    run->steady_us = load_now_us() - start_us;
    run->own_cpu_us = own_cpu_us() - cpu_us;
    read_server(run, &run->end);
    run->steady_totals = totals_of(c);
}

static void leave(struct load_run *run, struct crew *c)
{
    run->interrupted = interrupted != 0;
    interrupted = 0; /* the goodbyes are said in any case */
    for (unsigned i = 0; i < c->n_threads; i++)
        load_thread_leave(c->threads[i]);
    wait_for(c, "leave", all_gone);
    for (unsigned i = 0; i < c->n_threads; i++)
        load_thread_join(c->threads[i]);
    run->totals = totals_of(c);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%110s\r", "");
}

int load_run(struct load_run *run, const struct load_options *options, char *error,
             size_t error_size)
{
    struct crew c = {0};
    double load[1] = {0};
    *run = (struct load_run){.options = *options, .viewers_before = -1, .viewers_after = -1};
    (void)getloadavg(load, 1);
    run->load_average[0] = load[0];
    int rc = look_at_server(run, error, error_size);
    if (rc == 0)
        rc = prepare(&c, run, error, error_size);
    if (rc == 0) {
        wait_until(&c, "baseline", load_now_us() + run->options.baseline_us);
        read_server(run, &run->before);
        rc = start_threads(&c, &run->options, error, error_size);
    }
    if (rc == 0)
        measure(run, &c);
    if (c.n_threads > 0) {
        leave(run, &c);
        look_at_seats(run, &c);
    }
    if (rc == 0)
        wait_for_empty_server(run);
    (void)getloadavg(load, 1);
    run->load_average[1] = load[0];
    finish(&c);
    return rc;
}

bool load_run_is_good(const struct load_run *run)
{
    const struct load_options *o = &run->options;
    const struct load_totals *t = &run->totals;
    if (run->interrupted || t->v[LOAD_FAILED] > 0 || t->v[LOAD_READY] != o->viewers ||
        run->viewers_after < 0 || run->viewers_after > run->viewers_before)
        return false;
    if (o->expect_no_loss && load_run_lost(t) > 0)
        return false;
    return !(o->expect_no_freeze && (t->v[LOAD_FREEZES] > 0 || t->v[LOAD_BROKEN] > 0));
}
