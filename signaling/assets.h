/* assets.h - the pages of web/, embedded by embed.cmake when the program is built. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* One way to send a file: as it is, or packed. An ETag comes with its quotes, and names the bytes.
 */
struct asset_form {
    const char *etag;
    const unsigned char *data;
    size_t size;
};

struct asset {
    const char *name, *content_type;
    struct asset_form plain, gzip; /* gzip.size 0: it would be no smaller */
};

extern const struct asset assets[];
extern const unsigned assets_count;

const struct asset *assets_find(const char *name); /* NULL: no such file */

/* Whether an Accept-Encoding (RFC 9110 12.5.3) takes gzip; NULL: it was not sent. */
bool assets_gzip_accepted(const char *accept_encoding);
