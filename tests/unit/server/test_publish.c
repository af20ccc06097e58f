/* test_publish.c - publishing to a WHIP server, with a backend and a server that do as told; the
 * clock is the test's. */
#include "server/publish.h"
#include "server/publish_fragment.h"
#include "server/publish_room.h"
#include "server/publish_rate.h"

#include "tests/unit/server/fake_whip.h"
#include "tests/unit/signaling/fake_backend.h"

#include <semaphore.h>

#define SECOND INT64_C(1000000)

struct stage {
    struct fake_whip server;
    struct fake fake;
    struct publish *publish;
    sem_t woken;
    int64_t now_us;
    unsigned restarts; /* that were begun here */
    char theirs[BACKEND_UFRAG_MAX];
    struct publish_status status;
};

static void wake(void *arg)
{
    sem_post(arg);
}

static struct stage *stage_of_fake(void *fake)
{
    return (struct stage *)((char *)fake - offsetof(struct stage, fake));
}

static int on_restart(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct backend_credentials *ours)
{
    struct stage *s = stage_of_fake(arg);
    assert_true(viewer_id > 0);
    assert_int_equal(ours == NULL, ufrag[0] != '\0');
    assert_int_equal(ours == NULL, pwd[0] != '\0');
    snprintf(s->theirs, sizeof(s->theirs), "%s", ufrag);
    if (ours) {
        s->restarts++;
        snprintf(ours->ufrag, sizeof(ours->ufrag), "anew");
        snprintf(ours->pwd, sizeof(ours->pwd), "anewanewanewanewanewanew");
    }
    return s->fake.restart_status;
}

static struct stage *open_stage_at(const char *path)
{
    struct stage *s = calloc(1, sizeof(*s));
    char url[64];
    sem_init(&s->woken, 0, 0);
    fake_whip_start(&s->server);
    fake_init(&s->fake, 1);
    fake_use_agents(&s->fake);
    s->fake.backend.restart = on_restart;
    s->now_us = 1000 * SECOND;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", s->server.port, path);
    const struct publish_config config = {.backend = &s->fake.backend,
                                          .room = FAKE_ROOM,
                                          .url = url,
                                          .secret = "s3cret",
                                          .wake = wake,
                                          .wake_arg = &s->woken};
    assert_int_equal(publish_create(&s->publish, &config), 0);
    return s;
}

static struct stage *open_stage(void)
{
    return open_stage_at("/whip/ROOM");
}

static void close_stage(struct stage *s)
{
    publish_destroy(s->publish);
    fake_whip_stop(&s->server);
    sem_destroy(&s->woken);
    free(s);
}

static void go_on(struct stage *s, int64_t us)
{
    s->now_us += us;
    publish_round(s->publish, s->now_us);
    publish_status(s->publish, &s->status);
}

static void until_state(struct stage *s, enum publish_state state)
{
    for (go_on(s, 0); s->status.state != state; go_on(s, 0))
        sem_wait(&s->woken);
}

static void until_started(struct stage *s, unsigned n)
{
    for (go_on(s, 0); s->fake.started < n; go_on(s, 0))
        sem_wait(&s->woken);
}

#define CREATED                                                                                    \
    "201 Created\r\nLocation: /session/7\r\nETag: \"one\"\r\nContent-Type: application/sdp\r\n"
#define SECTION                                                                                    \
    "m=video 9 UDP/TLS/RTP/SAVPF 104\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=rtcp-mux\r\n"          \
    "a=rtpmap:104 H264/90000\r\n"                                                                  \
    "a=fmtp:104 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1\r\n"

static const char one_stream[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=fingerprint:sha-256 "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:passive\r\n" SECTION "a=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.7 8189 typ host\r\na=end-of-candidates\r\n";

/* To the moment when the offer is asked for: everything is gathered. */
static void offer(struct stage *s)
{
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->status.state, PUBLISH_CONNECTING);
    uint32_t id = s->fake.next_viewer;
    publish_on_candidate(s->publish, id, "candidate:1 1 udp 1 192.0.2.1 1000 typ host");
    publish_on_candidate(s->publish, id, NULL);
    go_on(s, 0);
}

static void become_live(struct stage *s)
{
    fake_whip_says(&s->server, CREATED, one_stream);
    offer(s);
    until_started(s, s->fake.started + 1);
    publish_on_viewer(s->publish, s->fake.last_started, BACKEND_VIEWER_LIVE, "none", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    assert_int_equal(s->status.viewer_id, s->fake.last_started);
}

static void publishes_what_is_shown(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    s->fake.room.live = false;
    go_on(s, 0);
    go_on(s, 5 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_IDLE);
    assert_int_equal(s->fake.reserved, 0);
    s->fake.room.live = true;
    become_live(s);
    assert_true(s->fake.offering);
    const char *asked = fake_whip_asked(&s->server, 0);
    assert_memory_equal(asked, "POST /whip/ROOM HTTP/1.1\r\n", 26);
    assert_non_null(strstr(asked, "Authorization: Bearer s3cret\r\n"));
    assert_non_null(strstr(asked, "a=candidate:1 1 udp 1 192.0.2.1 1000 typ host\r\n"));
    assert_non_null(strstr(asked, "a=end-of-candidates\r\n"));
    assert_int_equal(s->fake.answer.n_tracks, 1);
    assert_string_equal(s->fake.answer.ufrag, "abcd");
    assert_int_equal(s->fake.n_candidates, 2);
    assert_non_null(strstr(s->fake.candidates[0].text, "192.0.2.7"));
    assert_string_equal(s->fake.candidates[1].text, "");

    fake_whip_says(&s->server, "200 OK\r\n", "");
    publish_destroy(s->publish); /* says goodbye */
    s->publish = NULL;
    assert_int_equal(s->fake.left, 1);
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE /session/7 HTTP/1.1\r\n", 28);
    close_stage(s);
}

static void late_candidates_are_trickled(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    go_on(s, PUBLISH_GATHER_US - 1);
    publish_on_candidate(s->publish, 99, "candidate:9 of nobody");
    go_on(s, 1); /* the servers had their time */
    publish_on_candidate(s->publish, 1, "candidate:2 1 udp 1 198.51.100.1 1000 typ srflx");
    publish_on_candidate(s->publish, 1, NULL);
    fake_whip_says(&s->server, "204 No Content\r\n", "");
    until_started(s, 1);
    assert_null(strstr(fake_whip_asked(&s->server, 0), "candidate:"));
    go_on(s, 0);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "PATCH /session/7 HTTP/1.1\r\n", 27);
    assert_non_null(strstr(asked, "If-Match: \"one\"\r\n"));
    assert_non_null(strstr(asked, "\r\n\r\na=ice-ufrag:ufrag1\r\na=ice-pwd:"));
    assert_non_null(strstr(asked, "a=candidate:2 1 udp 1 198.51.100.1 1000 typ srflx\r\n"
                                  "a=end-of-candidates\r\n"));
    close_stage(s);
}

static void a_refusal_ends_it(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, "403 Forbidden\r\n", "{\"detail\":\"wrong secret\"}");
    offer(s);
    until_state(s, PUBLISH_REFUSED);
    assert_non_null(strstr(s->status.why, "wrong secret"));
    go_on(s, 100 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_REFUSED);
    assert_int_equal(s->fake.reserved, 1);
    assert_int_equal(s->fake.left, 1);
    close_stage(s);
}

static void an_answer_that_does_not_fit_ends_it(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    s->fake.room.streams[0].codec = BACKEND_AV1; /* which it does not take */
    fake_whip_says(&s->server, CREATED, one_stream);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    offer(s);
    until_state(s, PUBLISH_REFUSED);
    assert_string_equal(s->status.why, "the server does not take this codec (--codec)");
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE ", 7);
    assert_int_equal(s->fake.started, 0);
    close_stage(s);
}

static void another_codec_is_offered_anew(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    s->fake.room.streams[0].codec = BACKEND_VP8;
    go_on(s, SECOND);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void a_full_server_is_asked_again_when_it_says(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, "503 Service Unavailable\r\nRetry-After: 7\r\n", "");
    offer(s);
    until_state(s, PUBLISH_WAITING);
    assert_true(s->status.retry_us >= s->now_us + 7 * SECOND);
    assert_true(s->status.retry_us <= s->now_us + 8 * SECOND);
    assert_int_equal(s->status.failures, 1);
    go_on(s, 6 * SECOND);
    assert_int_equal(s->fake.reserved, 1);
    go_on(s, 2 * SECOND);
    assert_int_equal(s->fake.reserved, 2);
    assert_int_equal(s->status.state, PUBLISH_CONNECTING);
    close_stage(s);
}

static void what_is_lost_comes_back(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    go_on(s, PUBLISH_STABLE_US);
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "consent-lost", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_WAITING);
    assert_string_equal(s->status.why, "the connection to the server is lost");
    assert_true(s->status.retry_us < s->now_us + SECOND);
    fake_whip_says(&s->server, "404 Not Found\r\n", ""); /* not for good: it was there before */
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    publish_on_candidate(s->publish, 2, NULL);
    until_state(s, PUBLISH_WAITING);
    assert_int_equal(s->status.failures, 2);
    s->now_us = s->status.retry_us;
    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    publish_on_candidate(s->publish, 3, NULL);
    until_started(s, 2);
    publish_on_viewer(s->publish, 3, BACKEND_VIEWER_LIVE, "none", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    assert_int_equal(s->status.times_live, 2);
    assert_string_equal(s->status.why, "");
    assert_int_equal(s->fake.left, 2); /* the lost one, and the refused one */
    close_stage(s);
}

static void more_to_show_is_a_session_beside(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    s->fake.room.streams[3] = s->fake.room.streams[0];
    s->fake.room.n_streams = 2;
    go_on(s, SECOND);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->fake.reserved, 2);
    assert_int_equal(s->fake.left, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    fake_whip_says(&s->server, CREATED, one_stream); /* one m-line, where there are two */
    publish_on_candidate(s->publish, 2, NULL);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    for (go_on(s, 0); s->status.failures == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_non_null(strstr(fake_whip_asked(&s->server, 1), "a=group:BUNDLE 0 1\r\n"));
    assert_memory_equal(fake_whip_asked(&s->server, 2), "DELETE ", 7);
    assert_non_null(strstr(s->status.why, "answer cannot be used"));
    assert_int_equal(s->status.state, PUBLISH_LIVE); /* the first one goes on */
    assert_int_equal(s->status.viewer_id, 1);
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    assert_int_equal(s->fake.reserved, 3);
    close_stage(s);
}

static void a_taken_room_is_left_first(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    publish_on_addresses(s->publish);
    fake_whip_says(&s->server, "409 Conflict\r\n", "");
    fake_whip_says(&s->server, "200 OK\r\n", "");
    go_on(s, 0);
    assert_int_equal(s->fake.reserved, 2);
    publish_on_candidate(s->publish, 2, NULL);
    for (go_on(s, 0); s->status.failures == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 2), "DELETE /session/7 ", 18);
    close_stage(s);
}

static void silence_restarts_ice(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\nETag: \"two\"\r\n",
                   "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
                   "a=candidate:1 1 udp 1 192.0.2.9 8189 typ host\r\n");
    unsigned before = s->fake.n_candidates;
    publish_on_silence(s->publish, true);
    go_on(s, SECOND);
    assert_int_equal(s->restarts, 1);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "PATCH /session/7 ", 17);
    assert_non_null(strstr(asked, "If-Match: *\r\n"));
    assert_non_null(strstr(asked, "a=ice-ufrag:anew\r\n"));
    for (go_on(s, 0); s->status.restarts == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_string_equal(s->theirs, "efgh");
    assert_int_equal(s->fake.n_candidates, before + 2);
    go_on(s, PUBLISH_RESTART_US - SECOND); /* it has its time */
    assert_int_equal(s->fake.reserved, 1);
    publish_on_silence(s->publish, false);
    go_on(s, 10 * SECOND);
    assert_int_equal(s->fake.reserved, 1);
    assert_int_equal(s->restarts, 1);
    close_stage(s);
}

static void without_restarts_a_new_session_comes(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "422 Unprocessable Content\r\n", "");
    publish_on_silence(s->publish, true);
    for (go_on(s, 0); s->fake.reserved < 2; go_on(s, 0))
        sem_wait(&s->woken);
    assert_int_equal(s->status.restarts, 0);
    close_stage(s);
}

static void a_restart_that_does_not_help_is_followed_by_a_session(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\n",
                   "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n");
    publish_on_silence(s->publish, true);
    for (go_on(s, 0); s->status.restarts == 0; go_on(s, 0))
        sem_wait(&s->woken);
    go_on(s, PUBLISH_RESTART_US);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void stops_and_goes_on(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    publish_set_stopped(s->publish, true);
    assert_int_equal(s->fake.left, 0); /* word of it goes before the media */
    for (go_on(s, 0); s->fake.left == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE ", 7);
    go_on(s, 100 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_STOPPED);
    assert_int_equal(s->fake.reserved, 1);
    publish_set_stopped(s->publish, false);
    become_live(s);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void a_server_without_a_room_makes_one(void **state)
{
    (void)state;
    struct stage *s = open_stage_at("/");
    fake_whip_says(&s->server, "201 Created\r\n",
                   "{\"room\":\"A-B-001\",\"secret\":\"made-here\",\"publish_url\":\"http://x/\"}");
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    assert_string_equal(s->status.endpoint, "");
    for (go_on(s, 0); !s->status.endpoint[0]; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 0), "POST /api/v1/rooms HTTP/1.1\r\n", 29);
    assert_non_null(strstr(fake_whip_asked(&s->server, 0), "\r\n\r\n{}"));
    assert_non_null(strstr(s->status.endpoint, "/whip/A-B-001"));

    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    publish_on_candidate(s->publish, 1, NULL);
    until_started(s, 1);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "POST /whip/A-B-001 HTTP/1.1\r\n", 29);
    assert_non_null(strstr(asked, "Authorization: Bearer made-here\r\n"));
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_LIVE, "none", s->now_us);

    /* it has forgotten the room: the same one is wanted again */
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "remote-closed", s->now_us);
    go_on(s, SECOND);
    fake_whip_says(&s->server, "404 Not Found\r\n", "");
    publish_on_candidate(s->publish, 2, NULL);
    until_state(s, PUBLISH_WAITING);
    fake_whip_says(&s->server, "409 Conflict\r\n", ""); /* somebody was faster */
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    until_state(s, PUBLISH_WAITING);
    assert_non_null(strstr(fake_whip_asked(&s->server, 3), "\r\n\r\n{\"room\":\"A-B-001\"}"));
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    assert_non_null(strstr(fake_whip_asked(&s->server, 4), "\r\n\r\n{}"));
    close_stage(s);
}

static void a_server_that_makes_no_rooms_says_so(void **state)
{
    (void)state;
    struct stage *s = open_stage_at("");
    fake_whip_says(&s->server, "404 Not Found\r\n", "");
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    until_state(s, PUBLISH_REFUSED);
    assert_non_null(strstr(s->status.why, "--to URL/whip/ROOM"));
    close_stage(s);
}

static void rooms_are_read_with_care(void **state)
{
    (void)state;
    struct publish_room room;
    char out[WHIP_CLIENT_URL_MAX], json[128];
    assert_true(publish_room_read(&room, "{\"room\":\"A-1\",\"secret\":\"a_-/+=9\"}"));
    assert_string_equal(room.code, "A-1");
    static const char *const bad[] = {
        "",
        "[]",
        "{\"room\":\"A-1\"}",
        "{\"room\":\"\",\"secret\":\"a\"}",
        "{\"room\":\"../x\",\"secret\":\"a\"}",
        "{\"room\":\"A\",\"secret\":\"a\\r\\nX: y\"}",
        "{\"room\":7,\"secret\":\"a\"}",
        "{\"room\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"secret\":\"a\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(publish_room_read(&room, bad[i]));
        assert_string_equal(room.code, "");
    }
    publish_room_endpoint(out, "https://h.example/", "A-1");
    assert_string_equal(out, "https://h.example/whip/A-1");
    publish_room_endpoint(out, "https://h.example:1", "A-1");
    assert_string_equal(out, "https://h.example:1/whip/A-1");
    publish_room_request(json, "");
    assert_string_equal(json, "{}");
    assert_true(publish_room_is_wanted("https://h.example:1/"));
    assert_false(publish_room_is_wanted("https://h.example/live"));
    assert_false(publish_room_is_wanted("https://h.example/?a"));
    assert_false(publish_room_is_wanted("https:///"));
}

static void a_server_may_name_a_relay(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server,
                   "201 Created\r\nLocation: /session/7\r\nLink: <stun:a>; rel=\"ice-server\"\r\n"
                   "Link: <turn:b:3478>; rel=\"ice-server\"; username=\"u\"; credential=\"c\"\r\n",
                   one_stream);
    offer(s);
    until_started(s, 1);
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "ice-timeout", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_WAITING);
    assert_non_null(strstr(s->status.why, "the server names the relay turn:b:3478"));
    close_stage(s);
}

static void delays_grow_and_differ(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 40; i++) {
        int64_t full = i < 6 ? SECOND << (i - 1) : PUBLISH_RETRY_MAX_US;
        for (uint32_t r = 0; r < 20; r++) {
            int64_t us = publish_delay_us(i, -1, r * UINT32_C(214748364));
            assert_in_range(us, full / 2, full);
        }
    }
    assert_in_range(publish_delay_us(0, -1, UINT32_MAX), 0, SECOND / 3);
    assert_int_not_equal(publish_delay_us(3, -1, 1), publish_delay_us(3, -1, 100000));
    assert_in_range(publish_delay_us(1, 60, 7), 60 * SECOND, 61 * SECOND);
    assert_true(publish_delay_us(9, 1, 0) >= 15 * SECOND);
}

static void fragments(void **state)
{
    (void)state;
    struct publish_credentials c;
    char text[200];
    int n = publish_fragment_write(text, sizeof(text), "abcd", "abcdefghijklmnopqrstuvwx",
                                   "a=candidate:1\r\n");
    assert_int_equal(n, strlen(text));
    assert_true(publish_fragment_read(&c, text, (size_t)n));
    assert_string_equal(c.ufrag, "abcd");
    assert_string_equal(c.pwd, "abcdefghijklmnopqrstuvwx");
    assert_int_equal(publish_fragment_write(text, 40, "abcd", "abcdefghijklmnopqrstuvwx", ""),
                     -ENOSPC);
    static const char *const bad[] = {"",
                                      "a=ice-ufrag:abcd\r\n",
                                      "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n",
                                      "a=ice-ufrag:abc\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n",
                                      "a=ice-ufrag:ab d\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n",
                                      "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(publish_fragment_read(&c, bad[i], strlen(bad[i])));
}

static void rates_fall_at_once_and_rise_by_steps(void **state)
{
    (void)state;
    struct publish_rate r = {0};
    struct publish_path path = {.target_bps = -1};
    assert_int_equal(publish_rate_next(&r, &path, 6000000, 0), 6000000);
    path = (struct publish_path){.target_bps = 1000000, .narrow = true};
    assert_int_equal(publish_rate_next(&r, &path, 6000000, 10), 880000);
    path.target_bps = 20000;
    assert_int_equal(publish_rate_next(&r, &path, 6000000, 20), PUBLISH_RATE_MIN_BPS);
    path.target_bps = 1000000; /* it looked worse than it is */
    assert_int_equal(publish_rate_next(&r, &path, 6000000, 30), PUBLISH_RATE_MIN_BPS);
    int64_t now = 20 + SECOND;
    assert_int_equal(publish_rate_next(&r, &path, 6000000, now), 187500);
    uint64_t bps = 0;
    for (int i = 0; i < 20; i++)
        bps = publish_rate_next(&r, &path, 6000000, now += SECOND);
    assert_int_equal(bps, 880000); /* and no further, while it is narrow */
    path.narrow = false;
    assert_int_equal(publish_rate_next(&r, &path, 6000000, now += SECOND), 950400);
    for (int i = 0; i < 40; i++)
        bps = publish_rate_next(&r, &path, 6000000, now += SECOND);
    assert_int_equal(bps, 6000000);
    assert_int_equal(publish_rate_next(&r, &path, 500000, now), 500000); /* the person's wish */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_what_is_shown),
        cmocka_unit_test(late_candidates_are_trickled),
        cmocka_unit_test(a_refusal_ends_it),
        cmocka_unit_test(an_answer_that_does_not_fit_ends_it),
        cmocka_unit_test(another_codec_is_offered_anew),
        cmocka_unit_test(a_full_server_is_asked_again_when_it_says),
        cmocka_unit_test(what_is_lost_comes_back),
        cmocka_unit_test(more_to_show_is_a_session_beside),
        cmocka_unit_test(a_taken_room_is_left_first),
        cmocka_unit_test(silence_restarts_ice),
        cmocka_unit_test(without_restarts_a_new_session_comes),
        cmocka_unit_test(a_restart_that_does_not_help_is_followed_by_a_session),
        cmocka_unit_test(stops_and_goes_on),
        cmocka_unit_test(a_server_without_a_room_makes_one),
        cmocka_unit_test(a_server_that_makes_no_rooms_says_so),
        cmocka_unit_test(rooms_are_read_with_care),
        cmocka_unit_test(a_server_may_name_a_relay),
        cmocka_unit_test(delays_grow_and_differ),
        cmocka_unit_test(fragments),
        cmocka_unit_test(rates_fall_at_once_and_rise_by_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
