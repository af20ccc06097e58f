/* test_session_whip.c - WHIP sessions against a fake backend. */
#include "signaling/session_whip.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"
#include "tests/unit/signaling/sdp_publish_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FRAGMENT "application/trickle-ice-sdpfrag"

static struct fake fake;
static struct session_resource session;
static struct session_answer answer;
static const char *bearer;
static unsigned wait_s, wrong_guesses;

static int setup(void **state)
{
    (void)state;
    fake_init(&fake, 0);
    fake_use_publishing(&fake);
    memset(&session, 0, sizeof(session));
    memset(&answer, 0xa5, sizeof(answer));
    bearer = FAKE_SECRET;
    wait_s = wrong_guesses = 0;
    return 0;
}

static unsigned guess(void *arg, bool wrong)
{
    (void)arg;
    wrong_guesses += wrong;
    return wait_s;
}

static int post(const char *type, const char *body)
{
    struct session_request request = {
        .content_type = type,
        .bearer = bearer,
        .body = body,
        .body_size = strlen(body),
        .stream = -1,
        .token = "0123456789abcdefghijkl",
        .tag = "tagtagta",
        .guess = guess,
    };
    session_whip_post(&session, &answer, &fake.backend, FAKE_ROOM, &request);
    if (answer.status >= 400)
        assert_true(strlen(answer.detail) > 10);
    return answer.status;
}

static int patch(const char *if_match, const char *body)
{
    struct session_request request = {.content_type = FRAGMENT,
                                      .if_match = if_match,
                                      .body = body,
                                      .body_size = strlen(body),
                                      .tag = "nexttag"};
    session_resource_patch(&session, &answer, &request);
    return answer.status;
}

static void publishes(void **state)
{
    (void)state;
    static const char *const offers[] = {chromium_publish, firefox_publish, obs_publish,
                                         gstreamer_publish};
    for (unsigned i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        assert_int_equal(post("application/sdp", offers[i]), 201);
        assert_string_equal(session.token, "0123456789abcdefghijkl");
        assert_string_equal(session.etag, "\"tagtagta\"");
        assert_int_equal(session.id, i + 1);
        assert_int_equal(fake.last_publisher, i + 1);
        assert_string_equal(fake.publication.kind, "whip");
        assert_int_equal(answer.sdp_size, strlen(answer.sdp));
        assert_non_null(strstr(answer.sdp, "a=recvonly\r\n"));
        assert_null(strstr(answer.sdp, "a=sendonly"));
        assert_null(strstr(answer.sdp, "a=sendrecv"));
        assert_null(strstr(answer.sdp, "a=setup:actpass"));
        assert_non_null(strstr(answer.sdp, "a=candidate:"));
        assert_null(strstr(answer.sdp, "\r\nm=video 0 "));
    }
    assert_int_equal(fake.left, 0);
}

static void asks_who_it_is(void **state)
{
    (void)state;
    bearer = NULL;
    assert_int_equal(post("application/sdp", chromium_publish), 401);
    assert_int_equal(wrong_guesses, 0);
    bearer = "wrong";
    assert_int_equal(post("application/sdp", chromium_publish), 403);
    assert_int_equal(wrong_guesses, 1);
    strcpy(fake.password, "river-12");
    bearer = "river-12"; /* who may watch may not publish */
    assert_int_equal(post("application/sdp", chromium_publish), 403);
    bearer = FAKE_SECRET;
    wait_s = 9;
    assert_int_equal(post("application/sdp", chromium_publish), 429);
    assert_int_equal(answer.retry_after_s, 9);
    wait_s = 0;
    fake.exists = false;
    assert_int_equal(post("application/sdp", chromium_publish), 404);
    assert_int_equal(fake.reserved, 0);
}

static void refusals(void **state)
{
    (void)state;
    static char large[SDP_MAX + 2];
    memset(large, 'x', SDP_MAX + 1);
    assert_int_equal(post("text/plain", chromium_publish), 415);
    assert_int_equal(post(NULL, chromium_publish), 415);
    assert_int_equal(post("application/sdp", large), 413);
    assert_int_equal(post("application/sdp", ""), 400);
    assert_int_equal(post("application/sdp", "hello"), 400);
    /* it only receives */
    assert_int_equal(post("application/sdp", chromium_offer), 406);
    assert_int_equal(fake.reserved, 0);
    /* one m-line of two cannot be taken: all of it is refused (RFC 9725 4.4.3) */
    static const char half[] = "v=0\na=group:BUNDLE 0 1\na=ice-ufrag:abcd\n"
                               "a=ice-pwd:abcdefghijklmnopqrstuv\na=setup:actpass\n"
                               "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:"
                               "FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\n"
                               "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:0\na=sendonly\na=rtcp-mux\n"
                               "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=sendonly\na=rtcp-mux\n"
                               "a=rtpmap:96 VP8/90000\n";
    assert_int_equal(post("application/sdp", half), 406);
    fake.n_native = BACKEND_STREAMS_MAX;
    assert_int_equal(post("application/sdp", chromium_publish), 409);
    assert_int_equal(answer.retry_after_s, SESSION_RETRY_S);
    assert_int_equal(fake.reserved, 0);
}

static void not_now(void **state)
{
    (void)state;
    static const struct {
        int reserve, start, status;
        bool retry;
    } rows[] = {
        {-EAGAIN, 0, 503, true},  {-ENOENT, 0, 404, false}, {-EIO, 0, 500, false},
        {0, -EINVAL, 422, false}, {0, -EBUSY, 409, true},   {0, -ENOMEM, 500, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake.publish_reserve_status = rows[i].reserve;
        fake.publish_start_status = rows[i].start;
        assert_int_equal(post("application/sdp", chromium_publish), rows[i].status);
        assert_int_equal(answer.retry_after_s, rows[i].retry ? SESSION_RETRY_S : 0);
    }
    assert_int_equal(fake.reserved, 3);
    assert_int_equal(fake.left, 3); /* no seat is lost */
}

static void takes_nobody(void **state)
{
    (void)state;
    fake.backend.publish_reserve = NULL;
    assert_int_equal(post("application/sdp", chromium_publish), 501);
}

static void patches(void **state)
{
    (void)state;
    fake_use_agents(&fake);
    assert_int_equal(post("application/sdp", chromium_publish), 201);
    assert_true(session.gathers);
    unsigned n = fake.n_candidates;
    assert_int_equal(patch(session.etag, "a=mid:0\r\na=candidate:1 x\r\n"), 204);
    assert_int_equal(fake.n_candidates, n + 1);
    assert_int_equal(patch(NULL, "a=mid:0\r\n"), 428);
    assert_int_equal(patch("\"other\"", "a=mid:0\r\n"), 412);
    assert_int_equal(patch("W/\"tagtagta\"", "a=mid:0\r\n"), 412); /* a weak one never matches */
    assert_int_equal(patch("\"other\", \"tagtagta\"", "a=mid:0\r\n"), 204);
    assert_int_equal(patch(session.etag, "nonsense\r\n"), 400);
    assert_int_equal(
        patch("*", "a=ice-ufrag:newu\r\na=ice-pwd:newpasswordnewpassword\r\na=mid:0\r\n"), 200);
    assert_string_equal(session.etag, "\"nexttag\"");
    assert_non_null(strstr(answer.sdp, "a=ice-options:trickle\r\n"));
    fake.restart_status = -EAGAIN; /* the session stays as it was */
    assert_int_equal(
        patch("*", "a=ice-ufrag:more\r\na=ice-pwd:newpasswordnewpassword\r\na=mid:0\r\n"), 503);
    assert_string_equal(session.etag, "\"nexttag\"");
    assert_int_equal(fake.left, 0);
}

static void ends(void **state)
{
    (void)state;
    assert_int_equal(post("application/sdp", chromium_publish), 201);
    session_whip_delete(&session, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(fake.last_publish_end, 1);
    assert_int_equal(session.id, 0);
    session_whip_delete(&session, &answer);
    assert_int_equal(fake.n_publish_ends, 1);
    fake.backend.publish_end = NULL;
    assert_int_equal(post("application/sdp", chromium_publish), 201);
    session_whip_delete(&session, &answer);
    assert_int_equal(fake.last_left, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(publishes),    TEST(asks_who_it_is), TEST(refusals), TEST(not_now),
        TEST(takes_nobody), TEST(patches),        TEST(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
