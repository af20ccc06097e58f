/* test_session_ws.c - a WebSocket session against a fake backend and a clock that we hold. */
#include "tests/unit/signaling/ws_session.h"

static void plays(void **state)
{
    struct test *t = *state;
    send_text(t, "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"swift-otter-042\",\"id\":5}",
              3);
    sent_has(t, 0, "\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\"");
    sent_has(t, 0, "\"id\":5");
    sent_has(t, 0, "\"peerId\":\"1\"");
    sent_has(t, 1, "\"type\":\"streams-info\",\"streams\":[{\"trackId\":\"video0\"");
    sent_has(t, 2, "\"type\":\"offer\",\"sdp\":\"v=0\\r\\n");
    sent_has(t, 2, "\"peerId\":\"1\"");
    assert_int_equal(t->session.viewer_id, 1);
    assert_true(session_ws_next_timeout(&t->session) == t->now + 10 * SECOND);
    send_text(t, "{\"type\":\"ice\",\"candidate\":\"{}\"}", 0);
    send_answer(t, chromium_answer, "1", 0);
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
    assert_int_equal(t->fake.last_started, 1);
    assert_int_equal(t->fake.answer.n_tracks, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
    assert_string_equal(t->fake.answer.ufrag, "tMg/");
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
    viewer(t, 1, BACKEND_VIEWER_CONNECTING, NULL);
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL);
    assert_int_equal(t->session.state, SESSION_WS_LIVE);
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL); /* said twice */
    assert_int_equal(t->n_sent, 0);
    assert_int_equal(t->fake.left, 0);
}

static void pings_are_answered(void **state)
{
    struct test *t = *state;
    send_text(t, "{\"type\":\"ping\",\"t\":42}", 1);
    assert_string_equal(t->sent[0], "{\"type\":\"pong\",\"t\":42}");
    send_text(t, "{\"type\":\"pong\",\"t\":42}", 0);
}

static void bad_messages_are_named(void **state)
{
    struct test *t = *state;
    static const struct {
        const char *text, *code;
    } rows[] = {
        {"{", "bad-json"},
        {"{\"type\":\"dance\"}", "bad-message"},
        {"{\"type\":\"offer\",\"sdp\":\"v=0\"}", "not-joined"},
        {"{\"type\":\"select\",\"streams\":[]}", "not-joined"},
        {"{\"type\":\"join\",\"role\":\"sharer\",\"room\":\"A\"}", "not-supported"},
        {"{\"type\":\"join\",\"role\":\"ghost\",\"room\":\"A\"}", "bad-message"},
        {"{\"type\":\"join\"}", "bad-message"},
        {"{\"type\":\"join\",\"room\":\"no room\"}", "room-not-found"},
        {"{\"type\":\"join\",\"room\":\"OTHER\"}", "room-not-found"},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\"}", "not-joined"},
        {"{\"type\":\"ice\",\"candidate\":\"\"}", "not-joined"},
        {"{\"type\":\"viewer-stats\"}", "not-joined"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        send_text(t, rows[i].text, 1);
        is_error(t, 0, rows[i].code);
        assert_false(t->session.finished);
    }
    assert_int_equal(t->fake.reserved, 0);
    forget_sent(t);
    session_ws_on_binary(&t->session, t->now);
    is_error(t, 0, "bad-message");
    assert_false(t->session.finished);
    join(t); /* the socket is as good as before */
    send_text(t, "{\"type\":\"viewer-stats\",\"framesDecoded\":3}", 0);
    send_text(t, "{\"type\":\"join\",\"room\":\"OTHER\",\"id\":\"q\"}", 1);
    sent_has(t, 0, "\"id\":\"q\"");
}

static void too_large_is_fatal(void **state)
{
    struct test *t = *state;
    static char text[20000];
    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "{\"type\":\"ping\"}", 15);
    send_text(t, text, 1);
    is_error(t, 0, "too-large");
    assert_true(t->session.finished);
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
    t->session.finished = false;
    forget_sent(t);
    session_ws_on_oversize(&t->session);
    is_error(t, 0, "too-large");
    assert_true(t->session.finished);
}

static void seats_run_out(void **state)
{
    struct test *t = *state;
    t->fake.reserve_status = -EAGAIN;
    send_text(t, JOIN, 1);
    is_error(t, 0, "room-full");
    t->fake.reserve_status = -EIO;
    send_text(t, JOIN, 1);
    is_error(t, 0, "internal");
    t->fake.reserve_status = 0;
    join(t);
}

static void the_room_of_the_path(void **state)
{
    struct test *t = *state;
    session_ws_init(&t->session, &t->fake.backend,
                    &(struct session_ws_output){.arg = t, .emit = keep, .allocate = fake_allocate},
                    FAKE_ROOM, t->now);
    room_changed(t, 0); /* it has not joined yet */
    send_text(t, "{\"type\":\"join\"}", 3);
    assert_string_equal(t->session.room, FAKE_ROOM);
}

static void waits_for_something_to_watch(void **state)
{
    struct test *t = *state;
    t->fake.room.live = false;
    send_text(t, JOIN, 2);
    sent_has(t, 0, "\"type\":\"joined\"");
    assert_null(strstr(t->sent[0], "peerId"));
    assert_string_equal(t->sent[1], NOTHING);
    assert_int_equal(t->session.state, SESSION_WS_OPEN);
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
    send_answer(t, chromium_answer, NULL, 1);
    is_error(t, 0, "bad-message");
    room_changed(t, 1); /* still nothing */
    t->fake.room.live = true;
    room_changed(t, 5);
    assert_string_equal(t->sent[0], "{\"type\":\"sharer-started\"}");
    sent_has(t, 2, "{\"type\":\"stream-activated\",\"streamActivated\":{\"trackId\":\"video1\"");
    sent_has(t, 3, "\"type\":\"streams-info\"");
    sent_has(t, 4, "\"type\":\"offer\"");
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
    room_changed(t, 1); /* no second offer */
    assert_int_equal(t->fake.reserved, 1);
}

static void a_wait_may_end_badly(void **state)
{
    struct test *t = *state;
    t->fake.room.live = false;
    send_text(t, JOIN, 2);
    t->fake.room.live = true;
    t->fake.reserve_status = -EAGAIN;
    room_changed(t, 5);
    is_error(t, 4, "room-full");
    t->fake.reserve_status = 0;
    room_changed(t, 0); /* it has to join again */
    time_out(t, 1);
    assert_true(t->session.finished);
    /* and the room may vanish between the two questions */
    t->fake.exists = false;
    t->session.finished = false;
    send_text(t, JOIN, 1);
    is_error(t, 0, "room-not-found");
}

static void streams_come_and_go(void **state)
{
    struct test *t = *state;
    join_and_answer(t);
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL);
    t->fake.room.live = false;
    room_changed(t, 4);
    assert_string_equal(t->sent[0], "{\"type\":\"sharer-stopped\"}");
    assert_string_equal(t->sent[1],
                        "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video0\"}");
    assert_string_equal(t->sent[3], NOTHING);
    t->fake.room.live = true;
    t->fake.room.streams[1].paused = true;
    room_changed(t, 4);
    assert_string_equal(t->sent[0], "{\"type\":\"sharer-started\"}");
    sent_has(t, 3, "\"paused\":true");
    t->fake.room.streams[0].active = false; /* one of two */
    t->fake.room.n_streams = 1;
    strcpy(t->fake.room.streams[0].end_reason, "the window was closed");
    room_changed(t, 2);
    assert_string_equal(t->sent[0],
                        "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video0\"}");
    sent_has(t, 1,
             "\"ended\":[{\"trackId\":\"video0\",\"windowName\":\"Slides\",\"appName\":\"impress\","
             "\"endReason\":\"the window was closed\"}]");
    t->fake.room.streams[0].active = true; /* and another one in its place: nothing is offered */
    room_changed(t, 2);
    sent_has(t, 0, "\"type\":\"stream-activated\",\"streamActivated\":{\"trackId\":\"video0\"");
    room_changed(t, 1);                                  /* no news but the list */
    assert_int_equal(t->session.state, SESSION_WS_LIVE); /* media goes on through all of it */
    assert_int_equal(t->fake.left, 0);
}

static void the_room_goes_away(void **state)
{
    struct test *t = *state;
    join(t);
    t->fake.exists = false;
    room_changed(t, 5);
    is_error(t, 4, "room-not-found");
    assert_int_equal(t->fake.last_left, 1);
    assert_int_equal(t->session.state, SESSION_WS_CLOSED);
    t->fake.exists = true;
    join_and_answer(t);
    t->fake.exists = false;
    room_changed(t, 5);
    assert_int_equal(t->fake.left,
                     1); /* a viewer that plays is ended by the server, not from here */
    viewer(t, 2, BACKEND_VIEWER_CLOSED, "room-closed");
    is_error(t, 0, "room-closed");
}

static void selections_reach_the_viewer(void **state)
{
    struct test *t = *state;
    static const char select[] =
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video3\",\"paused\":true},"
        "{\"trackId\":\"video1\",\"layer\":2,\"maxTemporal\":0}]}";
    join(t);
    send_text(t, select, 0); /* kept until there is a viewer */
    assert_int_equal(t->fake.n_selects, 0);
    send_answer(t, chromium_answer, NULL, 0);
    assert_int_equal(t->fake.n_selects, 2);
    assert_int_equal(t->fake.select.viewer_id, 1);
    assert_int_equal(t->fake.select.slot, 3);
    assert_true(t->fake.select.paused);
    assert_int_equal(t->fake.select.layer, -1);
    send_text(t, select, 0);
    assert_int_equal(t->fake.n_selects, 4);
    assert_int_equal(t->fake.select.slot, 1);
    assert_int_equal(t->fake.select.layer, 2);
    assert_int_equal(t->fake.select.max_temporal, 0);
    assert_false(t->fake.select.paused);
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "consent-lost");
    send_text(t, select, 0);
    assert_int_equal(t->fake.n_selects, 4);
    join_and_answer(t); /* which begins anew */
    assert_int_equal(t->fake.n_selects, 4);
}

static void players_are_heard(void **state)
{
    struct test *t = *state;
    join_and_answer(t);
    send_text(t, "{\"type\":\"keyframe\",\"trackId\":\"video7\"}", 0);
    assert_int_equal(t->fake.n_keyframes, 1);
    assert_int_equal(t->fake.keyframe_slot, 7);
    send_text(
        t,
        "{\"type\":\"viewer-stats\",\"framesDecoded\":90,\"freezes\":2,\"framesDropped\":null,"
        "\"glassToGlassMs\":41.5}",
        0);
    assert_int_equal(t->fake.n_reports, 1);
    assert_int_equal(t->fake.report.decoded, 90);
    assert_int_equal(t->fake.report.freezes, 2);
    assert_int_equal(t->fake.report.dropped, -1);
    assert_true(t->fake.report.glass_to_glass_ms == 41.5);
    assert_true(t->fake.report.jitter_buffer_ms == -1);
    t->fake.backend.keyframe = NULL; /* a server that has none of it */
    t->fake.backend.viewer_report = NULL;
    t->fake.backend.select = NULL;
    send_text(t, "{\"type\":\"keyframe\",\"trackId\":\"video0\"}", 0);
    send_text(t, "{\"type\":\"viewer-stats\"}", 0);
    send_text(t, "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video0\"}]}", 0);
    assert_int_equal(t->fake.n_keyframes, 1);
}

static void viewers_are_told_what_was_decided_for_them(void **state)
{
    struct test *t = *state;
    static const char story[] = "{\"type\":\"viewer-story\",\"id\":5}";
    join_and_answer(t);
    send_text(t, story, 1);
    sent_has(t, 0,
             "{\"type\":\"viewer-story\",\"decisions\":[{\"at_ms\":350,\"why\":\"narrow\","
             "\"target_bps\":900000,\"queue_ms\":12}],\"id\":5}");
    t->fake.backend.viewer_story_json = NULL;
    send_text(t, story, 1);
    sent_has(t, 0, "\"decisions\":[]");
}

static void viewers_do_not_present(void **state)
{
    struct test *t = *state;
    static const char *const texts[] = {
        "{\"type\":\"offer\",\"sdp\":\"v=0\"}",
        "{\"type\":\"sharer-stopped\"}",
        "{\"type\":\"streams-info\",\"streams\":[]}",
        "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}",
        "{\"type\":\"cursor-position\",\"trackId\":\"video0\",\"cursorX\":0}",
        "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video0\"}",
        "{\"type\":\"password-update\",\"password\":\"\"}",
    };
    join(t);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        send_text(t, texts[i], 1);
        is_error(t, 0, "not-allowed");
    }
}

static void a_flood_is_left_out(void **state)
{
    struct test *t = *state;
    static const char keyframe[] = "{\"type\":\"keyframe\",\"trackId\":\"video0\"}";
    join_and_answer(t);
    t->now += SECOND;
    for (unsigned i = 0; i < SESSION_WS_MESSAGES_PER_S; i++)
        send_text(t, keyframe, 0);
    send_text(t, keyframe, 1); /* told once */
    is_error(t, 0, "rate-limited");
    send_text(t, keyframe, 0);
    send_text(t, "{\"type\":\"ping\"}", 1); /* what moves nothing goes on */
    assert_int_equal(t->fake.n_keyframes, SESSION_WS_MESSAGES_PER_S);
    t->now += SECOND;
    send_text(t, keyframe, 0);
    assert_int_equal(t->fake.n_keyframes, SESSION_WS_MESSAGES_PER_S + 1);
}

static unsigned wait_3_s(void *arg)
{
    (void)arg;
    return 3;
}

static void joins_may_have_to_wait(void **state)
{
    struct test *t = *state;
    t->session.output.admit = wait_3_s;
    send_text(t, "{\"type\":\"join\",\"room\":\"" FAKE_ROOM "\",\"id\":1}", 1);
    is_error(t, 0, "rate-limited");
    sent_has(t, 0, "\"retryAfter\":3");
    sent_has(t, 0, "\"id\":1");
    assert_int_equal(t->fake.reserved, 0);
    assert_false(t->session.joined);
    t->session.output.admit = NULL;
    join(t);
    t->session.output.admit = wait_3_s; /* what it has stays as it is */
    send_text(t, JOIN, 1);
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
    assert_int_equal(t->fake.left, 0);
}

static void broadcasts_are_for_members(void **state)
{
    struct test *t = *state;
    session_ws_on_broadcast(&t->session, "{\"type\":\"sharer-ready\"}");
    assert_int_equal(t->n_sent, 0);
    join(t);
    forget_sent(t);
    session_ws_on_broadcast(&t->session, "{\"type\":\"sharer-ready\"}");
    assert_int_equal(t->n_sent, 1);
    assert_string_equal(t->sent[0], "{\"type\":\"sharer-ready\"}");
}

static void a_bad_answer_gives_the_seat_back(void **state)
{
    struct test *t = *state;
    join(t);
    send_answer(t, "nonsense", NULL, 1);
    is_error(t, 0, "bad-sdp");
    assert_int_equal(t->fake.last_left, 1);
    assert_int_equal(t->session.viewer_id, 0);
    assert_int_equal(t->session.state, SESSION_WS_CLOSED);
    send_answer(t, chromium_answer, NULL, 1); /* too late */
    is_error(t, 0, "bad-message");
    join(t);
    send_answer(t, gstreamer_offer, NULL, 1); /* of one m-line */
    is_error(t, 0, "bad-sdp");
    assert_int_equal(t->fake.last_left, 2);
    assert_int_equal(t->fake.started, 0);
}

static void a_start_that_fails(void **state)
{
    struct test *t = *state;
    join(t);
    t->fake.start_status = -EINVAL;
    send_answer(t, chromium_answer, NULL, 1);
    is_error(t, 0, "bad-sdp");
    assert_int_equal(t->fake.last_left, 1);
    join(t);
    t->fake.start_status = -ENOMEM;
    send_answer(t, chromium_answer, NULL, 1);
    is_error(t, 0, "internal");
    assert_int_equal(t->fake.last_left, 2);
}

static void answers_name_their_offer(void **state)
{
    struct test *t = *state;
    join(t);
    join(t); /* replaces the first viewer */
    assert_int_equal(t->fake.last_left, 1);
    send_answer(t, chromium_answer, "1", 1);
    is_error(t, 0, "bad-message");
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
    send_answer(t, chromium_answer, "2", 0);
    assert_int_equal(t->fake.last_started, 2);
    send_answer(t, chromium_answer, "2", 1); /* twice */
    is_error(t, 0, "bad-message");
    assert_int_equal(t->fake.started, 1);
}

static void a_join_replaces_a_live_viewer(void **state)
{
    struct test *t = *state;
    join_and_answer(t);
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL);
    join(t);
    assert_int_equal(t->fake.last_left, 1);
    assert_int_equal(t->session.viewer_id, 2);
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "left"); /* the old one's end */
    assert_int_equal(t->n_sent, 0);
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
    send_text(t, "{\"type\":\"join\",\"room\":\"OTHER\"}", 1);
    assert_int_equal(t->fake.last_left, 2);
    assert_int_equal(t->session.state, SESSION_WS_OPEN);
}

static void transport_ends(void **state)
{
    struct test *t = *state;
    static const struct {
        const char *reason, *code;
    } rows[] = {
        {"ice-timeout", "ice-timeout"},
        {"ice-failed", "ice-failed"},
        {"dtls-failed", "dtls-failed"},
        {"consent-lost", "consent-lost"},
        {"closed", "closed"},
        {NULL, "internal"},
        {"", "internal"},
        {"Not A Code", "internal"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        join_and_answer(t);
        uint32_t id = t->session.viewer_id;
        if (i % 2)
            viewer(t, id, BACKEND_VIEWER_LIVE, NULL);
        viewer(t, id, BACKEND_VIEWER_CLOSED, rows[i].reason);
        is_error(t, 0, rows[i].code);
        assert_int_equal(t->session.state, SESSION_WS_CLOSED);
        assert_int_equal(t->session.viewer_id, 0);
        assert_false(t->session.finished);
        viewer(t, id, BACKEND_VIEWER_CLOSED, "ice-failed");
        assert_int_equal(t->n_sent, 0);
    }
    assert_int_equal(t->fake.left, 0); /* it is gone already */
    viewer(t, 0, BACKEND_VIEWER_CLOSED, "ice-failed");
    assert_int_equal(t->n_sent, 0);
}

static void a_seat_may_be_lost_before_the_answer(void **state)
{
    struct test *t = *state;
    join(t);
    viewer(t, 1, BACKEND_VIEWER_CLOSED, "shutdown");
    is_error(t, 0, "shutdown");
    assert_int_equal(t->session.state, SESSION_WS_CLOSED);
}

static void an_offer_is_answered_in_time_or_not(void **state)
{
    struct test *t = *state;
    join(t);
    time_out(t, 1);
    is_error(t, 0, "answer-timeout");
    assert_int_equal(t->fake.last_left, 1);
    assert_int_equal(t->session.state, SESSION_WS_CLOSED);
    assert_false(t->session.finished);
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
    join_and_answer(t);
}

static void a_socket_joins_in_time_or_not(void **state)
{
    struct test *t = *state;
    assert_true(session_ws_next_timeout(&t->session) == t->now + 30 * SECOND);
    time_out(t, 1);
    is_error(t, 0, "not-joined");
    assert_true(t->session.finished);
}

static void the_socket_closes(void **state)
{
    struct test *t = *state;
    session_ws_on_socket_closed(&t->session);
    assert_int_equal(t->fake.left, 0);
    setup(state);
    teardown((void *[]){t});
    t = *state;
    join(t);
    session_ws_on_socket_closed(&t->session);
    assert_int_equal(t->fake.last_left, 1); /* the seat was not answered */
    setup(state);
    teardown((void *[]){t});
    t = *state;
    join_and_answer(t);
    session_ws_on_socket_closed(&t->session);
    assert_int_equal(t->fake.left, 0); /* media goes on without its socket */
}

static void candidates_go_both_ways(void **state)
{
    struct test *t = *state;
    fake_use_agents(&t->fake);
    join(t);
    assert_null(strstr(t->sent[2], "a=ice-lite"));
    assert_null(strstr(t->sent[2], "a=candidate"));
    forget_sent(t);
    session_ws_on_candidate(&t->session, t->session.viewer_id, "candidate:1 ours");
    sent_has(t, 0, "\"type\":\"ice\"");
    sent_has(t, 0, "candidate:1 ours");
    session_ws_on_candidate(&t->session, t->session.viewer_id + 1, "candidate:2 another's");
    assert_int_equal(t->n_sent, 1);
    session_ws_on_candidate(&t->session, t->session.viewer_id, NULL);
    sent_has(t, 1, "\"candidate\":\"\"");

    /* one before the answer, those of the answer, one after it */
    send_text(t, "{\"type\":\"ice\",\"candidate\":\"candidate:1 early\"}", 0);
    assert_int_equal(t->fake.n_candidates, 1);
    send_answer(t, chromium_answer, NULL, 0);
    assert_true(t->fake.offering);
    unsigned n = t->fake.n_candidates;
    send_text(t, "{\"type\":\"ice\",\"candidate\":\"candidate:9 late\",\"peerId\":\"1\"}", 0);
    assert_int_equal(t->fake.n_candidates, n + 1);
    assert_string_equal(t->fake.candidates[0].text, "candidate:1 early");
    assert_string_equal(t->fake.candidates[n].text, "candidate:9 late");
    assert_int_equal(t->fake.candidates[n].viewer_id, t->session.viewer_id);
    /* of an offer that was replaced, or none at all */
    send_text(t, "{\"type\":\"ice\",\"candidate\":\"candidate:9 old\",\"peerId\":\"77\"}", 0);
    send_text(t, "{\"type\":\"ice\"}", 0);
    assert_int_equal(t->fake.n_candidates, n + 1);
    viewer(t, t->session.viewer_id, BACKEND_VIEWER_CLOSED, "ice-timeout");
    send_text(t, "{\"type\":\"ice\",\"candidate\":\"candidate:9 late\"}", 0);
    assert_int_equal(t->fake.n_candidates, n + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plays),
        TEST(candidates_go_both_ways),
        TEST(pings_are_answered),
        TEST(bad_messages_are_named),
        TEST(too_large_is_fatal),
        TEST(seats_run_out),
        TEST(the_room_of_the_path),
        TEST(waits_for_something_to_watch),
        TEST(a_wait_may_end_badly),
        TEST(streams_come_and_go),
        TEST(the_room_goes_away),
        TEST(selections_reach_the_viewer),
        TEST(players_are_heard),
        TEST(viewers_are_told_what_was_decided_for_them),
        TEST(viewers_do_not_present),
        TEST(a_flood_is_left_out),
        TEST(joins_may_have_to_wait),
        TEST(broadcasts_are_for_members),
        TEST(a_bad_answer_gives_the_seat_back),
        TEST(a_start_that_fails),
        TEST(answers_name_their_offer),
        TEST(a_join_replaces_a_live_viewer),
        TEST(transport_ends),
        TEST(a_seat_may_be_lost_before_the_answer),
        TEST(an_offer_is_answered_in_time_or_not),
        TEST(a_socket_joins_in_time_or_not),
        TEST(the_socket_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
