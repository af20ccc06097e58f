/* fuzz_dtls.c - a DTLS server and the datagrams of anyone: each is 2 bytes of size and its bytes.
 */
#include "rtp/session/dtls.h"
#include "rtp/wire/bytes.h"

#include <stdlib.h>
#include <string.h>

#define DATAGRAMS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dtls_context *context(void)
{
    static struct dtls_context *ctx;
    if (!ctx && dtls_context_create(&ctx) != 0)
        abort();
    return ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dtls_fingerprint nobody = {.hash_size = 32};
    struct dtls *d;
    uint8_t out[DTLS_MTU];
    if (dtls_create(&d, context(), DTLS_SERVER, &nobody, 1) != 0)
        abort();
    for (int i = 0; i < DATAGRAMS_MAX && size >= 2; i++) {
        size_t n = get_u16(data);
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        dtls_on_datagram(d, data, n);
        data += n;
        size -= n;
        while (dtls_next_datagram(d, out, sizeof(out)) > 0)
            ;
        if (dtls_state(d) == DTLS_CONNECTED)
            abort(); /* without a certificate that matches */
        (void)dtls_next_timeout(d, 0);
    }
    dtls_destroy(d);
    return 0;
}
