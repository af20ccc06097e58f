#include "encode/h264_level.h"

#include <errno.h>
#include <stdio.h>

struct level {
    int idc;
    uint32_t max_mbps; /* macroblocks a second */
    uint32_t max_fs;   /* macroblocks a picture */
    uint32_t max_br;   /* 1000 bit/s for the VCL in Baseline and Main */
};

static const struct level levels[] = {
    {10, 1485, 99, 64},
    {11, 3000, 396, 192},
    {12, 6000, 396, 384},
    {13, 11880, 396, 768},
    {20, 11880, 396, 2000},
    {21, 19800, 792, 4000},
    {22, 20250, 1620, 4000},
    {30, 40500, 1620, 10000},
    {31, 108000, 3600, 14000},
    {32, 216000, 5120, 20000},
    {40, 245760, 8192, 20000},
    {41, 245760, 8192, 50000},
    {42, 522240, 8704, 50000},
    {50, 589824, 22080, 135000},
    {51, 983040, 36864, 240000},
    {52, 2073600, 36864, 240000},
    {60, 4177920, 139264, 240000},
    {61, 8355840, 139264, 480000},
    {62, 16711680, 139264, 800000},
};

int h264_level_idc(int width, int height, int fps, uint32_t bitrate_bps)
{
    uint64_t w = ((uint64_t)width + 15) / 16, h = ((uint64_t)height + 15) / 16;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        const struct level *l = &levels[i];
        uint64_t side = 8 * (uint64_t)l->max_fs;
        if (w * h <= l->max_fs && w * h * (uint64_t)fps <= l->max_mbps && w * w <= side &&
            h * h <= side && bitrate_bps <= (uint64_t)l->max_br * 1000)
            return l->idc;
    }
    return 0;
}

int h264_level_choose(const struct encoder_config *config, char *error, size_t error_size)
{
    int level = h264_level_idc(config->width, config->height, config->fps, config->bitrate_bps);
    if (level > 0)
        return level;
    snprintf(error, error_size, "no H.264 level holds %dx%d at %d fps and %u bit/s", config->width,
             config->height, config->fps, (unsigned)config->bitrate_bps);
    return -EINVAL;
}
