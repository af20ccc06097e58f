/* fuzz_headers.c - what clients write into header fields: X-Forwarded-For and Origin. The input is
 * two lines. What is not from a trusted proxy names nobody, and no address is made up. */
#include "signaling/proxies.h"
#include "signaling/web_origins.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_client(const char *trusted, const char *forwarded, bool may_differ)
{
    struct proxies p;
    struct sockaddr_storage out;
    struct sockaddr_in peer = {.sin_family = AF_INET};
    struct sockaddr_in6 client;
    peer.sin_addr.s_addr = htonl(0x0a010203);
    static const uint8_t peer_bytes[16] = {[10] = 0xff, 0xff, 10, 1, 2, 3};
    assert(proxies_parse(&p, trusted));
    proxies_client(&p, (struct sockaddr *)&peer, forwarded, &out);
    memcpy(&client, &out, sizeof(client));
    assert(client.sin6_family == AF_INET6);
    assert(may_differ || memcmp(client.sin6_addr.s6_addr, peer_bytes, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    memcpy(text, data, size);
    char *origin = strchr(text, '\n');
    if (origin)
        *origin++ = '\0';
    check_client("10.0.0.0/8, 2001:db8::/32", text, true);
    check_client("192.0.2.0/24", text, false);
    struct proxies p;
    struct web_origins list, own;
    (void)proxies_parse(&p, text);
    assert(p.n <= PROXIES_MAX);
    bool is_list = web_origins_parse(&list, text);
    assert(list.n <= WEB_ORIGINS_MAX);
    assert(web_origins_parse(&own, "self"));
    if (origin && is_list && !list.any) {
        bool is_listed = false;
        for (unsigned i = 0; i < list.n; i++)
            is_listed |= strcasecmp(list.list[i], origin) == 0;
        assert(web_origins_allow(&list, origin, NULL) == is_listed);
    }
    if (origin)
        assert(!web_origins_allow(&own, origin, NULL));
    free(text);
    return 0;
}
