/* v4l2_mode.h - which of the modes of a camera serves best.
 *
 * 1920x1080 and 1280x720 are what viewers show best, and a picture rate below the wanted one costs
 * more than a smaller picture: half the rate counts as a quarter of the pixels.
 */
#pragma once

#include "capture/v4l2_calls.h"

#include <linux/videodev2.h>
#include <stdbool.h>

struct v4l2_mode {
    uint32_t format; /* V4L2_PIX_FMT_MJPEG or V4L2_PIX_FMT_YUYV; 0: none */
    int width, height;
    struct v4l2_fract interval; /* seconds per picture; zero: the device does not say */
};

/* Asks the open device for what it offers. False: nothing that can be used. */
bool v4l2_mode_choose(const struct v4l2_calls *calls, int fd, int fps, struct v4l2_mode *out);
