/* picture.h - one captured picture in memory, and which part of it is new.
 *
 * A picture describes pixels; who owns them is said by whoever hands it out. Width and height are
 * even and at least 2: a backend that finds an odd size leaves out the last column or row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PICTURE_MAX_WIDTH 8192
#define PICTURE_MAX_HEIGHT 8192

enum picture_format {
    PICTURE_BGRA = 1, /* one plane, bytes B G R A (alpha ignored) */
    PICTURE_NV12,     /* Y, then interleaved U V */
    PICTURE_I420,     /* Y, U, V */
};

struct picture_rect {
    int x, y, width, height; /* pixels */
};

#define PICTURE_DAMAGE_MAX 16

/* Which pixels may differ from those of another picture: outside the rectangles none do. They lie
 * within the picture and may overlap. Zeroed memory says the safe thing: any pixel may differ. */
struct picture_damage {
    bool known;
    int n;
    struct picture_rect rect[PICTURE_DAMAGE_MAX];
};

struct picture {
    enum picture_format format;
    int width, height; /* pixels */
    uint8_t *plane[3];
    ptrdiff_t stride[3]; /* bytes */

    int64_t captured_us; /* CLOCK_MONOTONIC, when the pixels were so; rises with every picture */
    bool repeat;         /* the same pixels as the picture its reader was handed before */
    struct picture_damage damage; /* since that picture, whichever were left out in between */

    /* What the platform keeps these pixels in (macOS: a CVPixelBufferRef), or NULL. The planes are
     * valid as well. It belongs to whoever owns the picture and lives as long as the picture may be
     * read; a reader that needs it for longer takes a reference of its own. */
    void *native;
};

/* The part of `r` that lies in a picture of this size; all zero if none does. */
struct picture_rect picture_rect_clip(const struct picture_rect *r, int width, int height);
/* Takes in one more rectangle; where there is no room, the one that grows least covers both. */
void picture_damage_add(struct picture_damage *d, const struct picture_rect *r);
void picture_damage_merge(struct picture_damage *d, const struct picture_damage *more);
