/* test_session_whep.c - WHEP sessions against a fake backend. */
#include "signaling/session_whep.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FRAGMENT "application/trickle-ice-sdpfrag"

static struct fake fake;
static struct session_whep session;
static struct session_answer answer;

/* What the next requests show, and how many wrong guesses there were. */
static const char *bearer;
static unsigned wait_s, wrong_guesses;

static unsigned guess(void *arg, bool wrong)
{
    (void)arg;
    wrong_guesses += wrong;
    return wait_s;
}

static int setup(void **state)
{
    (void)state;
    fake_init(&fake, 2);
    memset(&session, 0, sizeof(session));
    bearer = NULL;
    wait_s = wrong_guesses = 0;
    memset(&answer, 0xa5, sizeof(answer));
    return 0;
}

static int post(const char *type, const char *body, int stream)
{
    struct session_request request = {
        .content_type = type,
        .bearer = bearer,
        .body = body,
        .body_size = strlen(body),
        .stream = stream,
        .token = "0123456789abcdefghijkl",
        .tag = "tagtagta",
        .now_us = 1000,
        .guess = guess,
    };
    session_whep_post(&session, &answer, &fake.backend, FAKE_ROOM, &request);
    return answer.status;
}

static int patch(const char *type, const char *if_match, const char *body)
{
    struct session_request request = {.content_type = type,
                                      .if_match = if_match,
                                      .body = body,
                                      .body_size = strlen(body),
                                      .tag = "nexttag"};
    session_whep_patch(&session, &answer, &request);
    if (answer.status >= 400)
        assert_true(strlen(answer.detail) > 10);
    return answer.status;
}

static void creates(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_string_equal(session.resource.token, "0123456789abcdefghijkl");
    assert_string_equal(session.resource.etag, "\"tagtagta\"");
    assert_string_equal(session.resource.room, FAKE_ROOM);
    assert_int_equal(session.resource.id, 1);
    assert_int_equal(fake.last_started, 1);
    assert_int_equal(fake.answer.n_tracks, 1); /* the offer has one m=video */
    assert_int_equal(fake.answer.tracks[0].slot, 0);
    assert_int_equal(answer.sdp_size, strlen(answer.sdp));
    assert_memory_equal(answer.sdp, "v=0\r\n", 5);
    assert_int_equal(answer.retry_after_s, 0);
    assert_int_equal(fake.left, 0);
    assert_false(session_whep_is_over(&session));
}

static void content_types(void **state)
{
    (void)state;
    assert_int_equal(post("Application/SDP; charset=utf-8", chromium_offer, -1), 201);
    assert_int_equal(post(NULL, chromium_offer, -1), 415);
    assert_int_equal(post("text/plain", chromium_offer, -1), 415);
    assert_int_equal(post("application/sdpfrag", chromium_offer, -1), 415);
    assert_true(strlen(answer.detail) > 10);
}

static void one_stream(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", chromium_offer, 1), 201);
    assert_int_equal(fake.answer.tracks[0].slot, 1);
    assert_non_null(strstr(answer.sdp, "a=msid:video1 video1"));
    assert_int_equal(post("application/sdp", chromium_offer, 2), 404);
    assert_int_equal(fake.reserved, 1);
}

static void refusals(void **state)
{
    (void)state;
    static char large[SDP_MAX + 2];
    memset(large, 'x', SDP_MAX + 1);
    assert_int_equal(post("application/sdp", large, -1), 413);
    assert_int_equal(post("application/sdp", "", -1), 400);
    assert_int_equal(post("application/sdp", "hello", -1), 400);
    assert_int_equal(
        post("application/sdp", "v=0\nm=video 9 RTP/SAVPF 96\na=rtpmap:96 H265/90000\n", -1), 406);
    session_whep_delete(&session, &answer); /* there is a counter-offer */
    assert_int_equal(fake.last_left, 2);
    assert_int_equal(
        post("application/sdp", "v=0\nm=video 9 RTP/SAVPF 96\na=rtpmap:96 H264/90000\n", -1), 422);
    assert_int_equal(fake.last_left, 3);
    fake.start_status = -EINVAL;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 422);
    assert_int_equal(fake.last_left, 4);
    fake.start_status = -ENOMEM;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 500);
    assert_int_equal(fake.last_left, 5);
    assert_int_equal(fake.left, fake.reserved);
    fake.exists = false;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 404);
    assert_int_equal(session.resource.id, 0);
}

static void not_now(void **state)
{
    (void)state;
    static const struct {
        int reserve_status, status;
        bool retry;
    } rows[] = {
        {-EAGAIN, 503, true}, {-ENODATA, 409, true}, {-ENOENT, 404, false}, {-EIO, 500, false}};
    fake.room.live = false;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 409);
    assert_int_equal(answer.retry_after_s, SESSION_RETRY_S);
    fake.room.live = true;
    fake.room.n_streams = 0;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 409);
    fake.room.n_streams = 1;
    for (unsigned i = 0; i < 4; i++) {
        fake.reserve_status = rows[i].reserve_status;
        assert_int_equal(post("application/sdp", chromium_offer, -1), rows[i].status);
        assert_int_equal(answer.retry_after_s, rows[i].retry ? SESSION_RETRY_S : 0);
    }
    assert_int_equal(fake.left, 0);
}

static void trickles(void **state)
{
    (void)state;
    static const char type[] = "application/trickle-ice-sdpfrag";
    static const char fragment[] =
        "a=ice-ufrag:1b2c3d4e\r\na=ice-pwd:x\r\nm=video 9 x 0\r\na=mid:1\r\n"
        "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
    assert_int_equal(post("application/sdp", firefox_offer, -1), 201);
    assert_int_equal(patch(type, session.resource.etag, fragment), 204);
    assert_int_equal(patch(type, session.resource.etag, "a=end-of-candidates"), 204);
    assert_int_equal(patch("application/sdp", session.resource.etag, fragment), 415);
    assert_int_equal(patch(NULL, session.resource.etag, fragment), 415);
    assert_int_equal(patch(type, NULL, fragment), 428);
    assert_int_equal(patch(type, "\"other\"", fragment), 412);
    assert_int_equal(patch(type, session.resource.etag, ""), 400);
    assert_int_equal(patch(type, session.resource.etag, "\r\n\r\n"), 400);
    assert_int_equal(patch(type, session.resource.etag, "{\"a\":1}"), 400);
    assert_int_equal(patch(type, session.resource.etag, "a=mid:1\r\nnonsense\r\n"), 400);
    assert_int_equal(patch(type, session.resource.etag, "a"), 400);
    assert_int_equal(patch(type, "*", fragment), 422); /* ICE restart */
    assert_int_equal(patch(type, session.resource.etag, "a=ice-ufrag:new1\r\n"), 422);
    assert_int_equal(patch(type, session.resource.etag, "a=ice-ufrag:1b2c3d4"), 422);
    assert_int_equal(fake.left, 0);
}

static void ends(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_false(session_whep_is_over(&session));
    session_whep_delete(&session, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(fake.last_left, 1);
    assert_true(session_whep_is_over(&session));
    session_whep_delete(&session, &answer);
    assert_int_equal(fake.left, 1);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    session.resource.id = 0; /* its viewer has ended */
    assert_true(session_whep_is_over(&session));
    assert_int_equal(fake.left, 1);
}

/* --- who may watch ---------------------------------------------------------------------------- */

static void passwords(void **state)
{
    (void)state;
    fake_use_rooms(&fake);
    strcpy(fake.password, "river-12");
    fake.room.password_required = true;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 401);
    assert_int_equal(wrong_guesses, 0); /* nothing was shown */
    bearer = "river-13";
    assert_int_equal(post("application/sdp", chromium_offer, -1), 403);
    assert_int_equal(wrong_guesses, 1);
    bearer = "river-12";
    wait_s = 42; /* who guessed too often does not learn whether it is right */
    assert_int_equal(post("application/sdp", chromium_offer, -1), 429);
    assert_int_equal(answer.retry_after_s, 42);
    assert_int_equal(fake.reserved, 0);
    wait_s = 0;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_int_equal(wrong_guesses, 1);
}

static void tokens(void **state)
{
    (void)state;
    fake_use_rooms(&fake);
    strcpy(fake.password, "river-12");
    fake.room.password_required = true;
    fake.grant_layer = 2;
    bearer = FAKE_WATCH_TOKEN;
    fake.room.live = false; /* not used up by what fails before */
    assert_int_equal(post("application/sdp", chromium_offer, -1), 409);
    assert_false(fake.token_used);
    fake.room.live = true;
    assert_int_equal(post("application/sdp", "hello", -1), 400);
    assert_false(fake.token_used);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_int_equal(fake.last_best_layer, 2);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 403);
    assert_int_equal(wrong_guesses, 0); /* it is no guess */
}

/* --- counter-offers --------------------------------------------------------------------------- */

static const char only_h265[] = "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 H265/90000\n";

static void offers_instead(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", only_h265, -1), 406);
    assert_true(answer.sdp_size > 0);
    assert_non_null(strstr(answer.sdp, "a=sendonly"));
    assert_non_null(strstr(answer.sdp, "a=setup:actpass"));
    assert_true(fake.offering);
    assert_int_equal(session.resource.id, 2); /* the first seat was given back */
    assert_int_equal(fake.last_left, 1);
    assert_int_equal(patch(FRAGMENT, session.resource.etag, "a=candidate:1 x\r\n"), 409);
    assert_int_equal(patch("application/sdp", NULL, "hello"), 400);
    assert_int_equal(patch("application/sdp", NULL, chromium_offer), 422);
    assert_int_equal(fake.started, 0);
    assert_int_equal(patch("application/sdp", NULL, chromium_answer), 204);
    assert_int_equal(fake.last_started, 2);
    assert_int_equal(session.n_pictures, 8);
    assert_int_equal(session.pictures[7].media, 7);
    assert_int_equal(patch("application/sdp", NULL, chromium_answer), 415); /* it is settled */
    assert_int_equal(fake.started, 1);
    assert_int_equal(patch(FRAGMENT, session.resource.etag, "a=candidate:1 x\r\n"), 204);
    session_whep_tick(&session, INT64_MAX); /* it is answered */
    assert_false(session_whep_is_over(&session));
}

static void gives_a_counter_offer_up(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", only_h265, -1), 406);
    session_whep_tick(&session, 1000 + SESSION_WHEP_ANSWER_US);
    assert_false(session_whep_is_over(&session));
    session_whep_tick(&session, 1001 + SESSION_WHEP_ANSWER_US);
    assert_true(session_whep_is_over(&session));
    assert_int_equal(fake.last_left, 2);
    fake.start_status = -EINVAL;
    assert_int_equal(post("application/sdp", only_h265, -1), 406);
    assert_int_equal(patch("application/sdp", NULL, chromium_answer), 422);
    session_whep_delete(&session, &answer);
    assert_int_equal(fake.left, fake.reserved);
}

/* --- layers ----------------------------------------------------------------------------------- */

static void use_layers(void)
{
    struct backend_stream *s = &fake.room.streams[0];
    s->n_layers = 3;
    for (int i = 0; i < 3; i++) {
        s->layers[i].width = 1920 >> i;
        s->layers[i].height = 1080 >> i;
        s->layers[i].bitrate_bps = 4000000u >> i;
    }
}

static void selects_layers(void **state)
{
    (void)state;
    static const struct {
        struct session_whep_layer wish;
        int status, layer, temporal;
    } rows[] = {
        {{-1, "", -1, -1, -1, -1, -1, -1}, 200, -1, -1},
        {{-1, "0", -1, -1, -1, -1, -1, -1}, 200, 0, -1},
        {{-1, "2", -1, 1, -1, -1, -1, -1}, 200, 2, 1},
        {{-1, "3", -1, -1, -1, -1, -1, -1}, 422, 0, 0},
        {{-1, "hd", -1, -1, -1, -1, -1, -1}, 422, 0, 0},
        {{-1, "", 2, -1, -1, -1, -1, -1}, 200, 0, -1},
        {{-1, "", 3, -1, -1, -1, -1, -1}, 422, 0, 0},
        {{-1, "", -1, -1, 1, 0, -1, -1}, 200, 1, 0},
        {{-1, "", -1, -1, -1, -1, 960, -1}, 200, 1, -1},
        {{-1, "", -1, -1, -1, -1, -1, 539}, 200, 2, -1},
        {{-1, "", -1, -1, -1, -1, 100, -1}, 422, 0, 0},
        {{-1, "0", -1, -1, -1, -1, 100, -1}, 422, 0, 0},
        {{7, "", -1, -1, -1, -1, -1, -1}, 404, 0, 0},
    };
    use_layers();
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct session_whep_layer wish = rows[i].wish;
        unsigned before = fake.n_selects;
        /* the first m=video of this offer */
        wish.media = wish.media == -1 && i % 2 ? session.pictures[0].media : wish.media;
        session_whep_select(&session, &answer, &wish);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(fake.n_selects - before, rows[i].status == 200);
        if (rows[i].status != 200)
            continue;
        assert_int_equal(fake.select.viewer_id, 1);
        assert_int_equal(fake.select.slot, 0);
        assert_int_equal(fake.select.layer, rows[i].layer);
        assert_int_equal(fake.select.max_temporal, rows[i].temporal);
        assert_false(fake.select.paused);
    }
}

static void bars_layers(void **state)
{
    (void)state;
    struct session_whep_layer best = {-1, "0", -1, -1, -1, -1, -1, -1},
                              second = {-1, "1", -1, -1, -1, -1, -1, -1};
    use_layers();
    fake_use_rooms(&fake);
    strcpy(fake.password, "x");
    fake.grant_layer = 1;
    bearer = FAKE_WATCH_TOKEN;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    session_whep_select(&session, &answer, &best);
    assert_int_equal(answer.status, 422);
    session_whep_select(&session, &answer, &second);
    assert_int_equal(answer.status, 200);
    session.best_layer = 7; /* there are not that many: the smallest one */
    assert_int_equal(session_whep_best_layer(&session, &fake.room.streams[0]), 2);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

#define NEW_CREDENTIALS "a=ice-ufrag:newu\r\na=ice-pwd:newpasswordnewpassword\r\n"

static void gathers_later(void **state)
{
    (void)state;
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_true(session.resource.gathers);
    assert_false(fake.offering);
    assert_null(strstr(answer.sdp, "a=ice-lite"));
    assert_null(strstr(answer.sdp, "a=candidate"));
    unsigned n = fake.n_candidates;
    assert_true(n > 0); /* those of the offer */
    assert_int_equal(fake.candidates[0].viewer_id, 1);
    assert_int_equal(patch(FRAGMENT, session.resource.etag,
                           "a=mid:0\r\na=candidate:1 x\r\na=end-of-candidates\r\n"),
                     204);
    assert_int_equal(fake.n_candidates, n + 2);
    assert_string_equal(fake.candidates[n].text, "candidate:1 x");
    assert_string_equal(fake.candidates[n + 1].text, "");
    session.resource.id = 0; /* its viewer has ended */
    assert_int_equal(patch(FRAGMENT, session.resource.etag, "a=candidate:1 x\r\n"), 204);
    assert_int_equal(fake.n_candidates, n + 2);
}

static void restarts(void **state)
{
    (void)state;
    char etag[sizeof(session.resource.etag)];
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    strcpy(etag, session.resource.etag);
    fake.n_candidates = 0;
    assert_int_equal(
        patch(FRAGMENT, "*", "m=video 9 X 0\r\na=mid:0\r\n" NEW_CREDENTIALS "a=candidate:1 x\r\n"),
        200);
    assert_string_equal(fake.restart_ufrag, "newu");
    assert_string_equal(answer.sdp,
                        "a=ice-options:trickle\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                        "a=ice-ufrag:again1\r\n"
                        "a=ice-pwd:againagainagainagain0001\r\n");
    assert_int_equal(answer.sdp_size, strlen(answer.sdp));
    assert_string_not_equal(session.resource.etag, etag);
    assert_string_equal(session.resource.etag, "\"nexttag\"");
    assert_int_equal(fake.n_candidates, 1);
    /* the old tag is of the past, the new one of the session as it is */
    assert_int_equal(patch(FRAGMENT, etag, "a=candidate:1 x\r\n"), 412);
    assert_int_equal(patch(FRAGMENT, session.resource.etag, NEW_CREDENTIALS "a=candidate:2 x\r\n"),
                     204);
    /* with the right tag too */
    assert_int_equal(patch(FRAGMENT, session.resource.etag,
                           "a=ice-ufrag:more\r\n"
                           "a=ice-pwd:newpasswordnewpassword\r\n"),
                     200);
    assert_int_equal(fake.n_restarts, 2);
}

static void refuses_restarts(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "a=mid:0\r\n",
        "a=ice-ufrag:newu\r\n",
        "a=ice-ufrag:new\r\na=ice-pwd:newpasswordnewpassword\r\n",
        "a=ice-ufrag:newu\r\na=ice-pwd:newpasswordnewpasswor\r\n",
        "a=ice-ufrag:n wu\r\na=ice-pwd:newpasswordnewpassword\r\n",
    };
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(patch(FRAGMENT, "*", bodies[i]), 422);
    fake.restart_status = -EAGAIN;
    assert_int_equal(patch(FRAGMENT, "*", NEW_CREDENTIALS), 503);
    assert_int_equal(answer.retry_after_s, SESSION_RETRY_S);
    assert_int_equal(fake.n_restarts, 0);
    /* a lite agent has nothing to restart */
    fake.backend.restart = NULL;
    assert_int_equal(patch(FRAGMENT, "*", NEW_CREDENTIALS), 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(creates),          TEST(content_types),
        TEST(one_stream),       TEST(refusals),
        TEST(not_now),          TEST(trickles),
        TEST(gathers_later),    TEST(restarts),
        TEST(refuses_restarts), TEST(ends),
        TEST(passwords),        TEST(tokens),
        TEST(offers_instead),   TEST(gives_a_counter_offer_up),
        TEST(selects_layers),   TEST(bars_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
