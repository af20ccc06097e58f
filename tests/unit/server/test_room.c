#include "server/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <regex.h>
#include <string.h>

/* What a room asks of a source. */
struct source {
    struct source_info info;
};

void source_info(struct source *s, struct source_info *out)
{
    *out = s->info;
}

void source_close(struct source *s)
{
    s->info.live = false;
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
    struct room r;
    room_init(&r, "CALM-FOX-007", 5);
    for (int i = 0; i < 3; i++)
        room_viewer_added(&r);
    room_viewer_removed(&r);
    room_viewer_added(&r);
    room_viewer_removed(&r);
    assert_int_equal(r.viewers, 2);
    assert_int_equal(r.viewers_peak, 3);
    struct backend_room about;
    room_describe(&r, &about, NULL);
    assert_string_equal(about.code, "CALM-FOX-007");
    assert_int_equal(about.viewers, 2);
    assert_false(about.live); /* nothing to watch in an empty room */
    room_finish(&r);
}

static struct source live_source(uint32_t stream_id)
{
    return (struct source){.info = {.stream_id = stream_id, .live = true, .width = 64}};
}

static void a_source_that_ends_leaves_the_others_live(void **state)
{
    (void)state;
    struct source sources[] = {live_source(7), live_source(8), live_source(9)};
    struct room r;
    room_init(&r, "CALM-FOX-007", 5);
    for (int i = 0; i < 3; i++)
        r.sources[r.n_sources++] = &sources[i];
    struct backend_room about;
    uint32_t ids[BACKEND_STREAMS_MAX];

    sources[2].info.live = false; /* not yet */
    room_describe(&r, &about, ids);
    assert_false(about.live);
    assert_int_equal(about.n_streams, 3);

    sources[2].info.live = true;
    sources[0].info.live = false;
    strcpy(sources[0].info.end_reason, "the window was closed");
    room_describe(&r, &about, ids);
    assert_true(about.live);
    assert_int_equal(about.n_streams, 2);
    assert_false(about.streams[0].active);
    assert_string_equal(about.streams[0].end_reason, "the window was closed");
    assert_int_equal(ids[0], 0);
    for (unsigned i = 1; i < 3; i++) { /* in their slots */
        assert_int_equal(ids[i], 7 + i);
        assert_true(about.streams[i].active);
        assert_string_equal(about.streams[i].track_id, i == 1 ? "video1" : "video2");
        assert_int_equal(about.streams[i].is_focused, i == 1);
    }

    strcpy(sources[1].info.end_reason, "this one too");
    strcpy(sources[2].info.end_reason, "and this one");
    room_describe(&r, &about, ids);
    assert_false(about.live);
    assert_int_equal(about.n_streams, 0);
    assert_false(about.streams[0].is_focused);
    room_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_their_form_and_differ),
        cmocka_unit_test(viewers_are_counted_with_their_peak),
        cmocka_unit_test(a_source_that_ends_leaves_the_others_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
