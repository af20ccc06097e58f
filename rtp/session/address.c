#include "rtp/session/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert(sizeof(struct address) == 32, "kept per peer, in tables and in messages");

static void set_v4(struct address *a, const void *ip, in_port_t port)
{
    memset(a, 0, sizeof(*a));
    a->in.sin_family = AF_INET;
    a->in.sin_port = port;
    memcpy(&a->in.sin_addr, ip, sizeof(a->in.sin_addr));
}

static void set_v6(struct address *a, const struct in6_addr *ip, in_port_t port, uint32_t scope)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        set_v4(a, &ip->s6_addr[12], port);
        return;
    }
    memset(a, 0, sizeof(*a));
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = port;
    a->in6.sin6_addr = *ip;
    a->in6.sin6_scope_id = scope;
}

void address_from_sockaddr(struct address *a, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        set_v4(a, &in->sin_addr, in->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        set_v6(a, &in6->sin6_addr, in6->sin6_port, in6->sin6_scope_id);
    } else {
        memset(a, 0, sizeof(*a));
    }
}

bool address_parse(struct address *a, const char *ip, uint16_t port)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, ip, &v4) == 1) {
        set_v4(a, &v4, htons(port));
        return true;
    }
    if (inet_pton(AF_INET6, ip, &v6) == 1) {
        set_v6(a, &v6, htons(port), 0);
        return true;
    }
    return false;
}

socklen_t address_size(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return sizeof(a->in);
    case AF_INET6:
        return sizeof(a->in6);
    default:
        return 0;
    }
}

socklen_t address_to_v6(const struct address *a, struct sockaddr_in6 *out)
{
    if (a->sa.sa_family == AF_INET6) {
        *out = a->in6;
        return sizeof(*out);
    }
    memset(out, 0, sizeof(*out));
    if (a->sa.sa_family != AF_INET)
        return 0;
    out->sin6_family = AF_INET6;
    out->sin6_port = a->in.sin_port;
    out->sin6_addr.s6_addr[10] = 0xff;
    out->sin6_addr.s6_addr[11] = 0xff;
    memcpy(&out->sin6_addr.s6_addr[12], &a->in.sin_addr, sizeof(a->in.sin_addr));
    return sizeof(*out);
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->sa.sa_family != b->sa.sa_family || a->path != b->path)
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    default:
        return true; /* both are nothing */
    }
}

bool address_is_udp(const struct address *a)
{
    return a->path == 0 || (a->path & ADDRESS_PATH_UDP) != 0;
}

bool address_same_end(const struct address *a, const struct address *b)
{
    struct address other = *b;
    other.path = a->path;
    return address_is_udp(a) && address_is_udp(b) && address_equal(a, &other);
}

/* One step of a multiply-xorshift mix; the seed makes the buckets unknown to who picks addresses.
 */
static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 29;
}

uint64_t address_hash(const struct address *a, uint64_t seed)
{
    uint64_t h =
        mix(seed, (uint64_t)a->path << 32 | (uint32_t)a->sa.sa_family << 16 | address_port(a));
    if (a->sa.sa_family == AF_INET)
        return mix(h, a->in.sin_addr.s_addr);
    uint64_t half[2] = {0, 0};
    if (a->sa.sa_family == AF_INET6)
        memcpy(half, &a->in6.sin6_addr, sizeof(half));
    return mix(mix(h, half[0]), half[1]);
}

uint16_t address_port(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN];
    if (a->sa.sa_family == AF_INET && inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip)))
        snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", ip, address_port(a));
    else if (a->sa.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip)))
        snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", ip, address_port(a));
    else
        snprintf(out, ADDRESS_TEXT_MAX, "none");
}
