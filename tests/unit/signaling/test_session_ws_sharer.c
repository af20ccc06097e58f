/* test_session_ws_sharer.c - one that presents over a WebSocket. */
#include "tests/unit/signaling/ws_session.h"

#include "tests/unit/signaling/sdp_publish_fixtures.h"

#define VIEWER_NEWS "{\"type\":\"viewer-joined\",\"viewers\":3,\"peerId\":\"9\"}"
#define SHARE                                                                                      \
    "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"" FAKE_ROOM                                 \
    "\",\"client\":\"test\",\"secret\":\"" FAKE_SECRET "\"}"
#define SHARE_AS_GOPEEP                                                                            \
    "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"" FAKE_ROOM "\",\"secret\":\"" FAKE_SECRET  \
    "\"}"

/* What was said to everybody else in the room. */
static struct {
    unsigned n, n_ready;
    char *texts[16]; /* owned; but for "sharer-ready" */
    enum session_ws_role roles[16];
} told;

static void note(void *arg, const char *room, enum session_ws_role role, char *text)
{
    (void)arg;
    if (strcmp(text, "{\"type\":\"sharer-ready\"}") == 0) {
        assert_int_equal(role, SESSION_WS_VIEWER);
        told.n_ready++;
        message_log(MESSAGE_LOG_SENT, text);
        free(text);
        return;
    }
    assert_string_equal(room, FAKE_ROOM);
    assert_true(told.n < 16);
    told.roles[told.n] = role;
    told.texts[told.n++] = text;
    message_log(MESSAGE_LOG_SENT, text);
}

static void forget_told(void)
{
    told.n_ready = 0;
    while (told.n > 0)
        free(told.texts[--told.n]);
}

static void told_is(enum session_ws_role role, const char *text)
{
    assert_int_equal(told.n, 1);
    assert_int_equal(told.roles[0], role);
    assert_string_equal(told.texts[0], text);
    forget_told();
}

static int setup_publishing(void **state)
{
    setup(state);
    struct test *t = *state;
    fake_use_publishing(&t->fake);
    t->session.output.tell = note;
    t->fake.room.live = false;
    return 0;
}

static int teardown_publishing(void **state)
{
    forget_told();
    return teardown(state);
}

static void share(struct test *t, const char *offer)
{
    send_text(t, SHARE, 1);
    sent_has(t, 0, "\"type\":\"joined\"");
    sent_has(t, 0, "\"role\":\"sharer\"");
    send_sdp(t, "offer", offer, NULL, 1);
    sent_has(t, 0, "\"type\":\"answer\",\"sdp\":\"v=0");
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
}

static void presents(void **state)
{
    struct test *t = *state;
    share(t, chromium_publish);
    assert_int_equal(told.n_ready, 1);
    assert_int_equal(t->fake.n_publish_starts, 1);
    assert_int_equal(t->session.viewer_id, t->fake.last_publisher);
    assert_string_equal(t->fake.publication.kind, "browser");
    assert_int_equal(t->fake.publication.n_tracks, 2);
    sent_has(t, 0, "\"tracks\":[{\"mid\":\"1\",\"trackId\":\"video0\"}]");
    sent_has(t, 0, "\"peerId\":\"1\"");
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL);
    assert_int_equal(t->session.state, SESSION_WS_LIVE);
    send_text(t, "{\"type\":\"sharer-stopped\"}", 0);
    assert_int_equal(t->fake.last_publish_end, 1);
    assert_int_equal(t->session.viewer_id, 0);
    send_sdp(t, "offer", chromium_publish, "mine", 1); /* and again */
    sent_has(t, 0, "\"peerId\":\"mine\"");
    assert_int_equal(t->fake.last_publisher, 2);
}

static void only_with_the_secret(void **state)
{
    struct test *t = *state;
    static const struct {
        const char *fields, *code;
    } rows[] = {
        {"", "secret-required"},
        {",\"password\":\"" FAKE_SECRET "\"", "secret-required"},
        {",\"secret\":\"\"", "secret-invalid"},
        {",\"secret\":\"0123456789abcdef0123456789abcdee\"", "secret-invalid"},
        {",\"secret\":\"0123456789abcdef0123456789abcdef0\"", "secret-invalid"},
        {",\"token\":\"" FAKE_WATCH_TOKEN "\"", "secret-invalid"},
        {",\"client\":\"test\",\"room\":\"OTHER\",\"secret\":\"" FAKE_SECRET "\"",
         "room-not-found"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[300];
        sprintf(text, "{\"type\":\"join\",\"role\":\"sharer\"%s%s}",
                strstr(rows[i].fields, "room") ? "" : ",\"room\":\"" FAKE_ROOM "\"",
                rows[i].fields);
        send_text(t, text, 1);
        is_error(t, 0, rows[i].code);
        assert_false(t->session.joined);
        send_sdp(t, "offer", chromium_publish, NULL, 1);
        is_error(t, 0, "not-joined");
    }
    assert_int_equal(t->fake.n_publish_starts, 0);
}

static void sharers_do_not_watch(void **state)
{
    struct test *t = *state;
    static const char *const texts[] = {
        "{\"type\":\"answer\",\"sdp\":\"v=0\"}",
        "{\"type\":\"select\",\"streams\":[]}",
        "{\"type\":\"keyframe\",\"trackId\":\"video0\"}",
        "{\"type\":\"viewer-stats\"}",
        "{\"type\":\"publish-config\"}",
        "{\"type\":\"sharer-ready\"}",
    };
    send_text(t, SHARE, 1);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        send_text(t, texts[i], 1);
        is_error(t, 0, "not-allowed");
    }
    assert_int_equal(t->fake.reserved, 0);
}

static void a_link_never_publishes(void **state)
{
    struct test *t = *state;
    strcpy(t->fake.password, "open sesame");
    t->fake.room.live = true;
    send_text(t,
              "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"" FAKE_ROOM
              "\",\"client\":\"test\",\"token\":\"" FAKE_WATCH_TOKEN "\"}",
              3);
    static const char *const texts[] = {
        "{\"type\":\"sharer-started\"}",
        "{\"type\":\"sharer-stopped\"}",
        "{\"type\":\"streams-info\",\"streams\":[]}",
        "{\"type\":\"stream-activated\",\"streamActivated\":{\"trackId\":\"video0\"}}",
        "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video0\"}",
        "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}",
        "{\"type\":\"size-change\",\"trackId\":\"video0\",\"width\":2,\"height\":2}",
        "{\"type\":\"cursor-position\",\"trackId\":\"video0\",\"cursorX\":0}",
        "{\"type\":\"password-update\",\"password\":\"\",\"secret\":\"" FAKE_SECRET "\"}",
    };
    forget_told(); /* "viewer-joined" is for presenters */
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        send_text(t, texts[i], 1);
        is_error(t, 0, "not-allowed");
    }
    send_sdp(t, "offer", chromium_publish, NULL, 1);
    is_error(t, 0, "not-allowed");
    assert_int_equal(t->fake.n_publish_starts, 0);
    assert_string_equal(t->fake.password, "open sesame");
}

static void offers_that_cannot_be_taken(void **state)
{
    struct test *t = *state;
    static const struct {
        int reserve, start;
        const char *code;
    } rows[] = {
        {-EAGAIN, 0, "room-full"}, {-ENOENT, 0, "room-not-found"}, {-ESHUTDOWN, 0, "draining"},
        {-EIO, 0, "internal"},     {0, -EINVAL, "bad-sdp"},        {0, -EBUSY, "slot-taken"},
        {0, -ENOMEM, "internal"},
    };
    send_text(t, SHARE, 1);
    send_sdp(t, "offer", "v=1", NULL, 1);
    is_error(t, 0, "bad-sdp");
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        t->fake.publish_reserve_status = rows[i].reserve;
        t->fake.publish_start_status = rows[i].start;
        send_sdp(t, "offer", chromium_publish, NULL, 1);
        is_error(t, 0, rows[i].code);
        assert_int_equal(t->session.viewer_id, 0);
        assert_int_equal(t->fake.left, t->fake.reserved); /* every seat was given back */
    }
    t->fake.publish_reserve_status = t->fake.publish_start_status = 0;
    t->fake.n_native = BACKEND_STREAMS_MAX;
    send_sdp(t, "offer", chromium_publish, NULL, 1);
    is_error(t, 0, "slot-taken");
    t->fake.n_native = 2;
    send_sdp(t, "offer", chromium_publish, NULL, 1);
    sent_has(t, 0, "\"trackId\":\"video2\"");
}

static void a_new_offer_changes_the_old_one(void **state)
{
    struct test *t = *state;
    char *other;
    share(t, gopeep_publish);
    assert_int_equal(t->fake.publication.n_tracks, 4);
    send_sdp(t, "offer", gopeep_publish, NULL, 1); /* the very same */
    assert_int_equal(t->fake.n_publish_starts, 1);
    other = strdup(gopeep_publish); /* the first picture is taken away: the others stay */
    memcpy(strstr(other, "a=sendonly"), "a=inactive", 10);
    send_sdp(t, "offer", other, NULL, 1);
    free(other);
    assert_int_equal(t->fake.n_publish_starts, 2);
    assert_int_equal(t->fake.publication.n_tracks, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(t->fake.publication.tracks[i].slot, i + 1);
    send_sdp(t, "offer", gopeep_publish, NULL, 1); /* and comes back */
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(t->fake.publication.tracks[i].slot, i);
    assert_int_equal(t->fake.reserved, 1);
    assert_int_equal(t->fake.left, 0);
    send_sdp(t, "offer", chromium_publish, NULL, 1); /* another connection */
    assert_int_equal(t->fake.reserved, 2);
    assert_int_equal(t->fake.last_left, 1);
    assert_int_equal(t->session.viewer_id, 2);
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "replaced"); /* the old one's end */
    assert_int_equal(t->n_sent, 0);
}

static void ice_restarts(void **state)
{
    struct test *t = *state;
    char *other = strdup(gopeep_publish);
    for (char *at = other; (at = strstr(at, "a=ice-ufrag:")) != NULL; at++)
        memcpy(at + 12, "NEWS", 4);
    share(t, gopeep_publish);
    send_sdp(t, "offer", other, NULL, 1); /* this backend cannot */
    is_error(t, 0, "not-supported");
    send_text(t, "{\"type\":\"sharer-stopped\"}", 0);
    fake_use_agents(&t->fake);
    share(t, gopeep_publish);
    unsigned starts = t->fake.n_publish_starts;
    send_sdp(t, "offer", other, NULL, 1);
    free(other);
    sent_has(t, 0, "\"type\":\"answer\"");
    assert_int_equal(t->fake.n_publish_starts, starts);
}

static void streams_are_told_of(void **state)
{
    struct test *t = *state;
    send_text(t, SHARE, 1);
    send_text(t, /* before the offer: it is told when there is somebody to tell it of */
              "{\"type\":\"streams-info\",\"streams\":[{\"trackId\":\"video1\",\"windowName\":"
              "\"Slides\",\"appName\":\"impress\",\"isFocused\":true,\"width\":800,\"height\":600}"
              "]}",
              0);
    assert_int_equal(t->fake.n_infos, 0);
    t->fake.n_native = 2;
    send_sdp(t, "offer", gopeep_publish, NULL, 1);
    assert_int_equal(t->fake.n_infos, 1);
    assert_int_equal(t->fake.info.slot, 3); /* his second one */
    assert_string_equal(t->fake.info.window_name, "Slides");
    assert_int_equal(t->fake.info.info.active, 1);
    assert_int_equal(t->fake.info.info.width, 800);
    send_text(t, "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video1\"}", 0);
    assert_int_equal(t->fake.info.info.active, 0);
    assert_string_equal(t->fake.info.window_name, "(as it is)");
    send_text(t, "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}", 0);
    told_is(SESSION_WS_VIEWER, "{\"type\":\"focus-change\",\"focusedTrack\":\"video2\"}");
    send_text(t,
              "{\"type\":\"cursor-position\",\"trackId\":\"video0\",\"cursorY\":50,"
              "\"cursorInView\":true}",
              0); /* GoPeep leaves out what is 0; viewers get it */
    told_is(SESSION_WS_VIEWER, "{\"type\":\"cursor-position\",\"trackId\":\"video2\",\"cursorX\":"
                               "0.0,\"cursorY\":50.0,\"cursorInView\":true}");
    send_text(t, "{\"type\":\"size-change\",\"trackId\":\"video3\",\"width\":10,\"height\":20}", 0);
    told_is(SESSION_WS_VIEWER,
            "{\"type\":\"size-change\",\"trackId\":\"video5\",\"width\":10,\"height\":20}");
    send_text(t, "{\"type\":\"focus-change\",\"focusedTrack\":\"video6\"}", 0); /* he has none */
    assert_int_equal(told.n, 0);
    send_text(t, "{\"type\":\"streams-info\"}", 0); /* nothing is shown any more */
    assert_int_equal(t->fake.info.info.active, 0);
}

static void the_audience_is_told(void **state)
{
    struct test *t = *state;
    t->fake.audience = (struct backend_audience){
        .viewers = 5, .good = 3, .poor = 1, .joining = 1, .worst = "its network", .layers = 5};
    share(t, chromium_publish);
    for (int i = 0; i < 3; i++) {
        time_out(t, 1);
        assert_string_equal(t->sent[0],
                            "{\"type\":\"audience\",\"viewers\":5,\"good\":3,\"poor\":1,"
                            "\"joining\":1,\"worst\":\"its network\",\"layers\":[0,2]}");
    }
    forget_sent(t);
    session_ws_on_publish_wish(&t->session, 1, 2500000, 1, "nobody watches the best one");
    assert_string_equal(t->sent[0],
                        "{\"type\":\"publish-config\",\"layers\":[0],\"reason\":\"nobody watches "
                        "the best one\",\"bitrate\":2500000}");
    session_ws_on_publish_wish(&t->session, 9, 1, 1, "another's");
    session_ws_on_viewer_news(&t->session, VIEWER_NEWS, t->now);
    assert_int_equal(t->n_sent, 2);
    session_ws_on_broadcast(&t->session, "{\"type\":\"sharer-ready\"}"); /* to viewers */
    assert_int_equal(t->n_sent, 2);
    for (unsigned i = 0; i < 2; i++) {
        forget_sent(t);
        for (unsigned k = 0; k < 30; k++)
            session_ws_on_viewer_news(&t->session, VIEWER_NEWS, t->now);
    }
    assert_true(t->n_sent < 30); /* a crowd that comes is not told one by one */
}

static void another_takes_over(void **state)
{
    struct test *t = *state;
    share(t, chromium_publish);
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "replaced");
    is_error(t, 0, "replaced");
    sent_has(t, 0, "another presenter");
    assert_int_equal(t->n_sent, 1);
    assert_int_equal(t->session.viewer_id, 0);
    send_text(t, "{\"type\":\"sharer-stopped\"}", 0); /* not the other's */
    send_text(t, "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}", 0);
    assert_int_equal(told.n, 0);
    assert_int_equal(t->fake.n_publish_ends, 0);
}

static void passwords_change(void **state)
{
    struct test *t = *state;
    send_text(t, SHARE, 1);
    send_text(t,
              "{\"type\":\"password-update\",\"password\":\"tulip-7\",\"secret\":\"" FAKE_SECRET
              "\",\"id\":3}",
              1);
    assert_string_equal(t->sent[0],
                        "{\"type\":\"password-updated\",\"passwordRequired\":true,\"id\":3}");
    assert_string_equal(t->fake.password, "tulip-7");
    send_text(t, "{\"type\":\"password-update\",\"password\":\"\",\"secret\":\"wrong\"}", 1);
    is_error(t, 0, "secret-invalid");
    send_text(t, "{\"type\":\"password-update\",\"password\":\"\"}", 1);
    is_error(t, 0, "secret-required");
    assert_string_equal(t->fake.password, "tulip-7");
    send_text(t, "{\"type\":\"password-update\",\"secret\":\"" FAKE_SECRET "\"}", 1);
    sent_has(t, 0, "\"passwordRequired\":false");
    assert_string_equal(t->fake.password, "");
    t->fake.backend.change_room = NULL;
    send_text(t, "{\"type\":\"password-update\",\"secret\":\"" FAKE_SECRET "\"}", 1);
    is_error(t, 0, "not-supported");
}

static void the_room_is_gone(void **state)
{
    struct test *t = *state;
    share(t, chromium_publish);
    t->fake.exists = false;
    room_changed(t, 1);
    is_error(t, 0, "room-not-found");
    assert_false(t->session.joined);
    t->fake.exists = true;
    share(t, chromium_publish);
}

static void gopeep_presents(void **state)
{
    struct test *t = *state;
    send_text(t, SHARE_AS_GOPEEP, 2);
    assert_string_equal(t->sent[1], "{\"type\":\"viewer-joined\"}"); /* which asks for its offer */
    send_sdp(t, "offer", gopeep_publish, "viewer-1", 1);
    sent_has(t, 0, "\"type\":\"answer\"");
    sent_has(t, 0, "\"peerId\":\"viewer-1\"");
    assert_string_equal(t->fake.publication.kind, "gopeep");
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX); /* no audience */
    session_ws_on_viewer_news(&t->session, VIEWER_NEWS, t->now);
    session_ws_on_publish_wish(&t->session, 1, 1, 1, "");
    assert_int_equal(t->n_sent, 1);
    send_text(
        t, "{\"type\":\"password-update\",\"password\":\"lily-42\",\"secret\":\"" FAKE_SECRET "\"}",
        0);
    assert_string_equal(t->fake.password, "lily-42");
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "consent-lost");
    assert_int_equal(t->n_sent, 2);
    assert_string_equal(t->sent[1], "{\"type\":\"viewer-joined\"}"); /* once more */
    send_text(t, SHARE_AS_GOPEEP, 2); /* one that does not say its password keeps it */
    assert_string_equal(t->fake.password, "lily-42");
}

static void gopeep_takes_a_room(void **state)
{
    struct test *t = *state;
    t->fake.exists = false;
    send_text(t,
              "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"BOLD-CRANE-77\",\"password\":"
              "\"oak-1\"}",
              2);
    sent_has(t, 0, "\"room\":\"BOLD-CRANE-77\"");
    sent_has(t, 0, "\"secret\":\"" FAKE_SECRET "\"");
    assert_string_equal(t->fake.password, "oak-1");
    t->fake.exists = false; /* the server was started anew */
    send_text(t,
              "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"BOLD-CRANE-77\",\"secret\":"
              "\"fedcba9876543210\"}",
              2);
    sent_has(t, 0, "\"secret\":\"fedcba9876543210\"");
    t->fake.exists = false;
    t->fake.make_status = -ENOSPC;
    send_text(t, "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"BOLD-CRANE-78\"}", 1);
    is_error(t, 0, "no-more-rooms");
    t->fake.make_status = 0;
    t->fake.backend.open_rooms = false;
    send_text(t, "{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"BOLD-CRANE-78\"}", 1);
    is_error(t, 0, "room-not-found");
    assert_int_equal(t->fake.n_made, 2);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_publishing, teardown_publishing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(presents),
        TEST(only_with_the_secret),
        TEST(sharers_do_not_watch),
        TEST(a_link_never_publishes),
        TEST(offers_that_cannot_be_taken),
        TEST(a_new_offer_changes_the_old_one),
        TEST(ice_restarts),
        TEST(streams_are_told_of),
        TEST(the_audience_is_told),
        TEST(another_takes_over),
        TEST(passwords_change),
        TEST(the_room_is_gone),
        TEST(gopeep_presents),
        TEST(gopeep_takes_a_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
