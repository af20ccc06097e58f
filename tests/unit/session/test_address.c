#include "rtp/session/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct address parse(const char *ip, uint16_t port)
{
    struct address a;
    assert_true(address_parse(&a, ip, port));
    return a;
}

static void test_parses_and_formats(void **state)
{
    (void)state;
    static const struct {
        const char *ip;
        uint16_t port;
        const char *text;
        int family;
    } rows[] = {
        {"192.0.2.7", 8189, "192.0.2.7:8189", AF_INET},
        {"0.0.0.0", 0, "0.0.0.0:0", AF_INET},
        {"255.255.255.255", 65535, "255.255.255.255:65535", AF_INET},
        {"2001:db8::1", 443, "[2001:db8::1]:443", AF_INET6},
        {"::", 1, "[::]:1", AF_INET6},
        {"::1", 65535, "[::1]:65535", AF_INET6},
        {"::ffff:192.0.2.7", 80, "192.0.2.7:80", AF_INET},
        {"2001:db8:1111:2222:3333:4444:5555:6666", 65535,
         "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", AF_INET6},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a = parse(rows[i].ip, rows[i].port);
        char text[ADDRESS_TEXT_MAX];
        address_format(&a, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(a.sa.sa_family, rows[i].family);
        assert_int_equal(address_port(&a), rows[i].port);
        assert_int_equal(address_size(&a), rows[i].family == AF_INET ? 16 : 28);
    }
}

static void test_refuses_what_is_no_numeric_address(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",  " 1.2.3.4",
        "[::1]", "::1%lo",    ":::1",  "12345::",   "1.2.3.4:5", "fe80::1/64"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address a;
        assert_false(address_parse(&a, bad[i], 1));
    }
}

static void test_unmaps_v4_from_a_dual_stack_socket(void **state)
{
    (void)state;
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(5000)};
    assert_int_equal(inet_pton(AF_INET6, "::ffff:198.51.100.9", &mapped.sin6_addr), 1);
    struct address a, b = parse("198.51.100.9", 5000);
    address_from_sockaddr(&a, (struct sockaddr *)&mapped);
    assert_int_equal(a.sa.sa_family, AF_INET);
    assert_true(address_equal(&a, &b));
    assert_true(address_hash(&a, 1) == address_hash(&b, 1));

    struct sockaddr_in6 back;
    assert_int_equal(address_to_v6(&a, &back), sizeof(back));
    assert_memory_equal(&back, &mapped, sizeof(back));
}

static void test_keeps_v6_as_it_is(void **state)
{
    (void)state;
    struct sockaddr_in6 in = {
        .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_scope_id = 3, .sin6_flowinfo = 77};
    assert_int_equal(inet_pton(AF_INET6, "fe80::1", &in.sin6_addr), 1);
    struct address a;
    address_from_sockaddr(&a, (struct sockaddr *)&in);
    struct sockaddr_in6 out;
    assert_int_equal(address_to_v6(&a, &out), sizeof(out));
    assert_int_equal(out.sin6_scope_id, 3);
    assert_int_equal(out.sin6_flowinfo, 0); /* says nothing of where to send */
    assert_memory_equal(&out.sin6_addr, &in.sin6_addr, 16);
}

static void test_unknown_family_is_nothing(void **state)
{
    (void)state;
    struct sockaddr unknown = {.sa_family = AF_UNIX};
    struct address a;
    memset(&a, 0xff, sizeof(a));
    address_from_sockaddr(&a, &unknown);
    struct sockaddr_in6 v6;
    char text[ADDRESS_TEXT_MAX];
    assert_int_equal(address_size(&a), 0);
    assert_int_equal(address_port(&a), 0);
    assert_int_equal(address_to_v6(&a, &v6), 0);
    address_format(&a, text);
    assert_string_equal(text, "none");
}

static void test_one_end_may_have_many_ways(void **state)
{
    (void)state;
    struct address a = parse("192.0.2.1", 1000), b = a, other = parse("192.0.2.1", 1001);
    assert_true(address_is_udp(&a) && address_same_end(&a, &b));
    b.path = ADDRESS_PATH_UDP | 3;
    assert_true(address_is_udp(&b) && address_same_end(&a, &b) && !address_equal(&a, &b));
    other.path = b.path;
    assert_false(address_same_end(&b, &other));
    b.path = 3; /* a connection */
    assert_false(address_is_udp(&b) || address_same_end(&a, &b) || address_same_end(&b, &b));
}

static void test_equality_and_hash_see_every_part(void **state)
{
    (void)state;
    struct address none;
    memset(&none, 0, sizeof(none));
    struct address tcp4 = parse("192.0.2.1", 1000), tcp6 = parse("2001:db8::1", 1000);
    assert_int_equal(tcp4.path, 0);
    tcp4.path = tcp6.path = 1;
    struct address other = tcp4;
    other.path = 2;
    const struct address all[] = {
        parse("192.0.2.1", 1000),
        parse("192.0.2.1", 1001),
        parse("192.0.2.2", 1000),
        parse("193.0.2.1", 1000),
        parse("2001:db8::1", 1000),
        parse("2001:db8::1", 1001),
        parse("2001:db8::2", 1000),
        parse("2002:db8::1", 1000),
        none,
        tcp4,
        tcp6,
        other,
    };
    size_t n = sizeof(all) / sizeof(all[0]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(address_equal(&all[i], &all[j]), i == j);
            assert_int_equal(address_hash(&all[i], 7) == address_hash(&all[j], 7), i == j);
        }
        assert_true(address_hash(&all[i], 7) != address_hash(&all[i], 8));
    }
}

static void test_hash_spreads_neighbours(void **state)
{
    (void)state;
    unsigned bucket[256] = {0}, fullest = 0;
    for (unsigned port = 0; port < 65536; port += 4) {
        struct address a = parse("192.0.2.1", (uint16_t)port);
        unsigned n = ++bucket[address_hash(&a, 42) & 255];
        fullest = n > fullest ? n : fullest;
    }
    assert_in_range(fullest, 64, 128); /* 64 each on average */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_and_formats),
        cmocka_unit_test(test_refuses_what_is_no_numeric_address),
        cmocka_unit_test(test_unmaps_v4_from_a_dual_stack_socket),
        cmocka_unit_test(test_keeps_v6_as_it_is),
        cmocka_unit_test(test_unknown_family_is_nothing),
        cmocka_unit_test(test_one_end_may_have_many_ways),
        cmocka_unit_test(test_equality_and_hash_see_every_part),
        cmocka_unit_test(test_hash_spreads_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
