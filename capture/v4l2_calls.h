/* v4l2_calls.h - the system calls a camera is reached by, so that a test may put a device of its
 * own in their place. They answer as the system's do: -1 and errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct v4l2_calls {
    int (*open)(const char *path); /* for reading and writing, non-blocking */
    int (*close)(int fd);
    int (*ioctl)(int fd, unsigned long request, void *arg);
    void *(*map)(int fd, size_t size, int64_t offset); /* NULL on failure */
    void (*unmap)(void *memory, size_t size);
};

extern const struct v4l2_calls v4l2_system;
