/* tui_host.h - the terminal interface of a running program: what the person at the terminal sees
 * and does.
 *
 * It goes along with a server on its thread: takes keys, does what they mean to the server's room,
 * and draws once a second and after each key. Log lines go into it instead of onto the screen.
 *
 * Life: tui_host_create after server_create (and publish_host_create) and before server_run;
 * tui_host_destroy gives the terminal back, and says what the person chose to be kept.
 */
#pragma once

#include "server/publish_host.h"
#include "server/server.h"
#include "server/settings.h"

struct tui_host;

/* May the terminal be taken over? */
bool tui_host_is_possible(void);
/* 0, or -errno with a sentence. `publish` NULL: nothing is published elsewhere. */
int tui_host_create(struct tui_host **out, struct server *s, struct publish_host *publish,
                    const struct settings *kept, char *error, size_t error_size);
/* NULL is fine; `kept` may be NULL. */
void tui_host_destroy(struct tui_host *h, struct settings *kept);
