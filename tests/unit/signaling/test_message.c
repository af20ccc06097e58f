/* test_message.c - JSON in and out. */
#include "signaling/message.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/message_log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char error[200];

static int parse(struct message *m, const char *text)
{
    error[0] = '\0';
    int status = message_parse(m, text, strlen(text), error, sizeof(error));
    if (status == 0)
        message_log(MESSAGE_LOG_TAKEN, text);
    else if (status == -EINVAL)
        message_log(MESSAGE_LOG_REFUSED, text);
    return status;
}

static void expect(char *text, const char *wanted)
{
    assert_non_null(text);
    assert_string_equal(text, wanted);
    if (strncmp(text, "{\"type\":\"", 9) == 0 && !strstr(text, "about:blank"))
        message_log(MESSAGE_LOG_SENT, text);
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
        {"{\"type\":\"viewer-stats\",\"other\":[1,2,{\"a\":null}]}", MESSAGE_VIEWER_STATS},
        {"{\"type\":\"select\",\"streams\":[]}", MESSAGE_SELECT},
        {"{\"type\":\"keyframe\",\"trackId\":\"video0\"}", MESSAGE_KEYFRAME},
        {"{\"type\":\"viewer-story\"}", MESSAGE_STORY},
        {"{\"type\":\"offer\",\"sdp\":\"v=0\"}", MESSAGE_OFFER},
        {"{\"type\":\"streams-info\"}", MESSAGE_STREAMS_INFO},
        {"{\"type\":\"stream-activated\",\"streamActivated\":{\"trackId\":\"video0\"}}",
         MESSAGE_STREAM_ON},
        {"{\"type\":\"stream-added\",\"streamAdded\":{\"trackId\":\"video3\"}}", MESSAGE_STREAM_ON},
        {"{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video0\"}", MESSAGE_STREAM_OFF},
        {"{\"type\":\"stream-removed\",\"streamRemoved\":\"video0\"}", MESSAGE_STREAM_OFF},
        {"{\"type\":\"focus-change\",\"focusedTrack\":\"video1\"}", MESSAGE_FOCUS},
        {"{\"type\":\"size-change\",\"trackId\":\"video0\",\"width\":2,\"height\":2}",
         MESSAGE_SIZE},
        {"{\"type\":\"cursor-position\",\"trackId\":\"video0\"}", MESSAGE_CURSOR},
        {"{\"type\":\"sharer-started\"}", MESSAGE_STARTED},
        {"{\"type\":\"sharer-stopped\"}", MESSAGE_STOPPED},
        {"{\"type\":\"password-update\"}", MESSAGE_PASSWORD},
        {"{\"type\":\"publish-config\"}", MESSAGE_OF_SERVER},
        {"{\"type\":\"sharer-ready\"}", MESSAGE_OF_SERVER},
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
        {"{\"type\":\"dance\",\"sdp\":\"\"}", -EINVAL},
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
    expect(message_joined(&m, &(struct message_joined){.backend = &f.backend,
                                                       .room = &f.room,
                                                       .viewer_id = 9,
                                                       .resume = ""}),
           "{\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\",\"role\":\"viewer\",\"protocol\":1,"
           "\"iceServers\":[],\"viewers\":3,\"id\":\"q1\",\"peerId\":\"9\"}");
    expect(
        message_error(&m, "bad-sdp", "a \"reason\""),
        "{\"type\":\"error\",\"code\":\"bad-sdp\",\"error\":\"a \\\"reason\\\"\",\"id\":\"q1\"}");
    message_finish(&m);
    expect(
        message_joined(
            NULL, &(struct message_joined){.backend = &f.backend, .room = &f.room, .resume = ""}),
        "{\"type\":\"joined\",\"room\":\"" FAKE_ROOM "\",\"role\":\"viewer\",\"protocol\":1,"
        "\"iceServers\":[],\"viewers\":3}");
    expect(message_viewer("viewer-left", 7, 2),
           "{\"type\":\"viewer-left\",\"viewers\":2,\"peerId\":\"7\"}");
    expect(message_offer("v=0\r\n", 4000000000u),
           "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"peerId\":\"4000000000\"}");
    f.room.streams[0].n_layers = 2;
    f.room.streams[0].layers[1].width = 960;
    f.room.streams[0].layers[1].bitrate_bps = 4000000000u;
#define STREAM                                                                                     \
    "{\"trackId\":\"video0\",\"windowName\":\"Slides\",\"appName\":\"impress\",\"isFocused\":"     \
    "true,"                                                                                        \
    "\"width\":1920,\"height\":1080,\"codec\":\"h264\",\"layers\":2,\"layerSizes\":[{\"width\":0," \
    "\"height\":0,\"bitrate\":0},{\"width\":960,\"height\":0,\"bitrate\":4000000000}],\"audio\":"  \
    "false,\"paused\":false,\"endReason\":\"\"}"
    expect(message_streams_info(&f.room, true),
           "{\"type\":\"streams-info\",\"streams\":[" STREAM "],\"ended\":[]}");
    expect(message_activated(&f.room.streams[0]),
           "{\"type\":\"stream-activated\",\"streamActivated\":" STREAM "}");
    expect(message_streams_info(&f.room, false),
           "{\"type\":\"streams-info\",\"streams\":[],\"ended\":[]}");
    expect(message_streams_info(NULL, false),
           "{\"type\":\"streams-info\",\"streams\":[],\"ended\":[]}");
    expect(message_deactivated(7),
           "{\"type\":\"stream-deactivated\",\"streamDeactivated\":\"video7\"}");
    expect(message_focus(0), "{\"type\":\"focus-change\",\"focusedTrack\":\"video0\"}");
    expect(message_size(1, 0, 720),
           "{\"type\":\"size-change\",\"trackId\":\"video1\",\"width\":0,\"height\":720}");
    expect(message_cursor(0, 0, 99.5, true),
           "{\"type\":\"cursor-position\",\"trackId\":\"video0\",\"cursorX\":0.0,\"cursorY\":99.5,"
           "\"cursorInView\":true}");
    expect(message_cursor(0, -1, -1, false),
           "{\"type\":\"cursor-position\",\"trackId\":\"video0\",\"cursorX\":-1.0,\"cursorY\":-1.0,"
           "\"cursorInView\":false}");
    expect(message_track(3), "{\"trackId\":\"video3\"}");
    expect(message_bare("sharer-started"), "{\"type\":\"sharer-started\"}");
    expect(message_problem(404, "Not Found", "gone"),
           "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"gone\"}");
    f.room.n_streams = 0;
    f.room.streams[0].active = false;
    expect(message_room(&f.room), "{\"room\":\"" FAKE_ROOM "\",\"live\":true,\"viewers\":3,"
                                  "\"streams\":[],\"password_required\":false,\"title\":\"\","
                                  "\"presenter\":false,\"reconnecting\":false,\"tokens\":false}");
}

/* Window names are whatever a program has put there. */
static void foreign_text_never_breaks_json(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f, 1);
    strcpy(f.room.streams[0].window_name, "\xff\xfe");
    strcpy(f.room.streams[0].app_name, "a\"b\n");
    char *text = message_streams_info(&f.room, true);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"windowName\":\"\",\"appName\":\"a\\\"b\\n\""));
    free(text);
    expect(message_error(NULL, "bad-json", "\xff"),
           "{\"type\":\"error\",\"code\":\"bad-json\",\"error\":\"the message cannot be used\"}");
}

static void selections_are_understood(void **state)
{
    (void)state;
    struct message m;
    assert_int_equal(parse(&m, "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video7\"},"
                               "{\"trackId\":\"video0\",\"layer\":\"auto\",\"paused\":true},"
                               "{\"trackId\":\"video0\",\"layer\":2,\"maxTemporal\":1,"
                               "\"paused\":null}]}"),
                     0);
    assert_int_equal(m.n_selections, 3);
    assert_int_equal(m.selections[0].slot, 7);
    assert_int_equal(m.selections[0].layer, -1);
    assert_int_equal(m.selections[0].max_temporal, -1);
    assert_false(m.selections[0].paused);
    assert_int_equal(m.selections[1].layer, -1);
    assert_true(m.selections[1].paused);
    assert_int_equal(m.selections[2].layer, 2);
    assert_int_equal(m.selections[2].max_temporal, 1);
    assert_false(m.selections[2].paused);
    message_finish(&m);
    static const char *const bad[] = {
        "{\"type\":\"select\"}",
        "{\"type\":\"select\",\"streams\":{}}",
        "{\"type\":\"select\",\"streams\":[1]}",
        "{\"type\":\"select\",\"streams\":[{}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video8\"}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video00\"}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":7}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video0\",\"layer\":3}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video0\",\"layer\":-1}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video0\",\"layer\":\"best\"}]}",
        "{\"type\":\"select\",\"streams\":[{\"trackId\":\"video0\",\"paused\":1}]}",
        "{\"type\":\"select\",\"streams\":[{},{},{},{},{},{},{},{},{}]}",
        "{\"type\":\"keyframe\"}",
        "{\"type\":\"keyframe\",\"trackId\":\"video9\"}",
        "{\"type\":\"viewer-stats\",\"framesDecoded\":\"many\"}",
        "{\"type\":\"viewer-stats\",\"freezes\":-1}",
        "{\"type\":\"viewer-stats\",\"jitterBufferMs\":1e300}",
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(&m, bad[i]), -EINVAL);
}

static void source_requests_are_understood(void **state)
{
    (void)state;
    struct message_source source;
    struct backend_source_change change;
    static const char add[] = "{\"source\":\"window:0x1c\",\"fps\":60,\"audio\":\"monitor\"}";
    assert_true(message_read_source(&source, add, strlen(add)));
    assert_string_equal(source.source, "window:0x1c");
    assert_string_equal(source.options, "{\"fps\":60,\"audio\":\"monitor\"}");
    message_source_finish(&source);
    static const char *const no_source[] = {
        "", "[]", "{", "{}", "{\"source\":\"\"}", "{\"source\":7}", "[[[[[[[[[[]]]]]]]]]]"};
    for (unsigned i = 0; i < sizeof(no_source) / sizeof(no_source[0]); i++)
        assert_false(message_read_source(&source, no_source[i], strlen(no_source[i])));

    static const char all[] = "{\"bitrate_kbps\":2500,\"fps\":15,\"paused\":false,"
                              "\"rate_control\":\"quality\"}";
    assert_null(message_read_change(&change, all, strlen(all)));
    assert_int_equal(change.bitrate_kbps, 2500);
    assert_int_equal(change.fps, 15);
    assert_int_equal(change.paused, 0);
    assert_string_equal(change.rate_control, "quality");
    assert_null(message_read_change(&change, "{}", 2));
    assert_true(change.bitrate_kbps < 0 && change.fps < 0 && change.paused < 0);
    assert_string_equal(change.rate_control, "");
    static const char *const faults[][2] = {
        {"7", "JSON object"},
        {"{\"bitrate_kbps\":49}", "bitrate_kbps"},
        {"{\"bitrate_kbps\":1.5}", "bitrate_kbps"},
        {"{\"fps\":0}", "fps"},
        {"{\"fps\":121}", "fps"},
        {"{\"paused\":1}", "paused"},
        {"{\"rate_control\":\"vbr\"}", "rate_control"},
        {"{\"rate_control\":null}", "rate_control"},
    };
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        const char *fault = message_read_change(&change, faults[i][0], strlen(faults[i][0]));
        assert_non_null(fault);
        assert_non_null(strstr(fault, faults[i][1]));
    }
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
    expect(message_ice("candidate:1", "0", "9"),
           "{\"type\":\"ice\",\"candidate\":\"{\\\"candidate\\\":\\\"candidate:1\\\","
           "\\\"sdpMid\\\":\\\"0\\\",\\\"sdpMLineIndex\\\":0}\",\"peerId\":\"9\"}");
    expect(message_ice("", "0", "9"), "{\"type\":\"ice\",\"candidate\":\"\",\"peerId\":\"9\"}");
    expect(
        message_joined(
            NULL, &(struct message_joined){.backend = &f.backend, .room = &f.room, .resume = ""}),
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
        cmocka_unit_test(selections_are_understood),
        cmocka_unit_test(source_requests_are_understood),
        cmocka_unit_test(candidates_are_understood),
        cmocka_unit_test(candidates_and_servers_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
