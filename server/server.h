/* server.h - the program put together: forwarder, room, sources, signaling, and what joins them.
 *
 * Life: server_create opens everything and says in one sentence what cannot be had; server_run
 * serves on the calling thread (the signaling thread) until server_stop; server_destroy ends it:
 * viewers get their goodbye, threads are joined, everything is freed.
 *
 * It implements signaling/backend.h: a seat is reserved with the forwarder, its viewer begins with
 * the answer, and what the forwarder tells about a viewer goes back to signaling.
 */
#pragma once

#include "server/config.h"

struct server;

int server_create(struct server **out, const struct config *config, char *error, size_t error_size);
void server_run(struct server *s);
void server_stop(struct server *s);    /* any thread */
void server_destroy(struct server *s); /* NULL is fine */

const char *server_url(const struct server *s); /* of the room's page, or of the landing page */
const char *server_admin_token(const struct server *s);
