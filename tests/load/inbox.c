#include "tests/load/inbox.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BATCH = 64,     /* datagrams */
    GRO_BATCH = 16, /* trains */
    DATAGRAM_ROOM = 2048,
    TRAIN_ROOM = 65536,
};

struct message {
    struct iovec iov;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
};

struct inbox {
    bool gro;
    unsigned capacity, n, at; /* messages: room, received, the one under way */
    size_t offset, segment;   /* in that one */
    struct mmsghdr msgs[BATCH];
    struct message messages[BATCH];
    uint8_t data[];
};

struct inbox *inbox_new(bool gro)
{
    size_t room = gro ? TRAIN_ROOM : DATAGRAM_ROOM;
    unsigned capacity = gro ? GRO_BATCH : BATCH;
    struct inbox *in = calloc(1, sizeof(*in) + capacity * room);
    if (!in)
        return NULL;
    in->gro = gro;
    in->capacity = capacity;
    for (unsigned i = 0; i < capacity; i++) {
        struct message *m = &in->messages[i];
        m->iov = (struct iovec){.iov_base = in->data + i * room, .iov_len = room};
        in->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &m->iov, .msg_iovlen = 1};
        if (gro)
            in->msgs[i].msg_hdr.msg_control = &m->control;
    }
    return in;
}

void inbox_destroy(struct inbox *in)
{
    free(in);
}

static size_t segment_of(struct msghdr *h, size_t size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        int segment;
        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&segment, CMSG_DATA(c), sizeof(segment));
        if (segment > 0)
            return (size_t)segment;
    }
    return size;
}

/* Sets out on message `at`. */
static void begin(struct inbox *in)
{
    in->offset = 0;
    if (in->at < in->n)
        in->segment = segment_of(&in->msgs[in->at].msg_hdr, in->msgs[in->at].msg_len);
}

void inbox_receive(struct inbox *in, int fd)
{
    for (unsigned i = 0; in->gro && i < in->capacity; i++)
        in->msgs[i].msg_hdr.msg_controllen = sizeof(in->messages[i].control);
    int n = recvmmsg(fd, in->msgs, in->capacity, MSG_DONTWAIT, NULL);
    in->n = n > 0 ? (unsigned)n : 0;
    in->at = 0;
    begin(in);
}

bool inbox_next(struct inbox *in, uint8_t **data, size_t *size)
{
    while (in->at < in->n && in->offset >= in->msgs[in->at].msg_len) {
        in->at++;
        begin(in);
    }
    if (in->at >= in->n)
        return false;
    size_t left = in->msgs[in->at].msg_len - in->offset;
    *data = (uint8_t *)in->messages[in->at].iov.iov_base + in->offset;
    *size = left < in->segment ? left : in->segment;
    in->offset += *size;
    return true;
}
