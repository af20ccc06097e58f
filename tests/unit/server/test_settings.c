/* test_settings.c - what is kept between runs. */
#include "server/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], nested[160];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/amphi-settings-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(nested, sizeof(nested), "%s/amphi", folder);
    snprintf(path, sizeof(path), "%s/amphi/settings.json", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(nested);
    rmdir(folder);
    return 0;
}

static void write_file(const char *text, size_t size)
{
    mkdir(nested, 0700);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    struct settings s = {.quality = "high",
                         .fps = "60",
                         .codec = "vp9",
                         .rate_control = "quality",
                         .to = "https://host.example/whip/ROOM",
                         .shows_log = true},
                    got;
    assert_int_equal(settings_load(&got, path), -ENOENT);
    assert_string_equal(got.quality, "");
    assert_int_equal(settings_save(&s, path), 0);
    assert_int_equal(settings_load(&got, path), 0);
    assert_string_equal(got.quality, "high");
    assert_string_equal(got.fps, "60");
    assert_string_equal(got.codec, "vp9");
    assert_string_equal(got.rate_control, "quality");
    assert_string_equal(got.to, s.to);
    assert_true(got.shows_log);
    assert_false(got.hides_streams);

    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(s.quality, sizeof(s.quality), "low");
    assert_int_equal(settings_save(&s, path), 0);
    assert_int_equal(settings_load(&got, path), 0);
    assert_string_equal(got.quality, "low");
    int n = 0;
    DIR *d = opendir(nested);
    while (readdir(d))
        n++;
    closedir(d);
    assert_int_equal(n, 3); /* ".", "..", the file: nothing is left beside it */
}

static void nonsense_is_as_if_there_were_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"quality\":\"high\"}",
                                        "{\"version\":2,\"quality\":\"high\"}",
                                        "{\"version\":\"1\",\"quality\":\"high\"}",
                                        "{\"version\":1,\"version\":1}"};
    struct settings got;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file(texts[i], strlen(texts[i]));
        assert_int_equal(settings_load(&got, path), -EINVAL);
        assert_string_equal(got.quality, "");
    }
    static const char odd[] = "{\"version\":1,\"quality\":7,\"fps\":\"60 --to x\",\"codec\":"
                              "\"much-too-long\",\"rate-control\":\"a\\u0007b\",\"to\":null}";
    write_file(odd, sizeof(odd) - 1);
    assert_int_equal(settings_load(&got, path), 0);
    assert_string_equal(got.quality, "");
    assert_string_equal(got.fps, "");
    assert_string_equal(got.codec, "");
    assert_string_equal(got.rate_control, "");
    char *large = malloc(20000);
    memset(large, ' ', 20000);
    write_file(large, 20000);
    free(large);
    assert_int_equal(settings_load(&got, path), -EINVAL);
}

static void the_place_is_that_of_the_desktop(void **state)
{
    (void)state;
    char out[200];
    setenv("HOME", "/home/somebody", 1);
    setenv("XDG_CONFIG_HOME", "/etc/here", 1);
    assert_true(settings_path(out, sizeof(out)));
    assert_string_equal(out, "/etc/here/amphi/settings.json");
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_true(settings_path(out, sizeof(out)));
    assert_string_equal(out, "/home/somebody/.config/amphi/settings.json");
    assert_false(settings_path(out, 20));
    unsetenv("HOME");
    unsetenv("XDG_CONFIG_HOME");
    assert_false(settings_path(out, sizeof(out)));
}

static void what_cannot_be_written_says_so(void **state)
{
    (void)state;
    const struct settings s = {.quality = "high"};
    assert_true(settings_save(&s, "/proc/amphi/settings.json") < 0);
    mkdir(nested, 0700);
    mkdir(path, 0700); /* a folder where the file is to be */
    assert_true(settings_save(&s, path) < 0);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_as_if_there_were_none, set_up, tear_down),
        cmocka_unit_test(the_place_is_that_of_the_desktop),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_says_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
