/* test_join_limit.c - joins of one address against a clock that we hold. */
#include "signaling/join_limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct join_limit limit;

static uint64_t key_of(const char *ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
        return join_limit_key((const struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
    return join_limit_key((const struct sockaddr *)&in6);
}

static void addresses_have_keys(void **state)
{
    (void)state;
    assert_int_equal(key_of("127.0.0.1"), 0);
    assert_int_equal(key_of("127.8.9.10"), 0);
    assert_int_equal(key_of("::1"), 0);
    assert_int_equal(key_of("::ffff:127.0.0.1"), 0);
    assert_true(key_of("192.0.2.1") != 0);
    assert_true(key_of("192.0.2.1") != key_of("192.0.2.2"));
    assert_true(key_of("192.0.2.1") == key_of("::ffff:192.0.2.1"));
    assert_true(key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_true(key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1"));
    assert_true(key_of("::2") != 0);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_int_equal(join_limit_key(&other), 0);
}

static void a_burst_then_a_rate(void **state)
{
    (void)state;
    uint64_t key = key_of("192.0.2.1");
    int64_t now = 1000 * SECOND;
    join_limit_init(&limit, 0, 0, 7);
    for (unsigned i = 0; i < JOIN_LIMIT_BURST; i++)
        assert_int_equal(join_limit_take(&limit, key, now), 0);
    assert_int_equal(join_limit_take(&limit, key, now), 1);
    assert_int_equal(join_limit_take(&limit, key_of("192.0.2.2"), now), 0); /* another one */
    assert_int_equal(join_limit_take(&limit, 0, now), 0);                   /* exempt */
    /* one more each 200 ms, asked for in small steps */
    unsigned admitted = 0;
    for (unsigned i = 0; i < 10000; i++)
        admitted += join_limit_take(&limit, key, now += 1000) == 0;
    assert_in_range(admitted, 49, 51);
    assert_int_equal(limit.n_admitted, JOIN_LIMIT_BURST + 1 + admitted);
    assert_int_equal(limit.n_refused, 1 + 10000 - admitted);
    /* a pause fills the bucket, and no more than that */
    now += 3600 * SECOND;
    for (unsigned i = 0; i < JOIN_LIMIT_BURST; i++)
        assert_int_equal(join_limit_take(&limit, key, now), 0);
    assert_int_equal(join_limit_take(&limit, key, now), 1);
    assert_int_equal(join_limit_take(&limit, key, now - SECOND), 1); /* never gains by it */
}

static void limits_are_configured(void **state)
{
    (void)state;
    uint64_t key = key_of("2001:db8::1");
    join_limit_init(&limit, 1, 2, 7);
    assert_int_equal(join_limit_take(&limit, key, 0), 0);
    assert_int_equal(join_limit_take(&limit, key, 0), 0);
    assert_int_equal(join_limit_take(&limit, key, 0), 2);
    assert_int_equal(join_limit_take(&limit, key, SECOND / 2), 1);
    assert_int_equal(join_limit_take(&limit, key, SECOND), 0);
}

/* A table that is full forgets who was seen longest ago; who asks all the time stays limited. */
static void the_table_is_bounded(void **state)
{
    (void)state;
    uint64_t busy = key_of("192.0.2.1");
    int64_t now = SECOND;
    join_limit_init(&limit, 1, 1, 12345);
    assert_int_equal(join_limit_take(&limit, busy, now), 0);
    for (uint32_t i = 0; i < 200000; i++) {
        assert_int_equal(join_limit_take(&limit, UINT64_C(0x20010db800000000) + i, now), 0);
        now++;
        if (i % 100 == 0)
            assert_true(join_limit_take(&limit, busy, now) > 0 || now >= 2 * SECOND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_keys),
        cmocka_unit_test(a_burst_then_a_rate),
        cmocka_unit_test(limits_are_configured),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
