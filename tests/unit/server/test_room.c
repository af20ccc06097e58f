#include "server/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <regex.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

/* What a room asks of the forwarder and of sources; all of it is written down. */
static uint32_t next_stream, streams_removed;
static unsigned opened, started, closed, audio_started;
static _Atomic unsigned audio_opened, audio_closed;
static int open_error, start_error;
static _Atomic int audio_error;

struct source {
    struct source_info info;
};

static struct source sources[2 * BACKEND_STREAMS_MAX];

int forwarder_add_stream(struct forwarder *f, enum forwarder_kind kind, unsigned n_layers_max,
                         uint32_t *stream_id)
{
    (void)f;
    assert_int_equal(n_layers_max, kind == FORWARDER_VIDEO ? FORWARDER_LAYERS_MAX : 1);
    *stream_id = ++next_stream;
    return 0;
}

void forwarder_remove_stream(struct forwarder *f, uint32_t stream_id)
{
    (void)f;
    assert_true(stream_id > 0);
    streams_removed++;
}

int source_open(struct source **out, const struct source_config *config, char *error,
                size_t error_size)
{
    (void)error_size;
    if (open_error) {
        strcpy(error, "no such thing");
        return open_error;
    }
    struct source *s = &sources[opened++];
    *s = (struct source){.info = {.stream_id = config->stream_id,
                                  .live = true,
                                  .width = 64,
                                  .coding = config->codec,
                                  .n_layers = 2,
                                  .layers = {{32, 16}, {64, 32}}}};
    strcpy(s->info.name, config->arg ? config->arg : "pattern");
    *out = s;
    return 0;
}

int source_start(struct source *s)
{
    assert_non_null(s);
    started++;
    return 0;
}

void source_close(struct source *s)
{
    closed += s != NULL;
}

void source_info(struct source *s, struct source_info *out)
{
    *out = s->info;
}

void source_stats(struct source *s, struct source_stats *out)
{
    (void)s;
    *out = (struct source_stats){.layers = {{.bitrate_bps = 100}, {.bitrate_bps = 900}}};
}

struct source_audio {
    struct source_audio_info info;
};

static struct source_audio sound;

static _Atomic bool sound_hangs;

int source_audio_open(struct source_audio **out, const struct source_audio_config *config,
                      char *error, size_t error_size)
{
    (void)error_size;
    while (sound_hangs)
        sched_yield();
    assert_true(config->stream_id > 0);
    if (audio_error) {
        strcpy(error, "the sound server is not there");
        return audio_error;
    }
    audio_opened++;
    sound = (struct source_audio){.info = {.live = true}};
    *out = &sound;
    return 0;
}

int source_audio_start(struct source_audio *s)
{
    assert_ptr_equal(s, &sound);
    audio_started += start_error == 0;
    return start_error;
}

void source_audio_close(struct source_audio *s)
{
    audio_closed += s != NULL;
}

void source_audio_info(struct source_audio *s, struct source_audio_info *out)
{
    *out = s->info;
}

static struct room room;

static int setup(void **state)
{
    (void)state;
    next_stream = streams_removed = 0;
    opened = started = closed = audio_started = 0;
    audio_opened = audio_closed = 0;
    open_error = start_error = audio_error = 0;
    room_init(&room, &(struct room_config){.code = "CALM-FOX-007"}, 5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    room_finish(&room);
    assert_int_equal(streams_removed, next_stream);
    assert_int_equal(closed, opened);
    assert_int_equal(audio_closed, audio_opened);
    return 0;
}

static unsigned add(const char *source, const char *audio)
{
    struct media media = {.coding = media_coding_default()};
    char error[200] = "";
    unsigned slot = 99;
    assert_null(media_set_source(&media.video, source));
    if (audio)
        assert_null(media_set_audio(&media.audio, audio));
    assert_int_equal(room_add_source(&room, &media, &slot, error, sizeof(error)), 0);
    return slot;
}

static struct backend_room describe(void)
{
    struct backend_room about;
    room_describe(&room, &about);
    return about;
}

static void codes_have_their_form_and_differ(void **state)
{
    (void)state;
    regex_t form;
    assert_int_equal(regcomp(&form, "^[A-Z]+-[A-Z]+-[0-9]{3}$", REG_EXTENDED | REG_NOSUB), 0);
    char last[BACKEND_ROOM_MAX] = "";
    uint64_t random = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 1000; i++) {
        char code[BACKEND_ROOM_MAX];
        room_make_code(code, random);
        assert_int_equal(regexec(&form, code, 0, NULL, 0), 0);
        assert_string_not_equal(code, last);
        memcpy(last, code, sizeof(last));
        random = random * 6364136223846793005u + 1442695040888963407u;
    }
    regfree(&form);
}

static void viewers_are_counted_with_their_peak(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        room_seat_taken(&room);
    for (int i = 0; i < 3; i++)
        room_viewer_added(&room);
    room_viewer_left(&room, true);
    room_viewer_added(&room);
    room_viewer_left(&room, true);
    assert_int_equal(room.viewers, 2);
    assert_int_equal(room.seats, 2);
    assert_int_equal(room.viewers_peak, 3);
    assert_string_equal(describe().code, "CALM-FOX-007");
    assert_int_equal(describe().viewers, 2);
    assert_false(describe().live); /* nothing to watch in an empty room */
    assert_false(describe().presenter);
    assert_true(room_is_empty(&room));
}

/* Viewers hold on to a slot's streams, whatever is shown in them. */
static void slots_keep_their_streams(void **state)
{
    (void)state;
    assert_int_equal(next_stream, 0); /* a room that waits costs the forwarder nothing */
    assert_int_equal(add("pattern", NULL), 0);
    assert_int_equal(next_stream, 2 * BACKEND_STREAMS_MAX);
    uint32_t video = room.slots[1].video_stream;
    assert_int_equal(add("pattern:64x64", NULL), 1);
    assert_int_equal(add("pattern", NULL), 2);
    assert_int_equal(sources[1].info.stream_id, video);
    assert_int_equal(room_remove_source(&room, 1), 0);
    assert_int_equal(room_remove_source(&room, 1), -ENOENT);
    assert_int_equal(room_remove_source(&room, 8), -ENOENT);
    assert_int_equal(closed, 1);
    assert_true(describe().streams[0].active && !describe().streams[1].active);
    assert_int_equal(describe().n_streams, 2);
    assert_int_equal(add("file:x", NULL), 1);
    assert_int_equal(room.slots[1].video_stream, video);
    assert_int_equal(sources[3].info.stream_id, video);
    assert_string_equal(describe().streams[1].track_id, "video1");
    assert_string_equal(describe().streams[1].window_name, "x");
}

static void what_comes_later_starts_at_once(void **state)
{
    (void)state;
    add("pattern", NULL);
    assert_int_equal(started, 0);
    assert_int_equal(room_start(&room), 0);
    assert_int_equal(started, 1);
    add("pattern", NULL);
    assert_int_equal(started, 2);
}

static void what_cannot_be_had_leaves_no_trace(void **state)
{
    (void)state;
    struct media media = {.video = {.kind = "pattern"}, .coding = media_coding_default()};
    char error[200] = "";
    unsigned slot;
    open_error = -ENODEV;
    assert_int_equal(room_add_source(&room, &media, &slot, error, sizeof(error)), -ENODEV);
    assert_string_equal(error, "no such thing");
    assert_true(room_is_empty(&room));
    open_error = 0;
    audio_error = -ENODEV;
    assert_null(media_set_audio(&media.audio, "monitor"));
    assert_int_equal(room_add_source(&room, &media, &slot, error, sizeof(error)), -ENODEV);
    assert_true(room_is_empty(&room));
    audio_error = 0;
    for (unsigned i = 0; i < 7; i++)
        add("pattern", NULL);
    assert_int_equal(room_add_source(&room, &media, &slot, error, sizeof(error)), 0);
    assert_int_equal(slot, 7);
    assert_int_equal(room_add_source(&room, &media, &slot, error, sizeof(error)), -ENOSPC);
    assert_non_null(strstr(error, "8 streams"));
}

static void a_source_that_ends_leaves_the_others_live(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        add("pattern", NULL);
    sources[2].info.live = false; /* not yet: the others need not wait for it */
    assert_true(describe().live);
    sources[0].info.live = false;
    strcpy(sources[0].info.end_reason, "the window was closed");
    struct backend_room about = describe();
    assert_true(about.live);
    assert_true(about.streams[0].active); /* its viewers read why */
    assert_string_equal(about.streams[0].end_reason, "the window was closed");
    sources[1].info.live = false;
    strcpy(sources[1].info.end_reason, "this one too");
    assert_false(describe().live);
    assert_true(describe().presenter);
}

static void the_focus_is_told(void **state)
{
    (void)state;
    add("pattern", NULL);
    add("pattern", NULL);
    assert_true(describe().streams[0].is_focused && !describe().streams[1].is_focused);
    room.slots[1].focused = true;
    strcpy(room.slots[1].title, "Letters");
    assert_true(!describe().streams[0].is_focused && describe().streams[1].is_focused);
    assert_string_equal(describe().streams[1].window_name, "Letters");
}

static void layers_are_told_from_the_best(void **state)
{
    (void)state;
    add("pattern", NULL);
    struct backend_room about = describe();
    assert_int_equal(about.streams[0].n_layers, 2);
    assert_int_equal(about.streams[0].layers[0].width, 64);
    assert_int_equal(about.streams[0].layers[0].bitrate_bps, 900);
    assert_int_equal(about.streams[0].layers[1].height, 16);
}

static void tick_until_opened(int64_t now_us)
{
    do {
        room_tick(&room, now_us);
        sched_yield();
    } while (room.slots[0].opening);
}

static void lost_sound_is_tried_again(void **state)
{
    (void)state;
    add("pattern", "monitor");
    room_start(&room);
    assert_true(describe().streams[0].has_audio);
    room_tick(&room, 1000);
    assert_int_equal(audio_opened, 1);
    strcpy(sound.info.end_reason, "the sound server is gone");
    room_tick(&room, 2000); /* for good, as it says */
    assert_int_equal(audio_closed, 0);
    sound.info.may_return = true;
    room_tick(&room, 3000);
    assert_int_equal(audio_closed, 1);
    assert_string_equal(describe().streams[0].end_reason, "no sound: the sound server is gone");
    audio_error = -ENODEV;
    room_tick(&room, 3000 + ROOM_AUDIO_RETRY_US - 1);
    assert_null(room.slots[0].opening);
    tick_until_opened(3000 + ROOM_AUDIO_RETRY_US);
    assert_string_equal(describe().streams[0].end_reason,
                        "no sound: the sound server is not there");
    audio_error = 0;
    room_tick(&room, 3000 + ROOM_AUDIO_RETRY_US + 1);
    assert_int_equal(audio_opened, 1);
    tick_until_opened(3000 + 2 * ROOM_AUDIO_RETRY_US);
    assert_int_equal(audio_opened, 2);
    assert_int_equal(audio_started, 2);
    assert_string_equal(describe().streams[0].end_reason, "");
}

static void lose_sound(void)
{
    add("pattern", "monitor");
    room_start(&room);
    strcpy(sound.info.end_reason, "the sound server is gone");
    sound.info.may_return = true;
    room_tick(&room, 0);
    assert_int_equal(audio_closed, 1);
}

static void a_sound_server_that_hangs_holds_nobody_up(void **state)
{
    (void)state;
    lose_sound();
    sound_hangs = true;
    room_tick(&room, ROOM_AUDIO_RETRY_US); /* would not return */
    room_tick(&room, 9 * ROOM_AUDIO_RETRY_US);
    assert_string_equal(describe().streams[0].end_reason, "no sound: the sound server is gone");
    assert_int_equal(room_remove_source(&room, 0), 0); /* nor would this */
    assert_true(room_is_empty(&room));
    assert_int_equal(audio_closed, 1);
    sound_hangs = false;
    while (audio_closed < 2) /* what nobody takes any more is closed all the same */
        sched_yield();
}

static void sound_that_does_not_start_is_tried_again(void **state)
{
    (void)state;
    lose_sound();
    start_error = -EAGAIN;
    tick_until_opened(ROOM_AUDIO_RETRY_US);
    assert_int_equal(audio_closed, 2);
    assert_string_equal(describe().streams[0].end_reason, "no sound: cannot start its threads");
    start_error = 0;
    tick_until_opened(2 * ROOM_AUDIO_RETRY_US);
    assert_string_equal(describe().streams[0].end_reason, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_their_form_and_differ),
        TEST(viewers_are_counted_with_their_peak),
        TEST(slots_keep_their_streams),
        TEST(what_comes_later_starts_at_once),
        TEST(what_cannot_be_had_leaves_no_trace),
        TEST(a_source_that_ends_leaves_the_others_live),
        TEST(the_focus_is_told),
        TEST(layers_are_told_from_the_best),
        TEST(lost_sound_is_tried_again),
        TEST(a_sound_server_that_hangs_holds_nobody_up),
        TEST(sound_that_does_not_start_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
