/* whip_client.h - the client's side of WHIP (RFC 9725), and of the few calls of a server's API that
 * go with it.
 *
 * Requests leave one after another on a thread of the client's own, since a name or a server may
 * take its time; what came of each is a reply, taken with whip_client_next after `wake` was called.
 * The client keeps what belongs to its resource: where it is, its entity tag, whether a PATCH is
 * understood.
 *
 * Certificates are checked. A server may pass us on (307), but never from https to http, and
 * another origin gets no secret: it is for whom the person named.
 *
 * Life: whip_client_create, requests, whip_client_destroy, which gives the resource back (DELETE)
 * and waits for that WHIP_CLIENT_END_S at most. Threads: all of it on one; `wake` comes on another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHIP_CLIENT_URL_MAX 1024
#define WHIP_CLIENT_BODY_MAX 65536 /* of a reply; longer ones fail */
#define WHIP_CLIENT_QUEUE 8        /* requests that wait */
#define WHIP_CLIENT_TIMEOUT_S 15   /* of a request, from name to last byte */
#define WHIP_CLIENT_END_S 3
#define WHIP_CLIENT_REDIRECTS 5

struct whip_client;

struct whip_client_config {
    const char *url;         /* http(s)://...; copied, like the rest */
    const char *bearer;      /* NULL or "": none */
    const char *ca_file;     /* NULL: the system's */
    void (*wake)(void *arg); /* the client's thread: a reply waits, or the beat */
    void *wake_arg;
};

enum whip_client_what { WHIP_POST = 1, WHIP_PATCH, WHIP_DELETE, WHIP_API, WHIP_LOOK_UP };

struct whip_reply {
    enum whip_client_what what;
    int tag;           /* of WHIP_API and WHIP_LOOK_UP: what was given */
    int status;        /* of HTTP; 0: there was no answer */
    bool ok;           /* the status is what success looks like */
    bool permanent;    /* the same again would end the same */
    int retry_after_s; /* -1: not said */
    char error[320];   /* "" or a sentence for the person who publishes */
    char *body;        /* owned: free it; terminated; NULL: none; of WHIP_LOOK_UP: an address */
    size_t body_size;
    char *links; /* owned; the values of the 201's Link header fields, a line each, or NULL */
};

/* 0, -ENOMEM, or -EINVAL: the URL is none. */
int whip_client_create(struct whip_client **out, const struct whip_client_config *config);
void whip_client_destroy(struct whip_client *c); /* NULL is fine */

/* Each: 0, -ENOBUFS: too many wait, -ENOMEM. */
int whip_client_post(struct whip_client *c, const char *offer);
int whip_client_patch(struct whip_client *c, const char *fragment);   /* -ENOTSUP: no resource */
int whip_client_restart(struct whip_client *c, const char *fragment); /* of ICE; the same */
int whip_client_delete(struct whip_client *c);                        /* nothing if there is none */
bool whip_client_has_resource(struct whip_client *c);
/* Of the server, not of the resource: `path` is absolute; `json` NULL: no body. */
int whip_client_api(struct whip_client *c, int tag, const char *method, const char *path,
                    const char *json);
/* The numeric address of a name, or of an address as it is. */
int whip_client_look_up(struct whip_client *c, int tag, const char *host);
/* Where POST goes, and with what, from the next one on. */
int whip_client_set_target(struct whip_client *c, const char *url, const char *bearer);

bool whip_client_next(struct whip_client *c, struct whip_reply *out);
void whip_reply_free(struct whip_reply *r);
/* `wake` is also called that often; 0: not. */
void whip_client_set_beat(struct whip_client *c, int every_ms);
