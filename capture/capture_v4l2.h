/* capture_v4l2.h - the parts of the backend `camera[:DEVICE]`, for a test that brings a device.
 *
 * v4l2_open with the calls of the device, then as capture_ops says of run and close; `struct v4l2`
 * is the private memory. Streaming begins in open, so that a camera that is in use says so there.
 */
#pragma once

#include "capture/capture.h"
#include "capture/fps_limit.h"
#include "capture/pixels.h"
#include "capture/v4l2_calls.h"
#include "capture/v4l2_mode.h"

#define V4L2_BUFFERS_MAX 8
#define V4L2_DEVICES_MAX 64 /* as many as Linux has minor numbers set aside for */

struct jpeg;
struct sources_entry;

struct v4l2 {
    /* immutable after open */
    const struct v4l2_calls *calls;
    char path[96];
    char name[64]; /* UTF-8 */
    int fd;
    bool is_open, streams;
    struct v4l2_mode mode;
    ptrdiff_t stride; /* of YUYV */
    enum pixels_matrix matrix;
    struct jpeg *jpeg; /* owned; NULL: not needed */
    struct {
        uint8_t *memory; /* owned: mapped */
        size_t size;
    } buffer[V4L2_BUFFERS_MAX];
    uint32_t n_buffers;
    int64_t silence_us; /* without a usable picture the camera counts as gone after this time */

    /* capture thread */
    struct fps_limit limit;
    int64_t captured_us; /* of the last picture */
};

int v4l2_open(struct v4l2 *v, const struct v4l2_calls *calls, const struct capture_config *config,
              struct capture_info *info, char *error, size_t error_size);
int v4l2_run(void *priv, struct capture_sink *sink, char *error, size_t error_size);
void v4l2_close(void *priv);
int v4l2_list(const struct v4l2_calls *calls, struct sources_entry *out, int max);
