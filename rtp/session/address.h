/* address.h - an IPv4 or IPv6 address and the path to it, in 32 bytes. Pure.
 *
 * IPv4 is always kept as IPv4, never as ::ffff:a.b.c.d, whatever socket it came from. The path says
 * by which transport it is reached: two addresses are the same only if their paths are.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64 /* "[v6]:port" with its terminator */

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    uint32_t path;
};

/* The shared UDP port is path 0, or this and the number of the local address that the peer uses
 * (rtp/forward/udp.h). Everything else is a TCP connection (rtp/forward/worker_tcp.h). */
#define ADDRESS_PATH_UDP 0x80000000u

/* Unmaps v4-in-v6; path 0. */
void address_from_sockaddr(struct address *a, const struct sockaddr *sa);
/* Numeric text only. False if it is neither. */
bool address_parse(struct address *a, const char *ip, uint16_t port);
socklen_t address_size(const struct address *a); /* of the sockaddr; 0 if a is zeroed */
/* For sending from a dual-stack AF_INET6 socket: IPv4 becomes ::ffff:a.b.c.d. */
socklen_t address_to_v6(const struct address *a, struct sockaddr_in6 *out);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_udp(const struct address *a);
/* Equal but for the path, and both of UDP: the same place, to which we have more than one way. */
bool address_same_end(const struct address *a, const struct address *b);
uint64_t address_hash(const struct address *a, uint64_t seed);
uint16_t address_port(const struct address *a);
void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
