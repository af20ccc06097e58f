/* A page that stops becomes sharp by repeats, and then costs one repeat a second: with every codec
 * that can be decoded here, as its viewers see it. */
#include "tests/unit/server/still_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { STANDING_US = 6000000, LAST_US = 1500000 };

/* Small, so that it costs little, at a rate that makes it move coarsely. */
static const struct still_config small_page = {
    .width = 640, .height = 480, .fps = 30, .moving = 30, .bitrate_bps = 1000000};

static void becomes_sharp_and_calm(const struct encoder_ops *ops)
{
    static struct still s;
    struct still_config config = small_page;
    config.encoder = ops->name;
    config.codec = ops->codec;
    assert_true(still_new(&s, &config));
    still_wait(&s, STANDING_US);
    still_end(&s);
    const struct still_frame *last = still_at(&s, STANDING_US);
    assert_non_null(last);
    unsigned repeats = still_frames(&s, STANDING_US - LAST_US, STANDING_US);
    size_t bytes = still_bytes(&s, STANDING_US - LAST_US, STANDING_US);
    printf("%s %s: %u frames, %.1f dB; then %u repeats of %zu bytes\n", ops->name,
           codec_name(ops->codec), s.n_frames, last->psnr, repeats,
           bytes / (repeats > 0 ? repeats : 1));
    assert_true(last->psnr > 45);
    assert_in_range(repeats, 1, 3); /* refining has ended, and long before its time */
    assert_true(bytes * 8 * 1000000 / LAST_US < config.bitrate_bps / 4);
    still_free(&s);
}

static void a_page_that_stops_becomes_sharp_and_calm(void **state)
{
    (void)state;
    for (size_t i = 0; encoder_backends()[i]; i++) {
        const struct encoder_ops *ops = encoder_backends()[i];
        struct decoder *d = decoder_new(ops->codec);
        if (d && strcmp(ops->name, "fake") != 0)
            becomes_sharp_and_calm(ops);
        decoder_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_stops_becomes_sharp_and_calm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
