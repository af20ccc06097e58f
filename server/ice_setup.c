#include "server/ice_setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

_Static_assert(CONFIG_TURN_MAX <= ICE_FULL_TURN_MAX, "every configured relay is used");
_Static_assert(CONFIG_TURN_MAX + 1 <= BACKEND_ICE_SERVERS_MAX, "and told to browsers");

struct list {
    struct address *items;
    unsigned n;
};

static void add(struct list *l, const struct address *a)
{
    if (l->n < BACKEND_CANDIDATES_MAX)
        l->items[l->n++] = *a;
}

static bool usable(const struct ifaddrs *i, bool loopback)
{
    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
        (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
        return false;
    if (i->ifa_addr->sa_family == AF_INET6 &&
        IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr))
        return false;
    return !(i->ifa_flags & IFF_LOOPBACK) == !loopback;
}

static void add_interfaces(struct list *l, bool loopback)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct address a;
        if (!usable(i, loopback))
            continue;
        address_from_sockaddr(&a, i->ifa_addr);
        add(l, &a);
    }
    freeifaddrs(list);
}

unsigned ice_setup_addresses(const struct config *config,
                             struct address out[BACKEND_CANDIDATES_MAX])
{
    struct list l = {.items = out};
    for (unsigned i = 0; i < config->n_advertise; i++)
        add(&l, &config->advertise[i]);
    if (l.n > 0)
        return l.n;
    bool local =
        strncmp(config->listen_ip, "127.", 4) == 0 || strcmp(config->listen_ip, "::1") == 0;
    if (local)
        add_interfaces(&l, true);
    add_interfaces(&l, false);
    if (l.n == 0)
        add_interfaces(&l, true);
    return l.n;
}

bool ice_setup_roams(const struct config *config)
{
    static const char *const here[] = {"localhost", "127.", "[::1]"}; /* agents leave it out */
    const char *host = strstr(config->to, "://");
    if (!config->publishes || !host || config->n_advertise > 0)
        return false;
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        if (strncasecmp(host + 3, here[i], strlen(here[i])) == 0)
            return false;
    }
    return true;
}

static int resolve(struct address *out, const struct ice_url *url, const char *option, char *error,
                   size_t size)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found;
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)url->port);
    int rc = getaddrinfo(url->host, port, &hints, &found);
    if (rc != 0) {
        snprintf(error, size, "--%s: cannot find %s: %s", option, url->host, gai_strerror(rc));
        return -EHOSTUNREACH;
    }
    address_from_sockaddr(out, found->ai_addr);
    freeaddrinfo(found);
    return 0;
}

static bool is_ours(const struct address *a)
{
    struct address any_port = *a;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, &any_port.sa, address_size(&any_port)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* An agent is two descriptors and one more for every address and relay. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int ice_setup_servers(struct ice_servers *out, const struct config *config,
                      const struct address *addresses, unsigned n_addresses, char *error,
                      size_t error_size)
{
    *out = (struct ice_servers){.has_stun = config->has_stun, .force_relay = config->force_relay};
    for (unsigned i = 0; i < n_addresses && i < ICE_FULL_ADDRESSES_MAX; i++) {
        char text[ADDRESS_TEXT_MAX];
        address_format(&addresses[i], text);
        if (!is_ours(&addresses[i])) {
            snprintf(error, error_size,
                     "--advertise: %s is not an address of this host, which --ice full needs; "
                     "use --stun behind a NAT",
                     text);
            return -EADDRNOTAVAIL;
        }
        out->addresses[out->n_addresses++] = addresses[i];
    }
    int rc = 0;
    if (config->has_stun)
        rc = resolve(&out->stun, &config->stun, "stun", error, error_size);
    for (unsigned i = 0; rc == 0 && i < config->n_turn; i++) {
        rc = resolve(&out->turn[i].address, &config->turn[i], "turn", error, error_size);
        out->turn[i].tcp = config->turn[i].tcp;
        snprintf(out->turn[i].user, sizeof(out->turn[i].user), "%s", config->turn_user);
        snprintf(out->turn[i].password, sizeof(out->turn[i].password), "%s", config->turn_pass);
    }
    out->n_turn = config->n_turn;
    raise_descriptor_limit();
    return rc;
}

static void add_server(struct backend *b, const struct ice_url *url, const char *user,
                       const char *password)
{
    struct backend_ice_server *s = &b->ice_servers[b->n_ice_servers++];
    snprintf(s->url, sizeof(s->url), "%s", url->text);
    snprintf(s->username, sizeof(s->username), "%s", user);
    snprintf(s->credential, sizeof(s->credential), "%s", password);
}

void ice_setup_backend(struct backend *out, const struct config *config)
{
    if (config->has_stun)
        add_server(out, &config->stun, "", "");
    for (unsigned i = 0; i < config->n_turn; i++)
        add_server(out, &config->turn[i], config->turn_user, config->turn_pass);
}
