/* test_session_ws_access.c - passwords, watch tokens, and a viewer that comes back. */
#include "tests/unit/signaling/ws_session.h"

#define WATCH_WITH(field, value)                                                                   \
    "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"" FAKE_ROOM                                 \
    "\",\"client\":\"test\",\"" field "\":\"" value "\"}"

static struct {
    unsigned n_asked, n_wrong, wait_s;
} guesses;

static unsigned guess(void *arg, bool wrong)
{
    (void)arg;
    guesses.n_asked += !wrong;
    guesses.n_wrong += wrong;
    return guesses.wait_s;
}

static int setup_protected(void **state)
{
    setup(state);
    struct test *t = *state;
    fake_use_rooms(&t->fake);
    strcpy(t->fake.password, "open sesame");
    t->session.output.guess = guess;
    memset(&guesses, 0, sizeof(guesses));
    return 0;
}

static void passwords_are_asked_for(void **state)
{
    struct test *t = *state;
    send_text(t, JOIN, 1);
    sent_has(t, 0, "{\"type\":\"password-required\",\"error\":\"");
    send_text(t, WATCH_WITH("password", "sesame"), 1);
    sent_has(t, 0, "{\"type\":\"password-invalid\",\"error\":\"");
    assert_int_equal(guesses.n_wrong, 1);
    send_text(t, WATCH_WITH("password", ""), 1);
    sent_has(t, 0, "\"type\":\"password-invalid\"");
    assert_false(t->session.joined);
    assert_int_equal(t->fake.reserved, 0);
    send_text(t, WATCH_WITH("password", "open sesame"), 3);
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
    assert_int_equal(guesses.n_wrong, 2);
    t->fake.password[0] = '\0'; /* an open room needs none, and takes any */
    send_text(t, WATCH_WITH("password", "whatever"), 3);
    assert_int_equal(guesses.n_wrong, 2);
}

static void nobody_guesses_for_long(void **state)
{
    struct test *t = *state;
    guesses.wait_s = 17;
    send_text(t, WATCH_WITH("password", "open sesame"),
              1); /* not even the right one is looked at */
    is_error(t, 0, "rate-limited");
    sent_has(t, 0, "\"retryAfter\":17");
    assert_int_equal(t->fake.reserved, 0);
    send_text(t, JOIN, 1); /* who shows none is not kept from asking */
    sent_has(t, 0, "password-required");
    t->fake.password[0] = '\0';
    send_text(t, WATCH_WITH("password", "open sesame"), 3);
}

static void a_guesser_does_not_stay(void **state)
{
    struct test *t = *state;
    send_text(t, JOIN, 1);
    time_out(t, 1);
    is_error(t, 0, "not-joined");
    assert_true(t->session.finished);
}

static void tokens_are_good_once(void **state)
{
    struct test *t = *state;
    t->fake.grant_layer = 2;
    send_text(t, WATCH_WITH("token", "header.other.signature"), 1);
    is_error(t, 0, "token-invalid");
    send_text(t, WATCH_WITH("token", FAKE_WATCH_TOKEN), 3);
    assert_int_equal(t->fake.last_best_layer, 2);
    send_text(t, WATCH_WITH("token", FAKE_WATCH_TOKEN), 3); /* its own socket may join again */
    assert_int_equal(t->fake.last_best_layer, 2);
    send_text(t, WATCH_WITH("password", "open sesame"), 3); /* now as anybody */
    assert_int_equal(t->fake.last_best_layer, 0);
    send_text(t, WATCH_WITH("token", FAKE_WATCH_TOKEN), 1); /* replayed */
    is_error(t, 0, "token-used");
    send_text(t, "{\"type\":\"join\",\"room\":\"OTHER\",\"token\":\"" FAKE_WATCH_TOKEN "\"}", 1);
    is_error(t, 0, "room-not-found");
}

static void a_change_of_password_is_for_newcomers(void **state)
{
    struct test *t = *state;
    send_text(t, WATCH_WITH("password", "open sesame"), 3);
    send_answer(t, chromium_answer, NULL, 0);
    strcpy(t->fake.password, "another");
    room_changed(t, 1);
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
    assert_int_equal(t->fake.left, 0);
    send_text(t, WATCH_WITH("password", "open sesame"), 1);
    sent_has(t, 0, "password-invalid");
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED); /* what it has stays as it is */
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
}

/* --- coming back --- */

static struct session_ws *earlier; /* whom FAKE_RESUME names */

#define FAKE_RESUME "once"

static bool make_token(void *arg, char out[SESSION_WS_RESUME_MAX])
{
    (void)arg;
    strcpy(out, FAKE_RESUME);
    return true;
}

static bool resume(void *arg, struct session_ws *by, const char *token, const char *room,
                   enum session_ws_role role)
{
    (void)arg;
    bool is_it = earlier && strcmp(token, FAKE_RESUME) == 0 && strcmp(room, earlier->room) == 0 &&
                 role == earlier->role && session_ws_is_worth_keeping(earlier);
    if (is_it)
        session_ws_take_over(by, earlier);
    return is_it;
}

static void plays_on(struct test *t, struct session_ws *lost)
{
    t->session.output.make_token = make_token;
    send_text(t, WATCH_WITH("password", "open sesame"), 3);
    sent_has(t, 0, "\"resume\":\"" FAKE_RESUME "\"");
    assert_null(strstr(t->sent[0], "resumed"));
    send_answer(t, chromium_answer, NULL, 0);
    assert_true(session_ws_is_worth_keeping(&t->session));
    *lost = t->session; /* whose socket is gone: another one begins */
    earlier = lost;
    session_ws_init(&t->session, &t->fake.backend, &lost->output, NULL, t->now);
    t->session.output.resume = resume;
}

static void media_goes_on(void **state)
{
    struct test *t = *state;
    struct session_ws lost;
    plays_on(t, &lost);
    send_text(t, WATCH_WITH("resume", FAKE_RESUME), 2); /* no password, and no offer */
    sent_has(t, 0, "\"type\":\"joined\"");
    sent_has(t, 0, "\"resumed\":true");
    sent_has(t, 0, "\"peerId\":\"1\"");
    sent_has(t, 1, "\"type\":\"streams-info\"");
    assert_int_equal(t->session.viewer_id, 1);
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
    assert_true(session_ws_next_timeout(&t->session) == INT64_MAX);
    assert_int_equal(t->fake.left, 0);
    assert_true(lost.finished && lost.viewer_id == 0 && !lost.joined);
    send_text(t, "{\"type\":\"keyframe\",\"trackId\":\"video0\"}", 0);
    assert_int_equal(t->fake.n_keyframes, 1);
    viewer(t, 1, BACKEND_VIEWER_LIVE, NULL);
    assert_int_equal(t->session.state, SESSION_WS_LIVE);
    session_ws_init(&lost, &t->fake.backend, &t->session.output, NULL, t->now);
    earlier = NULL; /* a token that names nobody any more is a join like any other */
    send_text(t, WATCH_WITH("resume", FAKE_RESUME), 1);
    sent_has(t, 0, "password-required");
}

static void not_what_has_ended(void **state)
{
    struct test *t = *state;
    struct session_ws lost;
    plays_on(t, &lost);
    send_text(t, WATCH_WITH("resume", "twice"), 1);
    sent_has(t, 0, "password-required");
    session_ws_on_viewer(&lost, 1, BACKEND_VIEWER_CLOSED, "consent-lost");
    assert_false(session_ws_is_worth_keeping(&lost));
    send_text(t, WATCH_WITH("resume", FAKE_RESUME), 1);
    sent_has(t, 0, "password-required");
}

static void the_room_may_be_gone(void **state)
{
    struct test *t = *state;
    struct session_ws lost;
    plays_on(t, &lost);
    t->fake.exists = false;
    send_text(t, WATCH_WITH("resume", FAKE_RESUME), 1);
    is_error(t, 0, "room-not-found");
    assert_false(t->session.joined);
}

static void servers_are_left_for_others(void **state)
{
    struct test *t = *state;
    session_ws_on_drain(&t->session, "wss://other.example/ws", 60);
    assert_string_equal(t->sent[0], "{\"type\":\"redirect\",\"url\":\"wss://other.example/ws\"}");
    assert_false(t->session.finished);
    session_ws_on_drain(&t->session, NULL, 60);
    assert_int_equal(t->n_sent, 1); /* nobody who has not joined */
    send_text(t, WATCH_WITH("password", "open sesame"), 3);
    session_ws_on_drain(&t->session, NULL, 60);
    assert_string_equal(t->sent[3], "{\"type\":\"draining\",\"endsInS\":60}");
    t->session.is_gopeep = true;
    session_ws_on_drain(&t->session, NULL, 60);
    assert_int_equal(t->n_sent, 4);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_protected, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passwords_are_asked_for),
        TEST(nobody_guesses_for_long),
        TEST(a_guesser_does_not_stay),
        TEST(tokens_are_good_once),
        TEST(a_change_of_password_is_for_newcomers),
        TEST(media_goes_on),
        TEST(not_what_has_ended),
        TEST(the_room_may_be_gone),
        TEST(servers_are_left_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
