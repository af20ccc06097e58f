/* load_thread.h - a share of the viewers and the thread that runs them: one epoll, their timers,
 * and the datagrams that their bad lines hold back.
 *
 * Life: load_thread_start with seats that were zeroed; load_thread_leave tells everybody to go;
 * load_thread_join waits for that, after which the seats may be read; load_thread_destroy.
 */
#pragma once

#include "rtp/forward/heap.h"
#include "tests/load/delay_line.h"
#include "tests/load/inbox.h"
#include "tests/load/load_counters.h"
#include "tests/load/load_options.h"
#include "tests/load/watcher.h"

#include <pthread.h>

/* IDLE ─▶ JOINING ─▶ MEDIA ─▶ LEAVING ─▶ GONE */
enum seat_stage {
    SEAT_IDLE = 1, /* its turn has not come */
    SEAT_JOINING,
    SEAT_MEDIA,
    SEAT_LEAVING,
    SEAT_GONE,
};

struct load_thread;

/* One viewer with its sockets. */
struct seat {
    struct load_thread *thread;
    unsigned index; /* of all viewers */
    enum seat_stage stage;
    struct heap_node timer;
    int64_t join_at_us; /* planned */
    int64_t started_us; /* the first request; -1: none */
    int64_t agreed_us, deadline_us, retry_us;
    int tcp, udp; /* -1: none */
    bool tcp_writable_wanted, ready, connected, filtered;
    struct joiner joiner;
    bool has_watcher;
    struct watcher watcher;
    struct impair impair;
    struct load_totals counted; /* of the watcher, already in the thread's counters */
    char failure[160];          /* "": none */
    int64_t longest_freeze_us;
};

/* The same for all threads; borrowed. */
struct load_setup {
    const struct load_options *options;
    const struct joiner_config *joiner;
    struct dtls_context *dtls;
};

struct load_thread {
    /* immutable after start */
    const struct load_setup *setup;
    struct seat **seats; /* owned array */
    unsigned n_seats;
    pthread_t thread;
    /* any thread */
    _Atomic bool leave;
    struct load_counters counters;
    /* its own */
    int epoll;
    struct heap timers;
    struct delay_line delays;
    struct inbox *inbox;
    unsigned n_leaving, next_leaving, n_gone;
};

int64_t load_now_us(void);

/* Takes the seats from `first` on, each `step`th of `n`. 0 or -errno. */
int load_thread_start(struct load_thread **out, const struct load_setup *setup, struct seat *seats,
                      unsigned n, unsigned first, unsigned step);
void load_thread_leave(struct load_thread *t);
void load_thread_join(struct load_thread *t);
void load_thread_destroy(struct load_thread *t);
