/* fuzz_whip_reply.c - the answers of a WHIP server: a status in two bytes, then a problem document
 * or Link header fields. */
#include "server/whip_reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_text(const char *text, size_t room)
{
    assert(memchr(text, '\0', room));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct whip_reply reply = {.what = (enum whip_client_what)(1 + data[0] % 4),
                               .status = 100 + 4 * data[1] % 500};
    struct whip_server servers[WHIP_SERVERS_MAX];
    char *text = malloc(size - 1);
    assert(text);
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    whip_reply_judge(&reply, text);
    is_text(reply.error, sizeof(reply.error));
    assert(reply.ok == (reply.error[0] == '\0'));
    unsigned n = whip_reply_servers(servers, text);
    assert(n <= WHIP_SERVERS_MAX);
    for (unsigned i = 0; i < n; i++) {
        is_text(servers[i].url, sizeof(servers[i].url));
        is_text(servers[i].username, sizeof(servers[i].username));
        is_text(servers[i].credential, sizeof(servers[i].credential));
        assert(servers[i].url[0]);
    }
    free(text);
    return 0;
}
