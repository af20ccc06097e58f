#include "capture/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct writer {
    char *out;
    size_t size, n;
    bool full;
};

/* A whole character or none. */
static void put(struct writer *w, uint32_t c)
{
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        c = ' ';
    size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    if (w->full || w->n + more + 1 >= w->size) {
        w->full = true;
        return;
    }
    w->out[w->n++] = (char)(lead[more] | c >> (6 * more));
    while (more-- > 0)
        w->out[w->n++] = (char)(0x80 | (c >> (6 * more) & 0x3f));
}

/* RFC 3629 3 and 4: the length of the character at `s`, or 0 if it is none. */
static size_t decode(const uint8_t *s, size_t size, uint32_t *c)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    size_t more = s[0] < 0x80 ? 0 : s[0] < 0xc2 ? 4 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
    if (more > 3 || s[0] > 0xf4 || more >= size)
        return 0;
    *c = more == 0 ? s[0] : s[0] & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (s[i] & 0x3f);
    }
    bool ok = *c >= smallest[more] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
    return ok ? more + 1 : 0;
}

void utf8_copy(char *out, size_t out_size, const char *text, size_t size)
{
    assert(out_size > 0);
    struct writer w = {.out = out, .size = out_size};
    const uint8_t *s = (const uint8_t *)text;
    for (size_t i = 0; i < size && s[i];) {
        uint32_t c = 0;
        size_t n = decode(s + i, size - i, &c);
        put(&w, n ? c : 0xfffd);
        i += n ? n : 1;
    }
    out[w.n] = '\0';
}

void utf8_from_latin1(char *out, size_t out_size, const char *text, size_t size)
{
    assert(out_size > 0);
    struct writer w = {.out = out, .size = out_size};
    for (size_t i = 0; i < size && text[i]; i++)
        put(&w, (uint8_t)text[i]);
    out[w.n] = '\0';
}
