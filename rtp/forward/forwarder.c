#include "rtp/forward/forwarder_inside.h"
#include "rtp/forward/worker_agent.h"
#include "rtp/forward/worker_handshakes.h"
#include "rtp/forward/worker_tcp.h"

#include <assert.h>
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Viewers that came or went until what they left in the heap is given back to the system. What a
 * handshake needs for a moment lies between what its viewer keeps, so that free pages stay with the
 * heap; on this thread, a millisecond for 20 MB. */
#define TRIM_AFTER 256
#define CANDIDATES_PER_VIEWER 24 /* of ours, and their end; what nobody reads is lost */
#define EVENTS_PER_VIEWER 4      /* states until it plays; a full mailbox only delays them */

/* --- life --- */

static uint32_t mask_for(unsigned max_viewers)
{
    uint32_t size = 4;
    while (size < 2 * max_viewers)
        size *= 2;
    return size - 1;
}

static unsigned share(const struct forwarder_config *config)
{
    unsigned all = config->max_handshakes ? config->max_handshakes : WORKER_HANDSHAKES_MAX;
    unsigned n = (unsigned)config->n_workers;
    return (all + n - 1) / n;
}

static void publish(void *arg, uint32_t stream_id, unsigned layer, struct frame *frame)
{
    forwarder_publish(arg, stream_id, layer, frame);
}

static int add_worker(struct forwarder *f, const struct forwarder_config *config, struct udp *udp)
{
    struct worker_config wc = {
        .index = f->n_workers,
        .n_workers = (unsigned)config->n_workers,
        .peers = f->workers,
        .max_viewers = f->max_viewers,
        .max_handshakes = share(config),
        .pin = config->pin,
        .id_mask = f->id_mask,
        .udp = *udp,
        .dtls = config->dtls,
        .events = &f->events,
        .ice = config->ice,
        .candidates = f->full_ice ? &f->candidates : NULL,
        .publish = publish,
        .publish_arg = f,
    };
    if (getrandom(&wc.seed, sizeof(wc.seed), 0) != sizeof(wc.seed))
        return -EIO;
    int rc = worker_create(&f->workers[f->n_workers], &wc);
    if (rc == 0)
        f->n_workers++;
    return rc;
}

static int open_workers(struct forwarder *f, const struct forwarder_config *config)
{
    struct udp first, udp;
    for (int i = 0; i < config->n_workers; i++) {
        int rc = udp_open(&udp, config->udp_port, i > 0 ? &first : NULL, config->disable_gso);
        if (rc != 0)
            return rc;
        udp.locals = &f->locals;
        if (i == 0) {
            first = udp;
            f->port = udp_port(&udp);
        }
        rc = add_worker(f, config, &udp);
        if (rc != 0) {
            udp_close(&udp);
            return rc;
        }
    }
    return 0;
}

static void destroy_workers(struct forwarder *f, unsigned n_started)
{
    for (unsigned i = 0; i < n_started; i++)
        worker_quit(f->workers[i]);
    for (unsigned i = 0; i < n_started; i++)
        worker_join(f->workers[i]);
    for (unsigned i = 0; i < f->n_workers; i++)
        worker_destroy(f->workers[i]);
}

static int start_workers(struct forwarder *f, const struct forwarder_config *config)
{
    int rc = open_workers(f, config);
    unsigned n_started = 0;
    while (rc == 0 && n_started < f->n_workers) {
        rc = worker_start(f->workers[n_started]);
        if (rc == 0)
            n_started++;
    }
    if (rc != 0)
        destroy_workers(f, n_started);
    return rc;
}

static void explain(const struct forwarder_config *config, int rc, char *error, size_t size)
{
    if (rc == -EADDRINUSE)
        snprintf(error, size, "UDP port %u is in use", config->udp_port);
    else if (rc == -EACCES)
        snprintf(error, size, "UDP port %u needs more rights", config->udp_port);
    else
        snprintf(error, size, "cannot start the workers: %s", strerror(-rc));
}

static int open_mailboxes(struct forwarder *f, const struct forwarder_config *config)
{
    int rc = mailbox_init(&f->events, sizeof(struct forwarder_event),
                          (size_t)EVENTS_PER_VIEWER * config->max_viewers, config->wake,
                          config->wake_arg);
    if (rc != 0 || !config->ice)
        return rc;
    rc = mailbox_init(&f->candidates, sizeof(struct forwarder_candidate),
                      (size_t)CANDIDATES_PER_VIEWER * config->max_viewers, config->wake,
                      config->wake_arg);
    if (rc != 0)
        mailbox_finish(&f->events);
    f->full_ice = rc == 0;
    return rc;
}

static void close_mailboxes(struct forwarder *f)
{
    struct forwarder_event ignored;
    struct forwarder_candidate unread;
    while (mailbox_take(&f->events, &ignored))
        ;
    mailbox_finish(&f->events);
    if (!f->full_ice)
        return;
    while (mailbox_take(&f->candidates, &unread))
        free(unread.text);
    mailbox_finish(&f->candidates);
}

static void free_tables(struct forwarder *f)
{
    if (!f)
        return;
    for (unsigned i = 0; f->streams && i < FORWARDER_STREAMS_MAX; i++)
        free(atomic_load_explicit(&f->streams[i], memory_order_relaxed));
    udp_locals_finish(&f->locals);
    free(f->streams);
    free(f->seats);
    free(f);
}

int forwarder_create(struct forwarder **out, const struct forwarder_config *config, char *error,
                     size_t error_size)
{
    assert(config->n_workers >= 1 && config->n_workers <= FORWARDER_WORKERS_MAX);
    assert(config->max_viewers >= 1 && config->max_viewers < 1u << 28);
    struct forwarder *f = calloc(1, sizeof(*f));
    int rc = f ? 0 : -ENOMEM;
    if (rc == 0) {
        udp_locals_init(&f->locals);
        f->max_viewers = config->max_viewers;
        f->id_mask = mask_for(config->max_viewers);
        f->next_viewer_id = f->next_stream_id = 1;
        f->seats = calloc((size_t)f->id_mask + 1, sizeof(*f->seats));
        f->streams = calloc(FORWARDER_STREAMS_MAX, sizeof(*f->streams));
        rc = f->seats && f->streams ? open_mailboxes(f, config) : -ENOMEM;
    }
    if (rc == 0) {
        rc = start_workers(f, config);
        if (rc != 0)
            close_mailboxes(f);
    }
    if (rc != 0) {
        explain(config, rc, error, error_size);
        free_tables(f);
        return rc;
    }
    *out = f;
    return 0;
}

void forwarder_destroy(struct forwarder *f)
{
    if (!f)
        return;
    destroy_workers(f, f->n_workers);
    forwarder_free_ingests(f);
    close_mailboxes(f);
    free_tables(f);
}

uint16_t forwarder_port(const struct forwarder *f)
{
    return f->port;
}

/* --- viewers --- */

struct seat *forwarder_find_seat(struct forwarder *f, uint32_t id)
{
    struct seat *seat = &f->seats[id & f->id_mask];
    return seat->state != SEAT_FREE && seat->id == id ? seat : NULL;
}

static void free_seat(struct forwarder *f, struct seat *seat)
{
    f->load[seat->worker]--;
    f->n_seats--;
    seat->state = SEAT_FREE;
}

static unsigned least_loaded(const struct forwarder *f)
{
    unsigned best = 0;
    for (unsigned i = 1; i < f->n_workers; i++) {
        if (f->load[i] < f->load[best])
            best = i;
    }
    return best;
}

/* The next id whose place is free: at most half of the places are taken. */
static uint32_t take_viewer_id(struct forwarder *f)
{
    for (;;) {
        uint32_t id = f->next_viewer_id++;
        if (id != 0 && f->seats[id & f->id_mask].state == SEAT_FREE)
            return id;
    }
}

/* RFC 8839 5.4: ice-char */
static bool write_random_ice_chars(char *out, size_t n)
{
    static const char ICE_CHARS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t random[ICE_LOCAL_PWD_SIZE];
    assert(n <= sizeof(random));
    if (getrandom(random, n, 0) != (ssize_t)n)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = ICE_CHARS[random[i] & 63];
    out[n] = '\0';
    return true;
}

/* It gathers from here on. */
static int give_agent(struct forwarder *f, unsigned worker, const struct forwarder_seat *seat,
                      bool controlling)
{
    struct worker_agent *a = worker_agent_new(seat->viewer_id, &seat->ice, controlling);
    int rc = a ? worker_give_agent(f->workers[worker], a) : -ENOMEM;
    if (rc != 0)
        worker_agent_free(a);
    return rc;
}

static bool make_credentials(struct ice_local *out, unsigned worker, uint32_t viewer_id)
{
    char prefix[WORKER_UFRAG_PREFIX + 1];
    worker_ufrag_write(prefix, worker, viewer_id);
    memcpy(out->ufrag, prefix, WORKER_UFRAG_PREFIX);
    return write_random_ice_chars(out->pwd, ICE_LOCAL_PWD_SIZE) &&
           write_random_ice_chars(out->ufrag + WORKER_UFRAG_PREFIX,
                                  ICE_LOCAL_UFRAG_SIZE - WORKER_UFRAG_PREFIX);
}

static int reserve(struct forwarder *f, bool controlling, struct forwarder_seat *out)
{
    if (f->n_seats == f->max_viewers)
        return -EAGAIN;
    struct forwarder_seat seat = {.viewer_id = take_viewer_id(f)};
    unsigned worker = least_loaded(f);
    if (!make_credentials(&seat.ice, worker, seat.viewer_id))
        return -EIO;
    int rc = f->full_ice ? give_agent(f, worker, &seat, controlling) : 0;
    if (rc != 0)
        return rc;

    f->seats[seat.viewer_id & f->id_mask] =
        (struct seat){.state = SEAT_RESERVED, .id = seat.viewer_id, .worker = worker};
    f->load[worker]++;
    f->n_seats++;
    *out = seat;
    return 0;
}

int forwarder_reserve(struct forwarder *f, struct forwarder_seat *out)
{
    return reserve(f, false, out);
}

int forwarder_reserve_to_offer(struct forwarder *f, struct forwarder_seat *out)
{
    return reserve(f, true, out);
}

void forwarder_cancel(struct forwarder *f, uint32_t viewer_id)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!seat || seat->state != SEAT_RESERVED)
        return;
    if (f->full_ice)
        worker_cancel_agent(f->workers[seat->worker], viewer_id);
    free_seat(f, seat);
}

int forwarder_add_viewer(struct forwarder *f, const struct viewer_config *config)
{
    struct seat *seat = forwarder_find_seat(f, config->id);
    if (!seat || seat->state != SEAT_RESERVED)
        return -ENOENT;
    if (config->n_tracks < 1 || config->n_tracks > VIEWER_TRACKS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < config->n_tracks; i++) {
        const struct forwarder_stream *s = forwarder_find_stream(f, config->tracks[i].stream_id);
        if (!s)
            return -ENOENT;
        if (config->tracks[i].kind != s->kind)
            return -EINVAL;
    }
    struct worker_viewer *v = worker_viewer_new(config);
    if (!v)
        return -ENOMEM;
    seat->state = SEAT_TAKEN;
    worker_add_viewer(f->workers[seat->worker], v);
    return 0;
}

void forwarder_remove_viewer(struct forwarder *f, uint32_t viewer_id)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!seat || seat->state != SEAT_TAKEN)
        return;
    seat->state = SEAT_LEAVING; /* until its last event is read */
    worker_remove_viewer(f->workers[seat->worker], viewer_id);
}

void forwarder_select(struct forwarder *f, uint32_t viewer_id, uint32_t stream_id,
                      const struct viewer_selection *selection)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!seat || seat->state != SEAT_TAKEN)
        return;
    struct worker *w = f->workers[seat->worker];
    while (worker_select(w, viewer_id, stream_id, selection) != 0)
        forwarder_wait_for(w);
}

void forwarder_want_keyframe(struct forwarder *f, uint32_t viewer_id, uint32_t stream_id)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (seat && seat->state == SEAT_TAKEN)
        (void)worker_want_keyframe(f->workers[seat->worker], viewer_id, stream_id);
}

void forwarder_add_tcp(struct forwarder *f, int fd)
{
    struct tcp_guest *guest;
    if (tcp_guest_new(&guest, fd) != 0)
        close(fd);
    else if (worker_give_tcp(f->workers[f->next_tcp++ % f->n_workers], guest) != 0)
        tcp_guest_free(guest);
}

static void trim_heap(struct forwarder *f)
{
    if (++f->since_trim < TRIM_AFTER)
        return;
    f->since_trim = 0;
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

bool forwarder_next_event(struct forwarder *f, struct forwarder_event *out)
{
    if (!mailbox_take(&f->events, out))
        return false;
    if (out->state == VIEWER_PLAYING || out->state == VIEWER_CLOSED)
        trim_heap(f);
    if (out->state == VIEWER_CLOSED) {
        struct seat *seat = forwarder_find_seat(f, out->viewer_id);
        assert(seat);
        free_seat(f, seat);
    }
    return true;
}

bool forwarder_next_candidate(struct forwarder *f, struct forwarder_candidate *out)
{
    return f->full_ice && mailbox_take(&f->candidates, out);
}

void forwarder_add_candidate(struct forwarder *f, uint32_t viewer_id, const char *text)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!f->full_ice || !seat || seat->state == SEAT_LEAVING || strlen(text) >= ICE_FULL_TEXT_MAX)
        return;
    char *copy = strdup(text);
    if (copy && worker_give_candidate(f->workers[seat->worker], viewer_id, copy) != 0)
        free(copy); /* a flood: this peer's checks show where it is */
}

static bool copy_text(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n >= room)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static int restart(struct forwarder *f, uint32_t viewer_id, const char *ufrag, const char *pwd,
                   struct ice_local *ours, bool moves)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!seat || seat->state != SEAT_TAKEN)
        return -ENOENT;
    if (!f->full_ice && (!ours || !ufrag[0])) /* a lite agent never begins */
        return -EINVAL;
    struct worker_restart *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->viewer_id = viewer_id;
    r->moves = moves;
    int rc = -EINVAL;
    if (copy_text(r->ufrag, sizeof(r->ufrag), ufrag) && copy_text(r->pwd, sizeof(r->pwd), pwd))
        rc = !ours || make_credentials(&r->local, seat->worker, viewer_id) ? 0 : -EIO;
    struct ice_local local = r->local;
    if (rc == 0)
        rc = worker_restart(f->workers[seat->worker], r);
    if (rc != 0)
        free(r);
    else if (ours)
        *ours = local;
    return rc;
}

int forwarder_restart(struct forwarder *f, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct ice_local *ours)
{
    return restart(f, viewer_id, ufrag, pwd, ours, false);
}

int forwarder_move(struct forwarder *f, uint32_t viewer_id, struct ice_local *ours)
{
    return restart(f, viewer_id, "", "", ours, true);
}

int forwarder_add_relay(struct forwarder *f, uint32_t viewer_id, const struct ice_relay *relay)
{
    struct seat *seat = forwarder_find_seat(f, viewer_id);
    if (!f->full_ice || !seat || seat->state == SEAT_LEAVING)
        return -ENOENT;
    struct worker_relay *r = malloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct worker_relay){.viewer_id = viewer_id, .relay = *relay};
    int rc = worker_give_relay(f->workers[seat->worker], r);
    if (rc != 0) {
        explicit_bzero(r, sizeof(*r));
        free(r);
    }
    return rc;
}
