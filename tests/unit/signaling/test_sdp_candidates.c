/* test_sdp_candidates.c - candidates in and out of descriptions, one by one. */
#include "signaling/sdp.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HOST "candidate:1 1 UDP 2015364095 127.0.0.1 40000 typ host"
#define RELAY "candidate:2 1 UDP 503316479 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void are_put_into_the_first_transport(void **state)
{
    (void)state;
    struct fake f;
    struct backend_room room;
    struct backend_seat seat = {.offering = true};
    static char sdp[SDP_WRITE_MAX];
    fake_init(&f, 2);
    fake_use_agents(&f);
    assert_int_equal(fake_reserve(&f, FAKE_ROOM, &room, &seat), 0);
    int size = sdp_write_offer(sdp, sizeof(sdp), &room, &seat);
    assert_true(size > 0);
    assert_null(strstr(sdp, "a=ice-lite"));
    assert_null(strstr(sdp, "a=candidate"));
    assert_null(strstr(sdp, "a=end-of-candidates"));
    assert_non_null(strstr(sdp, "a=ice-options:trickle\r\n"));
    assert_non_null(strstr(sdp, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 112 113 114 115 116 117\r\n"
                                "c=IN IP4 0.0.0.0\r\n"));

    int longer = sdp_add_candidate(sdp, sizeof(sdp), HOST);
    assert_int_equal(longer, size + (int)strlen("a=" HOST "\r\n"));
    assert_int_equal(strlen(sdp), longer);
    assert_true(sdp_add_candidate(sdp, sizeof(sdp), RELAY) > longer);
    assert_true(sdp_add_candidate(sdp, sizeof(sdp), NULL) > longer);
    assert_non_null(strstr(sdp, "\r\na=" HOST "\r\na=" RELAY "\r\na=end-of-candidates\r\nm=video"));
    assert_int_equal(count(sdp, "a=candidate"), 2);

    struct sdp parsed;
    char error[200];
    assert_int_equal(sdp_parse(&parsed, sdp, strlen(sdp), error, sizeof(error)), 0);
    assert_int_equal(parsed.n_media, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
}

static void are_put_behind_the_only_section(void **state)
{
    (void)state;
    char fragment[200] = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n";
    size_t before = strlen(fragment);
    assert_int_equal(sdp_add_candidate(fragment, sizeof(fragment), HOST),
                     before + strlen("a=" HOST "\r\n"));
    assert_string_equal(fragment + before, "a=" HOST "\r\n");
}

static void are_left_out_without_room(void **state)
{
    (void)state;
    char text[64] = "m=video\r\na=ice-ufrag:abcd\r\n", kept[64],
         longest[BACKEND_CANDIDATE_MAX + 20];
    strcpy(kept, text);
    assert_int_equal(sdp_add_candidate(text, sizeof(text), HOST), -ENOSPC);
    assert_string_equal(text, kept);
    size_t exactly = strlen(text) + strlen("a=end-of-candidates\r\n");
    assert_int_equal(sdp_add_candidate(text, exactly, NULL), -ENOSPC);
    assert_int_equal(sdp_add_candidate(text, exactly + 1, NULL), exactly);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    static char room[1000] = "m=video\r\na=ice-ufrag:abcd\r\n";
    assert_int_equal(sdp_add_candidate(room, sizeof(room), longest), -ENOSPC);
}

static void are_read_line_by_line(void **state)
{
    (void)state;
    static const char text[] = "v=0\r\na=candidate:1 one\r\nm=video\na=candidate:2 two\n"
                               "a=candidatex\r\na=end-of-candidates\r\na=candidate:3 three";
    static const char *const expected[] = {"candidate:1 one", "candidate:2 two", "",
                                           "candidate:3 three"};
    struct sdp_text rest = {text, sizeof(text) - 1};
    char candidate[BACKEND_CANDIDATE_MAX];
    for (unsigned i = 0; i < 4; i++) {
        assert_true(sdp_next_candidate(&rest, candidate));
        assert_string_equal(candidate, expected[i]);
    }
    assert_false(sdp_next_candidate(&rest, candidate));
    assert_false(sdp_next_candidate(&rest, candidate));
    rest = (struct sdp_text){chromium_answer, strlen(chromium_answer)};
    while (sdp_next_candidate(&rest, candidate))
        assert_true(strlen(candidate) < BACKEND_CANDIDATE_MAX);
}

static void odd_lines_are_left_out(void **state)
{
    (void)state;
    char text[BACKEND_CANDIDATE_MAX + 40], candidate[BACKEND_CANDIDATE_MAX];
    size_t n = (size_t)sprintf(text, "a=candidate:");
    memset(text + n, 'x', sizeof(text) - n);
    struct sdp_text rest = {text, BACKEND_CANDIDATE_MAX + 2}; /* one too long */
    assert_false(sdp_next_candidate(&rest, candidate));
    rest = (struct sdp_text){text, BACKEND_CANDIDATE_MAX + 1};
    assert_true(sdp_next_candidate(&rest, candidate));
    assert_int_equal(strlen(candidate), BACKEND_CANDIDATE_MAX - 1);
    static const char with_nul[] = "a=candidate:\0x\r\na=candidate:\r\n";
    rest = (struct sdp_text){with_nul, sizeof(with_nul) - 1};
    assert_true(sdp_next_candidate(&rest, candidate));
    assert_string_equal(candidate, "candidate:");
    assert_false(sdp_next_candidate(&rest, candidate));
    rest = (struct sdp_text){"", 0};
    assert_false(sdp_next_candidate(&rest, candidate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_put_into_the_first_transport),
        cmocka_unit_test(are_put_behind_the_only_section),
        cmocka_unit_test(are_left_out_without_room),
        cmocka_unit_test(are_read_line_by_line),
        cmocka_unit_test(odd_lines_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
