/* test_session_whep.c - WHEP sessions against a fake backend. */
#include "signaling/session_whep.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct fake fake;
static struct session_whep session;
static struct session_whep_answer answer;

static int setup(void **state)
{
    (void)state;
    fake_init(&fake, 2);
    memset(&session, 0, sizeof(session));
    memset(&answer, 0xa5, sizeof(answer));
    return 0;
}

static int post(const char *type, const char *body, int stream)
{
    struct session_whep_request request = {
        .content_type = type, .body = body, .body_size = strlen(body), .stream = stream};
    session_whep_post(&session, &answer, &fake.backend, FAKE_ROOM, &request,
                      "0123456789abcdefghijkl", "tagtagta");
    return answer.status;
}

static int patch(const char *type, const char *if_match, const char *body)
{
    struct session_whep_request request = {.content_type = type,
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
    assert_string_equal(session.token, "0123456789abcdefghijkl");
    assert_string_equal(session.etag, "\"tagtagta\"");
    assert_string_equal(session.room, FAKE_ROOM);
    assert_int_equal(session.viewer_id, 1);
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
    assert_int_equal(fake.last_left, 1);
    assert_int_equal(
        post("application/sdp", "v=0\nm=video 9 RTP/SAVPF 96\na=rtpmap:96 H264/90000\n", -1), 422);
    assert_int_equal(fake.last_left, 2);
    fake.start_status = -EINVAL;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 422);
    assert_int_equal(fake.last_left, 3);
    fake.start_status = -ENOMEM;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 500);
    assert_int_equal(fake.last_left, 4);
    assert_int_equal(fake.left, fake.reserved);
    fake.exists = false;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 404);
    assert_int_equal(session.viewer_id, 0);
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
    assert_int_equal(answer.retry_after_s, SESSION_WHEP_RETRY_S);
    fake.room.live = true;
    fake.room.n_streams = 0;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 409);
    fake.room.n_streams = 1;
    for (unsigned i = 0; i < 4; i++) {
        fake.reserve_status = rows[i].reserve_status;
        assert_int_equal(post("application/sdp", chromium_offer, -1), rows[i].status);
        assert_int_equal(answer.retry_after_s, rows[i].retry ? SESSION_WHEP_RETRY_S : 0);
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
    assert_int_equal(patch(type, session.etag, fragment), 204);
    assert_int_equal(patch(type, session.etag, "a=end-of-candidates"), 204);
    assert_int_equal(patch("application/sdp", session.etag, fragment), 415);
    assert_int_equal(patch(NULL, session.etag, fragment), 415);
    assert_int_equal(patch(type, NULL, fragment), 428);
    assert_int_equal(patch(type, "\"other\"", fragment), 412);
    assert_int_equal(patch(type, session.etag, ""), 400);
    assert_int_equal(patch(type, session.etag, "\r\n\r\n"), 400);
    assert_int_equal(patch(type, session.etag, "{\"a\":1}"), 400);
    assert_int_equal(patch(type, session.etag, "a=mid:1\r\nnonsense\r\n"), 400);
    assert_int_equal(patch(type, session.etag, "a"), 400);
    assert_int_equal(patch(type, "*", fragment), 422); /* ICE restart */
    assert_int_equal(patch(type, session.etag, "a=ice-ufrag:new1\r\n"), 422);
    assert_int_equal(patch(type, session.etag, "a=ice-ufrag:1b2c3d4"), 422);
    assert_int_equal(fake.left, 0);
}

static void ends(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    session_whep_on_viewer(&session, BACKEND_VIEWER_LIVE);
    assert_false(session_whep_is_over(&session));
    session_whep_delete(&session, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(fake.last_left, 1);
    assert_true(session_whep_is_over(&session));
    session_whep_delete(&session, &answer);
    assert_int_equal(fake.left, 1);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    session_whep_on_viewer(&session, BACKEND_VIEWER_CLOSED);
    assert_true(session_whep_is_over(&session));
    assert_int_equal(fake.left, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

#define FRAGMENT "application/trickle-ice-sdpfrag"
#define NEW_CREDENTIALS "a=ice-ufrag:newu\r\na=ice-pwd:newpasswordnewpassword\r\n"

static void gathers_later(void **state)
{
    (void)state;
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    assert_true(session.gathers);
    assert_false(fake.offering);
    assert_null(strstr(answer.sdp, "a=ice-lite"));
    assert_null(strstr(answer.sdp, "a=candidate"));
    unsigned n = fake.n_candidates;
    assert_true(n > 0); /* those of the offer */
    assert_int_equal(fake.candidates[0].viewer_id, 1);
    assert_int_equal(
        patch(FRAGMENT, session.etag, "a=mid:0\r\na=candidate:1 x\r\na=end-of-candidates\r\n"),
        204);
    assert_int_equal(fake.n_candidates, n + 2);
    assert_string_equal(fake.candidates[n].text, "candidate:1 x");
    assert_string_equal(fake.candidates[n + 1].text, "");
    session_whep_on_viewer(&session, BACKEND_VIEWER_CLOSED);
    assert_int_equal(patch(FRAGMENT, session.etag, "a=candidate:1 x\r\n"), 204);
    assert_int_equal(fake.n_candidates, n + 2);
}

static void restarts(void **state)
{
    (void)state;
    char etag[sizeof(session.etag)];
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_offer, -1), 201);
    strcpy(etag, session.etag);
    fake.n_candidates = 0;
    assert_int_equal(
        patch(FRAGMENT, "*", "m=video 9 X 0\r\na=mid:0\r\n" NEW_CREDENTIALS "a=candidate:1 x\r\n"),
        200);
    assert_string_equal(fake.restart_ufrag, "newu");
    assert_string_equal(answer.sdp, "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                                    "a=ice-ufrag:again1\r\n"
                                    "a=ice-pwd:againagainagainagain0001\r\n");
    assert_int_equal(answer.sdp_size, strlen(answer.sdp));
    assert_string_not_equal(session.etag, etag);
    assert_string_equal(session.etag, "\"nexttag\"");
    assert_int_equal(fake.n_candidates, 1);
    /* the old tag is of the past, the new one of the session as it is */
    assert_int_equal(patch(FRAGMENT, etag, "a=candidate:1 x\r\n"), 412);
    assert_int_equal(patch(FRAGMENT, session.etag, NEW_CREDENTIALS "a=candidate:2 x\r\n"), 204);
    /* with the right tag too */
    assert_int_equal(patch(FRAGMENT, session.etag,
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
    assert_int_equal(answer.retry_after_s, SESSION_WHEP_RETRY_S);
    assert_int_equal(fake.n_restarts, 0);
    /* a lite agent has nothing to restart */
    fake.backend.restart = NULL;
    assert_int_equal(patch(FRAGMENT, "*", NEW_CREDENTIALS), 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(creates),          TEST(content_types), TEST(one_stream),    TEST(refusals),
        TEST(not_now),          TEST(trickles),      TEST(gathers_later), TEST(restarts),
        TEST(refuses_restarts), TEST(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
