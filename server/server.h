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
#include "signaling/backend.h"

struct server;

/* Who goes along with it on its thread. Each may be NULL. */
struct server_companion {
    void *arg;
    void (*on_round)(void *arg); /* after whatever happened, and once a second */
    void (*on_viewer)(void *arg, uint32_t viewer_id, enum backend_viewer_state state,
                      const char *reason);
    /* of ours, with full ICE; NULL: there will be no more */
    void (*on_candidate)(void *arg, uint32_t viewer_id, const char *text);
};

int server_create(struct server **out, const struct config *config, char *error, size_t error_size);
void server_run(struct server *s);
void server_stop(struct server *s); /* any thread */
/* Any thread: takes nobody new, and stops when nobody is there any more or --drain-timeout is over.
 */
void server_drain(struct server *s);
void server_destroy(struct server *s); /* NULL is fine */
void server_wake(struct server *s);    /* any thread: another round */

/* The options as they are now; 0, or -errno with a sentence. On the thread of server_run. */
typedef int server_reread_fn(void *arg, struct config *out, char *error, size_t error_size);
void server_on_reload(struct server *s, server_reread_fn *reread, void *arg); /* before the run */
void server_reload(struct server *s); /* any thread: takes over what can change while it runs */

#define SERVER_COMPANIONS_MAX 2
/* Before server_run, or on its thread; it outlives server_run. */
void server_join(struct server *s, const struct server_companion *companion);
const struct backend *server_backend(const struct server *s);
const char *server_room(const struct server *s); /* of --source; "": none */

const char *server_url(const struct server *s); /* of the room's page, or of the landing page */
const char *server_admin_token(const struct server *s);
const char *server_secret(const struct server *s); /* what publishes into server_room; "": none */
