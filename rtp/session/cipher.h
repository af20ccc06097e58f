/* cipher.h - our AES-GCM, AES-CM and HMAC-SHA1 for libsrtp2's crypto kernel.
 *
 * Debian's libsrtp2 is built on NSS: several times too slow, and with a global lock. These types
 * replace its own: AES-GCM on intel-ipsec-mb where the processor has it, everything else on
 * OpenSSL. cipher_install is called once per process before the first session; afterwards any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum cipher_backend { CIPHER_AUTO = 1, CIPHER_OPENSSL, CIPHER_IPSEC_MB };

/* 0; -ENOTSUP if that backend is not there; -EIO if libsrtp refuses a type (its self-test with the
 * RFC 7714 vectors failed). Installing another backend later is for tests and benchmarks. */
int cipher_install(enum cipher_backend backend);
const char *cipher_name(void); /* "intel-ipsec-mb" or "openssl" */

/* Out of place: the next encryption on this thread reads its plaintext from `source` instead of
 * from the buffer it writes. One shot. */
void cipher_set_source(const uint8_t *source);
