/* The bytes of HTTP, WebSocket and SDP, the way from a request to an agreed SDP, and the options.
 */
#include "tests/load/http_text.h"
#include "tests/load/joiner.h"
#include "tests/load/load_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SERVER_SDP                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n"      \
    "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\n"                                 \
    "m=video 8189 UDP/TLS/RTP/SAVPF 98 96 97\r\na=mid:1\r\na=ice-ufrag:srvr\r\n"                   \
    "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AB:CD\r\na=setup:passive\r\n"       \
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"     \
    "a=rtpmap:98 VP8/90000\r\na=rtpmap:96 H264/90000\r\n"                                          \
    "a=fmtp:96 packetization-mode=1;profile-level-id=42c01f\r\na=rtpmap:97 rtx/90000\r\n"          \
    "a=fmtp:97 apt=96\r\na=candidate:1 1 udp 2130706431 127.0.0.1 8189 typ host\r\n"               \
    "a=candidate:2 1 tcp 2130706431 127.0.0.1 8189 typ host\r\n"                                   \
    "a=candidate:3 1 udp 2130706430 ::1 8190 typ host\r\n"

static const struct joiner_config whep = {
    .signaling = JOINER_WHEP,
    .host = "127.0.0.1:1",
    .room = "SWIFT-OTTER-042",
    .fingerprint = "sha-256 00:11",
    .pwd = "loadloadloadloadloadload",
};

static void reads_what_a_viewer_needs_of_an_answer(void **state)
{
    (void)state;
    struct sdp_scan sdp;
    char error[100];
    assert_int_equal(sdp_scan(&sdp, SERVER_SDP, strlen(SERVER_SDP), error, sizeof(error)), 0);
    assert_string_equal(sdp.ufrag, "srvr");
    assert_string_equal(sdp.pwd, "0123456789012345678901");
    assert_string_equal(sdp.fingerprint, "sha-256 AB:CD");
    assert_int_equal(sdp.n_media, 2);
    assert_int_equal(sdp.video, 1);
    assert_int_equal(sdp.payload_type, 96);
    assert_int_equal(sdp.rtx_payload_type, 97);
    assert_int_equal(sdp.transport_cc_id, 3);
    assert_int_equal(sdp.mid_id, 0);
    assert_int_equal(sdp.n_candidates, 2);
    assert_int_equal(address_port(&sdp.candidates[0]), 8189);
    assert_int_equal(sdp.candidates[1].sa.sa_family, AF_INET6);
}

static void names_what_an_answer_lacks(void **state)
{
    (void)state;
    static const char *const needed[] = {"m=video", "a=rtpmap:96", "a=ice-pwd", "a=fingerprint"};
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        struct sdp_scan sdp;
        char text[] = SERVER_SDP, error[100] = "";
        strstr(text, needed[i])[0] = 'x';
        assert_int_equal(sdp_scan(&sdp, text, strlen(text), error, sizeof(error)), -EBADMSG);
        assert_string_not_equal(error, "");
    }
    struct sdp_scan sdp;
    char error[100];
    for (size_t size = 0; size < strlen(SERVER_SDP); size++) { /* cut anywhere */
        char *text = malloc(size + 1);
        memcpy(text, SERVER_SDP, size);
        (void)sdp_scan(&sdp, text, size, error, sizeof(error));
        free(text);
    }
}

static void answers_only_the_track_it_takes(void **state)
{
    (void)state;
    struct sdp_scan sdp, own;
    char error[100], out[SDP_SCAN_WRITE_MAX];
    const struct sdp_scan_local local = {"load0", "loadloadloadloadloadload", "sha-256 00:11"};
    assert_int_equal(sdp_scan(&sdp, SERVER_SDP, strlen(SERVER_SDP), error, sizeof(error)), 0);
    size_t size = sdp_scan_write_answer(out, sizeof(out), &local, &sdp);
    assert_int_equal(size, strlen(out));
    assert_int_equal(sdp_scan(&own, out, size, error, sizeof(error)), -EBADMSG);
    assert_non_null(strstr(error, "candidate")); /* the only thing that a viewer does not say */
    assert_int_equal(own.n_media, 2);
    assert_int_equal(own.video, 1);
    assert_int_equal(own.payload_type, 96);
    assert_string_equal(own.format, "packetization-mode=1;profile-level-id=42c01f");
    assert_int_equal(sdp_scan_write_answer(out, 100, &local, &sdp), 0);
}

static void reads_replies_in_pieces(void **state)
{
    (void)state;
    static const char reply[] = "HTTP/1.1 201 Created\r\nlocation: /whep/X/1\r\nContent-Length: 5"
                                "\r\nRetry-After: 3\r\n\r\nhello";
    struct http_reply r;
    for (size_t n = 0; n < sizeof(reply) - 1; n++) {
        char part[sizeof(reply)];
        memcpy(part, reply, n);
        part[n] = '\0';
        assert_int_equal(http_reply_parse(&r, part, n, false), 0);
        assert_int_equal(http_reply_parse(&r, part, n, true), -EBADMSG);
    }
    assert_int_equal(http_reply_parse(&r, reply, sizeof(reply) - 1, false), 1);
    assert_int_equal(r.status, 201);
    assert_int_equal(r.body_size, 5);
    assert_memory_equal(r.body, "hello", 5);
    assert_string_equal(r.location, "/whep/X/1");
    assert_int_equal(r.retry_after_s, 3);
}

static void refuses_what_is_no_reply(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "SSH-2.0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    };
    struct http_reply r;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(http_reply_parse(&r, bad[i], strlen(bad[i]), false), -EBADMSG);
    static const char nul[] = "HTTP/1.1 200 OK\0\r\n\r\n";
    assert_int_equal(http_reply_parse(&r, nul, sizeof(nul) - 1, false), -EBADMSG);
}

static void frames_of_every_length_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 125, 126, 65535, 65536};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        uint8_t *out = malloc(size + 16), *payload = calloc(1, size + 1);
        struct ws_frame f;
        assert_int_equal(ws_frame_write(out, size + 5, WS_TEXT, payload, size, 0), 0);
        size_t n = ws_frame_write(out, size + 16, WS_TEXT, payload, size, 0);
        assert_true(n > size);
        assert_int_equal(ws_frame_parse(&f, out, n), -EBADMSG); /* a server never masks */
        out[1] &= 0x7f;
        size_t head = n - 4 - size;
        memmove(out + head, out + head + 4, size);
        assert_int_equal(ws_frame_parse(&f, out, n - 5), 0);
        assert_int_equal(ws_frame_parse(&f, out, n - 4), n - 4);
        assert_int_equal(f.opcode, WS_TEXT);
        assert_int_equal(f.size, size);
        free(out);
        free(payload);
    }
}

static void whep_agrees_retries_and_leaves(void **state)
{
    (void)state;
    struct joiner j;
    size_t size;
    char reply[4096];
    joiner_init(&j, &whep, "load0", 1);
    joiner_ask(&j);
    assert_memory_equal(joiner_output(&j, &size), "POST /whep/SWIFT-OTTER-042 HTTP/1.1\r\n", 37);
    joiner_on_sent(&j, size);
    static const char busy[] = "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
    joiner_on_bytes(&j, busy, sizeof(busy) - 1);
    assert_int_equal(j.state, JOINER_RETRY);
    assert_int_equal(j.retry_after_s, 2);
    assert_true(j.done_with_connection);

    joiner_ask(&j);
    snprintf(reply, sizeof(reply),
             "HTTP/1.1 201 Created\r\nLocation: http://127.0.0.1:1/whep/X/abc\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(SERVER_SDP), SERVER_SDP);
    for (const char *at = reply; *at; at++)
        joiner_on_bytes(&j, at, 1);
    assert_int_equal(j.state, JOINER_AGREED);
    assert_string_equal(j.remote.ufrag, "srvr");
    assert_true(joiner_leave(&j));
    assert_memory_equal(joiner_output(&j, &size), "DELETE /whep/X/abc HTTP/1.1\r\n", 29);
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    joiner_on_bytes(&j, ok, sizeof(ok) - 1);
    assert_int_equal(j.state, JOINER_LEFT);
    joiner_finish(&j);
}

static void whep_fails_with_the_status(void **state)
{
    (void)state;
    struct joiner j;
    joiner_init(&j, &whep, "load0", 1);
    joiner_ask(&j);
    static const char gone[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    joiner_on_bytes(&j, gone, sizeof(gone) - 1);
    assert_int_equal(j.state, JOINER_FAILED);
    assert_non_null(strstr(j.error, "404"));
    assert_false(joiner_leave(&j));
    joiner_ask(&j);
    joiner_on_close(&j);
    assert_int_equal(j.state, JOINER_FAILED);
    joiner_finish(&j);
}

static int read_options(struct load_options *o, const char *a, const char *b, const char *c)
{
    char error[200] = "";
    const char *argv[] = {"amphi-load", "http://127.0.0.1:80/ROOM", a, b, c};
    int rc = load_options_read(o, 2 + (a != NULL) + (b != NULL) + (c != NULL),
                               (char *const *)(uintptr_t)argv, error, sizeof(error));
    assert_int_equal(rc == 0, error[0] == '\0');
    return rc;
}

static void takes_options_and_bounds_them(void **state)
{
    (void)state;
    struct load_options o;
    assert_int_equal(read_options(&o, "--viewers", "2600", "--ramp-seconds=5"), 0);
    assert_int_equal(o.viewers, 2600);
    assert_int_equal(o.threads, 2);
    assert_true(o.ramp_per_s == 520);
    assert_string_equal(o.room, "ROOM");
    assert_int_equal(read_options(&o, "--viewers=10001", "--ramp=1000", NULL), -EINVAL);
    assert_int_equal(read_options(&o, "--viewers=10001", "--ramp=1000", "--max-viewers=20000"), 0);
    assert_int_equal(read_options(&o, "--duration=601", NULL, NULL), -EINVAL);
    assert_int_equal(read_options(&o, "--ramp=0.1", NULL, NULL), -EINVAL); /* 1000 s */
    assert_int_equal(read_options(&o, "--drop", "--loss=1", NULL), -EINVAL);
    static const char *const bad[] = {"--viewers=0",     "--viewers=x", "--viewers", "--loss=101",
                                      "--signaling=sip", "--nothing",   "--drop=1",  "--seed=-1"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(read_options(&o, bad[i], NULL, NULL), -EINVAL);
}

static void loads_only_this_machine_unless_told(void **state)
{
    (void)state;
    struct load_options o;
    static const char *const good[] = {"http://127.9.9.9:1/R", "http://[::1]:80/R",
                                       "http://localhost/R"};
    static const char *const bad[] = {"http://192.0.2.1/R",     "https://127.0.0.1/R",
                                      "http://127.0.0.1:0/R",   "http://127.0.0.1:70000/R",
                                      "http://example.com/R",   "http://127.0.0.1/R/../x",
                                      "http://127.0.0.1:8080/", "http:///R"};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(read_options(&o, good[i], NULL, NULL), 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(read_options(&o, bad[i], NULL, NULL), -EINVAL);
    assert_int_equal(read_options(&o, bad[0], "--allow-remote", NULL), 0);
    assert_int_equal(read_options(&o, "http://127.0.0.1:8080/", "--admin-token=12345678", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_viewer_needs_of_an_answer),
        cmocka_unit_test(names_what_an_answer_lacks),
        cmocka_unit_test(answers_only_the_track_it_takes),
        cmocka_unit_test(reads_replies_in_pieces),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(frames_of_every_length_size),
        cmocka_unit_test(whep_agrees_retries_and_leaves),
        cmocka_unit_test(whep_fails_with_the_status),
        cmocka_unit_test(takes_options_and_bounds_them),
        cmocka_unit_test(loads_only_this_machine_unless_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
