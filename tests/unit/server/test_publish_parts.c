/* test_publish_parts.c - what publishing elsewhere is made of: rooms, fragments, delays, rates. */
#include "server/publish.h"
#include "server/publish_fragment.h"
#include "server/publish_rate.h"
#include "server/publish_room.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

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
        cmocka_unit_test(rooms_are_read_with_care),
        cmocka_unit_test(delays_grow_and_differ),
        cmocka_unit_test(fragments),
        cmocka_unit_test(rates_fall_at_once_and_rise_by_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
