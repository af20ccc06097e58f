/* What changed is asked for in one go with the mark that it was seen, and only the rows it lies in
 * are fetched: into memory shared with the server if it can reach it, else through the socket. */
#include "capture/capture_x11.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FAILURES 3
/* More rectangles than these are taken for their hull. */
#define RECTS_MAX 256
/* Bands of rows this near are fetched as one. */
#define NEAR_ROWS 16

/* --- room --- */

void x11_free_pixels(struct x11 *x)
{
    if (x->shm != XCB_NONE) {
        xcb_shm_detach(x->ask.conn, x->shm);
        munmap(x->pixels, x->size);
    } else {
        free(x->pixels);
    }
    x->pixels = NULL;
    x->shm = XCB_NONE;
}

/* By descriptor, not by System V id: in another container the same id may be a stranger's segment.
 * Whether the server could attach shows at the first grab. */
static bool share_pixels(struct x11 *x)
{
    int fd = memfd_create("amphi-screen", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)x->size) < 0) {
        close(fd);
        return false;
    }
    void *memory = mmap(NULL, x->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        close(fd);
        return false;
    }
    x->pixels = memory;
    x->shm = xcb_generate_id(x->ask.conn);
    xcb_shm_attach_fd(x->ask.conn, x->shm, fd, false); /* takes the descriptor */
    return true;
}

static int allocate_pixels(struct x11 *x)
{
    x11_free_pixels(x);
    x->size = (size_t)x->width * (size_t)x->height * 4;
    x->damaged = x->everything = x->fresh = true;
    x->dirty = (struct picture_damage){0};
    if (x->may_share && share_pixels(x))
        return 0;
    x->pixels = calloc(1, x->size);
    return x->pixels ? 0 : -ENOMEM;
}

bool x11_is_size_possible(int width, int height)
{
    return width >= 2 && width <= PICTURE_MAX_WIDTH && height >= 2 && height <= PICTURE_MAX_HEIGHT;
}

int x11_set_size(struct x11 *x, int width, int height)
{
    if (!x11_is_size_possible(width, height))
        return -ERANGE;
    width &= ~1;
    height &= ~1;
    if (x->pixels && width == x->width && height == x->height)
        return 0;
    x->width = width;
    x->height = height;
    return allocate_pixels(x);
}

/* Descriptors pass through a Unix socket only, and since MIT-SHM 1.2. */
bool x11_can_share(struct x11 *x)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    uint8_t unused;
    if (getpeername(xcb_get_file_descriptor(x->ask.conn), (struct sockaddr *)&peer, &size) < 0 ||
        peer.ss_family != AF_UNIX || !x11_has_extension(&x->ask, &xcb_shm_id, &unused))
        return false;
    xcb_shm_query_version_reply_t *version =
        xcb_shm_query_version_reply(x->ask.conn, xcb_shm_query_version(x->ask.conn), NULL);
    bool yes = version && (version->major_version > 1 || version->minor_version >= 2);
    free(version);
    return yes;
}

/* --- what changed --- */

static void add_rect(const struct x11 *x, const xcb_rectangle_t *r, struct picture_damage *news)
{
    const struct picture_rect moved = {r->x - x->damage_left, r->y - x->damage_top, r->width,
                                       r->height};
    const struct picture_rect inside = picture_rect_clip(&moved, x->width, x->height);
    picture_damage_add(news, &inside);
}

/* Subtracts before the pixels are read: what is drawn in between is reported once more, not lost.
 */
static int fetch_news(struct x11 *x, struct picture_damage *news)
{
    xcb_connection_t *conn = x->ask.conn;
    *news = (struct picture_damage){.known = !x->everything};
    if (x->everything) {
        xcb_damage_subtract(conn, x->damage, XCB_NONE, XCB_NONE);
        x->everything = false;
        return 0;
    }
    void *reply;
    xcb_damage_subtract(conn, x->damage, XCB_NONE, x->region);
    int r = x->ask.await(&x->ask, xcb_xfixes_fetch_region(conn, x->region).sequence, &reply);
    if (r < 0)
        return r;
    const xcb_xfixes_fetch_region_reply_t *region = reply;
    const xcb_rectangle_t *rects = xcb_xfixes_fetch_region_rectangles(region);
    int n = xcb_xfixes_fetch_region_rectangles_length(region);
    if (n > RECTS_MAX)
        add_rect(x, &region->extents, news);
    for (int i = 0; n <= RECTS_MAX && i < n; i++)
        add_rect(x, &rects[i], news);
    free(reply);
    return 0;
}

/* --- pixels --- */

struct band {
    int top, bottom; /* rows */
    unsigned sequence;
};

static int by_top(const void *a, const void *b)
{
    return ((const struct band *)a)->top - ((const struct band *)b)->top;
}

static int find_bands(const struct x11 *x, const struct picture_damage *news, struct band *out)
{
    if (!news->known) {
        out[0] = (struct band){0, x->height, 0};
        return 1;
    }
    struct band sorted[PICTURE_DAMAGE_MAX];
    int n = 0;
    for (int i = 0; i < news->n; i++)
        sorted[i] = (struct band){news->rect[i].y, news->rect[i].y + news->rect[i].height, 0};
    qsort(sorted, (size_t)news->n, sizeof(sorted[0]), by_top);
    for (int i = 0; i < news->n; i++) {
        if (n == 0 || sorted[i].top > out[n - 1].bottom + NEAR_ROWS)
            out[n++] = sorted[i];
        else if (sorted[i].bottom > out[n - 1].bottom)
            out[n - 1].bottom = sorted[i].bottom;
    }
    return n;
}

static void request_band(struct x11 *x, struct band *b)
{
    const uint8_t format = XCB_IMAGE_FORMAT_Z_PIXMAP;
    int16_t left = (int16_t)x->left, top = (int16_t)(x->top + b->top);
    uint16_t width = (uint16_t)x->width, height = (uint16_t)(b->bottom - b->top);
    uint32_t offset = (uint32_t)(b->top * x->width * 4);
    if (x->shm != XCB_NONE)
        b->sequence = xcb_shm_get_image(x->ask.conn, x->drawable, left, top, width, height, ~0u,
                                        format, x->shm, offset)
                          .sequence;
    else
        b->sequence =
            xcb_get_image(x->ask.conn, format, x->drawable, left, top, width, height, ~0u).sequence;
}

static int await_band(struct x11 *x, const struct band *b)
{
    void *reply;
    int r = x->ask.await(&x->ask, b->sequence, &reply);
    if (r == 0 && x->shm == XCB_NONE) {
        size_t size = (size_t)(b->bottom - b->top) * (size_t)x->width * 4;
        if ((size_t)xcb_get_image_data_length(reply) == size)
            memcpy(x->pixels + (size_t)b->top * (size_t)x->width * 4, xcb_get_image_data(reply),
                   size);
        else
            r = -EPROTO;
    }
    free(reply);
    return r;
}

static int fetch_pixels(struct x11 *x, const struct picture_damage *news)
{
    struct band bands[PICTURE_DAMAGE_MAX];
    int n = find_bands(x, news, bands), r = 0;
    for (int i = 0; i < n; i++)
        request_band(x, &bands[i]);
    for (int i = 0; i < n; i++) {
        if (r < 0)
            xcb_discard_reply(x->ask.conn, bands[i].sequence);
        else
            r = await_band(x, &bands[i]);
    }
    return r;
}

/* A grab failed. Either the size changed under it, or the server cannot reach our memory, or both
 * passed by; anything that lasts ends the source. 0 means: try again. */
static int recover(struct x11 *x)
{
    if (++x->failures > MAX_FAILURES)
        return -EIO;
    int width = x->width, height = x->height;
    x->damaged = x->everything = true;
    int r = x->subject->measure(x);
    if (r < 0 || x->width != width || x->height != height || x->shm == XCB_NONE)
        return r;
    x->may_share = false;
    return allocate_pixels(x);
}

int x11_grab(struct x11 *x)
{
    struct picture_damage news;
    bool damaged = x->damaged;
    x->damaged = false; /* before anything is awaited, which may tell of new damage */
    if (!damaged || x->drawable == XCB_NONE)
        return 0;
    int r = fetch_news(x, &news);
    if (r == 0 && (!news.known || news.n > 0))
        r = fetch_pixels(x, &news);
    if (r == -EPROTO)
        return recover(x);
    if (r < 0)
        return r;
    x->failures = 0;
    x->fresh |= !news.known || news.n > 0;
    picture_damage_merge(&x->dirty, &news);
    return 0;
}
