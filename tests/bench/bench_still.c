/* bench_still.c - how sharp a page of text becomes once it stands still, at the source's end.
 *
 *     bench_still [--size WxH] [--fps N] [--kbps N] [--moving N] [--codec NAME] [--backend NAME]
 *
 * One JSON line per encoder: luma PSNR of what its decoder shows when the page stops (or appears,
 * with --moving 1) and up to three seconds later, kilobytes until it was as sharp as it becomes,
 * and then the repeats: how many in three seconds, and the bytes of one.
 */
#include "tests/unit/server/still_page.h"

#include <stdlib.h>

enum { STANDING_US = 6000000, CALM_US = 3000000 };

static void run(const struct still_config *config)
{
    static const int64_t at_ms[] = {0, 500, 1000, 1500, 2000, 3000};
    static struct still s;
    if (!still_new(&s, config))
        return;
    still_wait(&s, STANDING_US);
    still_end(&s);
    unsigned repeats = still_frames(&s, CALM_US, STANDING_US);
    printf("{\"name\":\"still\",\"encoder\":\"%s\",\"codec\":\"%s\",\"kbps\":%u,\"psnr\":{",
           config->encoder, codec_name(config->codec), config->bitrate_bps / 1000);
    for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
        const struct still_frame *f = still_at(&s, at_ms[i] * 1000);
        printf("%s\"%d\":%.1f", i > 0 ? "," : "", (int)at_ms[i], f ? f->psnr : 0);
    }
    printf("},\"frames\":%u,\"kilobytes\":%zu,\"repeats\":%u,\"repeat_bytes\":%zu}\n",
           still_frames(&s, 0, CALM_US), still_bytes(&s, 0, CALM_US) / 1000, repeats,
           repeats > 0 ? still_bytes(&s, CALM_US, STANDING_US) / repeats : 0);
    fflush(stdout);
    still_free(&s);
}

static void parse(struct still_config *c, const char *name, const char *value)
{
    if (strcmp(name, "--size") == 0)
        sscanf(value, "%dx%d", &c->width, &c->height);
    else if (strcmp(name, "--fps") == 0)
        c->fps = atoi(value);
    else if (strcmp(name, "--kbps") == 0)
        c->bitrate_bps = (uint32_t)atoi(value) * 1000;
    else if (strcmp(name, "--moving") == 0)
        c->moving = atoi(value);
    else if (strcmp(name, "--codec") == 0)
        c->codec = codec_from_name(value);
    else if (strcmp(name, "--backend") == 0)
        c->encoder = value;
}

int main(int argc, char **argv)
{
    struct still_config c = {
        .width = 1920, .height = 1080, .fps = 30, .moving = 30, .bitrate_bps = 2500000};
    for (int i = 1; i + 1 < argc; i += 2)
        parse(&c, argv[i], argv[i + 1]);
    for (size_t i = 0; encoder_backends()[i]; i++) {
        const struct encoder_ops *ops = encoder_backends()[i];
        struct still_config one = c;
        if (strcmp(ops->name, "fake") == 0 || (c.codec && c.codec != ops->codec) ||
            (c.encoder && strcmp(c.encoder, ops->name) != 0))
            continue;
        one.encoder = ops->name;
        one.codec = ops->codec;
        run(&one);
    }
    return 0;
}
