/* A whole X screen, by MIT-SHM and XDamage: the server is asked for pixels only when it said that
 * some changed. `pixels` keeps the screen as last grabbed, without the cursor; a picture is a copy
 * of it with the cursor blended in, so a repeat or a moved cursor costs the server nothing.
 *
 * Replies are polled for instead of xcb's own blocking wait, which would be deaf to capture_stop
 * while the server hangs or another client has grabbed it. */
#include "capture/capture_backends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xcb/damage.h>
#include <xcb/randr.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>
#include <xcb/xcbext.h>
#include <xcb/xfixes.h>

#define REPEAT_US 1000000
/* Nothing tells of a moving pointer (XFixes reports shapes only), so it is asked for: at the
 * picture rate while it moves, this seldom once it has rested for POINTER_REST_US. */
#define POINTER_IDLE_US 100000
#define POINTER_REST_US 1000000
#define MAX_FAILURES 3

struct x11 {
    /* immutable after open */
    xcb_connection_t *conn; /* owned */
    char display[64];       /* for people */
    xcb_window_t root;
    xcb_damage_damage_t damage;
    uint8_t damage_event, cursor_event;
    int randr_event; /* -1: no RandR, and so no change of size */
    int64_t interval_us;

    struct capture_sink *sink; /* borrowed: for the length of run */

    /* the screen as last grabbed */
    int width, height; /* of the X screen; a picture leaves out an odd last column or row */
    uint8_t *pixels;   /* owned; shared with the server, or malloc'ed if `shm` is none */
    size_t size;
    bool may_share;
    xcb_shm_seg_t shm;
    int failures; /* grabs in a row */

    xcb_xfixes_get_cursor_image_reply_t *cursor; /* owned */
    int pointer_x, pointer_y;
    bool pointer_here; /* and not on another screen of the display */

    /* what the next picture has to take in */
    bool resized, damaged, reshaped, poked;
    bool fresh;               /* pixels or cursor are not what was delivered last */
    int64_t pace_us, next_us; /* see step */
    int64_t delivered_us, moved_us, pointer_us;
};

/* --- the conversation with the server --- */

static void read_events(struct x11 *x)
{
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(x->conn))) {
        int type = event->response_type & 0x7f;
        if (type == x->damage_event + XCB_DAMAGE_NOTIFY)
            x->damaged = true;
        else if (type == x->cursor_event + XCB_XFIXES_CURSOR_NOTIFY)
            x->reshaped = true;
        else if (x->randr_event >= 0 && type == x->randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY)
            x->resized = true;
        free(event);
    }
}

/* 0 with a reply to free; -EPROTO when the server answered with an error, -ECANCELED when told to
 * stop, -EPIPE when the display is gone. */
static int await_reply(struct x11 *x, unsigned sequence, void **reply)
{
    *reply = NULL;
    xcb_flush(x->conn);
    for (;;) {
        xcb_generic_error_t *error = NULL;
        read_events(x); /* this is what reads the socket */
        if (xcb_poll_for_reply(x->conn, sequence, reply, &error)) {
            free(error);
            if (*reply)
                return 0;
            return xcb_connection_has_error(x->conn) ? -EPIPE : -EPROTO;
        }
        switch (capture_sink_wait(x->sink, xcb_get_file_descriptor(x->conn), INT64_MAX)) {
        case CAPTURE_WAKE_STOP:
            return -ECANCELED;
        case CAPTURE_WAKE_POKE:
            x->poked = true;
            break;
        default:
            break;
        }
    }
}

/* --- pixels --- */

static void free_pixels(struct x11 *x)
{
    if (x->shm != XCB_NONE) {
        xcb_shm_detach(x->conn, x->shm);
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
    x->shm = xcb_generate_id(x->conn);
    xcb_shm_attach_fd(x->conn, x->shm, fd, false); /* takes the descriptor */
    return true;
}

static int allocate_pixels(struct x11 *x)
{
    free_pixels(x);
    x->size = (size_t)x->width * (size_t)x->height * 4;
    if (x->may_share && share_pixels(x))
        return 0;
    x->pixels = malloc(x->size);
    return x->pixels ? 0 : -ENOMEM;
}

static bool is_size_possible(int width, int height)
{
    return width >= 2 && width <= PICTURE_MAX_WIDTH && height >= 2 && height <= PICTURE_MAX_HEIGHT;
}

/* Asks for the size of the screen, and makes room if it is a new one. */
static int measure(struct x11 *x)
{
    void *reply;
    int r = await_reply(x, xcb_get_geometry(x->conn, x->root).sequence, &reply);
    if (r < 0)
        return r;
    xcb_get_geometry_reply_t *geometry = reply;
    int width = geometry->width, height = geometry->height;
    free(geometry);
    x->resized = false;
    if (x->pixels && width == x->width && height == x->height)
        return 0;
    if (!is_size_possible(width, height))
        return -ERANGE;
    x->width = width;
    x->height = height;
    x->damaged = true;
    return allocate_pixels(x);
}

/* -EPROTO too if the answer does not fit, which happens when the size changes meanwhile. */
static int get_image(struct x11 *x)
{
    const uint8_t format = XCB_IMAGE_FORMAT_Z_PIXMAP;
    uint16_t width = (uint16_t)x->width, height = (uint16_t)x->height;
    void *reply;
    int r;
    if (x->shm != XCB_NONE) {
        r = await_reply(
            x,
            xcb_shm_get_image(x->conn, x->root, 0, 0, width, height, ~0u, format, x->shm, 0)
                .sequence,
            &reply);
    } else {
        r = await_reply(
            x, xcb_get_image(x->conn, format, x->root, 0, 0, width, height, ~0u).sequence, &reply);
        if (r == 0 && (size_t)xcb_get_image_data_length(reply) == x->size)
            memcpy(x->pixels, xcb_get_image_data(reply), x->size);
        else if (r == 0)
            r = -EPROTO;
    }
    free(reply);
    return r;
}

/* A grab failed. Either the size changed under it, or the server cannot reach our memory, or both
 * passed by; anything that lasts ends the source. 0 means: try again. */
static int recover(struct x11 *x)
{
    if (++x->failures > MAX_FAILURES)
        return -EIO;
    int width = x->width, height = x->height;
    int r = measure(x);
    if (r < 0)
        return r;
    x->damaged = true;
    if (x->width != width || x->height != height || x->shm == XCB_NONE)
        return 0;
    x->may_share = false;
    return allocate_pixels(x);
}

/* 0 with x->fresh if there are new pixels, without if it has to be tried again. */
static int grab(struct x11 *x)
{
    if (x->resized) {
        int r = measure(x);
        if (r < 0)
            return r;
    }
    if (!x->damaged)
        return 0;
    /* Subtract before the image: what is drawn in between is then reported once more, not lost. */
    xcb_damage_subtract(x->conn, x->damage, XCB_NONE, XCB_NONE);
    x->damaged = false;
    int r = get_image(x);
    if (r == -EPROTO)
        return recover(x);
    if (r < 0)
        return r;
    x->failures = 0;
    x->fresh = true;
    return 0;
}

/* --- the cursor --- */

static int fetch_cursor(struct x11 *x)
{
    void *reply;
    x->reshaped = false;
    int r = await_reply(x, xcb_xfixes_get_cursor_image(x->conn).sequence, &reply);
    if (r < 0 && r != -EPROTO) /* an error here only means that there is no cursor */
        return r;
    free(x->cursor);
    x->cursor = reply;
    x->fresh = true;
    return 0;
}

static int locate_pointer(struct x11 *x, int64_t now_us)
{
    void *reply;
    int r = await_reply(x, xcb_query_pointer(x->conn, x->root).sequence, &reply);
    if (r == -EPROTO)
        return 0;
    if (r < 0)
        return r;
    xcb_query_pointer_reply_t *pointer = reply;
    if (pointer->root_x != x->pointer_x || pointer->root_y != x->pointer_y ||
        pointer->same_screen != x->pointer_here) {
        x->pointer_x = pointer->root_x;
        x->pointer_y = pointer->root_y;
        x->pointer_here = pointer->same_screen;
        x->moved_us = now_us;
        x->fresh = true;
    }
    free(pointer);
    x->pointer_us =
        now_us + (now_us - x->moved_us < POINTER_REST_US ? x->interval_us : POINTER_IDLE_US);
    return 0;
}

static void blend(uint8_t *to, uint32_t argb)
{
    unsigned rest = 255 - (argb >> 24); /* the colours are multiplied by alpha already */
    for (int i = 0; i < 3; i++) {
        unsigned value = (argb >> (8 * i) & 0xff) + (to[i] * rest + 127) / 255;
        to[i] = (uint8_t)(value < 255 ? value : 255);
    }
}

static void draw_cursor(const struct x11 *x, const struct picture *p)
{
    if (!x->cursor || !x->pointer_here)
        return;
    const uint32_t *argb = xcb_xfixes_get_cursor_image_cursor_image(x->cursor);
    int width = x->cursor->width, height = x->cursor->height;
    if (xcb_xfixes_get_cursor_image_cursor_image_length(x->cursor) < width * height)
        return;
    int left = x->pointer_x - x->cursor->xhot, top = x->pointer_y - x->cursor->yhot;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            int px = left + column, py = top + row;
            if (px >= 0 && px < p->width && py >= 0 && py < p->height)
                blend(p->plane[0] + py * p->stride[0] + (ptrdiff_t)px * 4,
                      argb[row * width + column]);
        }
    }
}

/* --- pictures --- */

static void deliver(struct x11 *x, int64_t now_us)
{
    struct picture *p = capture_sink_begin(x->sink, x->width & ~1, x->height & ~1);
    if (!p)
        return; /* still wanted, so tried again when the rate allows */
    for (int y = 0; y < p->height; y++)
        memcpy(p->plane[0] + y * p->stride[0], x->pixels + (size_t)y * (size_t)x->width * 4,
               (size_t)p->width * 4);
    draw_cursor(x, p);
    p->captured_us = now_us;
    p->repeat = !x->fresh;
    capture_sink_publish(x->sink, p);
    x->fresh = false;
    x->poked = false;
    x->delivered_us = now_us;
}

static bool is_wanted(const struct x11 *x, int64_t now_us)
{
    return x->resized || x->damaged || x->reshaped || x->poked || x->fresh ||
           now_us >= x->delivered_us + REPEAT_US;
}

/* One picture, if all goes well. Its due time advances by whole intervals, which bounds the rate:
 * never more than 2 + time * fps pictures. But it may come up to one interval early, once: so the
 * pictures fall in step with a screen that changes at the same rate, instead of waiting each time
 * for a moment that chance has chosen. */
static int step(struct x11 *x, int64_t now_us)
{
    int64_t soonest_us = now_us + x->interval_us / 4;
    x->pace_us = (x->pace_us > now_us ? x->pace_us : now_us) + x->interval_us;
    x->next_us = x->pace_us - x->interval_us;
    if (x->next_us < soonest_us)
        x->next_us = soonest_us;
    int r = grab(x);
    if (r == 0 && x->reshaped)
        r = fetch_cursor(x);
    if (r == 0)
        r = locate_pointer(x, now_us);
    if (r == 0 && x->failures == 0)
        deliver(x, now_us);
    return r;
}

static int explain(const struct x11 *x, int code, char *error, size_t error_size)
{
    if (code == -ECANCELED)
        return 0;
    if (code == -EPIPE)
        snprintf(error, error_size, "the X display \"%s\" went away", x->display);
    else if (code == -ERANGE)
        snprintf(error, error_size, "the screen changed to a size that cannot be captured");
    else if (code == -ENOMEM)
        snprintf(error, error_size, "out of memory for a screen of %dx%d", x->width, x->height);
    else
        snprintf(error, error_size, "the X display \"%s\" does not give its screen's pixels",
                 x->display);
    return code;
}

static int x11_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    struct x11 *x = priv;
    x->sink = sink;
    x->resized = x->damaged = x->reshaped = true;
    x->pace_us = x->next_us = x->pointer_us = capture_now_us();
    x->delivered_us = x->moved_us = x->next_us - REPEAT_US;
    for (;;) {
        xcb_flush(x->conn); /* may itself queue events, so before they are read */
        read_events(x);
        if (xcb_connection_has_error(x->conn))
            return explain(x, -EPIPE, error, error_size);
        int64_t now_us = capture_now_us(), due_us = x->next_us;
        bool wanted = is_wanted(x, now_us);
        if (!wanted)
            due_us = x->pointer_us < x->delivered_us + REPEAT_US ? x->pointer_us
                                                                 : x->delivered_us + REPEAT_US;
        if (due_us <= now_us) {
            int r = wanted ? step(x, now_us) : locate_pointer(x, now_us);
            if (r < 0)
                return explain(x, r, error, error_size);
            continue;
        }
        switch (capture_sink_wait(sink, xcb_get_file_descriptor(x->conn), due_us)) {
        case CAPTURE_WAKE_STOP:
            return 0;
        case CAPTURE_WAKE_POKE:
            x->poked = true;
            break;
        default:
            break;
        }
    }
}

/* --- opening --- */

static const xcb_screen_t *find_screen(const xcb_setup_t *setup, int number)
{
    xcb_screen_iterator_t i = xcb_setup_roots_iterator(setup);
    for (; i.rem && number > 0; number--)
        xcb_screen_next(&i);
    return i.rem ? i.data : NULL;
}

static const xcb_visualtype_t *find_visual(const xcb_screen_t *screen)
{
    xcb_depth_iterator_t depth = xcb_screen_allowed_depths_iterator(screen);
    for (; depth.rem; xcb_depth_next(&depth)) {
        xcb_visualtype_iterator_t visual = xcb_depth_visuals_iterator(depth.data);
        for (; visual.rem; xcb_visualtype_next(&visual)) {
            if (visual.data->visual_id == screen->root_visual)
                return visual.data;
        }
    }
    return NULL;
}

/* Whether the screen's pixels lie in memory as bytes B G R and one that does not matter. */
static bool is_bgra(const xcb_setup_t *setup, const xcb_screen_t *screen)
{
    const xcb_visualtype_t *visual = find_visual(screen);
    if (setup->image_byte_order != XCB_IMAGE_ORDER_LSB_FIRST || !visual ||
        visual->red_mask != 0xff0000 || visual->green_mask != 0xff00 || visual->blue_mask != 0xff)
        return false;
    const xcb_format_t *format = xcb_setup_pixmap_formats(setup);
    for (int i = 0; i < setup->pixmap_formats_len; i++) {
        if (format[i].depth == screen->root_depth)
            return format[i].bits_per_pixel == 32 &&
                   (screen->root_depth == 24 || screen->root_depth == 32);
    }
    return false;
}

static bool has_extension(struct x11 *x, xcb_extension_t *extension, uint8_t *first_event)
{
    const xcb_query_extension_reply_t *reply = xcb_get_extension_data(x->conn, extension);
    if (!reply || !reply->present)
        return false;
    *first_event = reply->first_event;
    return true;
}

/* Damage and XFixes want their version asked for before anything else. */
static bool start_damage(struct x11 *x)
{
    if (!has_extension(x, &xcb_damage_id, &x->damage_event) ||
        !has_extension(x, &xcb_xfixes_id, &x->cursor_event))
        return false;
    xcb_damage_query_version_cookie_t damage = xcb_damage_query_version(x->conn, 1, 1);
    xcb_xfixes_query_version_cookie_t xfixes = xcb_xfixes_query_version(x->conn, 4, 0);
    void *damage_reply = xcb_damage_query_version_reply(x->conn, damage, NULL);
    void *xfixes_reply = xcb_xfixes_query_version_reply(x->conn, xfixes, NULL);
    bool ok = damage_reply && xfixes_reply;
    free(damage_reply);
    free(xfixes_reply);
    if (!ok)
        return false;
    x->damage = xcb_generate_id(x->conn);
    xcb_damage_create(x->conn, x->damage, x->root, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
    xcb_xfixes_select_cursor_input(x->conn, x->root, XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
    return true;
}

static void start_randr(struct x11 *x)
{
    uint8_t first_event;
    x->randr_event = -1;
    if (!has_extension(x, &xcb_randr_id, &first_event))
        return;
    x->randr_event = first_event;
    xcb_randr_select_input(x->conn, x->root, XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE);
}

/* Descriptors pass through a Unix socket only, and since MIT-SHM 1.2. */
static bool can_share(struct x11 *x)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    uint8_t unused;
    if (getpeername(xcb_get_file_descriptor(x->conn), (struct sockaddr *)&peer, &size) < 0 ||
        peer.ss_family != AF_UNIX || !has_extension(x, &xcb_shm_id, &unused))
        return false;
    xcb_shm_query_version_reply_t *version =
        xcb_shm_query_version_reply(x->conn, xcb_shm_query_version(x->conn), NULL);
    bool yes = version && (version->major_version > 1 || version->minor_version >= 2);
    free(version);
    return yes;
}

static bool parse_screen(const char *arg, int *number)
{
    char *end;
    if (!arg)
        return true;
    if (arg[0] < '0' || arg[0] > '9')
        return false;
    errno = 0;
    long value = strtol(arg, &end, 10);
    *number = (int)value;
    return *end == '\0' && errno == 0 && value <= 99;
}

static int connect_display(struct x11 *x, int *number)
{
    const char *display = getenv("DISPLAY");
    snprintf(x->display, sizeof(x->display), "%s", display ? display : "");
    x->conn = xcb_connect(NULL, number);
    return xcb_connection_has_error(x->conn) ? -ENODEV : 0;
}

static int x11_open(void *priv, const struct capture_config *config, struct capture_info *info,
                    char *error, size_t error_size)
{
    struct x11 *x = priv;
    int preferred = 0;
    if (connect_display(x, &preferred) < 0) {
        snprintf(error, error_size,
                 "cannot open X display \"%s\": is DISPLAY set and the server running?",
                 x->display);
        return -ENODEV;
    }
    int number = preferred;
    if (!parse_screen(config->arg, &number)) {
        snprintf(error, error_size, "screen \"%s\" is not the number of a screen", config->arg);
        return -EINVAL;
    }
    const xcb_setup_t *setup = xcb_get_setup(x->conn);
    const xcb_screen_t *screen = find_screen(setup, number);
    if (!screen) {
        snprintf(error, error_size, "X display \"%s\" has no screen %d: it has %d", x->display,
                 number, setup->roots_len);
        return -ENODEV;
    }
    int width = screen->width_in_pixels, height = screen->height_in_pixels;
    if (!is_bgra(setup, screen) || !is_size_possible(width, height)) {
        snprintf(error, error_size,
                 "screen %d of X display \"%s\" is %dx%d of depth %d; 24-bit colour in 32 bits and "
                 "at most %dx%d are needed",
                 number, x->display, width, height, screen->root_depth, PICTURE_MAX_WIDTH,
                 PICTURE_MAX_HEIGHT);
        return -ENOTSUP;
    }
    x->root = screen->root;
    x->interval_us = 1000000 / config->fps;
    if (!start_damage(x)) {
        snprintf(error, error_size, "X display \"%s\" lacks the extensions DAMAGE and XFIXES",
                 x->display);
        return -ENOTSUP;
    }
    start_randr(x);
    x->may_share = can_share(x);
    *info = (struct capture_info){.width = width & ~1, .height = height & ~1};
    snprintf(info->name, sizeof(info->name), "Screen %d", number);
    return 0;
}

static void x11_close(void *priv)
{
    struct x11 *x = priv;
    if (!x->conn)
        return;
    free_pixels(x);
    free(x->cursor);
    xcb_disconnect(x->conn);
}

const struct capture_ops capture_x11_ops = {
    .kind = "screen",
    .priv_size = sizeof(struct x11),
    .open = x11_open,
    .run = x11_run,
    .close = x11_close,
};
