/* publish_host.h - "amphi publish": the program's room, pushed to a server elsewhere (publish.h).
 *
 * It goes along with a server on its thread, looks once a second how the session fares, lets the
 * encoders make what the uplink takes (publish_rate.h), and begins anew when this machine's
 * addresses have changed.
 *
 * Life: publish_host_create after server_create and before server_run; publish_host_destroy before
 * server_destroy. When the server refuses for good, and nobody could do anything about it here, it
 * stops the program: publish_host_status says why.
 */
#pragma once

#include "server/publish.h"
#include "server/server.h"

struct publish_host;

/* 0, or -errno with a sentence. `stays`: not even a refusal stops the program. */
int publish_host_create(struct publish_host **out, struct server *s, const struct config *config,
                        bool stays, char *error, size_t error_size);
void publish_host_destroy(struct publish_host *h); /* NULL is fine */
void publish_host_status(const struct publish_host *h, struct publish_status *out);
void publish_host_set_stopped(struct publish_host *h, bool stopped);
/* A request to the API of that server (whip_client_api), with the room's secret; its reply goes to
 * `on_api`. */
int publish_host_ask(struct publish_host *h, int tag, const char *method, const char *path,
                     const char *json);
void publish_host_set_api(struct publish_host *h,
                          void (*on_api)(void *arg, const struct whip_reply *r), void *arg);
