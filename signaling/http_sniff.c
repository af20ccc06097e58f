#include "signaling/http_sniff.h"

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STUN_HEADER = 20, STUN_MAX = 1500, EVENTS = 64 };

struct guest {
    struct guest *newer, *older; /* of those that wait */
    int fd;                      /* owned */
    bool has_begun;              /* some bytes were there, but not enough */
    int64_t since_us;
};

struct http_sniff {
    struct http_sniff_config config;
    int epoll_fd; /* owned: of the guests; descriptors leave it before they are given away */
    ev_io io;     /* of epoll_fd */
    struct guest *newest, *oldest; /* owned */
    unsigned n;
};

enum http_sniff_first http_sniff_first(const uint8_t *data, size_t size)
{
    static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42}; /* RFC 8489 5 */
    if (size >= 1 && data[0] > STUN_MAX >> 8)
        return HTTP_SNIFF_HTTP; /* mostly here: HTTP begins with a letter, TLS with 22 */
    if (size < 2)
        return HTTP_SNIFF_MORE;
    unsigned frame = (unsigned)data[0] << 8 | data[1];
    if (frame < STUN_HEADER || frame > STUN_MAX || frame % 4 != 0)
        return HTTP_SNIFF_HTTP;
    unsigned message = frame - STUN_HEADER;
    const uint8_t want[] = {
        (uint8_t)(message >> 8), (uint8_t)message, cookie[0], cookie[1], cookie[2], cookie[3]};
    if (size > 2 && data[2] > 1) /* of RFC 7983's first bytes of STUN those of a Binding */
        return HTTP_SNIFF_HTTP;
    for (size_t i = 4; i < size && i < HTTP_SNIFF_BYTES; i++) {
        if (data[i] != want[i - 4])
            return HTTP_SNIFF_HTTP;
    }
    return size < HTTP_SNIFF_BYTES ? HTTP_SNIFF_MORE : HTTP_SNIFF_STUN;
}

/* --- those that wait --- */

/* Until so many bytes are there, or the end, it does not become readable. */
static void wait_for_bytes(int fd, int n)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

static enum http_sniff_first look(int fd, bool *is_over, bool *is_empty)
{
    uint8_t data[HTTP_SNIFF_BYTES];
    ssize_t n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
    *is_empty = n < 0 && (errno == EAGAIN || errno == EINTR);
    *is_over = n <= 0 && !*is_empty;
    return http_sniff_first(data, n > 0 ? (size_t)n : 0);
}

static void give(const struct http_sniff *s, int fd, enum http_sniff_first first)
{
    wait_for_bytes(fd, 1);
    if (first == HTTP_SNIFF_STUN && s->config.stun)
        s->config.stun(s->config.arg, fd);
    else
        s->config.http(s->config.arg, fd);
}

/* Its descriptor is the caller's then. */
static int release(struct http_sniff *s, struct guest *g)
{
    int fd = g->fd;
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    *(g->newer ? &g->newer->older : &s->newest) = g->older;
    *(g->older ? &g->older->newer : &s->oldest) = g->newer;
    s->n--;
    free(g);
    return fd;
}

static bool keep(struct http_sniff *s, int fd, bool has_begun, int64_t now_us)
{
    struct guest *g = calloc(1, sizeof(*g));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = g};
    if (!g || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(g);
        return false;
    }
    *g = (struct guest){.older = s->newest, .fd = fd, .has_begun = has_begun, .since_us = now_us};
    *(s->newest ? &s->newest->newer : &s->oldest) = g;
    s->newest = g;
    s->n++;
    return true;
}

static void on_guest(struct http_sniff *s, struct guest *g)
{
    bool is_over, is_empty;
    enum http_sniff_first first = look(g->fd, &is_over, &is_empty);
    if (is_empty)
        return;
    if (first == HTTP_SNIFF_MORE && !is_over && !g->has_begun) {
        g->has_begun = true;
        wait_for_bytes(g->fd, HTTP_SNIFF_BYTES);
        return;
    }
    /* One that ended before it had said enough is HTTP's to refuse. */
    int fd = release(s, g);
    if (is_over)
        close(fd);
    else
        give(s, fd, first);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct http_sniff *s = io->data;
    struct epoll_event ready[EVENTS];
    (void)loop;
    (void)events;
    int n = epoll_wait(s->epoll_fd, ready, EVENTS, 0);
    for (int i = 0; i < n; i++) /* each is another guest, and frees none but itself */
        on_guest(s, ready[i].data.ptr);
}

/* --- life --- */

int http_sniff_create(struct http_sniff **out, const struct http_sniff_config *config)
{
    struct http_sniff *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = *config;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0) {
        int status = -errno;
        free(s);
        return status;
    }
    ev_io_init(&s->io, on_readable, s->epoll_fd, EV_READ);
    s->io.data = s;
    ev_io_start(config->loop, &s->io);
    *out = s;
    return 0;
}

void http_sniff_destroy(struct http_sniff *s)
{
    if (!s)
        return;
    while (s->oldest)
        close(release(s, s->oldest));
    ev_io_stop(s->config.loop, &s->io);
    close(s->epoll_fd);
    free(s);
}

void http_sniff_take(struct http_sniff *s, int fd, int64_t now_us)
{
    bool is_over = false, is_empty = false, has_begun = false;
    enum http_sniff_first first = HTTP_SNIFF_HTTP;
    if (s->config.stun || s->config.waits)
        first = look(fd, &is_over, &is_empty);
    if (is_over) {
        close(fd);
        return;
    }
    if (first == HTTP_SNIFF_MORE && !is_empty) {
        has_begun = true;
        wait_for_bytes(fd, HTTP_SNIFF_BYTES);
    }
    if (first == HTTP_SNIFF_MORE && keep(s, fd, has_begun, now_us)) {
        if (s->n > HTTP_SNIFF_MAX)
            give(s, release(s, s->oldest), HTTP_SNIFF_HTTP);
        return;
    }
    give(s, fd, first);
}

void http_sniff_tick(struct http_sniff *s, int64_t now_us)
{
    while (s->oldest && now_us - s->oldest->since_us >= HTTP_SNIFF_WAIT_US)
        close(release(s, s->oldest));
}

unsigned http_sniff_waiting(const struct http_sniff *s)
{
    return s->n;
}
