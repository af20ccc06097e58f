#include "signaling/join_limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

void join_limit_init(struct join_limit *l, unsigned rate, unsigned burst, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    l->rate = rate != 0 ? rate : JOIN_LIMIT_RATE;
    l->burst = burst != 0 ? burst : JOIN_LIMIT_BURST;
    l->seed = seed;
}

/* Written as a /64 that is never routed (RFC 4291 2.5.5), so that no IPv6 address has the same. */
static uint64_t ipv4_key(uint32_t address)
{
    return address >> 24 == 127 ? 0 : UINT64_C(0xffff) << 32 | address;
}

uint64_t join_limit_key(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return ipv4_key(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return 0;
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof(in6));
    const uint8_t *a = in6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr))
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return ipv4_key((uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 |
                        a[15]);
    uint64_t prefix = 0;
    for (unsigned i = 0; i < 8; i++)
        prefix = prefix << 8 | a[i];
    return prefix != 0 ? prefix : 1;
}

/* splitmix64's finalizer: every bit of the key moves the place. */
static unsigned set_of(const struct join_limit *l, uint64_t key)
{
    uint64_t x = key ^ l->seed;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((x ^ x >> 31) % JOIN_LIMIT_SETS);
}

static struct join_limit_entry *entry_of(struct join_limit *l, uint64_t key, int64_t now_us)
{
    struct join_limit_entry *set = l->entries[set_of(l, key)], *oldest = set;
    for (unsigned i = 0; i < JOIN_LIMIT_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (oldest->key != 0 && (set[i].key == 0 || set[i].seen_us < oldest->seen_us))
            oldest = &set[i];
    }
    *oldest =
        (struct join_limit_entry){.key = key, .seen_us = now_us, .millitokens = l->burst * 1000};
    return oldest;
}

static void refill(const struct join_limit *l, struct join_limit_entry *e, int64_t now_us)
{
    int64_t elapsed_us = now_us - e->seen_us;
    int64_t full_us = (int64_t)l->burst * 1000000 / l->rate + 1000000;
    if (elapsed_us > full_us)
        elapsed_us = full_us;
    int64_t gained = elapsed_us * l->rate / 1000;
    if (gained <= 0)
        return; /* its time is kept, so that many small steps add up */
    int64_t sum = e->millitokens + gained, most = (int64_t)l->burst * 1000;
    e->millitokens = (unsigned)(sum < most ? sum : most);
    e->seen_us = now_us;
}

unsigned join_limit_take(struct join_limit *l, uint64_t key, int64_t now_us)
{
    if (key == 0)
        return 0;
    struct join_limit_entry *e = entry_of(l, key, now_us);
    refill(l, e, now_us);
    if (e->millitokens < 1000) {
        l->n_refused++;
        return (1000 - e->millitokens) / (l->rate * 1000) + 1;
    }
    e->millitokens -= 1000;
    l->n_admitted++;
    return 0;
}
