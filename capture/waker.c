#include "capture/waker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

int waker_init(struct waker *w)
{
    if (pipe(w->fd) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        if (fcntl(w->fd[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(w->fd[i], F_SETFD, FD_CLOEXEC) < 0) {
            int r = -errno;
            waker_finish(w);
            return r;
        }
    }
    return 0;
}

void waker_finish(struct waker *w)
{
    close(w->fd[0]);
    close(w->fd[1]);
}

void waker_wake(struct waker *w)
{
    ssize_t n = write(w->fd[1], "", 1);
    assert(n == 1 || errno == EAGAIN); /* EAGAIN: it is awake since many wakes */
}

int waker_fd(const struct waker *w)
{
    return w->fd[0];
}

void waker_clear(struct waker *w)
{
    char bytes[64];
    while (read(w->fd[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
        continue;
}

static int wait_for(struct pollfd *fds, nfds_t n, int64_t left_us)
{
#ifdef __linux__
    struct timespec left = {.tv_sec = (time_t)(left_us / 1000000),
                            .tv_nsec = (long)(left_us % 1000000) * 1000};
    return ppoll(fds, n, left_us == INT64_MAX ? NULL : &left, NULL);
#else
    /* up, never down: too early would be a busy loop */
    int64_t left_ms = left_us / 1000 + (left_us % 1000 > 0);
    return poll(fds, n, left_us == INT64_MAX ? -1 : left_ms < INT_MAX ? (int)left_ms : INT_MAX);
#endif
}

int waker_wait(struct waker *w, int fd, int64_t left_us)
{
    struct pollfd fds[2] = {{.fd = w->fd[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (wait_for(fds, 2, left_us > 0 ? left_us : 0) <= 0)
        return 0;
    return (fds[0].revents ? WAKER_WOKEN : 0) | (fds[1].revents ? WAKER_FD : 0);
}

void waker_name_thread(const char *name)
{
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}
