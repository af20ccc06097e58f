#include "signaling/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT_MAX = 64 };

/* "a.b.c.d", or IPv6, also in brackets; either with a port behind it, as some proxies write. */
static bool parse_address(uint8_t out[16], const char *at, size_t length)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[TEXT_MAX];
    if (length == 0 || length >= sizeof(text))
        return false;
    memcpy(text, at, length);
    text[length] = '\0';
    char *address = text, *end = strchr(text, ']'), *colon = strchr(text, ':');
    if (text[0] == '[' && end) {
        address++;
        *end = '\0';
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
    }
    if (inet_pton(AF_INET6, address, out) == 1)
        return true;
    memcpy(out, mapped, sizeof(mapped));
    return inet_pton(AF_INET, address, out + sizeof(mapped)) == 1;
}

static void trim(const char **at, size_t *length)
{
    for (; *length > 0 && (**at == ' ' || **at == '\t'); (*length)--)
        (*at)++;
    while (*length > 0 && ((*at)[*length - 1] == ' ' || (*at)[*length - 1] == '\t'))
        (*length)--;
}

static bool parse_net(struct proxies *out, const char *at, size_t length)
{
    const char *slash = memchr(at, '/', length);
    size_t n = slash ? (size_t)(slash - at) : length, digits = slash ? length - n - 1 : 0;
    uint8_t *address = out->nets[out->n].address;
    if (out->n == PROXIES_MAX || memchr(at, '[', n) || !parse_address(address, at, n))
        return false;
    bool is_ipv4 = !memchr(at, ':', n);
    int most = is_ipv4 ? 32 : 128, bits = most;
    if (slash) {
        if (digits == 0 || digits > 3 || strspn(slash + 1, "0123456789") < digits)
            return false;
        bits = atoi(slash + 1);
    }
    out->nets[out->n++].bits = (uint8_t)(is_ipv4 ? bits + 96 : bits);
    return bits <= most;
}

bool proxies_parse(struct proxies *out, const char *text)
{
    memset(out, 0, sizeof(*out));
    if (!text || text[0] == '\0')
        return true;
    for (;;) {
        size_t length = strcspn(text, ","), rest = length;
        const char *at = text;
        trim(&at, &rest);
        if (!parse_net(out, at, rest))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool is_in(const uint8_t address[16], const uint8_t net[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(address, net, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0;
}

static bool has(const struct proxies *p, const uint8_t address[16])
{
    for (unsigned i = 0; i < p->n; i++)
        if (is_in(address, p->nets[i].address, p->nets[i].bits))
            return true;
    return false;
}

static bool address_of(uint8_t out[16], const struct sockaddr *from)
{
    memset(out, 0, 16);
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof(in6));
        memcpy(out, in6.sin6_addr.s6_addr, 16);
    } else if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &in.sin_addr, 4);
    }
    return from->sa_family == AF_INET6 || from->sa_family == AF_INET;
}

bool proxies_has(const struct proxies *p, const struct sockaddr *address)
{
    uint8_t bytes[16];
    return address_of(bytes, address) && has(p, bytes);
}

void proxies_client(const struct proxies *p, const struct sockaddr *peer, const char *forwarded,
                    struct sockaddr_storage *out)
{
    uint8_t client[16];
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    memset(out, 0, sizeof(*out));
    bool is_known = address_of(client, peer);
    size_t end = forwarded ? strlen(forwarded) : 0;
    while (is_known && end > 0 && has(p, client)) {
        size_t begin = end;
        while (begin > 0 && forwarded[begin - 1] != ',')
            begin--;
        const char *at = forwarded + begin;
        size_t length = end - begin;
        uint8_t before[16];
        trim(&at, &length);
        if (!parse_address(before, at, length))
            break; /* "unknown": the last one that is known answers for it */
        memcpy(client, before, sizeof(client));
        end = begin > 0 ? begin - 1 : 0;
    }
    if (is_known)
        memcpy(in6.sin6_addr.s6_addr, client, sizeof(client));
    else
        in6.sin6_family = peer->sa_family;
    memcpy(out, &in6, sizeof(in6));
}
