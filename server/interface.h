/* interface.h - whether a person sits at a terminal, what he chose the last time, and the interface
 * he gets.
 *
 * Life: interface_read instead of config_read; interface_open before server_run, interface_close
 * after it.
 */
#pragma once

#include "server/config.h"
#include "server/settings.h"
#include "server/tui_host.h"

struct interface {
    bool wanted;
    bool keeps; /* `settings`, in `path` */
    char path[1024];
    struct settings settings;
    struct tui_host *host; /* owned; NULL: plain lines */
};

/* As config_read, with what was chosen the last time where the arguments say nothing. */
int interface_read(struct interface *i, struct config *c, int argc, char **argv, char *error,
                   size_t error_size);
void interface_open(struct interface *i, struct server *s, struct publish_host *publish);
void interface_close(struct interface *i, const struct config *config);
