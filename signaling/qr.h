/* qr.h - a text as the picture of a QR code. Pure. */
#pragma once

#define QR_TEXT_MAX 300 /* with its terminator; a link is shorter */

/* A malloc'd SVG, dark on light, with the quiet zone that readers need; NULL when memory is short,
 * or for an empty text. Nothing of the text itself is in it. */
char *qr_svg(const char *text);
