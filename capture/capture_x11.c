/* X screens, monitors and windows, by MIT-SHM, XDamage and XComposite: the server is asked for
 * pixels only when it said that some changed, and only for those. `pixels` keeps what was last
 * grabbed, without the cursor; a picture takes from it what its buffer lacks and has the cursor
 * blended in, so a repeat or a moved cursor costs the server nothing.
 *
 * Replies are polled for instead of xcb's own blocking wait, which would be deaf to capture_stop
 * while the server hangs or another client has grabbed it. */
#include "capture/capture_x11.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xcbext.h>

#define REPEAT_US 1000000

/* --- the conversation with the server --- */

static void read_events(struct x11 *x)
{
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(x->ask.conn))) {
        int type = event->response_type & 0x7f;
        if (type == x->damage_event + XCB_DAMAGE_NOTIFY)
            x->damaged |= ((const xcb_damage_notify_event_t *)event)->damage == x->damage;
        else if (type == x->cursor_event + XCB_XFIXES_CURSOR_NOTIFY)
            x->reshaped = true;
        else
            x->subject->on_event(x, event);
        free(event);
    }
}

/* Before run there is no sink to wait in, nor anybody who could say stop. */
static int await_opening(struct x11 *x, unsigned sequence, void **reply)
{
    xcb_generic_error_t *error = NULL;
    *reply = xcb_wait_for_reply(x->ask.conn, sequence, &error);
    free(error);
    if (*reply)
        return 0;
    return xcb_connection_has_error(x->ask.conn) ? -EPIPE : -EPROTO;
}

static int await(struct x11_ask *ask, unsigned sequence, void **reply)
{
    struct x11 *x = (struct x11 *)ask;
    *reply = NULL;
    if (!x->sink)
        return await_opening(x, sequence, reply);
    xcb_flush(ask->conn);
    for (;;) {
        xcb_generic_error_t *error = NULL;
        read_events(x); /* this is what reads the socket */
        if (xcb_poll_for_reply(ask->conn, sequence, reply, &error)) {
            free(error);
            if (*reply)
                return 0;
            return xcb_connection_has_error(ask->conn) ? -EPIPE : -EPROTO;
        }
        switch (capture_sink_wait(x->sink, xcb_get_file_descriptor(ask->conn), INT64_MAX)) {
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

/* --- pictures --- */

static void copy_rect(const struct x11 *x, const struct picture *p, const struct picture_rect *r)
{
    for (int y = r->y; y < r->y + r->height; y++)
        memcpy(p->plane[0] + y * p->stride[0] + (ptrdiff_t)r->x * 4,
               x->pixels + ((size_t)y * (size_t)x->width + (size_t)r->x) * 4, (size_t)r->width * 4);
}

static void deliver(struct x11 *x, int64_t now_us)
{
    struct picture *p = capture_sink_begin(x->sink, x->width, x->height);
    if (!p)
        return; /* still wanted, so tried again when the rate allows */
    struct picture_damage lacking = *capture_sink_stale(x->sink, p);
    picture_damage_merge(&lacking, &x->dirty);
    /* The cursor is blended, so what is below it has to be there anew. */
    const struct picture_rect cursor = x11_cursor_rect(x);
    picture_damage_add(&lacking, &cursor);
    if (!lacking.known)
        copy_rect(x, p, &(struct picture_rect){0, 0, x->width, x->height});
    for (int i = 0; i < lacking.n; i++)
        copy_rect(x, p, &lacking.rect[i]);
    x11_draw_cursor(x, p);
    p->captured_us = now_us;
    p->repeat = !x->fresh;
    p->damage = x->dirty;
    capture_sink_publish(x->sink, p);
    x->dirty = (struct picture_damage){.known = true};
    x->fresh = false;
    x->poked = false;
    x->delivered_us = now_us;
}

static bool has_picture(const struct x11 *x, int64_t now_us)
{
    return x->fresh || x->poked || now_us >= x->delivered_us + REPEAT_US;
}

static bool is_wanted(const struct x11 *x, int64_t now_us)
{
    return x->resized || x->damaged || x->reshaped || has_picture(x, now_us);
}

/* One picture, if all goes well and there is something new. Its due time advances by whole
 * intervals, which bounds the rate: never more than 2 + time * fps pictures. But it may come up to
 * one interval early, once: so the pictures fall in step with a screen that changes at the same
 * rate, instead of waiting each time for a moment that chance has chosen. */
static int step(struct x11 *x, int64_t now_us)
{
    int64_t soonest_us = now_us + x->interval_us / 4;
    x->pace_us = (x->pace_us > now_us ? x->pace_us : now_us) + x->interval_us;
    x->next_us = x->pace_us - x->interval_us;
    if (x->next_us < soonest_us)
        x->next_us = soonest_us;
    int r = x->resized ? x->subject->measure(x) : 0;
    if (r == 0)
        r = x11_grab(x);
    if (r == 0 && x->reshaped)
        r = x11_fetch_cursor(x);
    if (r == 0)
        r = x11_locate_pointer(x, now_us);
    if (r == 0 && x->failures == 0 && has_picture(x, now_us))
        deliver(x, now_us);
    return r;
}

/* What is due now, or when it will be: 0 if something was done. */
static int act(struct x11 *x, int64_t now_us, int64_t *due_us)
{
    if (x->subject->follow && (x->refocused || now_us >= x->follow_us))
        return x->subject->follow(x, now_us);
    bool wanted = is_wanted(x, now_us);
    *due_us = x->next_us;
    if (!wanted)
        *due_us = x->pointer_us < x->delivered_us + REPEAT_US ? x->pointer_us
                                                              : x->delivered_us + REPEAT_US;
    if (*due_us <= now_us)
        return wanted ? step(x, now_us) : x11_locate_pointer(x, now_us);
    if (x->subject->follow && x->follow_us < *due_us)
        *due_us = x->follow_us;
    return 1;
}

/* -ENODEV for what may come back, as capture_ops asks. */
static int explain(const struct x11 *x, int code, char *error, size_t error_size)
{
    if (code == -ECANCELED)
        return 0;
    if (code == -EPIPE) {
        snprintf(error, error_size, "the display \"%s\" is gone", x->display);
        return -ENODEV;
    }
    if (code == -ENODEV)
        snprintf(error, error_size, "the monitor %s is gone", x->name);
    else if (code == -ENOENT)
        snprintf(error, error_size, "the window was closed");
    else if (code == -ERANGE)
        snprintf(error, error_size, "%s changed to a size that cannot be captured", x->name);
    else if (code == -ENOMEM)
        snprintf(error, error_size, "out of memory for pictures of %dx%d", x->width, x->height);
    else
        snprintf(error, error_size, "the display \"%s\" does not give the pixels of %s", x->display,
                 x->name);
    return code;
}

int x11_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    struct x11 *x = priv;
    x->sink = sink;
    x->resized = x->damaged = x->everything = x->reshaped = x->fresh = true;
    x->pace_us = x->next_us = x->pointer_us = x->follow_us = capture_now_us();
    x->delivered_us = x->moved_us = x->next_us - REPEAT_US;
    for (;;) {
        int64_t due_us = 0;
        xcb_flush(x->ask.conn); /* may itself queue events, so before they are read */
        read_events(x);
        int r = xcb_connection_has_error(x->ask.conn) ? -EPIPE : act(x, capture_now_us(), &due_us);
        if (r < 0)
            return explain(x, r, error, error_size);
        if (r == 0)
            continue;
        switch (capture_sink_wait(sink, xcb_get_file_descriptor(x->ask.conn), due_us)) {
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

/* Damage and XFixes want their version asked for before anything else. */
static bool start_damage(struct x11 *x)
{
    xcb_connection_t *conn = x->ask.conn;
    if (!x11_has_extension(&x->ask, &xcb_damage_id, &x->damage_event) ||
        !x11_has_extension(&x->ask, &xcb_xfixes_id, &x->cursor_event))
        return false;
    xcb_damage_query_version_cookie_t damage = xcb_damage_query_version(conn, 1, 1);
    xcb_xfixes_query_version_cookie_t xfixes = xcb_xfixes_query_version(conn, 4, 0);
    void *damage_reply = xcb_damage_query_version_reply(conn, damage, NULL);
    void *xfixes_reply = xcb_xfixes_query_version_reply(conn, xfixes, NULL);
    bool ok = damage_reply && xfixes_reply;
    free(damage_reply);
    free(xfixes_reply);
    if (!ok)
        return false;
    x->region = xcb_generate_id(conn);
    xcb_xfixes_create_region(conn, x->region, 0, NULL);
    xcb_xfixes_select_cursor_input(conn, x->ask.root, XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
    return true;
}

int x11_begin(struct x11 *x, const struct capture_config *config, char *error, size_t error_size)
{
    snprintf(x->display, sizeof(x->display), "%s", x11_display_name());
    x->ask.await = await;
    x->interval_us = 1000000 / config->fps;
    if (x11_ask_connect(&x->ask) < 0 || x11_ask_init(&x->ask) < 0) {
        snprintf(error, error_size,
                 "cannot open X display \"%s\": is DISPLAY set and the server running?",
                 x->display);
        return -ENODEV;
    }
    if (!start_damage(x)) {
        snprintf(error, error_size, "X display \"%s\" lacks the extensions DAMAGE and XFIXES",
                 x->display);
        return -ENOTSUP;
    }
    x->may_share = x11_can_share(x);
    /* what to say if a question that only opening asks is not answered */
    snprintf(error, error_size, "the display \"%s\" is gone", x->display);
    return 0;
}

void x11_watch(struct x11 *x, xcb_window_t window)
{
    x->damage = xcb_generate_id(x->ask.conn);
    xcb_damage_create(x->ask.conn, x->damage, window, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
}

void x11_close(void *priv)
{
    struct x11 *x = priv;
    if (!x->ask.conn)
        return;
    x11_free_pixels(x);
    free(x->cursor);
    x11_ask_disconnect(&x->ask);
}
