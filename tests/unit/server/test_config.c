#include "server/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char error[512];

/* Reads "amphi WORDS", the words separated by blanks. */
static int read_words(struct config *c, const char *words, const char *port_env)
{
    static char text[1024];
    static char *argv[64];
    int argc = 0;
    snprintf(text, sizeof(text), "amphi %s", words);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    error[0] = '\0';
    return config_read(c, argc, argv, port_env, error, sizeof(error));
}

static void defaults_are_those_of_the_manual(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "", NULL), 0);
    assert_string_equal(c.listen_ip, "127.0.0.1");
    assert_int_equal(c.listen_port, 8080);
    assert_int_equal(c.udp_port, 8189);
    assert_int_equal(c.coding.rate.bitrate_bps, 6000000);
    assert_int_equal(c.coding.rate.fps, 30);
    assert_int_equal(c.max_viewers, 10000);
    assert_int_equal(c.max_connections_per_address, 3000);
    assert_int_equal(c.n_sources, 0);
    assert_int_equal(c.coding.codec, CODEC_H264);
    assert_int_equal(c.coding.sound.frame_ms, 20);
    assert_int_equal(c.coding.sound.bitrate_bps, 96000);
    assert_false(c.coding.sound.dtx);
    assert_true(c.adapt);
}

static void publishing_has_options_of_its_own(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c,
                                "publish --to https://host.example/whip/A --secret s3cret "
                                "--ca-file /ca.pem --source pattern --no-tui --no-settings",
                                "9999"),
                     0);
    assert_true(c.publishes);
    assert_true(c.ice_full);
    assert_true(c.no_tui);
    assert_true(c.no_settings);
    assert_false(c.listens);
    assert_string_equal(c.to, "https://host.example/whip/A");
    assert_string_equal(c.secret, "s3cret");
    assert_string_equal(c.ca_file, "/ca.pem");
    assert_int_equal(read_words(&c, "publish --to http://host.example/ --listen 127.0.0.1:0", NULL),
                     0);
    assert_true(c.listens);
    assert_true(c.adapt);
    assert_int_equal(read_words(&c, "serve --to https://host.example/", NULL), -EINVAL);
    assert_string_equal(error, "--to belongs to amphi publish");
    assert_int_equal(read_words(&c, "publish --to host/whip/A", NULL), -EINVAL);
    assert_non_null(strstr(error, "--to must be a URL"));
    assert_int_equal(read_words(&c, "publish --source pattern", NULL), -EINVAL);
    assert_non_null(strstr(error, "--to is needed"));
    assert_int_equal(read_words(&c, "publish --to http://host.example/ --ice lite", NULL), -EINVAL);
    assert_string_equal(error, "--ice must be full to publish");
}

static void secrets_come_from_a_file(void **state)
{
    (void)state;
    struct config c;
    char path[] = "/tmp/amphi-secret-XXXXXX", words[200];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "from-a-file\r\nmore", 17), 17);
    snprintf(words, sizeof(words), "publish --to http://host.example/ --secret-file %s", path);
    assert_int_equal(read_words(&c, words, NULL), 0);
    assert_string_equal(c.secret, "from-a-file");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(read_words(&c, words, NULL), -EINVAL);
    assert_string_equal(error, "--secret-file is empty");
    close(fd);
    unlink(path);
    assert_int_equal(read_words(&c, words, NULL), -EINVAL);
    assert_string_equal(error, "--secret-file cannot be read");
}

static void draining_has_options(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "", NULL), 0);
    assert_int_equal(c.drain_s, 60);
    assert_int_equal(read_words(&c, "--source pipewire:my-node", NULL), 0);
    assert_string_equal(c.sources[0].kind, "pipewire");
    assert_string_equal(c.sources[0].arg, "my-node");
    assert_int_equal(read_words(&c, "--source pattern", NULL), 0);
    assert_int_equal(c.drain_s, 0);
    assert_int_equal(read_words(&c, "--source pattern --drain-timeout 7", NULL), 0);
    assert_int_equal(c.drain_s, 7);
    assert_int_equal(read_words(&c, "--drain-timeout -1", NULL), -EINVAL);
    assert_int_equal(read_words(&c, "--drain-to https://b.example/", NULL), 0);
    assert_string_equal(c.drain_to, "https://b.example/");
    assert_int_equal(read_words(&c, "--drain-to b.example", NULL), -EINVAL);
}

static void rights_have_options(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "", NULL), 0);
    assert_true(c.open_rooms);
    assert_int_equal(read_words(&c, "--source pattern", NULL), 0);
    assert_false(c.open_rooms);
    assert_int_equal(read_words(&c, "--source pattern --open-rooms yes", NULL), 0);
    assert_true(c.open_rooms);
    assert_int_equal(read_words(&c, "--open-rooms no", NULL), 0);
    assert_false(c.open_rooms);
    assert_int_equal(read_words(&c, "publish --to http://h/", NULL), 0);
    assert_false(c.open_rooms);
    assert_int_equal(read_words(&c, "--open-rooms maybe", NULL), -EINVAL);
    assert_int_equal(read_words(&c,
                                "--room A --password sesame --token-key /k.pem "
                                "--secret 0123456789abcdef",
                                NULL),
                     0);
    assert_string_equal(c.password, "sesame");
    assert_string_equal(c.secret, "0123456789abcdef");
    assert_string_equal(c.token_key, "/k.pem");
    assert_int_equal(read_words(&c, "--password sesame", NULL), -EINVAL);
    assert_string_equal(error, "--password needs --room or --source");
    assert_int_equal(read_words(&c, "--room A --secret 0123456789abcde", NULL), -EINVAL);
    assert_string_equal(error, "--secret must be 16 to 64 characters");
}

static void the_outside_is_told_apart(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(
        read_words(&c,
                   "--tls-cert /c.pem --tls-key /k.pem --allow-origin https://a.example "
                   "--trusted-proxy 10.0.0.0/8,::1",
                   NULL),
        0);
    assert_string_equal(c.tls_cert, "/c.pem");
    assert_string_equal(c.tls_key, "/k.pem");
    assert_string_equal(c.allow_origin, "https://a.example");
    assert_string_equal(c.trusted_proxies, "10.0.0.0/8,::1");
    assert_int_equal(read_words(&c, "--tls-cert /c.pem", NULL), -EINVAL);
    assert_string_equal(error, "--tls-cert needs the other of --tls-cert and --tls-key");
    assert_int_equal(read_words(&c, "--tls-key /k.pem", NULL), -EINVAL);
    assert_int_equal(read_words(&c, "--allow-origin a.example", NULL), -EINVAL);
    assert_int_equal(read_words(&c, "--trusted-proxy 10.0.0.0/33", NULL), -EINVAL);
}

static void options_are_taken(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(
        read_words(&c,
                   "serve --listen [::1]:9000 --udp-port=0 --advertise 10.0.0.1,::2 "
                   "--source screen:1 --source pattern --room calm-fox-007 "
                   "--quality low --fps 60 --workers 3 --pin-workers --max-viewers 7 --effort more "
                   "--max-connections-per-address 70 "
                   "--metrics-open --log-level debug --log-json --no-ice-tcp --audio-frame 60 "
                   "--audio-bitrate 32 --audio-dtx",
                   NULL),
        0);
    assert_string_equal(c.listen_ip, "::1");
    assert_int_equal(c.listen_port, 9000);
    assert_int_equal(c.udp_port, 0);
    assert_int_equal(c.n_advertise, 2);
    assert_int_equal(c.n_sources, 2);
    assert_string_equal(c.sources[0].kind, "screen");
    assert_string_equal(c.sources[0].arg, "1");
    assert_string_equal(c.sources[1].arg, "");
    assert_string_equal(c.room, "CALM-FOX-007");
    assert_int_equal(c.coding.rate.bitrate_bps, 500000);
    assert_int_equal(c.workers, 3);
    assert_int_equal(c.max_viewers, 7);
    assert_int_equal(c.max_connections_per_address, 70);
    assert_true(c.pin_workers);
    assert_int_equal(c.coding.effort, ENCODER_EFFORT_MORE);
    assert_true(c.metrics_open && c.log_json && c.no_ice_tcp);
    assert_int_equal(c.log_level, 3);
    assert_int_equal(c.coding.sound.frame_ms, 60);
    assert_int_equal(c.coding.sound.bitrate_bps, 32000);
    assert_true(c.coding.sound.dtx);
}

static void ice_is_configured(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "", NULL), 0);
    assert_false(c.ice_full || c.has_stun || c.force_relay || c.n_turn > 0);
    assert_int_equal(read_words(&c,
                                "--ice full --stun stun:stun.example.org --turn "
                                "turn:a:5000,b?transport=tcp --turn-user u --turn-pass p "
                                "--force-relay",
                                NULL),
                     0);
    assert_true(c.ice_full && c.has_stun && c.force_relay);
    assert_string_equal(c.stun.host, "stun.example.org");
    assert_int_equal(c.n_turn, 2);
    assert_int_equal(c.turn[0].port, 5000);
    assert_true(c.turn[1].tcp);
    assert_string_equal(c.turn_user, "u");
    assert_string_equal(c.turn_pass, "p");
    /* without agents they are for the browsers alone */
    assert_int_equal(read_words(&c, "--ice lite --turn a --turn-user u --turn-pass p", NULL), 0);
    assert_false(c.ice_full);
}

static void a_file_keeps_its_whole_path(void **state)
{
    (void)state;
    struct config c;
    char words[700] = "--source file:", path[601];
    memset(path, 'a', 600);
    path[600] = '\0';
    memcpy(path, "C:/", 3); /* only the first colon ends the kind */
    memcpy(words + strlen(words), path, sizeof(path));
    assert_int_equal(read_words(&c, words, NULL), 0);
    assert_int_equal(c.n_sources, 1);
    assert_string_equal(c.sources[0].kind, "file");
    assert_string_equal(c.sources[0].arg, path);
}

static void bitrate_overrides_quality(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "--bitrate 1234 --quality max", NULL), 0);
    assert_int_equal(c.coding.rate.bitrate_bps, 1234000);
}

static void port_of_the_environment(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_words(&c, "", "9999"), 0);
    assert_int_equal(c.listen_port, 9999);
    assert_int_equal(read_words(&c, "--listen 127.0.0.1:1", "9999"), 0);
    assert_int_equal(c.listen_port, 1);
    assert_true(read_words(&c, "", "x") < 0);
    assert_non_null(strstr(error, "PORT"));
}

static void bad_options_name_themselves(void **state)
{
    (void)state;
    static const struct {
        const char *words, *says;
    } rows[] = {
        {"--nonsense", "--nonsense"},
        {"--adapt perhaps", "--adapt must be yes or no"},
        {"stray", "stray"},
        {"--fps", "--fps needs a value"},
        {"--fps 0", "--fps"},
        {"--audio-frame 30", "--audio-frame"},
        {"--audio-frame 80", "--audio-frame"},
        {"--audio-bitrate 5", "--audio-bitrate"},
        {"--fps 121", "--fps"},
        {"--fps 3x", "--fps"},
        {"--listen 8080", "--listen"},
        {"--listen localhost:8080", "--listen"},
        {"--listen 127.0.0.1:65536", "--listen"},
        {"--udp-port -1", "--udp-port"},
        {"--advertise 1.2.3.4,nope", "--advertise"},
        {"--advertise ,", "--advertise"},
        {"--source tv", "--source"},
        {"--source screen:", "--source"},
        {"--source pipewire", "pipewire:NODE"},
        {"--source file", "file:PATH"},
        {"--source file:", "--source"},
        {"--source files:a", "--source"},
        {"--room a_b", "--room"},
        {"--codec mpeg2", "--codec"},
        {"--codec h265", "--codec"},
        {"--encoder none", "--encoder"},
        {"--effort best", "--effort"},
        {"--layers 4", "--layers"},
        {"--temporal-layers 0", "--temporal-layers"},
        {"--rate-control vbr", "--rate-control"},
        {"--audio loud", "--audio"},
        {"--audio tone", "--audio"}, /* of which source? */
        {"--quality best", "--quality"},
        {"--bitrate 5", "--bitrate"},
        {"--workers 0", "--workers"},
        {"--admin-token short", "--admin-token"},
        {"--log-level loud", "--log-level"},
        {"--log-json=1", "--log-json"},
        {"--ice ful", "--ice"},
        {"--stun stun.example.org:x", "--stun"},
        {"--stun turn:a", "--stun"},
        {"--turn a --turn-user u", "--turn needs"},
        {"--turn a --turn-pass p", "--turn needs"},
        {"--turn turns:a --turn-user u --turn-pass p", "--turn"},
        {"--turn a,b,c,d,e --turn-user u --turn-pass p", "--turn"},
        {"--turn a,,b --turn-user u --turn-pass p", "--turn"},
        {"--turn-user \"u\"", "--turn-user"},
        {"--turn-pass a<b", "--turn-pass"},
        {"--turn-pass=", "--turn-pass"},
        {"--force-relay", "--force-relay"},
        {"--force-relay --ice full", "--force-relay"},
        {"--force-relay --turn a --turn-user u --turn-pass p", "--force-relay"},
        {"--config missing.json", "missing.json"},
        {"--config", "--config needs a value"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config c;
        if (read_words(&c, rows[i].words, NULL) >= 0)
            fail_msg("%s was taken", rows[i].words);
        if (!strstr(error, rows[i].says) || strchr(error, '\n'))
            fail_msg("%s: %s", rows[i].words, error);
    }
}

static int read_json(struct config *c, const char *json, const char *words)
{
    char path[] = "config-XXXXXX", line[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, strlen(json)), (ssize_t)strlen(json));
    close(fd);
    snprintf(line, sizeof(line), "%s --config %s", words, path);
    int err = read_words(c, line, NULL);
    unlink(path);
    return err;
}

static void a_file_is_read_and_the_command_line_wins(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(read_json(&c,
                               "{\"fps\": 15, \"room\": \"a-b-1\", \"log-json\": true, "
                               "\"source\": [\"pattern\", \"screen\"]}",
                               "--room c-d-2 --source pattern:64x64"),
                     0);
    assert_int_equal(c.coding.rate.fps, 15);
    assert_string_equal(c.room, "C-D-2");
    assert_true(c.log_json);
    assert_int_equal(c.n_sources, 1);
    assert_string_equal(c.sources[0].arg, "64x64");
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",     "{",           "[]",           "{\"fps\": 1.5}",    "{\"fps\": 0}",
        "null", "{\"zoo\":1}", "{\"fps\":[]}", "{\"log-json\": 1}", "{\"fps\":1,\"fps\":2}",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config c;
        if (read_json(&c, rows[i], "") >= 0)
            fail_msg("%s was taken", rows[i]);
        assert_true(error[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_manual),
        cmocka_unit_test(draining_has_options),
        cmocka_unit_test(rights_have_options),
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(the_outside_is_told_apart),
        cmocka_unit_test(ice_is_configured),
        cmocka_unit_test(a_file_keeps_its_whole_path),
        cmocka_unit_test(bitrate_overrides_quality),
        cmocka_unit_test(port_of_the_environment),
        cmocka_unit_test(publishing_has_options_of_its_own),
        cmocka_unit_test(secrets_come_from_a_file),
        cmocka_unit_test(bad_options_name_themselves),
        cmocka_unit_test(a_file_is_read_and_the_command_line_wins),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
