#include "signaling/qr.h"

#include <glib.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 4 /* modules around the code, ISO/IEC 18004 */

/* The dark modules of a row, a path of one stroke for each run of them. */
static void draw_row(GString *svg, const unsigned char *modules, int width, int y)
{
    for (int x = 0, end; x < width; x = end) {
        for (end = x + 1; end < width && (modules[end] & 1) == (modules[x] & 1);)
            end++;
        if (modules[x] & 1)
            g_string_append_printf(svg, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, end - x, end - x);
    }
}

char *qr_svg(const char *text)
{
    QRcode *code = text[0] ? QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1) : NULL;
    if (!code)
        return NULL;
    int side = code->width + 2 * QUIET;
    GString *svg = g_string_new(NULL);
    g_string_printf(svg,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                    "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/>"
                    "<path d=\"",
                    side, side, side, side);
    for (int y = 0; y < code->width; y++)
        draw_row(svg, code->data + y * code->width, code->width, y);
    g_string_append(svg, "\"/></svg>\n");
    QRcode_free(code);
    char *copy = strdup(svg->str);
    g_string_free(svg, TRUE);
    return copy;
}
