#include "signaling/http_listen.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

static socklen_t parse(union address *out, const char *address, uint16_t port)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, address, &out->ip4.sin_addr) == 1) {
        out->ip4.sin_family = AF_INET;
        out->ip4.sin_port = htons(port);
        return sizeof(out->ip4);
    }
    if (inet_pton(AF_INET6, address, &out->ip6.sin6_addr) == 1) {
        out->ip6.sin6_family = AF_INET6;
        out->ip6.sin6_port = htons(port);
        return sizeof(out->ip6);
    }
    return 0;
}

static int fail(int fd, int status, const char *address, uint16_t port, char *error, size_t size)
{
    if (fd >= 0)
        close(fd);
    if (status == EADDRINUSE)
        snprintf(error, size, "port %u of %s is taken by another program", port, address);
    else
        snprintf(error, size, "cannot listen on port %u of %s: %s", port, address,
                 strerror(status));
    return -status;
}

int http_listen_open(const char *address, uint16_t port, char *error, size_t error_size)
{
    union address to;
    const int on = 1, off = 0;
    socklen_t size = parse(&to, address, port);
    if (size == 0) {
        snprintf(error, error_size, "\"%s\" is not a numeric IP address", address);
        return -EINVAL;
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, errno, address, port, error, error_size);
    /* Lets a restart bind while old connections linger; a port that is listened on stays taken. */
    bool ready = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (to.any.sa_family == AF_INET6) /* "::" takes IPv4 as well */
        ready = ready && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0;
    ready = ready && bind(fd, &to.any, size) == 0 && listen(fd, BACKLOG) == 0;
    return ready ? fd : fail(fd, errno, address, port, error, error_size);
}

uint16_t http_listen_port(int fd)
{
    union address own = {0};
    socklen_t size = sizeof(own);
    int status = getsockname(fd, &own.any, &size);
    assert(status == 0);
    return ntohs(own.any.sa_family == AF_INET6 ? own.ip6.sin6_port : own.ip4.sin_port);
}

int http_listen_accept(int fd)
{
    int client;
    do { /* ECONNABORTED: it was gone before it was taken */
        client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (client < 0)
        return -errno;
    /* A join is answered with several messages: without this the second waits for the peer's
     * delayed acknowledgement of the first. A socket that refuses is only slower. */
    const int on = 1;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return client;
}
