/* tui_share.h - what the person at the terminal shares: sources come, go, stop and go on, and are
 * coded otherwise. Signaling thread.
 *
 * Life: zeroed but for what share_init takes; share_finish.
 */
#pragma once

#include "server/media.h"
#include "server/server_inside.h"

#define SHARE_AUTO_MAX 4 /* windows that are shared because they were worked in */

struct share {
    struct server *server; /* borrowed */
    struct room *room;     /* borrowed: the server's, and as long as that */
    struct media_coding coding;
    unsigned n_stopped;
    struct media *stopped[BACKEND_STREAMS_MAX]; /* owned; what was shown when it was stopped */
    unsigned n_auto;
    char automatic[SHARE_AUTO_MAX][160]; /* the one that was last worked in is the last */
};

void share_init(struct share *s, struct server *server, struct room *room);
void share_finish(struct share *s);
/* Each: 0, or -errno with a sentence. */
int share_add(struct share *s, const char *source, char *error, size_t error_size);
int share_remove(struct share *s, unsigned slot);
bool share_is_stopped(const struct share *s);
void share_stop(struct share *s);
int share_go_on(struct share *s, char *error, size_t error_size);
/* What is shown follows `coding`: its rate at once, its codec by being opened anew. */
void share_set_rate(struct share *s);
int share_set_codec(struct share *s, char *error, size_t error_size);
/* The window that is worked in; of those that came this way the one longest unused makes room. */
int share_follow(struct share *s, const char *source, char *error, size_t error_size);
