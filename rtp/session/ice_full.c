#define G_LOG_DOMAIN "session"

#include "rtp/session/ice_full.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <netinet/udp.h>
#include <nice/agent.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT 1 /* RTP and RTCP on one (RFC 5761) */
/* After 10 s without an answer 0.1.21 calls consent lost, a third of RFC 7675's time, and it may
 * say so late: its timers wait for their owner. */
#define LIBNICE_SILENT_US 12000000
#define IDLE_TIMEOUT_MS 500u /* or a 20 ms timer goes on for 5 s after READY */
#define RUNS_MAX 8           /* rounds of what is ready at once; the rest is due now */
#define SEND_BUFFER (1 << 20)
#define ADDRESS_TEXT 64
#define STUN_LAST 3 /* of first bytes, RFC 7983 7 */

struct ice_full {
    /* immutable after create */
    struct ice_full_events events;
    const struct ice_servers *servers; /* borrowed */
    int64_t consent_us;
    GMainContext *context; /* owned; acquired by the thread of create */
    NiceAgent *agent;      /* owned */
    guint stream;

    int wake_fd;                    /* the context's own */
    GPollFD fds[ICE_FULL_POLL_MAX]; /* of the last query */
    unsigned n_fds;
    int64_t due_us;
    bool is_fresh; /* nothing was done to the agent since then */

    enum ice_full_state state;
    bool gathered, closing, closed;
    bool muted;       /* another one takes over */
    unsigned n_added; /* relays beside the servers' */
    struct ice_relay added[ICE_FULL_TURN_MAX];
    bool lost;                   /* consent: nothing leaves until a restart */
    int64_t consent_deadline_us; /* INT64_MAX while the peer answers */

    /* the peer's */
    bool has_remote, remote_ended;
    unsigned n_remote, n_used;
    char *early[ICE_FULL_REMOTE_MAX]; /* owned; came before the credentials */
    unsigned n_early;

    /* the chosen pair */
    bool chosen, relayed, gso, gso_disabled;
    GSocket *socket; /* ref; NULL: send through the agent */
    struct address remote;

    struct ice_full_counters counters;
};

/* --- the chosen pair --- */

static void to_address(struct address *out, const NiceAddress *a)
{
    struct sockaddr_storage sa;
    memset(&sa, 0, sizeof(sa));
    nice_address_copy_to_sockaddr(a, (struct sockaddr *)&sa);
    address_from_sockaddr(out, (struct sockaddr *)&sa);
}

static void drop_path(struct ice_full *ice)
{
    g_clear_object(&ice->socket);
    ice->chosen = false;
}

/* A pair on a UDP socket of this machine needs no agent to send. */
static void take_socket(struct ice_full *ice)
{
    int size = SEND_BUFFER, no_default = 0;
    ice->socket = nice_agent_get_selected_socket(ice->agent, ice->stream, COMPONENT);
    if (!ice->socket)
        return;
    if (g_socket_get_socket_type(ice->socket) != G_SOCKET_TYPE_DATAGRAM) {
        g_clear_object(&ice->socket);
        return;
    }
    int fd = g_socket_get_fd(ice->socket);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    ice->gso = !ice->gso_disabled &&
               setsockopt(fd, SOL_UDP, UDP_SEGMENT, &no_default, sizeof(no_default)) == 0;
}

static bool take_path(struct ice_full *ice)
{
    NiceCandidate *local, *remote;
    if (!nice_agent_get_selected_pair(ice->agent, ice->stream, COMPONENT, &local, &remote))
        return false;
    drop_path(ice);
    ice->relayed = local->type == NICE_CANDIDATE_TYPE_RELAYED;
    to_address(&ice->remote, &remote->addr);
    if (!ice->relayed)
        take_socket(ice);
    ice->chosen = true;
    return true;
}

/* --- what libnice tells --- */

static bool is_over(const struct ice_full *ice)
{
    return ice->closing || ice->muted;
}

static void set_state(struct ice_full *ice, enum ice_full_state state)
{
    ice->state = state;
    ice->events.on_state(ice->events.arg, state, state == ICE_FULL_READY ? &ice->remote : NULL);
}

static void on_selected(NiceAgent *agent, guint stream, guint component, NiceCandidate *local,
                        NiceCandidate *remote, gpointer arg)
{
    struct ice_full *ice = arg;
    (void)agent, (void)stream, (void)component, (void)local, (void)remote;
    if (is_over(ice) || ice->lost || !take_path(ice))
        return;
    ice->consent_deadline_us = INT64_MAX;
    set_state(ice, ICE_FULL_READY);
}

static void on_component_state(NiceAgent *agent, guint stream, guint component, guint state,
                               gpointer arg)
{
    struct ice_full *ice = arg;
    (void)agent, (void)stream, (void)component;
    if (is_over(ice) || ice->lost)
        return;
    if (state == NICE_COMPONENT_STATE_CONNECTED || state == NICE_COMPONENT_STATE_READY) {
        if (ice->chosen)
            ice->consent_deadline_us = INT64_MAX;
    } else if (state == NICE_COMPONENT_STATE_FAILED) {
        /* it goes on asking, and may be answered yet */
        if (!ice->chosen)
            set_state(ice, ICE_FULL_FAILED);
        else if (ice->consent_deadline_us == INT64_MAX)
            ice->consent_deadline_us = g_get_monotonic_time() + ice->consent_us - LIBNICE_SILENT_US;
    }
}

static void tell_candidate(struct ice_full *ice, const NiceCandidate *c)
{
    if (ice->servers->force_relay && c->type != NICE_CANDIDATE_TYPE_RELAYED)
        return;
    gchar *text = nice_agent_generate_local_candidate_sdp(ice->agent, (NiceCandidate *)c);
    if (text && g_str_has_prefix(text, "a=") && strlen(text + 2) < ICE_FULL_TEXT_MAX)
        ice->events.on_candidate(ice->events.arg, text + 2);
    g_free(text);
}

static void on_new_candidate(NiceAgent *agent, NiceCandidate *candidate, gpointer arg)
{
    struct ice_full *ice = arg;
    (void)agent;
    if (!is_over(ice))
        tell_candidate(ice, candidate);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
    struct ice_full *ice = arg;
    (void)agent, (void)stream;
    if (is_over(ice) || ice->gathered)
        return;
    ice->gathered = true;
    ice->events.on_candidate(ice->events.arg, NULL);
}

static void on_received(NiceAgent *agent, guint stream, guint component, guint size, gchar *data,
                        gpointer arg)
{
    struct ice_full *ice = arg;
    (void)agent, (void)stream, (void)component;
    if (ice->closing || size == 0 || (uint8_t)data[0] <= STUN_LAST)
        return;
    ice->counters.datagrams_received++;
    ice->events.on_datagram(ice->events.arg, (uint8_t *)data, size);
}

/* --- what it waits for --- */

static void query(struct ice_full *ice)
{
    ice->is_fresh = true;
    gint priority, wait_ms = -1;
    g_main_context_prepare(ice->context, &priority);
    /* Of every priority, so that the descriptors are the same whatever else is due. */
    int n = g_main_context_query(ice->context, G_MAXINT, &wait_ms, ice->fds, ICE_FULL_POLL_MAX);
    ice->n_fds = n < ICE_FULL_POLL_MAX ? (unsigned)n : ICE_FULL_POLL_MAX;
    ice->due_us = wait_ms < 0 ? INT64_MAX : g_get_monotonic_time() + wait_ms * INT64_C(1000);
    for (unsigned i = 0; i < ice->n_fds; i++)
        ice->fds[i].revents = 0;
}

/* --- life --- */

static void configure(struct ice_full *ice, bool controlling)
{
    g_object_set(ice->agent, "upnp", FALSE, "ice-tcp", FALSE, "idle-timeout", IDLE_TIMEOUT_MS,
                 "controlling-mode", (gboolean)controlling, "force-relay",
                 (gboolean)ice->servers->force_relay, NULL);
    g_signal_connect(ice->agent, "new-candidate-full", G_CALLBACK(on_new_candidate), ice);
    g_signal_connect(ice->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), ice);
    g_signal_connect(ice->agent, "new-selected-pair-full", G_CALLBACK(on_selected), ice);
    g_signal_connect(ice->agent, "component-state-changed", G_CALLBACK(on_component_state), ice);
}

static void write_ip(const struct address *a, char out[ADDRESS_TEXT])
{
    NiceAddress n;
    nice_address_init(&n);
    nice_address_set_from_sockaddr(&n, &a->sa);
    nice_address_to_string(&n, out);
}

static bool set_relay(struct ice_full *ice, const struct ice_relay *relay)
{
    char ip[ADDRESS_TEXT];
    write_ip(&relay->address, ip);
    return nice_agent_set_relay_info(
        ice->agent, ice->stream, COMPONENT, ip, address_port(&relay->address), relay->user,
        relay->password, relay->tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
}

static bool add_servers(struct ice_full *ice)
{
    const struct ice_servers *s = ice->servers;
    char ip[ADDRESS_TEXT];
    if (s->has_stun) {
        write_ip(&s->stun, ip);
        g_object_set(ice->agent, "stun-server", ip, "stun-server-port",
                     (guint)address_port(&s->stun), NULL);
    }
    for (unsigned i = 0; i < s->n_turn; i++) {
        if (!set_relay(ice, &s->turn[i]))
            return false;
    }
    for (unsigned i = 0; i < s->n_addresses; i++) {
        NiceAddress a;
        nice_address_init(&a);
        nice_address_set_from_sockaddr(&a, &s->addresses[i].sa);
        nice_address_set_port(&a, 0);
        if (!nice_agent_add_local_address(ice->agent, &a))
            return false;
    }
    return true;
}

static bool start(struct ice_full *ice, const struct ice_full_config *config)
{
    ice->agent =
        nice_agent_new_full(ice->context, NICE_COMPATIBILITY_RFC5245,
                            NICE_AGENT_OPTION_ICE_TRICKLE | NICE_AGENT_OPTION_CONSENT_FRESHNESS);
    configure(ice, config->controlling);
    ice->stream = nice_agent_add_stream(ice->agent, 1);
    return ice->stream != 0 && add_servers(ice) &&
           nice_agent_set_local_credentials(ice->agent, ice->stream, config->local.ufrag,
                                            config->local.pwd) &&
           nice_agent_attach_recv(ice->agent, ice->stream, COMPONENT, ice->context, on_received,
                                  ice) &&
           nice_agent_gather_candidates(ice->agent, ice->stream);
}

int ice_full_create(struct ice_full **out, const struct ice_full_config *config)
{
    int64_t consent_us = config->consent_us ? config->consent_us : ICE_CONSENT_US;
    assert(consent_us > LIBNICE_SILENT_US);
    struct ice_full *ice = calloc(1, sizeof(*ice));
    if (!ice)
        return -ENOMEM;
    ice->events = config->events;
    ice->servers = config->servers;
    ice->consent_us = consent_us;
    ice->state = ICE_FULL_CHECKING;
    ice->consent_deadline_us = ice->due_us = INT64_MAX;
    ice->context = g_main_context_new();
    bool acquired = g_main_context_acquire(ice->context);
    assert(acquired); /* nobody else knows it yet */
    query(ice);
    assert(ice->n_fds == 1);
    ice->wake_fd = ice->fds[0].fd;
    ice->is_fresh = false;
    if (!start(ice, config)) {
        ice_full_destroy(ice);
        return -EADDRNOTAVAIL; /* no socket could be bound; all else is in our hands */
    }
    *out = ice;
    return 0;
}

static void forget_early(struct ice_full *ice)
{
    while (ice->n_early > 0)
        free(ice->early[--ice->n_early]);
}

void ice_full_destroy(struct ice_full *ice)
{
    if (!ice)
        return;
    ice->closing = true;
    drop_path(ice);
    forget_early(ice);
    if (ice->agent) {
        g_signal_handlers_disconnect_by_data(ice->agent, ice);
        if (ice->stream != 0)
            nice_agent_attach_recv(ice->agent, ice->stream, COMPONENT, ice->context, NULL, NULL);
        g_object_unref(ice->agent);
    }
    g_main_context_release(ice->context);
    g_main_context_unref(ice->context);
    explicit_bzero(ice, sizeof(*ice));
    free(ice);
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
    (void)agent, (void)result;
    bool *closed = arg;
    *closed = true;
}

void ice_full_close(struct ice_full *ice)
{
    ice->is_fresh = false;
    if (ice->closing)
        return;
    ice->closing = true;
    drop_path(ice);
    if (ice->servers->n_turn + ice->n_added == 0) {
        ice->closed = true;
        return;
    }
    g_main_context_push_thread_default(ice->context);
    nice_agent_close_async(ice->agent, on_closed, &ice->closed);
    g_main_context_pop_thread_default(ice->context);
}

bool ice_full_is_closed(const struct ice_full *ice)
{
    return ice->closed;
}

/* --- the peer's side --- */

static bool is_unicast(const struct address *a)
{
    if (address_port(a) == 0)
        return false;
    if (a->sa.sa_family == AF_INET) {
        in_addr_t ip = ntohl(a->in.sin_addr.s_addr);
        return ip != INADDR_ANY && ip != INADDR_BROADCAST && !IN_MULTICAST(ip);
    }
    return a->sa.sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) &&
           !IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

/* NULL: nothing we could check. A .local name is none of ours to resolve (mDNS): such a peer is
 * found by its own checks. */
static NiceCandidate *parse_candidate(struct ice_full *ice, const char *text)
{
    char line[ICE_FULL_TEXT_MAX + 2];
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return NULL;
    }
    if (n >= ICE_FULL_TEXT_MAX || !g_str_has_prefix(text, "candidate:"))
        return NULL;
    memcpy(line, "a=", 2);
    memcpy(line + 2, text, n + 1);
    NiceCandidate *c = nice_agent_parse_remote_candidate_sdp(ice->agent, ice->stream, line);
    if (!c)
        return NULL;
    struct address address;
    to_address(&address, &c->addr);
    if (c->transport == NICE_CANDIDATE_TRANSPORT_UDP && c->component_id == COMPONENT &&
        is_unicast(&address))
        return c;
    nice_candidate_free(c);
    return NULL;
}

static void use_candidate(struct ice_full *ice, const char *text)
{
    NiceCandidate *c = parse_candidate(ice, text);
    if (!c) {
        ice->counters.candidates_refused++;
        return;
    }
    GSList *list = g_slist_append(NULL, c);
    if (nice_agent_set_remote_candidates(ice->agent, ice->stream, COMPONENT, list) > 0)
        ice->n_used++;
    g_slist_free(list);
    nice_candidate_free(c);
}

/* Only if it gave something to check: to libnice a list of nothing is a failure, while a peer that
 * hides its addresses is about to come by itself. */
static void end_candidates(struct ice_full *ice)
{
    if (ice->has_remote && ice->remote_ended && ice->n_used > 0)
        nice_agent_peer_candidate_gathering_done(ice->agent, ice->stream);
}

static bool is_credential(const char *text, size_t min, size_t max)
{
    size_t n = strlen(text);
    return n >= min && n <= max;
}

bool ice_full_set_remote(struct ice_full *ice, const char *ufrag, const char *pwd)
{
    ice->is_fresh = false;
    if (ice->closing || !is_credential(ufrag, 4, ICE_UFRAG_MAX) ||
        !is_credential(pwd, 22, ICE_PWD_MAX))
        return false;
    if (!nice_agent_set_remote_credentials(ice->agent, ice->stream, ufrag, pwd))
        return false;
    ice->has_remote = true;
    for (unsigned i = 0; i < ice->n_early; i++)
        use_candidate(ice, ice->early[i]);
    forget_early(ice);
    end_candidates(ice);
    return true;
}

void ice_full_add_candidate(struct ice_full *ice, const char *text)
{
    ice->is_fresh = false;
    if (ice->closing)
        return;
    if (g_str_has_prefix(text, "a="))
        text += 2;
    if (text[0] == '\0') {
        ice->remote_ended = true;
        end_candidates(ice);
        return;
    }
    if (ice->n_remote == ICE_FULL_REMOTE_MAX) {
        ice->counters.candidates_refused++;
        return;
    }
    ice->n_remote++;
    if (ice->has_remote) {
        use_candidate(ice, text);
        return;
    }
    char *copy = strdup(text);
    if (copy)
        ice->early[ice->n_early++] = copy;
}

bool ice_full_restart(struct ice_full *ice, const struct ice_local *local)
{
    ice->is_fresh = false;
    if (ice->closing || !nice_agent_restart_stream(ice->agent, ice->stream) ||
        !nice_agent_set_local_credentials(ice->agent, ice->stream, local->ufrag, local->pwd))
        return false;
    ice->has_remote = ice->remote_ended = false;
    ice->n_remote = ice->n_used = 0;
    forget_early(ice);
    ice->lost = false;
    set_state(ice, ICE_FULL_CHECKING);
    GSList *list = nice_agent_get_local_candidates(ice->agent, ice->stream, COMPONENT);
    for (GSList *i = list; i; i = i->next)
        tell_candidate(ice, i->data);
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
    if (ice->gathered)
        ice->events.on_candidate(ice->events.arg, NULL);
    return true;
}

static bool has_relay(const struct ice_relay *list, unsigned n, const struct ice_relay *relay)
{
    bool has = false;
    for (unsigned i = 0; i < n; i++)
        has |= list[i].tcp == relay->tcp && address_equal(&list[i].address, &relay->address);
    return has;
}

bool ice_full_add_relay(struct ice_full *ice, const struct ice_relay *relay)
{
    ice->is_fresh = false;
    if (is_over(ice) || ice->servers->n_turn + ice->n_added >= ICE_FULL_TURN_MAX ||
        has_relay(ice->servers->turn, ice->servers->n_turn, relay) ||
        has_relay(ice->added, ice->n_added, relay))
        return false;
    ice->gathered = false; /* libnice gathers on, from the sockets it has */
    if (!set_relay(ice, relay)) {
        ice->gathered = true;
        return false;
    }
    ice->added[ice->n_added++] = *relay;
    return true;
}

void ice_full_hand_over(struct ice_full *ice, struct ice_full *next)
{
    ice->muted = true;
    for (unsigned i = 0; i < ice->n_added; i++)
        (void)ice_full_add_relay(next, &ice->added[i]);
}

/* --- the loop --- */

static void check(struct ice_full *ice)
{
    ice->is_fresh = false;
    if (g_main_context_check(ice->context, G_MAXINT, ice->fds, (int)ice->n_fds))
        g_main_context_dispatch(ice->context);
}

/* GLib wakes its own context up with every timeout that is set, which would be a round each. Nobody
 * else does, now that no resolver is asked any more. */
static bool is_settled(const struct ice_full *ice)
{
    return ice->gathered && ice->state == ICE_FULL_READY && !ice->closing;
}

unsigned ice_full_poll(struct ice_full *ice, struct pollfd *fds)
{
    unsigned n = 0;
    if (!ice->is_fresh)
        query(ice);
    for (unsigned i = 0; i < ice->n_fds; i++) {
        unsigned k = 0;
        if (ice->fds[i].fd == ice->wake_fd && is_settled(ice))
            continue;
        while (k < n && fds[k].fd != ice->fds[i].fd)
            k++;
        if (k == n) /* two sources may watch one descriptor */
            fds[n++] = (struct pollfd){.fd = ice->fds[i].fd};
        fds[k].events |= (short)ice->fds[i].events;
    }
    return n;
}

int64_t ice_full_timeout(const struct ice_full *ice)
{
    return ice->consent_deadline_us < ice->due_us ? ice->consent_deadline_us : ice->due_us;
}

void ice_full_on_ready(struct ice_full *ice, int fd, short revents)
{
    for (unsigned i = 0; i < ice->n_fds; i++) {
        const gushort always = G_IO_ERR | G_IO_HUP;
        if (ice->fds[i].fd == fd)
            ice->fds[i].revents |= (gushort)revents & (ice->fds[i].events | always);
    }
}

void ice_full_run(struct ice_full *ice, int64_t now_us)
{
    check(ice);
    query(ice);
    for (int i = 0; i < RUNS_MAX && ice->due_us <= now_us; i++) {
        check(ice);
        query(ice);
    }
    if (now_us < ice->consent_deadline_us || is_over(ice))
        return;
    ice->consent_deadline_us = INT64_MAX;
    ice->lost = true;
    drop_path(ice);
    set_state(ice, ICE_FULL_FAILED);
}

/* --- sending --- */

static bool is_refusal_of_segments(int error)
{
    return error == EIO || error == EINVAL || error == EMSGSIZE;
}

static ssize_t send_message(struct ice_full *ice, const uint8_t *data, size_t size,
                            uint16_t segment_size)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
    struct iovec iov = {(void *)data, size};
    struct msghdr m = {.msg_name = &ice->remote.sa,
                       .msg_namelen = address_size(&ice->remote),
                       .msg_iov = &iov,
                       .msg_iovlen = 1};
    if (segment_size < size) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(segment_size));
        memcpy(CMSG_DATA(c), &segment_size, sizeof(segment_size));
    }
    ice->counters.send_calls++;
    ssize_t n = sendmsg(g_socket_get_fd(ice->socket), &m, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == ECONNREFUSED)) /* the latter of an earlier datagram */
        n = sendmsg(g_socket_get_fd(ice->socket), &m, MSG_DONTWAIT);
    return n;
}

static unsigned send_single(struct ice_full *ice, const uint8_t *data, size_t size,
                            uint16_t segment_size)
{
    unsigned n = 0;
    for (size_t at = 0; at < size; at += segment_size) {
        size_t one = size - at < segment_size ? size - at : segment_size;
        if (send_message(ice, data + at, one, (uint16_t)one) < 0)
            break; /* the others would not fare better */
        n++;
    }
    return n;
}

static unsigned send_direct(struct ice_full *ice, const uint8_t *data, size_t size,
                            uint16_t segment_size)
{
    if (size <= segment_size || !ice->gso)
        return send_single(ice, data, size, segment_size);
    if (send_message(ice, data, size, segment_size) >= 0)
        return (unsigned)((size + segment_size - 1) / segment_size);
    if (!is_refusal_of_segments(errno))
        return 0;
    unsigned n = send_single(ice, data, size, segment_size);
    ice->gso = n == 0; /* it was the segmentation, on this pair */
    return n;
}

static unsigned send_through_agent(struct ice_full *ice, const uint8_t *data, size_t size,
                                   uint16_t segment_size)
{
    GOutputVector vectors[ICE_FULL_SEGMENTS_MAX];
    NiceOutputMessage messages[ICE_FULL_SEGMENTS_MAX];
    unsigned n = 0;
    for (size_t at = 0; at < size; at += segment_size, n++) {
        size_t one = size - at < segment_size ? size - at : segment_size;
        vectors[n] = (GOutputVector){data + at, one};
        messages[n] = (NiceOutputMessage){&vectors[n], 1};
    }
    ice->counters.send_calls++;
    ice->is_fresh = false; /* the way to a relay has timeouts of its own */
    int sent = nice_agent_send_messages_nonblocking(ice->agent, ice->stream, COMPONENT, messages, n,
                                                    NULL, NULL);
    return sent > 0 ? (unsigned)sent : 0;
}

unsigned ice_full_send(struct ice_full *ice, const uint8_t *data, size_t size,
                       uint16_t segment_size)
{
    assert(segment_size > 0 && size > 0 && size <= (size_t)segment_size * ICE_FULL_SEGMENTS_MAX);
    unsigned all = (unsigned)((size + segment_size - 1) / segment_size), sent = 0;
    if (ice->chosen)
        sent = ice->socket ? send_direct(ice, data, size, segment_size)
                           : send_through_agent(ice, data, size, segment_size);
    ice->counters.packets_sent += sent;
    ice->counters.bytes_sent += sent == all ? size : (size_t)sent * segment_size;
    ice->counters.send_errors += all - sent;
    return sent;
}

/* --- asking --- */

enum ice_full_state ice_full_state(const struct ice_full *ice)
{
    return ice->state;
}

bool ice_full_has_gathered(const struct ice_full *ice)
{
    return ice->gathered;
}

bool ice_full_is_relayed(const struct ice_full *ice)
{
    return ice->chosen && ice->relayed;
}

const struct ice_full_counters *ice_full_counters(const struct ice_full *ice)
{
    return &ice->counters;
}

void ice_full_disable_gso(struct ice_full *ice)
{
    ice->gso_disabled = true;
    ice->gso = false;
}
