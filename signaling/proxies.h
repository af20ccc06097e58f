/* proxies.h - whose word about a client's address is taken.
 *
 * Pure. Only a connection that comes from a configured proxy may name its client, in
 * X-Forwarded-For, to whose end each proxy adds the address it was connected from. From the end on,
 * the first address that is no configured proxy's is the client; what stands before it anybody may
 * have written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct sockaddr_storage;

#define PROXIES_MAX 16

struct proxies {
    unsigned n;
    struct {
        uint8_t address[16]; /* of IPv4 as ::ffff:a.b.c.d */
        uint8_t bits;
    } nets[PROXIES_MAX];
};

/* "10.0.0.0/8, ::1, 192.0.2.7": NULL or "" is none. False: something is no address or network. */
bool proxies_parse(struct proxies *out, const char *text);
bool proxies_has(const struct proxies *p, const struct sockaddr *address);
/* Who it is whose connection comes from `peer`; `forwarded` is the X-Forwarded-For or NULL. */
void proxies_client(const struct proxies *p, const struct sockaddr *peer, const char *forwarded,
                    struct sockaddr_storage *out);
