#include "server/ice_setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static char error[512];

static struct config read_config(char *words)
{
    char *argv[32] = {"amphi"};
    int argc = 1;
    struct config c;
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    if (config_read(&c, argc, argv, NULL, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return c;
}

static void servers_are_told_to_agents_and_browsers(void **state)
{
    (void)state;
    char words[] = "--ice full --stun localhost:19302 --turn "
                   "127.0.0.1,turn:[::1]:5000?transport=tcp --turn-user me --turn-pass secret "
                   "--force-relay --advertise 127.0.0.1";
    struct config c = read_config(words);
    struct address found[BACKEND_CANDIDATES_MAX];
    struct ice_servers s;
    unsigned n = ice_setup_addresses(&c, found);
    assert_int_equal(n, 1);
    assert_int_equal(ice_setup_servers(&s, &c, found, n, error, sizeof(error)), 0);
    assert_true(s.has_stun && s.force_relay);
    assert_int_equal(address_port(&s.stun), 19302);
    assert_int_equal(s.n_turn, 2);
    assert_int_equal(address_port(&s.turn[0].address), 3478);
    assert_false(s.turn[0].tcp);
    assert_true(s.turn[1].tcp);
    assert_int_equal(s.turn[1].address.sa.sa_family, AF_INET6);
    assert_string_equal(s.turn[1].user, "me");
    assert_string_equal(s.turn[1].password, "secret");
    assert_int_equal(s.n_addresses, 1);

    struct backend b = {0};
    ice_setup_backend(&b, &c);
    assert_int_equal(b.n_ice_servers, 3);
    assert_string_equal(b.ice_servers[0].url, "stun:localhost:19302");
    assert_string_equal(b.ice_servers[0].username, "");
    assert_string_equal(b.ice_servers[2].url, "turn:[::1]:5000?transport=tcp");
    assert_string_equal(b.ice_servers[2].username, "me");
    assert_string_equal(b.ice_servers[2].credential, "secret");
}

static void what_cannot_be_is_named(void **state)
{
    (void)state;
    char foreign[] = "--ice full --advertise 192.0.2.77";
    char unknown[] = "--ice full --stun no-such-host.invalid --advertise 127.0.0.1";
    struct ice_servers s;
    struct address found[BACKEND_CANDIDATES_MAX];
    struct config c = read_config(foreign);
    assert_true(
        ice_setup_servers(&s, &c, found, ice_setup_addresses(&c, found), error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "--advertise"));
    assert_non_null(strstr(error, "192.0.2.77"));
    c = read_config(unknown);
    assert_true(
        ice_setup_servers(&s, &c, found, ice_setup_addresses(&c, found), error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "--stun"));
}

static void this_host_has_an_address(void **state)
{
    (void)state;
    char words[] = "--listen 127.0.0.1:0";
    struct config c = read_config(words);
    struct address found[BACKEND_CANDIDATES_MAX], loopback;
    assert_true(ice_setup_addresses(&c, found) >= 1);
    assert_true(address_parse(&loopback, "127.0.0.1", 0));
    assert_true(address_equal(&found[0], &loopback));
}

static void who_publishes_elsewhere_roams(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        bool roams;
    } rows[] = {{"publish --to https://host.example/whip/A", true},
                {"publish --to https://192.0.2.1:8080/whip/A", true},
                {"publish --to http://127.0.0.1:8080/whip/A", false},
                {"publish --to http://LOCALHOST/whip/A", false},
                {"publish --to http://[::1]:8080/whip/A", false},
                {"publish --to https://host.example/whip/A --advertise 127.0.0.1", false},
                {"serve --ice full", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char words[128];
        strcpy(words, rows[i].words);
        struct config c = read_config(words);
        assert_int_equal(ice_setup_roams(&c), rows[i].roams);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_told_to_agents_and_browsers),
        cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(this_host_has_an_address),
        cmocka_unit_test(who_publishes_elsewhere_roams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
