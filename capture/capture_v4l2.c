/* "camera": the first camera there is; "camera:N" or "camera:/dev/videoN": that one. */
#include "capture/capture_v4l2.h"

#include "capture/capture_backends.h"
#include "capture/jpeg.h"
#include "capture/sources.h"
#include "capture/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFERS_WANTED 4
#define SILENCE_US 10000000 /* the first picture of some cameras takes three seconds */
#define FALSE_ALARMS_MAX 100

/* --- the system's devices --- */

static int system_open(const char *path)
{
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int system_ioctl(int fd, unsigned long request, void *arg)
{
    int r;
    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && errno == EINTR);
    return r;
}

static void *system_map(int fd, size_t size, int64_t offset)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    return memory == MAP_FAILED ? NULL : memory;
}

static void system_unmap(void *memory, size_t size)
{
    munmap(memory, size);
}

const struct v4l2_calls v4l2_system = {
    .open = system_open,
    .close = close,
    .ioctl = system_ioctl,
    .map = system_map,
    .unmap = system_unmap,
};

/* --- saying what is wrong --- */

static bool is_gone(int code)
{
    return code == ENODEV || code == ENXIO || code == ENOENT;
}

/* The code for capture_open and capture_ops.run; `code` is an errno. */
static int explain(const struct v4l2 *v, int code, char *error, size_t error_size)
{
    if (is_gone(code))
        snprintf(error, error_size, "there is no camera %s", v->path);
    else if (code == EACCES || code == EPERM)
        snprintf(error, error_size,
                 "no permission to use the camera %s: only members of its group may, mostly "
                 "\"video\"",
                 v->path);
    else if (code == EBUSY)
        snprintf(error, error_size, "the camera %s is in use by another program", v->path);
    else if (code == ENOSPC)
        snprintf(error, error_size,
                 "the camera %s finds no room on its bus: other devices share it, and another port "
                 "may help",
                 v->path);
    else
        snprintf(error, error_size, "the camera %s fails: %s", v->path, strerror(code));
    return is_gone(code) ? -ENODEV : -code;
}

/* --- finding one --- */

static bool can_capture(const struct v4l2_calls *calls, int fd, struct v4l2_capability *about)
{
    *about = (struct v4l2_capability){0};
    if (calls->ioctl(fd, VIDIOC_QUERYCAP, about) < 0)
        return false;
    uint32_t can =
        about->capabilities & V4L2_CAP_DEVICE_CAPS ? about->device_caps : about->capabilities;
    return (can & V4L2_CAP_VIDEO_CAPTURE) && (can & V4L2_CAP_STREAMING);
}

static void set_name(char *out, size_t size, const struct v4l2_capability *about)
{
    const char *card = (const char *)about->card;
    utf8_copy(out, size, card, strnlen(card, sizeof(about->card)));
    if (!out[0])
        snprintf(out, size, "Camera");
}

/* A camera has nodes that give no pictures as well: of those only the first kind counts. */
static int open_first(struct v4l2 *v, char *error, size_t error_size)
{
    int refused = 0;
    for (int i = 0; i < V4L2_DEVICES_MAX; i++) {
        struct v4l2_capability about;
        snprintf(v->path, sizeof(v->path), "/dev/video%d", i);
        int fd = v->calls->open(v->path);
        if (fd < 0) {
            refused = is_gone(errno) ? refused : errno;
            continue;
        }
        if (can_capture(v->calls, fd, &about))
            return fd;
        v->calls->close(fd);
    }
    if (refused) {
        snprintf(v->path, sizeof(v->path), "of this machine");
        return explain(v, refused, error, error_size);
    }
    snprintf(error, error_size, "there is no camera (V4L2 device that captures)");
    return -ENODEV;
}

static int open_named(struct v4l2 *v, const char *arg, char *error, size_t error_size)
{
    const size_t digits = strspn(arg, "0123456789");
    int n = -1;
    if (digits > 0 && digits <= 3 && !arg[digits])
        n = snprintf(v->path, sizeof(v->path), "/dev/video%s", arg);
    else if (arg[0] == '/')
        n = snprintf(v->path, sizeof(v->path), "%s", arg);
    if (n < 0 || (size_t)n >= sizeof(v->path)) {
        snprintf(error, error_size, "camera \"%s\" is neither a number nor a device such as %s",
                 arg, "/dev/video0");
        return -EINVAL;
    }
    int fd = v->calls->open(v->path);
    return fd < 0 ? explain(v, errno, error, error_size) : fd;
}

static int open_device(struct v4l2 *v, const char *arg, char *error, size_t error_size)
{
    struct v4l2_capability about;
    int fd = arg ? open_named(v, arg, error, error_size) : open_first(v, error, error_size);
    if (fd < 0)
        return fd;
    v->fd = fd;
    v->is_open = true;
    if (!can_capture(v->calls, fd, &about)) {
        snprintf(error, error_size, "%s is not a camera that gives pictures", v->path);
        return -ENOTSUP;
    }
    set_name(v->name, sizeof(v->name), &about);
    return 0;
}

/* --- setting it up --- */

static enum pixels_matrix matrix_of(const struct v4l2_pix_format *p)
{
    uint32_t how = p->ycbcr_enc ? p->ycbcr_enc : V4L2_MAP_YCBCR_ENC_DEFAULT(p->colorspace);
    uint32_t range = p->quantization
                         ? p->quantization
                         : (uint32_t)V4L2_MAP_QUANTIZATION_DEFAULT(false, p->colorspace, how);
    const bool full = range == V4L2_QUANTIZATION_FULL_RANGE;
    if (how == V4L2_YCBCR_ENC_709 || how == V4L2_YCBCR_ENC_XV709)
        return full ? PIXELS_BT709_FULL : PIXELS_BT709;
    return full ? PIXELS_BT601_FULL : PIXELS_BT601;
}

/* A driver may answer with another mode than was asked for. */
static bool accept_format(struct v4l2 *v, const struct v4l2_pix_format *p)
{
    const bool yuyv = p->pixelformat == V4L2_PIX_FMT_YUYV;
    if (!yuyv && p->pixelformat != V4L2_PIX_FMT_MJPEG)
        return false;
    if (p->width < 2 || p->width > PICTURE_MAX_WIDTH || p->width % 2 || p->height < 2 ||
        p->height > PICTURE_MAX_HEIGHT || p->height % 2)
        return false;
    if (yuyv && p->bytesperline && p->bytesperline < p->width * 2)
        return false;
    v->mode.format = p->pixelformat;
    v->mode.width = (int)p->width;
    v->mode.height = (int)p->height;
    v->stride = p->bytesperline ? (ptrdiff_t)p->bytesperline : (ptrdiff_t)p->width * 2;
    v->matrix = matrix_of(p);
    return true;
}

static int set_mode(struct v4l2 *v, int fps, char *error, size_t error_size)
{
    bool ok = v4l2_mode_choose(v->calls, v->fd, fps, &v->mode);
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
    format.fmt.pix.width = (uint32_t)v->mode.width;
    format.fmt.pix.height = (uint32_t)v->mode.height;
    format.fmt.pix.pixelformat = v->mode.format;
    format.fmt.pix.field = V4L2_FIELD_ANY;
    if (ok && v->calls->ioctl(v->fd, VIDIOC_S_FMT, &format) < 0)
        return explain(v, errno, error, error_size);
    if (!ok || !accept_format(v, &format.fmt.pix)) {
        snprintf(error, error_size, "the camera %s offers no pictures in MJPEG or YUYV", v->path);
        return -ENOTSUP;
    }
    struct v4l2_streamparm rate = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
    rate.parm.capture.timeperframe = v->mode.interval;
    if (v->mode.interval.denominator)
        v->calls->ioctl(v->fd, VIDIOC_S_PARM, &rate); /* else it stays at the rate it has */
    if (v->mode.format == V4L2_PIX_FMT_MJPEG && !(v->jpeg = jpeg_create())) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    return 0;
}

static struct v4l2_buffer buffer_at(uint32_t index)
{
    return (struct v4l2_buffer){
        .index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
}

static int map_buffers(struct v4l2 *v)
{
    struct v4l2_requestbuffers request = {
        .count = BUFFERS_WANTED, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    if (v->calls->ioctl(v->fd, VIDIOC_REQBUFS, &request) < 0)
        return errno;
    for (uint32_t i = 0; i < request.count && i < V4L2_BUFFERS_MAX; i++) {
        struct v4l2_buffer b = buffer_at(i);
        if (v->calls->ioctl(v->fd, VIDIOC_QUERYBUF, &b) < 0)
            return errno;
        v->buffer[i].memory = v->calls->map(v->fd, b.length, b.m.offset);
        if (!v->buffer[i].memory)
            return errno;
        v->buffer[i].size = b.length;
        v->n_buffers = i + 1;
        if (v->calls->ioctl(v->fd, VIDIOC_QBUF, &b) < 0)
            return errno;
    }
    return v->n_buffers >= 2 ? 0 : ENOMEM;
}

static int start_streaming(struct v4l2 *v)
{
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    int code = map_buffers(v);
    if (code)
        return code;
    if (v->calls->ioctl(v->fd, VIDIOC_STREAMON, &type) < 0)
        return errno;
    v->streams = true;
    return 0;
}

int v4l2_open(struct v4l2 *v, const struct v4l2_calls *calls, const struct capture_config *config,
              struct capture_info *info, char *error, size_t error_size)
{
    v->calls = calls;
    v->silence_us = SILENCE_US;
    v->limit.interval_us = 1000000 / config->fps;
    int err = open_device(v, config->arg, error, error_size);
    if (!err)
        err = set_mode(v, config->fps, error, error_size);
    if (err)
        return err;
    int code = start_streaming(v);
    if (code)
        return explain(v, code, error, error_size);
    *info = (struct capture_info){.width = v->mode.width, .height = v->mode.height};
    snprintf(info->name, sizeof(info->name), "%s", v->name);
    return 0;
}

/* --- pictures --- */

/* The newest picture that is ready in *out, older ones given back: 0, or an errno. */
static int take_newest(const struct v4l2 *v, struct v4l2_buffer *out)
{
    bool has_one = false;
    for (uint32_t i = 0; i <= v->n_buffers; i++) {
        struct v4l2_buffer b = buffer_at(0);
        if (v->calls->ioctl(v->fd, VIDIOC_DQBUF, &b) < 0)
            return has_one && errno == EAGAIN ? 0 : errno;
        if (b.index >= v->n_buffers)
            return EPROTO;
        if (has_one && v->calls->ioctl(v->fd, VIDIOC_QBUF, out) < 0)
            return errno;
        *out = b;
        has_one = true;
    }
    return 0;
}

/* When the picture was taken, as far as it can be believed; times rise. */
static int64_t time_of(const struct v4l2 *v, const struct v4l2_buffer *b)
{
    int64_t us = (int64_t)b->timestamp.tv_sec * 1000000 + b->timestamp.tv_usec;
    const int64_t now_us = capture_now_us();
    if ((b->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC ||
        us > now_us || us < now_us - 1000000)
        us = now_us;
    return us > v->captured_us ? us : v->captured_us + 1;
}

static int convert(struct v4l2 *v, const struct v4l2_buffer *b, const struct picture *out)
{
    const uint8_t *bytes = v->buffer[b->index].memory;
    const size_t room = v->buffer[b->index].size;
    const size_t size = b->bytesused < room ? b->bytesused : room;
    if (v->mode.format == V4L2_PIX_FMT_MJPEG)
        return jpeg_decode(v->jpeg, bytes, size, out);
    if (size < (size_t)v->stride * (size_t)(out->height - 1) + (size_t)out->width * 2)
        return -EBADMSG;
    pixels_from_yuyv(bytes, v->stride, v->matrix, out);
    return 0;
}

/* False for a picture that is damaged, as is usual when a camera begins. */
static bool deliver(struct v4l2 *v, struct capture_sink *sink, const struct v4l2_buffer *b)
{
    const int64_t us = time_of(v, b);
    if ((b->flags & V4L2_BUF_FLAG_ERROR) || b->bytesused == 0)
        return false;
    if (!fps_limit_allows(&v->limit, us))
        return true;
    struct picture *p = capture_sink_begin(sink, v->mode.width, v->mode.height);
    if (!p)
        return true;
    if (convert(v, b, p) < 0) {
        capture_sink_cancel(sink, p);
        return false;
    }
    p->captured_us = v->captured_us = us;
    capture_sink_publish(sink, p);
    fps_limit_passed(&v->limit, us);
    return true;
}

/* 1: there was a good picture, 0: not, or -errno with a sentence. */
static int step(struct v4l2 *v, struct capture_sink *sink, char *error, size_t error_size)
{
    struct v4l2_buffer b = buffer_at(0);
    int code = take_newest(v, &b);
    if (code == EAGAIN || code == EIO) /* EIO: a transfer failed; the next may not */
        return 0;
    bool good = code == 0 && deliver(v, sink, &b);
    if (code == 0 && v->calls->ioctl(v->fd, VIDIOC_QBUF, &b) < 0)
        code = errno;
    if (code == 0)
        return good;
    if (!is_gone(code))
        return explain(v, code, error, error_size);
    snprintf(error, error_size, "the camera \"%s\" was unplugged", v->name);
    return -ENODEV;
}

int v4l2_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    struct v4l2 *v = priv;
    int64_t deadline_us = capture_now_us() + v->silence_us;
    int false_alarms = 0;
    for (;;) {
        int r = 0;
        switch (capture_sink_wait(sink, v->fd, deadline_us)) {
        case CAPTURE_WAKE_STOP:
            return 0;
        case CAPTURE_WAKE_POKE: /* the next picture comes soon anyhow */
            continue;
        case CAPTURE_WAKE_FD:
            r = step(v, sink, error, error_size);
            if (r < 0)
                return r;
            break;
        case CAPTURE_WAKE_TIMEOUT:
            false_alarms = FALSE_ALARMS_MAX;
            break;
        }
        if (r > 0) {
            deadline_us = capture_now_us() + v->silence_us;
            false_alarms = 0;
        } else if (++false_alarms > FALSE_ALARMS_MAX) {
            snprintf(error, error_size, "the camera \"%s\" gives no pictures", v->name);
            return -ENODEV;
        }
    }
}

void v4l2_close(void *priv)
{
    struct v4l2 *v = priv;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (v->streams)
        v->calls->ioctl(v->fd, VIDIOC_STREAMOFF, &type);
    for (uint32_t i = 0; i < v->n_buffers; i++)
        v->calls->unmap(v->buffer[i].memory, v->buffer[i].size);
    if (v->is_open)
        v->calls->close(v->fd);
    jpeg_destroy(v->jpeg);
}

/* --- the backend --- */

int v4l2_list(const struct v4l2_calls *calls, struct sources_entry *out, int max)
{
    int n = 0;
    for (int i = 0; i < V4L2_DEVICES_MAX && n < max; i++) {
        struct v4l2_capability about;
        char path[32];
        snprintf(path, sizeof(path), "/dev/video%d", i);
        int fd = calls->open(path);
        if (fd < 0)
            continue;
        if (can_capture(calls, fd, &about)) {
            out[n] = (struct sources_entry){.kind = SOURCES_CAMERA};
            snprintf(out[n].source, sizeof(out[n].source), "camera:%s", path);
            set_name(out[n].name, sizeof(out[n].name), &about);
            n++;
        }
        calls->close(fd);
    }
    return n;
}

static int open_system(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    return v4l2_open(priv, &v4l2_system, config, info, error, error_size);
}

static int list_system(struct sources_entry *out, int max, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    return v4l2_list(&v4l2_system, out, max);
}

const struct capture_ops capture_v4l2_ops = {
    .kind = "camera",
    .priv_size = sizeof(struct v4l2),
    .open = open_system,
    .run = v4l2_run,
    .close = v4l2_close,
    .list = list_system,
};
