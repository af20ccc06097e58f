/* sdp_edit.h - descriptions parsed, edited and searched, for the tests of sdp. */
#pragma once

#include "signaling/sdp.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static char sdp_error[200]; /* what the last refusal said */

static inline void parse(struct sdp *out, const char *text)
{
    sdp_error[0] = '\0';
    if (sdp_parse(out, text, strlen(text), sdp_error, sizeof(sdp_error)) != 0)
        fail_msg("%s", sdp_error);
}

static inline void parse_fails(const char *text, const char *says)
{
    struct sdp sdp;
    assert_int_equal(sdp_parse(&sdp, text, strlen(text), sdp_error, sizeof(sdp_error)), -EBADMSG);
    if (!strstr(sdp_error, says))
        fail_msg("\"%s\" does not say \"%s\"", sdp_error, says);
}

/* `text` with its first `from` replaced. The caller frees it. */
static inline char *edit(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    char *out = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(out);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static inline char *edit_all(const char *text, const char *from, const char *to)
{
    char *out = edit(text, from, to);
    while (!strstr(to, from) && strstr(out, from)) {
        char *next = edit(out, from, to);
        free(out);
        out = next;
    }
    return out;
}

static inline unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static inline void has(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("missing: %s\nin:\n%s", what, text);
}

static inline void has_not(const char *text, const char *what)
{
    if (strstr(text, what))
        fail_msg("not expected: %s\nin:\n%s", what, text);
}
