#include "rtp/forward/tcp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define OUT_STEP 16384u  /* by which what waits grows */
#define UNREAD_STEPS 256 /* of what a client sent last; beyond that it may have its reset */

_Static_assert(TCP_OUT_MAX >= VIEWER_TRAIN_MAX * (FRAMING_HEADER + VIEWER_DATAGRAM_MAX),
               "what the kernel leaves of one train can wait");

int tcp_open(struct tcp *t, int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof(name);
    int on = 1, unsent = TCP_UNSENT;
    if (getpeername(fd, (struct sockaddr *)&name, &size) != 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    *t = (struct tcp){.fd = fd};
    address_from_sockaddr(&t->from, (struct sockaddr *)&name);
    framing_init(&t->in);
    return 0;
}

/* Unread bytes would make closing a reset, and take what was sent last with them. */
static void discard_unread(int fd)
{
    uint8_t ignored[4096];
    for (int i = 0; i < UNREAD_STEPS; i++) {
        if (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) <= 0)
            return;
    }
}

void tcp_close(struct tcp *t)
{
    discard_unread(t->fd);
    close(t->fd);
    free(t->out);
    *t = (struct tcp){.fd = -1};
}

int tcp_receive(struct tcp *t)
{
    size_t room;
    uint8_t *to = framing_room(&t->in, &room);
    ssize_t n;
    do
        n = recv(t->fd, to, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return -ECONNRESET;
    if (n < 0)
        return -errno;
    framing_added(&t->in, (size_t)n);
    return (int)n;
}

bool tcp_is_full(const struct tcp *t)
{
    return t->out != NULL;
}

/* --- sending --- */

/* A train as frames: lengths and segments in turn. */
struct frames {
    uint8_t lengths[VIEWER_TRAIN_MAX][FRAMING_HEADER];
    struct iovec iov[2 * VIEWER_TRAIN_MAX];
    unsigned n;
    size_t size;
};

static void make_frames(struct frames *f, const uint8_t *data, const struct viewer_train *train)
{
    assert(train->n_segments > 0 && train->n_segments <= VIEWER_TRAIN_MAX);
    f->n = 0;
    for (unsigned i = 0; i < train->n_segments; i++) {
        uint32_t at = i * train->segment_size;
        size_t size = i + 1u < train->n_segments ? train->segment_size : train->size - at;
        framing_write(f->lengths[i], size);
        f->iov[f->n++] = (struct iovec){f->lengths[i], FRAMING_HEADER};
        f->iov[f->n++] = (struct iovec){(uint8_t *)data + at, size};
    }
    f->size = train->size + (size_t)FRAMING_HEADER * train->n_segments;
}

/* How many bytes the kernel took, or -errno. */
static ssize_t send_now(int fd, struct iovec *iov, unsigned n)
{
    const struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent;
    do
        sent = sendmsg(fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

static bool make_room(struct tcp *t, uint32_t size)
{
    uint32_t waiting = t->out_end - t->out_begin;
    if (t->out_room - t->out_end >= size)
        return true;
    if (t->out)
        memmove(t->out, t->out + t->out_begin, waiting);
    t->out_begin = 0;
    t->out_end = waiting;
    if (t->out_room - waiting >= size)
        return true;
    uint32_t room = (waiting + size + OUT_STEP - 1) / OUT_STEP * OUT_STEP;
    uint8_t *out = realloc(t->out, room);
    if (!out)
        return false;
    t->out = out;
    t->out_room = room;
    return true;
}

static void append(struct tcp *t, const struct frames *f, size_t skip)
{
    for (unsigned i = 0; i < f->n; i++) {
        size_t size = f->iov[i].iov_len, left_out = skip < size ? skip : size;
        memcpy(t->out + t->out_end, (uint8_t *)f->iov[i].iov_base + left_out, size - left_out);
        t->out_end += (uint32_t)(size - left_out);
        skip -= left_out;
    }
    assert(skip == 0 && t->out_end <= t->out_room);
}

int tcp_send(struct tcp *t, const uint8_t *data, const struct viewer_train *train)
{
    struct frames f;
    ssize_t sent = 0;
    make_frames(&f, data, train);
    if (!t->out) {
        sent = send_now(t->fd, f.iov, f.n);
        if (sent == -EAGAIN)
            sent = 0;
        if (sent < 0 || (size_t)sent == f.size)
            return sent < 0 ? (int)sent : 0;
    }
    uint32_t rest = (uint32_t)(f.size - (size_t)sent);
    if (t->out_end - t->out_begin + rest > TCP_OUT_MAX)
        return -ENOSPC; /* only if something waited, so that no frame is cut */
    if (!make_room(t, rest)) {
        if (sent > 0)
            (void)shutdown(t->fd, SHUT_RDWR); /* a frame is cut: nothing may follow */
        return -ENOMEM;
    }
    append(t, &f, (size_t)sent);
    return 0;
}

int tcp_flush(struct tcp *t)
{
    while (t->out_begin < t->out_end) {
        struct iovec iov = {t->out + t->out_begin, t->out_end - t->out_begin};
        ssize_t sent = send_now(t->fd, &iov, 1);
        if (sent < 0)
            return (int)sent;
        t->out_begin += (uint32_t)sent;
    }
    free(t->out);
    t->out = NULL;
    t->out_begin = t->out_end = t->out_room = 0;
    return 0;
}
