/* connection_limit.h - how many connections one address may have at once: a count each.
 *
 * Who opens connections and says nothing in them could otherwise take all there are. What counts as
 * an address is join_limit_key's to say: an IPv6 /64 is one, loopback (0) is exempt. There are
 * never more counts than connections that were taken, so whoever bounds those bounds this.
 *
 * Life: connection_limit_create, connection_limit_take for each connection, and as often as that
 * said true connection_limit_give_back; connection_limit_destroy. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_LIMIT 3000 /* of one address: a quarter of HTTP_CONNECTIONS_MAX */

struct connection_limit;

struct connection_limit *connection_limit_create(unsigned most); /* 0: the default */
void connection_limit_destroy(struct connection_limit *l);       /* NULL is fine */
/* Who has more than that keeps them. */
void connection_limit_set(struct connection_limit *l, unsigned most);
bool connection_limit_take(struct connection_limit *l, uint64_t key);
void connection_limit_give_back(struct connection_limit *l, uint64_t key);
uint64_t connection_limit_refused(const struct connection_limit *l);
unsigned connection_limit_addresses(const struct connection_limit *l); /* that have some */
