/* ice_setup.h - from the configuration to what agents and browsers are told of addresses, STUN and
 * TURN servers. Once, before any thread starts: it may wait for the resolver.
 */
#pragma once

#include "rtp/session/ice_full.h"
#include "server/config.h"
#include "signaling/backend.h"

/* The addresses to announce: those the user named, or those of this host; loopback only for who
 * listens there or has no other. How many. */
unsigned ice_setup_addresses(const struct config *config,
                             struct address out[BACKEND_CANDIDATES_MAX]);
/* Who publishes to another machine may be carried from one network to the next: his agents look for
 * the addresses themselves, each anew. Else they get those of ice_setup_addresses. */
bool ice_setup_roams(const struct config *config);
/* For the agents of --ice full; also lets this process open as many descriptors as it may. 0, or
 * -errno with a sentence that names the option. */
int ice_setup_servers(struct ice_servers *out, const struct config *config,
                      const struct address *addresses, unsigned n_addresses, char *error,
                      size_t error_size);
/* For the browsers. */
void ice_setup_backend(struct backend *out, const struct config *config);
