/* web_origins.h - which other sites' pages may use this server from a browser.
 *
 * Pure. Nothing here depends on cookies, so a foreign page can do no more than its visitor could;
 * by default every page may. With a list it is those of the server itself (whose Origin names the
 * Host of the request) and those of the list; who sends no Origin is no browser's page.
 */
#pragma once

#include <stdbool.h>

#define WEB_ORIGINS_MAX 16
#define WEB_ORIGIN_MAX 128

struct web_origins {
    bool any;
    unsigned n;
    char list[WEB_ORIGINS_MAX][WEB_ORIGIN_MAX]; /* "https://a.example" */
};

/* NULL, "" or "*": any; "self": none but its own; else "https://a.example, http://localhost:8080".
 * False: something is no origin. */
bool web_origins_parse(struct web_origins *out, const char *text);
/* `origin` NULL: no browser's. */
bool web_origins_allow(const struct web_origins *o, const char *origin, const char *host);
