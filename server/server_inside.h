/* server_inside.h - what the files of the server share: its state, the signaling thread's unless
 * said.
 *
 *     server.c   life, and what the other threads tell
 *     viewers.c  what signaling asks for its viewers
 *     admin.c    what it asks for those who run the program: figures, sources
 *     presenters.c  what it asks for those who send something into a room
 *     audience.c  how viewers fare, for who presents to them
 *     operating.c  it is drained, and told its options anew
 *     adding.c   sources that are being opened for a room
 *     listing.c  what could be added, for those who ask
 *     hosting.c  what it asks for those who have rooms, and who may what in them
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "server/config.h"
#include "server/follow.h"
#include "server/rooms.h"
#include "server/server.h"
#include "server/stats.h"
#include "server/watch_token.h"
#include "signaling/backend.h"
#include "signaling/http.h"

#include <semaphore.h>
#include <stdatomic.h>

/* A viewer from its seat to its end; or a presenter, until nobody waits for him any more. */
struct guest {
    struct room *room; /* borrowed: the server's; NULL: it has ended */
    struct backend_seat seat;
    bool started;
    bool presents;
    uint8_t best_layer; /* from the best down, 0: all; it is never sent a better one */
    struct backend_viewer_report report; /* what its player last said */
    int64_t reported_us;                 /* 0: never */

    /* of a presenter */
    char kind[16];
    bool replaced; /* another one has his slots: his last event is to come */
    bool ended;    /* so is it of one who has ended on purpose */
    bool lost;     /* his last event has come, and his slots wait for him */
    int64_t lost_us;
    uint64_t wished_bps; /* what his encoder was last asked for */
    unsigned wished_layers;
    int64_t asked_us; /* when the forwarder was last asked what he sends */
};

/* Of a peer's answer or offer. */
struct server_peer {
    const char *ufrag, *pwd;
    bool dtls_client; /* our role */
    unsigned n_fingerprints;
    const char (*fingerprints)[BACKEND_FINGERPRINT_MAX];
};

#define SERVER_ADDING_MAX 8

/* A source that is being opened. */
struct server_adding {
    struct source_opening *opening; /* owned; NULL: this place is free */
    struct room *room;              /* borrowed; `slot` is kept for it */
    unsigned slot;
    uint32_t ticket;
};

#define SERVER_LISTING_MAX 8

/* Who wants to know what could be added. */
struct server_listing {
    struct source_listing *lister; /* owned; made when first asked */
    unsigned n;
    uint32_t tickets[SERVER_LISTING_MAX];
};

struct server {
    struct config config; /* changed by operating.c alone */
    /* immutable after create */
    int64_t started_us;
    struct backend backend;
    struct ice_servers ice;      /* with --ice full */
    struct dtls_context *dtls;   /* owned */
    struct forwarder *forwarder; /* owned */
    struct follow *follow;       /* owned */
    struct http *http;           /* owned */
    char fingerprint[DTLS_FINGERPRINT_TEXT_MAX];
    char admin_token[CONFIG_TEXT_MAX];
    char url[256];
    unsigned n_candidates;
    struct backend_candidate candidates[BACKEND_CANDIDATES_MAX];

    struct rooms rooms;
    int64_t fares_us;   /* when the rooms' were counted */
    int64_t limited_us; /* when sources were last told what their viewers take */
    struct watch_tokens tokens;
    struct stats_denied denied;
    struct server_adding adding[SERVER_ADDING_MAX];
    struct server_listing listing;
    uint32_t last_ticket;
    struct room *source_room;   /* borrowed: of --source; NULL: none */
    struct _GHashTable *guests; /* viewer id -> struct guest, owned */
    int64_t next_tick_us;
    bool draining;
    int64_t drain_until_us;
    server_reread_fn *reread; /* NULL: options stay as they are */
    void *reread_arg;
    unsigned n_companions;
    struct server_companion companions[SERVER_COMPANIONS_MAX];

    /* any thread */
    atomic_bool stop, rooms_changed, drain_asked, reload_asked;
    sem_t stopped; /* whoever said stop does not touch `http` any more */
};

int64_t server_now_us(void);
void server_random(void *out, size_t size); /* at most 256 bytes */
/* By its normalized code, or NULL. */
struct room *server_find_room(struct server *s, const char *code);
struct guest *server_find_guest(struct server *s, uint32_t viewer_id);
/* What its SDP needs, but for what the forwarder made. */
void server_fill_seat(struct server *s, const struct forwarder_seat *seat,
                      struct backend_seat *out);
/* False: something of it cannot be used. */
bool server_fill_peer(const struct backend_seat *seat, const struct server_peer *peer,
                      struct peer_config *out);
void server_add_guest(struct server *s, uint32_t id, struct guest *guest); /* takes it over */
/* The guest is gone, whatever became of it. */
void server_drop_guest(struct server *s, uint32_t viewer_id);
/* Whoever is in it is sent away. */
void server_end_room(struct server *s, struct room *room);
/* Its viewers are told what changed in it. */
void server_tell_room(struct server *s, struct room *room);

void viewers_fill_backend(struct server *s, struct backend *out);
void presenters_fill_backend(struct server *s, struct backend *out);
/* What the forwarder tells of one. True: signaling is to be told, with *reason. */
bool presenters_on_event(struct server *s, const struct forwarder_event *e, const char **reason);
void presenters_leave(struct server *s, uint32_t id, struct guest *g); /* without a word */
void presenters_tick(struct server *s, int64_t now_us);
void presenters_end_all(struct server *s, const struct room *room); /* room NULL: of all */
void audience_tick(struct server *s, int64_t now_us); /* sources follow their viewers */
void audience_fill_backend(struct backend *out);
/* What a presenter's encoder is to make, for those who watch: he is told of changes. */
void audience_wish(struct server *s, uint32_t id, struct guest *g, int64_t now_us);
void operating_round(struct server *s, int64_t now_us);
/* -EINPROGRESS: http_on_source_added follows, with this ticket; else -errno with a sentence. */
int adding_begin(struct server *s, struct room *room, const struct media *media, uint32_t *ticket,
                 char *error, size_t error_size);
void adding_round(struct server *s);
uint32_t server_next_ticket(struct server *s);                  /* not 0 */
void adding_end_all(struct server *s, const struct room *room); /* room NULL: of all, unheard */
/* -EINPROGRESS: http_on_source_added follows, with this ticket and a list; else -errno. */
int listing_begin(struct server *s, uint32_t *ticket);
void listing_round(struct server *s);
void listing_end(struct server *s); /* nobody is told */
void admin_fill_backend(struct server *s, struct backend *out);
void hosting_fill_backend(struct server *s, struct backend *out);
/* To a new room: its presenter's secret, "": one is made up, and the watch password, "": none. */
void hosting_give_rights(struct room *room, const char *secret, const char *password);
