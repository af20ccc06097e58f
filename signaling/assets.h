/* assets.h - the pages of web/, embedded by embed.cmake when the program is built. */
#pragma once

#include <stddef.h>

struct asset {
    const char *name, *content_type, *etag; /* etag with its quotes, from the content */
    const unsigned char *data;
    size_t size;
};

extern const struct asset assets[];
extern const unsigned assets_count;

const struct asset *assets_find(const char *name); /* NULL: no such file */
