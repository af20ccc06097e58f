#include "signaling/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>

enum { BYTES_MAX = 64 };

int token_random(char *out, size_t size, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t random[BYTES_MAX + 2] = {0}; /* 2 for the last group, which may be short */
    size_t length = (bytes * 4 + 2) / 3;
    if (bytes > BYTES_MAX || size < length + 1)
        return -ENOSPC;
    if (RAND_bytes(random, (int)bytes) != 1)
        return -EIO;
    for (size_t i = 0; i < length; i++) { /* RFC 4648 5 */
        const uint8_t *group = &random[i / 4 * 3];
        uint32_t bits = (uint32_t)group[0] << 16 | (uint32_t)group[1] << 8 | group[2];
        out[i] = digits[bits >> (18 - 6 * (i % 4)) & 63];
    }
    out[length] = '\0';
    OPENSSL_cleanse(random, sizeof(random));
    return 0;
}

bool token_equal(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}
