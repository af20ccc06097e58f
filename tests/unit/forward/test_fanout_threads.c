/* test_fanout_threads.c - frames of one encoder thread through mailboxes to worker threads at full
 * speed, for ThreadSanitizer as much as for its own checks.
 */
#include "rtp/forward/mailbox.h"
#include "rtp/forward/stream.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

enum { FRAMES = 10000, WORKERS = 4, PAYLOAD_MAX = 2000 };

struct message {
    enum { MESSAGE_FRAME = 1, MESSAGE_QUIT } type;
    const struct frame *frame; /* ref */
};

struct worker {
    struct mailbox inbox;
    int wake_fd;
    pthread_t thread;

    /* the worker thread only, until it was joined */
    struct stream_news news;
    struct stream_layer layer;
    struct stream stream;
    uint64_t taken, torn;
};

static void wake(void *arg)
{
    uint64_t one = 1;
    if (write(((struct worker *)arg)->wake_fd, &one, sizeof(one)) != sizeof(one))
        abort();
}

static void take_frame(struct worker *w, const struct frame *f)
{
    for (uint32_t i = 0; i < f->payload.size; i++)
        w->torn += f->payload.data[i] != (uint8_t)f->id;
    stream_push(&w->stream, 0, f);
    w->taken++;
    /* An older one, as a retransmission reads it: not used again while it is in the ring. */
    const struct frame *old = stream_frame(&w->stream, 0, f->id - 100);
    w->torn += old && old->payload.data[0] != (uint8_t)old->id;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    bool quit = false;
    while (!quit) {
        struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
        uint64_t n;
        if (poll(&p, 1, -1) != 1 || read(w->wake_fd, &n, sizeof(n)) != sizeof(n))
            abort();
        for (struct message m; mailbox_take(&w->inbox, &m);) {
            if (m.type == MESSAGE_QUIT)
                quit = true;
            else
                take_frame(w, m.frame);
        }
    }
    stream_detach(&w->stream);
    return NULL;
}

static void publish(struct frame_pool *pool, struct worker *workers, uint64_t id, uint64_t *dropped)
{
    struct frame *f = frame_get(pool);
    assert_non_null(f);
    f->id = id;
    f->captured_us = (int64_t)id * 10000;
    f->keyframe = id % 50 == 1;
    f->payload.size = 500 + (uint32_t)(id % (PAYLOAD_MAX - 500));
    f->payload.n_packets = 1;
    memset(f->payload.data, (uint8_t)id, f->payload.size);
    for (int i = 0; i < WORKERS; i++) {
        struct message m = {.type = MESSAGE_FRAME, .frame = frame_ref(f)};
        if (mailbox_post(&workers[i].inbox, &m) != 0) {
            frame_unref(m.frame);
            dropped[i]++;
        }
    }
    frame_unref(f);
}

static void every_frame_is_taken_or_dropped_whole(void **state)
{
    (void)state;
    static struct worker workers[WORKERS];
    uint64_t dropped[WORKERS] = {0};
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        w->wake_fd = eventfd(0, EFD_CLOEXEC);
        assert_true(w->wake_fd >= 0);
        stream_init(&w->stream, 1, FORWARDER_VIDEO, &w->news);
        stream_attach(&w->stream, &w->layer, 1);
        assert_int_equal(mailbox_init(&w->inbox, sizeof(struct message), 64, wake, w), 0);
        assert_int_equal(pthread_create(&w->thread, NULL, run_worker, w), 0);
    }
    struct frame_pool *pool = frame_pool_new(PAYLOAD_MAX, 8);
    for (uint64_t id = 1; id <= FRAMES; id++) {
        publish(pool, workers, id, dropped);
        if (id % 16 == 0)
            sched_yield();
    }
    frame_pool_close(pool); /* the workers still hold frames: the pool outlives this */
    for (int i = 0; i < WORKERS; i++) {
        struct message m = {.type = MESSAGE_QUIT};
        while (mailbox_post(&workers[i].inbox, &m) != 0)
            sched_yield();
    }
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        assert_int_equal(w->taken + dropped[i], FRAMES);
        assert_int_equal(w->torn, 0);
        assert_true(w->taken > 0);
        mailbox_finish(&w->inbox);
        close(w->wake_fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_taken_or_dropped_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
