#define G_LOG_DOMAIN "server"

#include "server/publish_inside.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* RFC 9725 4.6: they come with the answer, when everything else was gathered. */

#define LOOKUPS 8 /* numbers of one answer */

_Static_assert(WHIP_SERVERS_MAX <= LOOKUPS, "each has a number");

void publish_note_relays(struct publish *p, const char *links)
{
    struct whip_server servers[WHIP_SERVERS_MAX];
    unsigned n = links ? whip_reply_servers(servers, links) : 0;
    p->n_relays = 0;
    p->n_answers++;
    for (unsigned i = 0; i < n; i++) {
        const struct whip_server *s = &servers[i];
        unsigned k = p->n_relays;
        if (!s->username[0] || !s->credential[0] || strncmp(s->url, "turn:", 5) != 0 ||
            !ice_url_parse_turn(&p->relays[k], s->url))
            continue; /* a STUN server, or TLS to one, which agents do not speak */
        memcpy(p->users[k], s->username, sizeof(p->users[k]));
        memcpy(p->passwords[k], s->credential, sizeof(p->passwords[k]));
        p->n_relays++;
    }
    explicit_bzero(servers, sizeof(servers));
}

void publish_use_relays(struct publish *p, struct attempt *a)
{
    for (unsigned i = 0; p->agent.add_relay && i < p->n_relays; i++) {
        int tag = (int)((p->n_answers % 1000000) * LOOKUPS + i);
        if (whip_client_look_up(p->client, tag, p->relays[i].host) == 0)
            a->n_looked_up++;
    }
}

static void use(struct publish *p, struct attempt *a, unsigned i, const char *ip)
{
    const struct ice_url *url = &p->relays[i];
    struct ice_relay relay = {.tcp = url->tcp};
    if (!address_parse(&relay.address, ip, url->port))
        return;
    snprintf(relay.user, sizeof(relay.user), "%s", p->users[i]);
    snprintf(relay.password, sizeof(relay.password), "%s", p->passwords[i]);
    if (p->agent.add_relay(p->agent.arg, a->seat.viewer_id, &relay) == 0) {
        a->gathered = false;
        g_info("publishing: the server names the relay %s", url->text);
    }
    explicit_bzero(&relay, sizeof(relay));
}

void publish_take_address(struct publish *p, const struct whip_reply *r)
{
    struct attempt *a = p->next ? p->next : p->now;
    unsigned i = (unsigned)r->tag % LOOKUPS;
    if (!a || a->n_looked_up == 0 || (unsigned)r->tag / LOOKUPS != p->n_answers % 1000000)
        return; /* of an answer before */
    a->n_looked_up--;
    if (r->ok && r->body)
        use(p, a, i, r->body);
    else
        g_warning("publishing: the relay %s, which the server names, is not to be found: %s",
                  p->relays[i].text, r->error);
}
