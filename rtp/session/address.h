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
    uint32_t path; /* 0: the shared UDP port; else a TCP connection, see worker_tcp.h */
};

/* Unmaps v4-in-v6; path 0. */
void address_from_sockaddr(struct address *a, const struct sockaddr *sa);
/* Numeric text only. False if it is neither. */
bool address_parse(struct address *a, const char *ip, uint16_t port);
socklen_t address_size(const struct address *a); /* of the sockaddr; 0 if a is zeroed */
/* For sending from a dual-stack AF_INET6 socket: IPv4 becomes ::ffff:a.b.c.d. */
socklen_t address_to_v6(const struct address *a, struct sockaddr_in6 *out);
bool address_equal(const struct address *a, const struct address *b);
uint64_t address_hash(const struct address *a, uint64_t seed);
uint16_t address_port(const struct address *a);
void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
