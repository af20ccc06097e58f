#include "rtp/forward/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_BUFFER (4 << 20) /* asked for; the kernel gives at most net.core.{r,w}mem_max */

/* Where the next train is written; small enough to stay in a core's second-level cache. */
#define SCRATCH_BYTES (512 << 10)

/* Trains that must be refused in a row before a worker gives up on UDP_SEGMENT, and how many it
 * then sends as datagrams before it tries again: one viewer behind an odd route must not cost all
 * others. */
#define GSO_REFUSALS 16
#define GSO_REST_TRAINS 4096

/* --- the socket --- */

static bool allow_sharing(int fd)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0;
}

/* IPv6's says it of IPv4 too, mapped. */
static int ask_for_locals(int fd, bool v6)
{
    int on = 1;
    int rc = v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))
                : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    return rc == 0 ? 0 : -errno;
}

static int bind_any(int fd, bool v6, uint16_t port)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int rc = v6 ? bind(fd, (struct sockaddr *)&any6, sizeof(any6))
                : bind(fd, (struct sockaddr *)&any4, sizeof(any4));
    return rc == 0 ? 0 : -errno;
}

static int open_bound(struct udp *u, bool v6, uint16_t port, const struct udp *first)
{
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int off = 0, rc = 0;
    if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
        rc = -errno;
    if (rc == 0 && first && !allow_sharing(fd))
        rc = -errno;
    if (rc == 0)
        rc = ask_for_locals(fd, v6);
    if (rc == 0)
        rc = bind_any(fd, v6, port);
    /* Linux lets the holder of a port open it for others of its user after the bind. */
    if (rc == 0 && !first && !allow_sharing(fd))
        rc = -errno;
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *u = (struct udp){.fd = fd, .v6 = v6};
    return 0;
}

int udp_open(struct udp *u, uint16_t port, const struct udp *first, bool disable_gso)
{
    int rc;
    if (first) {
        rc = open_bound(u, first->v6, udp_port(first), first);
    } else {
        rc = open_bound(u, true, port, NULL);
        if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL) /* no IPv6 here */
            rc = open_bound(u, false, port, NULL);
    }
    if (rc != 0)
        return rc;
    int size = SOCKET_BUFFER, no_default = 0;
    (void)setsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    u->gso = !disable_gso &&
             setsockopt(u->fd, SOL_UDP, UDP_SEGMENT, &no_default, sizeof(no_default)) == 0;
    return 0;
}

void udp_close(struct udp *u)
{
    close(u->fd);
    u->fd = -1;
}

uint16_t udp_port(const struct udp *u)
{
    struct sockaddr_in6 name = {0};
    socklen_t size = sizeof(name);
    int rc = getsockname(u->fd, (struct sockaddr *)&name, &size);
    assert(rc == 0);
    struct address a;
    address_from_sockaddr(&a, (struct sockaddr *)&name);
    return address_port(&a);
}

/* --- our addresses --- */

void udp_locals_init(struct udp_locals *l)
{
    atomic_init(&l->n, 0);
    pthread_mutex_init(&l->lock, NULL);
}

void udp_locals_finish(struct udp_locals *l)
{
    pthread_mutex_destroy(&l->lock);
}

static unsigned find_local(const struct udp_locals *l, unsigned from, const struct in6_addr *a)
{
    unsigned n = atomic_load_explicit(&l->n, memory_order_acquire);
    while (from < n && memcmp(&l->address[from], a, sizeof(*a)) != 0)
        from++;
    return from;
}

static unsigned add_local(struct udp_locals *l, unsigned after, const struct in6_addr *a)
{
    pthread_mutex_lock(&l->lock);
    unsigned i = find_local(l, after, a), n = atomic_load_explicit(&l->n, memory_order_relaxed);
    if (i == n && n < UDP_LOCALS_MAX) {
        l->address[i] = *a;
        atomic_store_explicit(&l->n, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&l->lock);
    return i;
}

static uint32_t path_of(struct udp_locals *l, const struct in6_addr *a)
{
    unsigned known = atomic_load_explicit(&l->n, memory_order_acquire);
    unsigned i = find_local(l, 0, a);
    if (i >= known && known < UDP_LOCALS_MAX)
        i = add_local(l, known, a);
    return i < UDP_LOCALS_MAX ? ADDRESS_PATH_UDP | i : 0;
}

static void map_v4(struct in6_addr *out, struct in_addr a)
{
    *out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&out->s6_addr[12], &a, sizeof(a));
}

/* Where the datagram was sent to. */
static bool read_local(const struct msghdr *hdr, struct in6_addr *out)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(hdr);
    for (; c; c = CMSG_NXTHDR((struct msghdr *)hdr, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            *out = info.ipi6_addr;
            return true;
        }
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            map_v4(out, info.ipi_spec_dst);
            return true;
        }
    }
    return false;
}

/* --- receiving --- */

#define LOCAL_ROOM CMSG_SPACE(sizeof(struct in6_pktinfo)) /* IPv4's is smaller */

union local_control {
    struct cmsghdr align;
    uint8_t bytes[LOCAL_ROOM];
};

struct udp_receiver {
    struct mmsghdr msgs[UDP_RECEIVE_BATCH];
    struct iovec iov[UDP_RECEIVE_BATCH];
    struct sockaddr_in6 from[UDP_RECEIVE_BATCH];
    union local_control control[UDP_RECEIVE_BATCH];
    uint8_t data[UDP_RECEIVE_BATCH][UDP_DATAGRAM_MAX];
};

struct udp_receiver *udp_receiver_new(void)
{
    struct udp_receiver *r = calloc(1, sizeof(*r));
    for (unsigned i = 0; r && i < UDP_RECEIVE_BATCH; i++) {
        r->iov[i] = (struct iovec){r->data[i], UDP_DATAGRAM_MAX};
        r->msgs[i].msg_hdr = (struct msghdr){.msg_name = &r->from[i],
                                             .msg_iov = &r->iov[i],
                                             .msg_iovlen = 1,
                                             .msg_control = &r->control[i]};
    }
    return r;
}

void udp_receiver_destroy(struct udp_receiver *r)
{
    free(r);
}

unsigned udp_receive(const struct udp *u, struct udp_receiver *r, struct udp_inbox *in)
{
    for (unsigned i = 0; i < UDP_RECEIVE_BATCH; i++) {
        r->msgs[i].msg_hdr.msg_namelen = sizeof(r->from[i]);
        r->msgs[i].msg_hdr.msg_controllen = sizeof(r->control[i]);
    }
    int n;
    do
        n = recvmmsg(u->fd, r->msgs, UDP_RECEIVE_BATCH, MSG_DONTWAIT, NULL);
    while (n < 0 && (errno == EINTR || errno == ECONNREFUSED)); /* the latter is reported once */
    for (int i = 0; i < n; i++) {
        const struct msghdr *hdr = &r->msgs[i].msg_hdr;
        bool usable = !(hdr->msg_flags & MSG_TRUNC) && hdr->msg_namelen > 0;
        in->datagram[i].data = r->data[i];
        in->datagram[i].size = usable ? r->msgs[i].msg_len : 0;
        if (!usable)
            continue;
        struct in6_addr local;
        address_from_sockaddr(&in->datagram[i].from, (struct sockaddr *)&r->from[i]);
        if (u->locals && read_local(hdr, &local))
            in->datagram[i].from.path = path_of(u->locals, &local);
    }
    return n > 0 ? (unsigned)n : 0;
}

/* --- sending --- */

/* The address it leaves from, and where it is cut. */
union send_control {
    struct cmsghdr align;
    uint8_t bytes[LOCAL_ROOM + CMSG_SPACE(sizeof(uint16_t))];
};

struct udp_batch {
    const struct udp *udp; /* borrowed */
    struct udp_counters counters;
    unsigned refusals; /* of UDP_SEGMENT, in a row */
    unsigned rest;     /* trains to send as datagrams before it is tried again */
    bool blocked;      /* the socket was full: what is here waits */

    unsigned n;
    size_t used;
    struct viewer_train trains[UDP_BATCH_TRAINS];
    struct iovec iov[UDP_BATCH_TRAINS];
    struct mmsghdr msgs[UDP_BATCH_TRAINS];
    struct sockaddr_in6 to[UDP_BATCH_TRAINS];
    union send_control control[UDP_BATCH_TRAINS];
    uint8_t scratch[SCRATCH_BYTES];
};

_Static_assert(SCRATCH_BYTES >= UDP_TRAIN_ROOM, "one train must fit");

struct udp_batch *udp_batch_new(const struct udp *u)
{
    struct udp_batch *b = calloc(1, sizeof(*b));
    if (b)
        b->udp = u;
    return b;
}

void udp_batch_destroy(struct udp_batch *b)
{
    free(b);
}

uint8_t *udp_batch_room(struct udp_batch *b)
{
    if (b->blocked)
        return NULL;
    if (b->n == UDP_BATCH_TRAINS || SCRATCH_BYTES - b->used < UDP_TRAIN_ROOM)
        udp_batch_flush(b);
    return b->blocked ? NULL : b->scratch + b->used;
}

bool udp_batch_blocked(const struct udp_batch *b)
{
    return b->blocked;
}

void udp_batch_add(struct udp_batch *b, const struct viewer_train *train)
{
    assert(b->n < UDP_BATCH_TRAINS && b->used + train->size <= SCRATCH_BYTES);
    assert(train->n_segments > 0 && train->n_segments <= VIEWER_TRAIN_MAX);
    b->trains[b->n] = *train;
    b->iov[b->n] = (struct iovec){b->scratch + b->used, train->size};
    b->used += train->size;
    b->n++;
}

unsigned udp_batch_count(const struct udp_batch *b)
{
    return b->n;
}

bool udp_batch_gso(const struct udp_batch *b)
{
    return b->udp->gso && b->rest == 0;
}

const struct udp_counters *udp_batch_counters(const struct udp_batch *b)
{
    return &b->counters;
}

static void set_target(const struct udp_batch *b, struct msghdr *hdr, struct sockaddr_in6 *to,
                       const struct address *a)
{
    if (b->udp->v6) {
        hdr->msg_namelen = address_to_v6(a, to);
    } else {
        hdr->msg_namelen = address_size(a);
        memcpy(to, &a->sa, hdr->msg_namelen);
    }
    hdr->msg_name = to;
}

static void add_control(struct msghdr *hdr, union send_control *control, int level, int type,
                        const void *value, size_t size)
{
    struct cmsghdr *cmsg = (struct cmsghdr *)(control->bytes + hdr->msg_controllen);
    hdr->msg_control = control->bytes;
    hdr->msg_controllen += CMSG_SPACE(size);
    assert(hdr->msg_controllen <= sizeof(control->bytes));
    cmsg->cmsg_level = level;
    cmsg->cmsg_type = type;
    cmsg->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(cmsg), value, size);
}

static void set_local(const struct udp *u, struct msghdr *hdr, union send_control *control,
                      const struct address *to)
{
    if (!u->locals || !(to->path & ADDRESS_PATH_UDP))
        return;
    const struct in6_addr *local = &u->locals->address[to->path & ~ADDRESS_PATH_UDP];
    if (u->v6) {
        struct in6_pktinfo info = {.ipi6_addr = *local};
        add_control(hdr, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    } else {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, &local->s6_addr[12], sizeof(info.ipi_spec_dst));
        add_control(hdr, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
}

/* How many of the n messages the kernel took; 0: it refused the first, errno says why. */
static unsigned send_some(struct udp_batch *b, struct mmsghdr *msgs, unsigned n)
{
    int sent;
    /* An ICMP error of an earlier datagram is reported once, by a send that has nothing to do with
     * it. */
    bool again = true;
    for (;;) {
        b->counters.send_calls++;
        sent = sendmmsg(b->udp->fd, msgs, n, MSG_DONTWAIT);
        if (sent >= 0)
            return (unsigned)sent;
        if (errno == ECONNREFUSED && again)
            again = false;
        else if (errno != EINTR)
            return 0;
    }
}

static void count_sent(struct udp_batch *b, uint32_t packets, uint64_t bytes)
{
    b->counters.packets_sent += packets;
    b->counters.bytes_sent += bytes;
}

/* What of a train did not leave yet. */
static void keep_rest(struct udp_batch *b, unsigned train_index, unsigned n_sent)
{
    struct viewer_train *train = &b->trains[train_index];
    struct iovec *iov = &b->iov[train_index];
    uint32_t size = n_sent * train->segment_size;
    train->n_segments = (uint16_t)(train->n_segments - n_sent);
    train->size -= size;
    *iov = (struct iovec){(uint8_t *)iov->iov_base + size, train->size};
}

/* One train as single datagrams: how many the kernel took. If it stopped because it was full the
 * batch is blocked and the train's rest stays, else the rest is lost. */
static unsigned send_plain(struct udp_batch *b, unsigned train_index)
{
    const struct viewer_train *train = &b->trains[train_index];
    uint8_t *data = b->iov[train_index].iov_base;
    struct mmsghdr msgs[VIEWER_TRAIN_MAX];
    struct iovec iov[VIEWER_TRAIN_MAX];
    struct sockaddr_in6 to;
    union send_control control;
    unsigned n = train->n_segments, done = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = (uint32_t)i * train->segment_size;
        size_t size = i + 1 < n ? train->segment_size : train->size - at;
        iov[i] = (struct iovec){data + at, size};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
        set_target(b, &msgs[i].msg_hdr, &to, &train->to);
        set_local(b->udp, &msgs[i].msg_hdr, &control, &train->to); /* the same for each */
    }
    while (done < n) {
        unsigned sent = send_some(b, msgs + done, n - done);
        for (unsigned i = done; i < done + sent; i++)
            count_sent(b, 1, iov[i].iov_len);
        done += sent;
        if (sent == 0 && errno == EAGAIN) {
            b->blocked = true;
            keep_rest(b, train_index, done);
            break;
        }
        if (sent == 0) {
            b->counters.send_errors += n - done; /* the others would not fare better */
            break;
        }
    }
    return done;
}

static bool is_refusal_of_segments(int error)
{
    return error == EIO || error == EINVAL || error == EMSGSIZE;
}

/* The kernel did not take train `i`. */
static void handle_refusal(struct udp_batch *b, unsigned i)
{
    int error = errno;
    if (error == EAGAIN) {
        b->blocked = true;
    } else if (b->trains[i].n_segments > 1 && is_refusal_of_segments(error)) {
        /* If the datagrams pass it was the segmentation, else the address. */
        if (send_plain(b, i) > 0 && ++b->refusals >= GSO_REFUSALS) {
            b->refusals = 0;
            b->rest = GSO_REST_TRAINS;
        }
    } else {
        b->counters.send_errors += b->trains[i].n_segments; /* about this destination alone */
    }
}

static void prepare(struct udp_batch *b, unsigned i)
{
    struct msghdr *hdr = &b->msgs[i].msg_hdr;
    *hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
    set_target(b, hdr, &b->to[i], &b->trains[i].to);
    set_local(b->udp, hdr, &b->control[i], &b->trains[i].to);
    if (b->trains[i].n_segments > 1)
        add_control(hdr, &b->control[i], SOL_UDP, UDP_SEGMENT, &b->trains[i].segment_size,
                    sizeof(b->trains[i].segment_size));
}

/* Does train `i` leave in one message? */
static bool is_whole(const struct udp_batch *b, unsigned i)
{
    const struct viewer_train *train = &b->trains[i];
    return train->n_segments == 1 || (udp_batch_gso(b) && train->size <= VIEWER_TRAIN_BYTES);
}

static unsigned send_whole(struct udp_batch *b, unsigned from)
{
    unsigned n = 1;
    while (from + n < b->n && is_whole(b, from + n))
        n++;
    unsigned sent = send_some(b, b->msgs + from, n);
    for (unsigned i = from; i < from + sent; i++) {
        count_sent(b, b->trains[i].n_segments, b->trains[i].size);
        if (b->trains[i].n_segments > 1)
            b->refusals = 0;
    }
    return sent;
}

/* The trains from `first` on wait where they are. */
static void keep(struct udp_batch *b, unsigned first)
{
    b->n -= first;
    memmove(b->trains, b->trains + first, b->n * sizeof(b->trains[0]));
    memmove(b->iov, b->iov + first, b->n * sizeof(b->iov[0]));
    b->counters.send_blocked++;
}

void udp_batch_flush(struct udp_batch *b)
{
    b->blocked = false;
    for (unsigned i = 0; i < b->n; i++)
        prepare(b, i);
    unsigned i = 0;
    while (i < b->n) {
        unsigned sent = 1;
        if (!is_whole(b, i)) {
            (void)send_plain(b, i);
            b->rest -= b->rest > 0 && !b->blocked;
        } else {
            sent = send_whole(b, i);
            if (sent == 0) {
                handle_refusal(b, i);
                sent = 1;
            }
        }
        if (b->blocked) {
            keep(b, i);
            return;
        }
        i += sent;
    }
    b->n = 0;
    b->used = 0;
}
