#include "tests/load/load_thread.h"

#include "tests/load/seat.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    WAIT_MAX_MS = 50,     /* how soon it sees that all are to leave */
    LEAVING_AT_ONCE = 64, /* goodbyes under way */
};

int64_t load_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Rounded up, so that nothing is done before its time. */
static int wait_ms(const struct load_thread *t)
{
    const struct heap_node *first = heap_first(&t->timers);
    int64_t next = delay_line_next(&t->delays);
    if (first && first->at_us < next)
        next = first->at_us;
    int64_t now_us = load_now_us();
    if (next <= now_us)
        return 0;
    int64_t ms = next == INT64_MAX ? WAIT_MAX_MS : (next - now_us + 999) / 1000;
    return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}

static void take_events(struct load_thread *t, struct seat *base)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(t->epoll, events, EVENTS, wait_ms(t));
    for (int i = 0; i < n; i++) {
        struct seat *s = base + (events[i].data.u64 >> 1);
        if (events[i].data.u64 & 1)
            seat_on_tcp(s, events[i].events, load_now_us());
        else
            seat_on_udp(s, load_now_us());
    }
}

static struct seat *seat_of(struct heap_node *node)
{
    return (struct seat *)((char *)node - offsetof(struct seat, timer));
}

static void take_timers(struct load_thread *t)
{
    int64_t now_us = load_now_us();
    struct delay_line_item *item;
    while ((item = delay_line_take(&t->delays, now_us))) {
        seat_on_delayed(item->to, item->data, item->size, now_us);
        free(item);
    }
    struct heap_node *first;
    for (unsigned i = 0; i < t->n_seats && (first = heap_first(&t->timers)) != NULL; i++) {
        if (first->at_us > now_us)
            return;
        heap_remove(&t->timers, first);
        seat_on_timer(seat_of(first), now_us);
    }
}

static void let_go(struct load_thread *t)
{
    int64_t now_us = load_now_us();
    while (t->next_leaving < t->n_seats && t->n_leaving < LEAVING_AT_ONCE)
        seat_leave(t->seats[t->next_leaving++], now_us);
}

static void *run(void *arg)
{
    struct load_thread *t = arg;
    struct seat *base = t->seats[0] - t->seats[0]->index;
    while (t->n_gone < t->n_seats) {
        if (atomic_load_explicit(&t->leave, memory_order_relaxed))
            let_go(t);
        take_events(t, base);
        take_timers(t);
    }
    return NULL;
}

int load_thread_start(struct load_thread **out, const struct load_setup *setup, struct seat *seats,
                      unsigned n, unsigned first, unsigned step)
{
    struct load_thread *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->setup = setup;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->inbox = inbox_new(!setup->options->no_gro);
    t->seats = calloc(n, sizeof(struct seat *));
    delay_line_init(&t->delays);
    if (t->epoll < 0 || !t->inbox || !t->seats || heap_init(&t->timers, n) != 0) {
        load_thread_destroy(t);
        return -ENOMEM;
    }
    int64_t now_us = load_now_us();
    for (unsigned i = first; i < n; i += step) {
        double after_s = i / setup->options->ramp_per_s;
        t->seats[t->n_seats++] = &seats[i];
        seat_init(&seats[i], t, i, now_us + (int64_t)(after_s * 1e6));
    }
    int rc = pthread_create(&t->thread, NULL, run, t);
    if (rc != 0) {
        load_thread_destroy(t);
        return -rc;
    }
    *out = t;
    return 0;
}

void load_thread_leave(struct load_thread *t)
{
    atomic_store_explicit(&t->leave, true, memory_order_relaxed);
}

void load_thread_join(struct load_thread *t)
{
    pthread_join(t->thread, NULL);
}

void load_thread_destroy(struct load_thread *t)
{
    for (unsigned i = 0; i < t->n_seats; i++)
        seat_finish(t->seats[i]);
    heap_finish(&t->timers);
    delay_line_finish(&t->delays);
    inbox_destroy(t->inbox);
    if (t->epoll >= 0)
        close(t->epoll);
    free(t->seats);
    free(t);
}
