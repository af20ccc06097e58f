/* test_message.c - JSON in and out. */
#include "signaling/message.h"

#include "tests/unit/signaling/fake_backend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char error[200];

static int parse(struct message *m, const char *text)
{
    error[0] = '\0';
    return message_parse(m, text, strlen(text), error, sizeof(error));
}

static void expect(char *text, const char *wanted)
{
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void reads_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum message_type type;
    } rows[] = {
        {"{\"type\":\"join\"}", MESSAGE_JOIN},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\"}", MESSAGE_ANSWER},
        {"{\"type\":\"ice\",\"candidate\":\"{}\"}", MESSAGE_ICE},
        {"{\"type\":\"ice\",\"candidate\":{\"candidate\":\"\",\"sdpMid\":\"0\"}}", MESSAGE_ICE},
        {"{\"type\":\"ice\",\"candidate\":null}", MESSAGE_ICE},
        {"{\"type\":\"ice\"}", MESSAGE_ICE},
        {"{\"type\":\"ping\",\"t\":1}", MESSAGE_PING},
        {"{\"type\":\"ping\",\"t\":1.5}", MESSAGE_PING},
        {"{\"type\":\"ping\",\"t\":\"x\"}", MESSAGE_PING},
        {"{\"type\":\"pong\"}", MESSAGE_PONG},
        {"{\"type\":\"viewer-stats\",\"decoded\":[1,2,{\"a\":null}]}", MESSAGE_VIEWER_STATS},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message m;
        assert_int_equal(parse(&m, rows[i].text), 0);
        assert_int_equal(m.type, rows[i].type);
        message_finish(&m);
    }
}

static void reads_fields(void **state)
{
    (void)state;
    struct message m;
    assert_int_equal(parse(&m,
                           "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"A-B-1\",\"client\":"
                           "\"x\",\"password\":null,\"unknown\":[{}],\"peerId\":\"7\"}"),
                     0);
    assert_string_equal(m.role, "viewer");
    assert_string_equal(m.room, "A-B-1");
    assert_string_equal(m.peer_id, "7");
    assert_null(m.sdp);
    message_finish(&m);
    assert_int_equal(parse(&m, "{\"type\":\"answer\",\"sdp\":\"v=0\\r\\n\"}"), 0);
    assert_string_equal(m.sdp, "v=0\r\n");
    assert_int_equal(m.sdp_size, 5);
    message_finish(&m);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"", -EBADMSG},
        {"{", -EBADMSG},
        {"{}x", -EBADMSG},
        {"{\"type\":\"join\",\"type\":\"join\"}", -EBADMSG},
        {"{\"type\":\"jo\\u0000in\"}", -EBADMSG},
        {"{\"type\":\"\xff\"}", -EBADMSG},
        {"[[[[[[[[[1]]]]]]]]]", -EBADMSG},
        {"{\"a\":[[[[[[[[", -EBADMSG},
        {"[]", -EINVAL},
        {"{}", -EINVAL},
        {"{\"type\":null}", -EINVAL},
        {"{\"type\":1}", -EINVAL},
        {"{\"type\":\"JOIN\"}", -EINVAL},
        {"{\"type\":\"offer\",\"sdp\":\"\"}", -EINVAL},
        {"{\"type\":\"join\",\"room\":5}", -EINVAL},
        {"{\"type\":\"join\",\"role\":[]}", -EINVAL},
        {"{\"type\":\"join\",\"password\":1}", -EINVAL},
        {"{\"type\":\"join\",\"id\":{}}", -EINVAL},
        {"{\"type\":\"answer\"}", -EINVAL},
        {"{\"type\":\"answer\",\"sdp\":1}", -EINVAL},
        {"{\"type\":\"answer\",\"sdp\":null}", -EINVAL},
        {"{\"type\":\"ice\",\"candidate\":7}", -EINVAL},
        {"{\"type\":\"ping\",\"t\":[]}", -EINVAL},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message m;
        int status = parse(&m, rows[i].text);
        if (status != rows[i].status || error[0] == '\0')
            fail_msg("%s: %d \"%s\"", rows[i].text, status, error);
    }
}

/* `{"type":"TYPE","NAME":"xxx..."}` of `size` bytes. */
static char *long_message(const char *type, const char *name, size_t size)
{
    char *text = malloc(size + 1);
    int n = sprintf(text, "{\"type\":\"%s\",\"%s\":\"", type, name);
    memset(text + n, 'x', size - (size_t)n - 2);
    strcpy(text + size - 2, "\"}");
    return text;
}

static int parse_long(const char *type, const char *name, size_t size)
{
    struct message m;
    char *text = long_message(type, name, size);
    int status = parse(&m, text);
    if (status == 0)
        message_finish(&m);
    free(text);
    return status;
}

static void limits_hold(void **state)
{
    (void)state;
    assert_int_equal(parse_long("ping", "pad", MESSAGE_MAX), 0);
    assert_int_equal(parse_long("ping", "pad", MESSAGE_MAX + 1), -EMSGSIZE);
    assert_int_equal(parse_long("answer", "sdp", MESSAGE_MAX + 1), 0);
    assert_int_equal(parse_long("answer", "sdp", MESSAGE_SDP_MAX), 0);
    assert_int_equal(parse_long("answer", "sdp", MESSAGE_SDP_MAX + 1), -EMSGSIZE);
    assert_int_equal(parse_long("join", "room", 280), 0);
    assert_int_equal(parse_long("join", "room", 290), -EINVAL);
    assert_int_equal(parse_long("ice", "candidate", 5000), -EINVAL);
    assert_int_equal(parse_long("ping", "t", 200), -EINVAL);
    struct message m; /* brackets in a text do not nest */
    assert_int_equal(parse(&m, "{\"type\":\"ping\",\"a\":\"[[[[[[[[[[\\\"[[[[\"}"), 0);
    message_finish(&m);
}

static void builds(void **state)
{
    (void)state;
    struct fake f;
    struct message m;
    fake_init(&f, 1);
    assert_int_equal(parse(&m, "{\"type\":\"ping\",\"id\":\"q1\",\"t\":12.5}"), 0);
    expect(message_pong(&m), "{\"type\":\"pong\",\"t\":12.5,\"id\":\"q1\"}");
    expect(message_joined(&m, &f.backend, &f.room, 9),
           "{\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\",\"role\":\"viewer\",\"protocol\":1,"
           "\"iceServers\":[],\"viewers\":3,\"id\":\"q1\",\"peerId\":\"9\"}");
    expect(
        message_error(&m, "bad-sdp", "a \"reason\""),
        "{\"type\":\"error\",\"code\":\"bad-sdp\",\"error\":\"a \\\"reason\\\"\",\"id\":\"q1\"}");
    message_finish(&m);
    expect(message_joined(NULL, &f.backend, &f.room, 0),
           "{\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\",\"role\":\"viewer\",\"protocol\":1,"
           "\"iceServers\":[],\"viewers\":3}");
    expect(message_offer("v=0\r\n", 4000000000u),
           "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"peerId\":\"4000000000\"}");
    expect(message_streams_info(&f.room),
           "{\"type\":\"streams-info\",\"streams\":[{\"trackId\":\"video0\",\"windowName\":"
           "\"Slides\",\"appName\":\"impress\",\"isFocused\":true,\"width\":1920,\"height\":1080,"
           "\"codec\":\"h264\",\"layers\":1,\"paused\":false}]}");
    expect(message_streams_info(NULL), "{\"type\":\"streams-info\",\"streams\":[]}");
    expect(message_bare("sharer-started"), "{\"type\":\"sharer-started\"}");
    expect(message_problem(404, "Not Found", "gone"),
           "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"gone\"}");
    f.room.n_streams = 0;
    f.room.streams[0].active = false;
    expect(message_room(&f.room), "{\"room\":\"" FAKE_ROOM "\",\"live\":true,\"viewers\":3,"
                                  "\"streams\":[],\"password_required\":false}");
}

/* Window names are whatever a program has put there. */
static void foreign_text_never_breaks_json(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f, 1);
    strcpy(f.room.streams[0].window_name, "\xff\xfe");
    strcpy(f.room.streams[0].app_name, "a\"b\n");
    char *text = message_streams_info(&f.room);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"windowName\":\"\",\"appName\":\"a\\\"b\\n\""));
    free(text);
    expect(message_error(NULL, "bad-json", "\xff"),
           "{\"type\":\"error\",\"code\":\"bad-json\",\"error\":\"the message cannot be used\"}");
}

static void candidates_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *candidate;
    } rows[] = {
        {"{\"type\":\"ice\",\"candidate\":\"{\\\"candidate\\\":\\\"candidate:1 1 udp\\\","
         "\\\"sdpMid\\\":\\\"0\\\"}\"}",
         "candidate:1 1 udp"},
        {"{\"type\":\"ice\",\"candidate\":{\"candidate\":\"candidate:2\",\"sdpMid\":\"0\"}}",
         "candidate:2"},
        {"{\"type\":\"ice\",\"candidate\":\"candidate:3\"}", "candidate:3"},
        {"{\"type\":\"ice\",\"candidate\":\"\"}", ""},
        {"{\"type\":\"ice\",\"candidate\":{\"candidate\":\"\"}}", ""},
        {"{\"type\":\"ice\",\"candidate\":null}", NULL},
        {"{\"type\":\"ice\",\"candidate\":{\"candidate\":7}}", NULL},
        {"{\"type\":\"ice\",\"candidate\":\"{not JSON\"}", NULL},
        {"{\"type\":\"ice\",\"candidate\":\"{\\\"candidate\\\":[]}\"}", NULL},
        {"{\"type\":\"ice\"}", NULL},
        {"{\"type\":\"ping\",\"candidate\":\"candidate:3\"}", NULL},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message m;
        assert_int_equal(
            message_parse(&m, rows[i].text, strlen(rows[i].text), error, sizeof(error)), 0);
        if (rows[i].candidate) {
            assert_non_null(m.candidate);
            assert_string_equal(m.candidate, rows[i].candidate);
        } else {
            assert_null(m.candidate);
        }
        message_finish(&m);
    }
}

static void candidates_and_servers_are_told(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f, 1);
    f.backend.n_ice_servers = 2;
    strcpy(f.backend.ice_servers[0].url, "stun:192.0.2.1:3478");
    strcpy(f.backend.ice_servers[1].url, "turn:192.0.2.1:3478?transport=udp");
    strcpy(f.backend.ice_servers[1].username, "u");
    strcpy(f.backend.ice_servers[1].credential, "p");
    expect(message_ice("candidate:1", 9),
           "{\"type\":\"ice\",\"candidate\":\"{\\\"candidate\\\":\\\"candidate:1\\\","
           "\\\"sdpMid\\\":\\\"0\\\",\\\"sdpMLineIndex\\\":0}\",\"peerId\":\"9\"}");
    expect(message_ice("", 9), "{\"type\":\"ice\",\"candidate\":\"\",\"peerId\":\"9\"}");
    expect(message_joined(NULL, &f.backend, &f.room, 0),
           "{\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\",\"role\":\"viewer\",\"protocol\":1,"
           "\"iceServers\":[{\"urls\":[\"stun:192.0.2.1:3478\"]},"
           "{\"urls\":[\"turn:192.0.2.1:3478?transport=udp\"],\"username\":\"u\","
           "\"credential\":\"p\"}],\"viewers\":3}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_fields),
        cmocka_unit_test(refuses),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(builds),
        cmocka_unit_test(foreign_text_never_breaks_json),
        cmocka_unit_test(candidates_are_understood),
        cmocka_unit_test(candidates_and_servers_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
