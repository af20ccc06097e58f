/* The frame around the backends, with a backend that does what the test tells it. */
#include "capture/capture.h"
#include "capture/capture_backends.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the puppet: commands come through a pipe --- */

enum command {
    CHANGE = 'c',
    REPEAT = 'r',
    GROW = 'g',
    CANCEL = 'x',
    BEGIN_ONLY = 'b',
    NATIVE = 'n',
    AWAY = 'a',
    END = 'e'
};

static int commands[2];
static bool closed;
static int open_result;

struct puppet {
    int width, height;
    uint8_t shade;
    int64_t clock_us;
};

static int puppet_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    struct puppet *puppet = priv;
    (void)config;
    if (open_result < 0) {
        snprintf(error, error_size, "the puppet is out");
        return open_result;
    }
    puppet->width = 66;
    puppet->height = 4;
    *info = (struct capture_info){.name = "Puppet", .width = 66, .height = 4};
    return 0;
}

static void show(struct puppet *puppet, struct capture_sink *sink, bool repeat)
{
    struct picture *p = capture_sink_begin(sink, puppet->width, puppet->height);
    assert_non_null(p);
    puppet->shade += !repeat;
    for (int y = 0; y < p->height; y++)
        memset(p->plane[0] + y * p->stride[0], puppet->shade, (size_t)p->width * 4);
    p->captured_us = ++puppet->clock_us;
    p->repeat = repeat;
    capture_sink_publish(sink, p);
}

/* Pixels of the platform's: one byte that counts who has not given it back. */
static _Atomic int natives;
static uint8_t native_pixels[4 * 6];

static void native_unref(void *native)
{
    assert_ptr_equal(native, native_pixels);
    natives--;
}

static void show_native(struct puppet *puppet, struct capture_sink *sink)
{
    const struct picture described = {.format = PICTURE_NV12,
                                      .width = 4,
                                      .height = 4,
                                      .plane = {native_pixels, native_pixels + 16},
                                      .stride = {4, 4},
                                      .captured_us = ++puppet->clock_us,
                                      .native = native_pixels};
    natives++;
    struct picture *p = capture_sink_begin_native(sink, &described, native_unref);
    assert_non_null(p);
    capture_sink_publish(sink, p);
}

static int obey(struct puppet *puppet, struct capture_sink *sink, char *error, size_t error_size)
{
    char c;
    struct picture *p;
    assert_int_equal(read(commands[0], &c, 1), 1);
    switch (c) {
    case GROW:
        puppet->width *= 2;
        puppet->height *= 2;
        show(puppet, sink, false);
        return 0;
    case CHANGE:
        show(puppet, sink, false);
        return 0;
    case REPEAT:
        show(puppet, sink, true);
        return 0;
    case CANCEL:
        p = capture_sink_begin(sink, 2, 2);
        assert_non_null(p);
        capture_sink_cancel(sink, p);
        return 0;
    case NATIVE:
        show_native(puppet, sink);
        return 0;
    case BEGIN_ONLY:
        assert_null(capture_sink_begin(sink, 2, 2));
        return 0;
    case AWAY:
        return -ENODEV;
    default:
        snprintf(error, error_size, "the puppet fell");
        return -EPIPE;
    }
}

static int puppet_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_true(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGPIPE));
    for (int r = 0;;) {
        switch (capture_sink_wait(sink, commands[0], INT64_MAX)) {
        case CAPTURE_WAKE_STOP:
            return 0;
        case CAPTURE_WAKE_POKE:
            show(priv, sink, false);
            break;
        case CAPTURE_WAKE_FD:
            r = obey(priv, sink, error, error_size);
            if (r < 0)
                return r;
            break;
        default:
            fail_msg("there is no deadline");
        }
    }
}

static void puppet_close(void *priv)
{
    (void)priv;
    closed = true;
}

static const struct capture_ops puppet_ops = {
    .kind = "puppet",
    .priv_size = sizeof(struct puppet),
    .open = puppet_open,
    .run = puppet_run,
    .close = puppet_close,
};

static void tell(enum command c)
{
    assert_int_equal(write(commands[1], &(char){(char)c}, 1), 1);
}

static void wait_captured(struct capture *c, uint64_t n)
{
    struct capture_stats stats;
    do {
        usleep(100);
        capture_stats(c, &stats);
    } while (stats.captured < n);
    assert_int_equal(stats.captured, n);
}

static int setup(void **state)
{
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "puppet", .fps = 30};
    open_result = 0;
    closed = false;
    assert_int_equal(pipe(commands), 0);
    assert_int_equal(capture_open_ops(&c, &puppet_ops, &config, error, sizeof(error)), 0);
    assert_int_equal(capture_start(c), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    capture_close(*state);
    assert_true(closed);
    assert_int_equal(natives, 0);
    close(commands[0]);
    close(commands[1]);
    return 0;
}

/* --- */

static void pictures_have_the_promised_layout(void **state)
{
    struct capture *c = *state;
    struct capture_info info;
    capture_info(c, &info);
    assert_string_equal(info.name, "Puppet");
    assert_int_equal(info.width, 66);
    tell(CHANGE);
    const struct picture *p = capture_take(c);
    assert_non_null(p);
    assert_int_equal(p->format, PICTURE_BGRA);
    assert_int_equal(p->width, 66);
    assert_int_equal(p->height, 4);
    assert_int_equal((uintptr_t)p->plane[0] % 64, 0);
    assert_int_equal(p->stride[0] % 64, 0);
    assert_true(p->stride[0] >= 66 * 4);
    assert_int_equal(p->plane[0][3 * p->stride[0] + 66 * 4 - 1], 1);
    uint8_t past_the_end[64]; /* readable: AddressSanitizer is the judge */
    memcpy(past_the_end, p->plane[0] + 4 * p->stride[0], sizeof(past_the_end));
    assert_int_equal(past_the_end[0], 0);
    capture_release(c, p);
}

static void newest_wins_and_held_stays(void **state)
{
    struct capture *c = *state;
    tell(CHANGE);
    const struct picture *held = capture_take(c);
    assert_int_equal(held->plane[0][0], 1);
    for (int i = 0; i < 5; i++)
        tell(CHANGE);
    wait_captured(c, 6);
    assert_int_equal(held->plane[0][0], 1);
    assert_int_equal(held->plane[0][3 * held->stride[0]], 1);
    capture_release(c, held);

    const struct picture *p = capture_take(c);
    assert_int_equal(p->plane[0][0], 6);
    capture_release(c, p);
    struct capture_stats stats;
    capture_stats(c, &stats);
    assert_int_equal(stats.superseded, 4);
    assert_int_equal(stats.repeats, 0);
}

static void repeat_is_said_to_the_consumer_who_has_seen_it(void **state)
{
    struct capture *c = *state;
    tell(CHANGE);
    tell(REPEAT); /* supersedes the change nobody took */
    wait_captured(c, 2);
    const struct picture *p = capture_take(c);
    assert_false(p->repeat);
    capture_release(c, p);

    tell(REPEAT);
    p = capture_take(c);
    assert_true(p->repeat);
    capture_release(c, p);

    tell(CHANGE);
    p = capture_take(c);
    assert_false(p->repeat);
    assert_int_equal(p->plane[0][0], 2);
    capture_release(c, p);

    struct capture_stats stats;
    do /* counted a moment after the publication */
        capture_stats(c, &stats);
    while (stats.repeats < 2);
    assert_int_equal(stats.repeats, 2);
    assert_int_equal(stats.captured, 4);
}

static void native_pixels_are_given_back(void **state)
{
    struct capture *c = *state;
    for (uint64_t i = 1; i <= 10; i++) {
        tell(NATIVE);
        const struct picture *p = capture_take(c);
        assert_int_equal(p->format, PICTURE_NV12);
        assert_ptr_equal(p->native, native_pixels);
        assert_in_range(natives, 1, 3); /* as many as there are slots */
        capture_release(c, p);
    }
    for (int i = 0; i < 4; i++) { /* through every slot */
        tell(CHANGE);
        const struct picture *p = capture_take(c);
        assert_int_equal(p->format, PICTURE_BGRA);
        assert_null(p->native);
        capture_release(c, p);
    }
    tell(NATIVE);
    capture_release(c, capture_take(c));
    assert_in_range(natives, 1, 3); /* the last is given back by capture_close: see teardown */
}

static void consumer_is_woken_for_something_else(void **state)
{
    struct capture *c = *state;
    const struct picture *p = NULL;
    capture_wake(c);
    assert_int_equal(capture_take_or_wake(c, &p), -EINTR);
    tell(CHANGE);
    assert_int_equal(capture_take_or_wake(c, &p), 0);
    capture_release(c, p);
    capture_stop(c);
    assert_int_equal(capture_take_or_wake(c, &p), -ESHUTDOWN);
}

static void size_may_change_between_pictures(void **state)
{
    struct capture *c = *state;
    for (int i = 0, width = 132; i < 5; i++, width *= 2) {
        tell(i == 0 ? CANCEL : CHANGE);
        tell(GROW);
        const struct picture *p;
        for (;;) {
            p = capture_take(c);
            assert_non_null(p);
            if (p->width == width)
                break;
            capture_release(c, p);
        }
        assert_int_equal(p->height, width / 66 * 4);
        assert_true(p->stride[0] >= width * 4);
        capture_release(c, p);
    }
}

static void consumer_that_holds_too_many_is_not_written_over(void **state)
{
    struct capture *c = *state;
    const struct picture *held[2];
    for (int i = 0; i < 2; i++) {
        tell(CHANGE);
        held[i] = capture_take(c);
    }
    tell(CHANGE);
    wait_captured(c, 3); /* two held and one ready: nothing is free */
    tell(BEGIN_ONLY);
    tell(END);
    while (!capture_end_reason(c)) /* then the command before was obeyed too */
        usleep(100);
    const struct picture *last = capture_take(c);
    assert_int_equal(last->plane[0][0], 3);
    assert_int_equal(held[0]->plane[0][0], 1);
    assert_int_equal(held[1]->plane[0][0], 2);
    capture_release(c, held[1]);
    capture_release(c, held[0]);
    capture_release(c, last);
    assert_null(capture_take(c));
}

static void poke_reaches_the_backend(void **state)
{
    struct capture *c = *state;
    for (int i = 1; i <= 3; i++) {
        capture_poke(c);
        const struct picture *p = capture_take(c);
        assert_int_equal(p->plane[0][0], i);
        capture_release(c, p);
    }
    for (int i = 0; i < 1000; i++)
        capture_poke(c); /* any rate; nobody has to take */
    tell(END);
    const struct picture *p;
    while ((p = capture_take(c)))
        capture_release(c, p);
}

static void end_by_itself_wakes_and_explains(void **state)
{
    struct capture *c = *state;
    tell(CHANGE);
    const struct picture *p = capture_take(c);
    assert_non_null(p);
    capture_release(c, p);
    assert_null(capture_end_reason(c));
    tell(END);
    assert_null(capture_take(c));
    assert_string_equal(capture_end_reason(c), "the puppet fell");
    assert_false(capture_may_return(c));
    capture_poke(c); /* harmless now */
    capture_stop(c);
    assert_string_equal(capture_end_reason(c), "the puppet fell");
}

static void source_that_is_only_away_may_return(void **state)
{
    struct capture *c = *state;
    assert_false(capture_may_return(c));
    tell(AWAY);
    assert_null(capture_take(c));
    assert_true(capture_may_return(c));
    assert_string_equal(capture_end_reason(c), "the source ended: No such device");
}

static void *take_until_null(void *arg)
{
    const struct picture *p;
    while ((p = capture_take(arg)))
        capture_release(arg, p);
    return NULL;
}

static void stop_ends_backend_and_consumer(void **state)
{
    struct capture *c = *state;
    pthread_t consumer;
    assert_int_equal(pthread_create(&consumer, NULL, take_until_null, c), 0);
    tell(CHANGE);
    wait_captured(c, 1);
    capture_stop(c); /* both wait without a deadline now */
    pthread_join(consumer, NULL);
    assert_null(capture_end_reason(c));
    capture_stop(c); /* twice is fine */
}

/* --- opening --- */

static void failed_open_is_closed_and_explained(void **state)
{
    (void)state;
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "puppet", .fps = 30};
    open_result = -ENODEV;
    closed = false;
    assert_int_equal(capture_open_ops(&c, &puppet_ops, &config, error, sizeof(error)), -ENODEV);
    assert_string_equal(error, "the puppet is out");
    assert_true(closed);
    assert_null(c);
}

static void bad_configurations_are_refused_in_words(void **state)
{
    static const struct {
        struct capture_config config;
        const char *word;
    } rows[] = {
        {{.kind = "pattern", .fps = 0}, "1 to 120"},
        {{.kind = "pattern", .fps = 121}, "1 to 120"},
        {{.kind = "pattern", .fps = -5}, "1 to 120"},
        {{.kind = "", .fps = 30}, "unknown source \"\""},
        {{.kind = "gramophone", .fps = 30}, "unknown source \"gramophone\""},
        {{.kind = "patter", .fps = 30}, "unknown source"},
        {{.kind = "pattern", .arg = "", .fps = 30}, "not WIDTHxHEIGHT"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct capture *c = NULL;
        char error[256] = "";
        assert_int_equal(capture_open(&c, &rows[i].config, error, sizeof(error)), -EINVAL);
        assert_null(c);
        assert_non_null(strstr(error, rows[i].word));
    }
}

static void never_started_is_closed(void **state)
{
    (void)state;
    struct capture *c = NULL;
    char error[256] = "";
    const struct capture_config config = {.kind = "pattern", .fps = 30};
    assert_int_equal(capture_open(&c, &config, error, sizeof(error)), 0);
    capture_poke(c);
    capture_close(c);
    capture_close(NULL);
}

int main(void)
{
#define PUPPET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        PUPPET_TEST(pictures_have_the_promised_layout),
        PUPPET_TEST(newest_wins_and_held_stays),
        PUPPET_TEST(repeat_is_said_to_the_consumer_who_has_seen_it),
        PUPPET_TEST(native_pixels_are_given_back),
        PUPPET_TEST(consumer_is_woken_for_something_else),
        PUPPET_TEST(size_may_change_between_pictures),
        PUPPET_TEST(consumer_that_holds_too_many_is_not_written_over),
        PUPPET_TEST(poke_reaches_the_backend),
        PUPPET_TEST(end_by_itself_wakes_and_explains),
        PUPPET_TEST(source_that_is_only_away_may_return),
        PUPPET_TEST(stop_ends_backend_and_consumer),
        cmocka_unit_test(failed_open_is_closed_and_explained),
        cmocka_unit_test(bad_configurations_are_refused_in_words),
        cmocka_unit_test(never_started_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
