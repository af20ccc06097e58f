/* test_proxies.c - whom a request is counted for. */
#include "signaling/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    memset(&out, 0, sizeof(out));
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&out, &in, sizeof(in));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&out, &in6, sizeof(in6));
    }
    return out;
}

static void clients_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *proxies, *peer, *forwarded, *client;
    } rows[] = {
        {NULL, "192.0.2.1", NULL, "::ffff:192.0.2.1"},
        {NULL, "192.0.2.1", "198.51.100.7", "::ffff:192.0.2.1"}, /* nobody's word is taken */
        {"10.0.0.0/8", "192.0.2.1", "198.51.100.7", "::ffff:192.0.2.1"},
        {"10.0.0.0/8", "10.1.2.3", "198.51.100.7", "::ffff:198.51.100.7"},
        {"10.0.0.0/8", "10.1.2.3", NULL, "::ffff:10.1.2.3"},
        {"10.0.0.0/8", "10.1.2.3", "", "::ffff:10.1.2.3"},
        {"10.0.0.0/8", "10.1.2.3", "1.2.3.4, 198.51.100.7", "::ffff:198.51.100.7"}, /* forged */
        {"10.0.0.0/8", "10.1.2.3", "1.2.3.4, 198.51.100.7, 10.9.9.9", "::ffff:198.51.100.7"},
        {"10.0.0.0/8", "10.1.2.3", "10.0.0.1, 10.9.9.9", "::ffff:10.0.0.1"},
        {"10.0.0.0/8", "10.1.2.3", "198.51.100.7:4711", "::ffff:198.51.100.7"},
        {"10.0.0.0/8", "10.1.2.3", "[2001:db8::7]:4711", "2001:db8::7"},
        {"10.0.0.0/8", "10.1.2.3", "2001:db8::7", "2001:db8::7"},
        {"10.0.0.0/8", "10.1.2.3", "198.51.100.7, unknown", "::ffff:10.1.2.3"},
        {"10.0.0.0/8", "10.1.2.3", ",,", "::ffff:10.1.2.3"},
        {"127.0.0.1", "::ffff:127.0.0.1", "198.51.100.7", "::ffff:198.51.100.7"},
        {" ::1 , 127.0.0.0/8", "127.9.9.9", "198.51.100.7", "::ffff:198.51.100.7"},
        {"2001:db8:1::/48", "2001:db8:1:ffff::1", "198.51.100.7", "::ffff:198.51.100.7"},
        {"2001:db8:1::/48", "2001:db8:2::1", "198.51.100.7", "2001:db8:2::1"},
        {"10.0.0.0/9", "10.128.0.1", "198.51.100.7", "::ffff:10.128.0.1"},
        {"0.0.0.0/0", "203.0.113.5", "198.51.100.7", "::ffff:198.51.100.7"},
        {"0.0.0.0/0", "2001:db8::1", "198.51.100.7", "2001:db8::1"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct proxies p;
        struct sockaddr_storage peer = address(rows[i].peer), client;
        struct sockaddr_in6 in6;
        char text[INET6_ADDRSTRLEN];
        assert_true(proxies_parse(&p, rows[i].proxies));
        proxies_client(&p, (struct sockaddr *)&peer, rows[i].forwarded, &client);
        memcpy(&in6, &client, sizeof(in6));
        assert_int_equal(in6.sin6_family, AF_INET6);
        inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
        if (strcmp(text, rows[i].client) != 0)
            fail_msg("row %u: %s, not %s", i, text, rows[i].client);
    }
}

static void lists_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ",",         "10.0.0.0/33", "10.0.0.0/",      "10.0.0.0/-1", "10.0.0/8",    "::1/129",
        "localhost", "10.0.0.0/8,", "10.0.0.0/8 ::1", "[::1]",       "10.0.0.0/8x", "::1/0128",
    };
    struct proxies p;
    char many[400] = "10.0.0.1";
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (proxies_parse(&p, bad[i]))
            fail_msg("%s was taken", bad[i]);
    for (unsigned i = 1; i < PROXIES_MAX; i++)
        strcat(many, ",10.0.0.1");
    assert_true(proxies_parse(&p, many));
    assert_int_equal(p.n, PROXIES_MAX);
    assert_false(proxies_parse(&p, strcat(many, ",10.0.0.1")));
    assert_true(proxies_parse(&p, ""));
    struct sockaddr_storage local = {.ss_family = AF_UNIX}, out;
    assert_false(proxies_has(&p, (struct sockaddr *)&local));
    proxies_client(&p, (struct sockaddr *)&local, "198.51.100.7", &out);
    assert_int_equal(out.ss_family, AF_UNIX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_found),
        cmocka_unit_test(lists_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
