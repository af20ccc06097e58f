#include "capture/v4l2_mode.h"

#include "capture/picture.h"

#include <stdint.h>

/* A device that goes on for ever when asked for the next one is not believed. */
#define FORMATS_MAX 64
#define SIZES_MAX 256
#define INTERVALS_MAX 64

struct search {
    const struct v4l2_calls *calls;
    int fd;
    int64_t wanted; /* pictures in 1000 s, as all rates here */
    struct v4l2_mode best;
    int64_t best_score;
};

static const struct v4l2_frmsize_discrete favourites[] = {{1920, 1080}, {1280, 720}, {640, 480}};

/* --- the rate --- */

static int64_t rate_of(const struct v4l2_fract *interval)
{
    if (interval->numerator == 0 || interval->denominator == 0)
        return 0;
    return (int64_t)interval->denominator * 1000 / interval->numerator;
}

/* Enough and no more is best; of too little the most. 29.97 is enough for 30. */
static bool is_better_rate(const struct search *s, int64_t rate, int64_t than)
{
    const int64_t enough = s->wanted - s->wanted / 100;
    if (rate >= enough && than >= enough)
        return rate < than;
    return rate > than;
}

static void consider_interval(const struct search *s, const struct v4l2_fract *interval,
                              struct v4l2_fract *best)
{
    if (rate_of(interval) > 0 && is_better_rate(s, rate_of(interval), rate_of(best)))
        *best = *interval;
}

static struct v4l2_fract choose_interval(const struct search *s, uint32_t format, uint32_t width,
                                         uint32_t height)
{
    struct v4l2_fract best = {0};
    for (uint32_t i = 0; i < INTERVALS_MAX; i++) {
        struct v4l2_frmivalenum e = {
            .index = i, .pixel_format = format, .width = width, .height = height};
        if (s->calls->ioctl(s->fd, VIDIOC_ENUM_FRAMEINTERVALS, &e) < 0)
            break;
        if (e.type == V4L2_FRMIVAL_TYPE_DISCRETE) {
            consider_interval(s, &e.discrete, &best);
            continue;
        }
        const struct v4l2_fract wanted = {1, (uint32_t)(s->wanted / 1000)};
        if (s->wanted <= rate_of(&e.stepwise.min) && s->wanted >= rate_of(&e.stepwise.max))
            return wanted;
        consider_interval(s, &e.stepwise.min, &best);
        consider_interval(s, &e.stepwise.max, &best);
        break; /* there is one entry of this type */
    }
    return best;
}

/* --- the size --- */

/* Larger than full HD is pixels that most viewers scale away. */
static int64_t size_score(uint32_t width, uint32_t height)
{
    const int64_t full = 1920 * 1080, area = (int64_t)width * height;
    if (width == 1920 && height == 1080)
        return 1000;
    if (width == 1280 && height == 720)
        return 900;
    return area <= full ? 800 * area / full : 700 * full / area;
}

static void consider_size(struct search *s, uint32_t format, uint32_t width, uint32_t height)
{
    if (width < 2 || width > PICTURE_MAX_WIDTH || width % 2 || height < 2 ||
        height > PICTURE_MAX_HEIGHT || height % 2)
        return;
    const struct v4l2_mode mode = {format, (int)width, (int)height,
                                   choose_interval(s, format, width, height)};
    int64_t rate = rate_of(&mode.interval);
    rate = rate == 0 || rate > s->wanted ? s->wanted : rate;
    const int64_t part = rate * 1000 / s->wanted;
    int64_t score = (size_score(width, height) + 1) * part * part;
    /* not compressed is better: nothing to decode, and nothing lost */
    score = score * 2 + (format == V4L2_PIX_FMT_YUYV);
    if (score <= s->best_score)
        return;
    s->best_score = score;
    s->best = mode;
}

static bool fits(uint32_t value, uint32_t min, uint32_t max, uint32_t step)
{
    return value >= min && value <= max && (step <= 1 || (value - min) % step == 0);
}

static void consider_sizes(struct search *s, uint32_t format)
{
    for (uint32_t i = 0; i < SIZES_MAX; i++) {
        struct v4l2_frmsizeenum e = {.index = i, .pixel_format = format};
        if (s->calls->ioctl(s->fd, VIDIOC_ENUM_FRAMESIZES, &e) < 0)
            return;
        if (e.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
            consider_size(s, format, e.discrete.width, e.discrete.height);
            continue;
        }
        const struct v4l2_frmsize_stepwise *w = &e.stepwise;
        for (size_t k = 0; k < sizeof(favourites) / sizeof(favourites[0]); k++) {
            if (fits(favourites[k].width, w->min_width, w->max_width, w->step_width) &&
                fits(favourites[k].height, w->min_height, w->max_height, w->step_height))
                consider_size(s, format, favourites[k].width, favourites[k].height);
        }
        consider_size(s, format, w->max_width, w->max_height);
        return; /* there is one entry of this type */
    }
}

bool v4l2_mode_choose(const struct v4l2_calls *calls, int fd, int fps, struct v4l2_mode *out)
{
    struct search s = {.calls = calls, .fd = fd, .wanted = (int64_t)fps * 1000};
    for (uint32_t i = 0; i < FORMATS_MAX; i++) {
        struct v4l2_fmtdesc e = {.index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
        if (calls->ioctl(fd, VIDIOC_ENUM_FMT, &e) < 0)
            break;
        if (e.pixelformat == V4L2_PIX_FMT_MJPEG || e.pixelformat == V4L2_PIX_FMT_YUYV)
            consider_sizes(&s, e.pixelformat);
    }
    *out = s.best;
    return s.best.format != 0;
}
