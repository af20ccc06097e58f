/* fake_camera.h - a V4L2 device in memory behind v4l2_calls: it offers the modes a test gives it,
 * hands out the pictures the test films, and fails where the test says so. */
#pragma once

#include "capture/v4l2_calls.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define FAKE_BUFFERS 4
#define FAKE_BUFFER_SIZE (1 << 20)
#define FAKE_MODES 8

struct fake_mode {
    uint32_t format;
    int width, height, fps;
};

static struct {
    pthread_mutex_t lock; /* the capture thread calls, the test films */
    const char *path;     /* the device; NULL: there is none */
    int open_errno;       /* 0: it can be opened */
    int fail_errno;       /* of every DQBUF from now on */
    unsigned long fail_request;
    int fail_request_errno;
    struct fake_mode mode[FAKE_MODES];
    int n_modes;
    struct v4l2_fmtdesc formats[2];
    struct v4l2_pix_format set; /* by S_FMT; the test may say what else is answered */
    struct v4l2_pix_format (*answer)(struct v4l2_pix_format wanted);
    struct v4l2_fract interval;
    int event; /* readable as often as a picture is ready */
    uint8_t memory[FAKE_BUFFERS][FAKE_BUFFER_SIZE];
    uint32_t queued[FAKE_BUFFERS], n_queued; /* empty ones, first in first out */
    struct v4l2_buffer ready[FAKE_BUFFERS];
    uint32_t n_ready;
    int opened, mapped;
    bool streaming;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .event = -1};

static inline int fake_fails(int code)
{
    errno = code;
    return -1;
}

static inline int fake_open(const char *path)
{
    if (!fake.path || strcmp(path, fake.path) != 0)
        return fake_fails(ENOENT);
    if (fake.open_errno)
        return fake_fails(fake.open_errno);
    fake.opened++;
    return dup(fake.event);
}

static inline int fake_close(int fd)
{
    fake.opened--;
    return close(fd);
}

/* The n-th different format or size of the modes, in their order. */
static inline const struct fake_mode *fake_nth(uint32_t n, uint32_t format, bool sizes)
{
    for (int i = 0; i < fake.n_modes; i++) {
        const struct fake_mode *m = &fake.mode[i];
        bool is_new = !sizes || m->format == format;
        for (int k = 0; k < i && is_new; k++) {
            const struct fake_mode *o = &fake.mode[k];
            is_new = o->format != m->format ||
                     (sizes && (o->width != m->width || o->height != m->height));
        }
        if (is_new && n-- == 0)
            return m;
    }
    return NULL;
}

static inline int fake_enum_format(struct v4l2_fmtdesc *e)
{
    const struct fake_mode *m = fake_nth(e->index, 0, false);
    if (!m)
        return fake_fails(EINVAL);
    e->pixelformat = m->format;
    return 0;
}

static inline int fake_enum_size(struct v4l2_frmsizeenum *e)
{
    const struct fake_mode *m = fake_nth(e->index, e->pixel_format, true);
    if (!m)
        return fake_fails(EINVAL);
    e->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    e->discrete = (struct v4l2_frmsize_discrete){(uint32_t)m->width, (uint32_t)m->height};
    return 0;
}

static inline int fake_enum_interval(struct v4l2_frmivalenum *e)
{
    uint32_t n = e->index;
    for (int i = 0; i < fake.n_modes; i++) {
        const struct fake_mode *m = &fake.mode[i];
        if (m->format != e->pixel_format || (uint32_t)m->width != e->width ||
            (uint32_t)m->height != e->height || m->fps == 0 || n-- > 0)
            continue;
        e->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        e->discrete = (struct v4l2_fract){1, (uint32_t)m->fps};
        return 0;
    }
    return fake_fails(EINVAL);
}

static inline int fake_dequeue(struct v4l2_buffer *b)
{
    uint64_t one;
    if (fake.fail_errno)
        return fake_fails(fake.fail_errno);
    if (fake.n_ready == 0)
        return fake_fails(EAGAIN);
    *b = fake.ready[0];
    memmove(fake.ready, fake.ready + 1, --fake.n_ready * sizeof(fake.ready[0]));
    return read(fake.event, &one, sizeof(one)) == sizeof(one) ? 0 : fake_fails(EIO);
}

static inline int fake_queue(const struct v4l2_buffer *b)
{
    if (b->index >= FAKE_BUFFERS || fake.n_queued == FAKE_BUFFERS)
        return fake_fails(EINVAL);
    fake.queued[fake.n_queued++] = b->index;
    return 0;
}

static inline int fake_set_format(struct v4l2_pix_format *p)
{
    if (fake.answer)
        *p = fake.answer(*p);
    else if (p->pixelformat == V4L2_PIX_FMT_YUYV)
        p->bytesperline = p->width * 2;
    fake.set = *p;
    return 0;
}

static inline int fake_answer(unsigned long request, void *arg)
{
    struct v4l2_capability *about = arg;
    struct v4l2_buffer *b = arg;
    switch (request) {
    case VIDIOC_QUERYCAP:
        *about =
            (struct v4l2_capability){.capabilities = V4L2_CAP_DEVICE_CAPS,
                                     .device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING};
        memcpy(about->card, "Desk\tcamera", 12);
        return 0;
    case VIDIOC_ENUM_FMT:
        return fake_enum_format(arg);
    case VIDIOC_ENUM_FRAMESIZES:
        return fake_enum_size(arg);
    case VIDIOC_ENUM_FRAMEINTERVALS:
        return fake_enum_interval(arg);
    case VIDIOC_S_FMT:
        return fake_set_format(&((struct v4l2_format *)arg)->fmt.pix);
    case VIDIOC_S_PARM:
        fake.interval = ((struct v4l2_streamparm *)arg)->parm.capture.timeperframe;
        return 0;
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *)arg)->count = FAKE_BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        b->length = FAKE_BUFFER_SIZE;
        b->m.offset = b->index;
        return 0;
    case VIDIOC_QBUF:
        return fake_queue(b);
    case VIDIOC_DQBUF:
        return fake_dequeue(b);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        fake.streaming = request == VIDIOC_STREAMON;
        return 0;
    default:
        return fake_fails(ENOTTY);
    }
}

static inline int fake_ioctl(int fd, unsigned long request, void *arg)
{
    (void)fd;
    pthread_mutex_lock(&fake.lock);
    bool fails = fake.fail_request_errno && request == fake.fail_request;
    int r = fails ? fake_fails(fake.fail_request_errno) : fake_answer(request, arg);
    int code = errno;
    pthread_mutex_unlock(&fake.lock);
    errno = code;
    return r;
}

static inline void *fake_map(int fd, size_t size, int64_t offset)
{
    (void)fd, (void)size;
    fake.mapped++;
    return fake.memory[offset];
}

static inline void fake_unmap(void *memory, size_t size)
{
    (void)memory, (void)size;
    fake.mapped--;
}

static const struct v4l2_calls fake_calls = {fake_open, fake_close, fake_ioctl, fake_map,
                                             fake_unmap};

/* --- what a test does --- */

static inline void fake_plug_in(const struct fake_mode *modes, int n)
{
    fake.path = "/dev/video2";
    fake.event = eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
    assert_in_range(n, 0, FAKE_MODES);
    memcpy(fake.mode, modes, (size_t)n * sizeof(modes[0]));
    fake.n_modes = n;
}

static inline void fake_unplug(void)
{
    const bool given_back = fake.opened == 0 && fake.mapped == 0 && !fake.streaming;
    if (fake.event >= 0)
        close(fake.event);
    pthread_mutex_t lock = fake.lock;
    memset(&fake, 0, sizeof(fake));
    fake.lock = lock;
    fake.event = -1;
    assert_true(given_back);
}

/* Wakes the capture thread. */
static inline void fake_signal(void)
{
    const uint64_t one = 1;
    assert_int_equal(write(fake.event, &one, sizeof(one)), sizeof(one));
}

/* False while all buffers are with the program. */
static inline bool fake_film(const void *bytes, size_t size, int64_t us, uint32_t flags)
{
    assert_true(size <= FAKE_BUFFER_SIZE);
    pthread_mutex_lock(&fake.lock);
    const bool has_room = fake.n_queued > 0;
    if (has_room) {
        const uint32_t index = fake.queued[0];
        memmove(fake.queued, fake.queued + 1, --fake.n_queued * sizeof(fake.queued[0]));
        memcpy(fake.memory[index], bytes, size);
        fake.ready[fake.n_ready++] = (struct v4l2_buffer){
            .index = index,
            .bytesused = (uint32_t)size,
            .flags = flags | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
            .timestamp = {.tv_sec = us / 1000000, .tv_usec = us % 1000000},
        };
        fake_signal();
    }
    pthread_mutex_unlock(&fake.lock);
    return has_room;
}

/* Until the program has looked at all that was filmed and given the buffers back. */
static inline void fake_wait_until_seen(void)
{
    for (bool seen = false; !seen; sched_yield()) {
        pthread_mutex_lock(&fake.lock);
        seen = fake.n_queued == FAKE_BUFFERS;
        pthread_mutex_unlock(&fake.lock);
    }
}

static inline void fake_fail(int code)
{
    pthread_mutex_lock(&fake.lock);
    fake.fail_errno = code;
    fake_signal();
    pthread_mutex_unlock(&fake.lock);
}
