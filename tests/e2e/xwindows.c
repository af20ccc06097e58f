/* xwindows - windows on an X display that do what they are told, one order a line on standard
 * input:
 *
 *     open X Y WIDTH HEIGHT COLOUR TITLE...   answers with the window's id
 *     fill ID COLOUR           resize ID WIDTH HEIGHT           focus ID
 *     close ID                 warp X Y
 *
 * Numbers as strtoul takes them. Each order is answered with one line once the X server has carried
 * it out: the id, "ok", or "what?". Ends with the standard input or the display.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xcb.h>

#define ARGS 5

struct desk {
    xcb_connection_t *conn;
    const xcb_screen_t *screen;
};

static void set_text(struct desk *d, xcb_window_t window, xcb_atom_t name, const char *text)
{
    xcb_change_property(d->conn, XCB_PROP_MODE_REPLACE, window, name, XCB_ATOM_STRING, 8,
                        (uint32_t)strlen(text), text);
}

static void open_window(struct desk *d, const uint32_t a[ARGS], const char *title)
{
    xcb_window_t window = xcb_generate_id(d->conn);
    xcb_create_window(d->conn, XCB_COPY_FROM_PARENT, window, d->screen->root, (int16_t)a[0],
                      (int16_t)a[1], (uint16_t)a[2], (uint16_t)a[3], 0,
                      XCB_WINDOW_CLASS_INPUT_OUTPUT, d->screen->root_visual, XCB_CW_BACK_PIXEL,
                      &a[4]);
    set_text(d, window, XCB_ATOM_WM_NAME, title);
    xcb_map_window(d->conn, window);
    printf("0x%x", window);
}

static void fill(struct desk *d, const uint32_t a[ARGS])
{
    xcb_change_window_attributes(d->conn, a[0], XCB_CW_BACK_PIXEL, &a[1]);
    xcb_clear_area(d->conn, false, a[0], 0, 0, 0, 0);
    printf("ok");
}

static void resize(struct desk *d, const uint32_t a[ARGS])
{
    xcb_configure_window(d->conn, a[0], XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, &a[1]);
    printf("ok");
}

static void focus(struct desk *d, const uint32_t a[ARGS])
{
    xcb_set_input_focus(d->conn, XCB_INPUT_FOCUS_POINTER_ROOT, a[0], XCB_CURRENT_TIME);
    printf("ok");
}

static void close_window(struct desk *d, const uint32_t a[ARGS])
{
    xcb_destroy_window(d->conn, a[0]);
    printf("ok");
}

static void warp(struct desk *d, const uint32_t a[ARGS])
{
    xcb_warp_pointer(d->conn, XCB_NONE, d->screen->root, 0, 0, 0, 0, (int16_t)a[0], (int16_t)a[1]);
    printf("ok");
}

/* How many numbers stand in front of `rest`. */
static int read_numbers(char *text, uint32_t out[ARGS], char **rest)
{
    int n = 0;
    *rest = text;
    while (n < ARGS) {
        char *end;
        unsigned long value = strtoul(*rest, &end, 0);
        if (end == *rest)
            break;
        out[n++] = (uint32_t)value;
        *rest = end;
    }
    *rest += strspn(*rest, " ");
    return n;
}

static void obey(struct desk *d, char *line)
{
    static const struct {
        const char *name;
        int n_args;
        void (*act)(struct desk *d, const uint32_t a[ARGS]);
    } orders[] = {{"fill", 2, fill},
                  {"resize", 3, resize},
                  {"focus", 1, focus},
                  {"close", 1, close_window},
                  {"warp", 2, warp}};
    uint32_t a[ARGS] = {0};
    char *rest = line;
    line[strcspn(line, "\n")] = '\0';
    const char *name = strsep(&rest, " ");
    int n = rest ? read_numbers(rest, a, &rest) : 0;
    if (strcmp(name, "open") == 0 && n == ARGS) {
        open_window(d, a, rest);
        return;
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(name, orders[i].name) == 0 && n == orders[i].n_args) {
            orders[i].act(d, a);
            return;
        }
    }
    printf("what?");
}

int main(void)
{
    char line[256];
    struct desk d = {.conn = xcb_connect(NULL, NULL)};
    if (xcb_connection_has_error(d.conn)) {
        fprintf(stderr, "xwindows: cannot open the X display\n");
        return 1;
    }
    d.screen = xcb_setup_roots_iterator(xcb_get_setup(d.conn)).data;
    while (fgets(line, sizeof(line), stdin)) {
        obey(&d, line);
        free(xcb_get_input_focus_reply(d.conn, xcb_get_input_focus(d.conn), NULL));
        if (xcb_connection_has_error(d.conn))
            break;
        printf("\n");
        fflush(stdout);
    }
    xcb_disconnect(d.conn);
    return 0;
}
