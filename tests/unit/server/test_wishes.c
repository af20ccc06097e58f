/* What presenters hear of their viewers, from figures made here. */
#include "server/server_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define CODE "CALM-FOX-007"
#define SECOND INT64_C(1000000)

static struct server server;
static struct backend backend;
static struct room *room;
static struct guest *presenter;
static int64_t now_us;
static struct forwarder_viewer_stats viewers[4];
static unsigned n_viewers, n_asked, n_wishes;
static uint64_t wished_bps, limit_bps;
static unsigned wished_layers;

int forwarder_stats(struct forwarder *f, struct forwarder_stats *out)
{
    (void)f;
    n_asked++;
    *out = (struct forwarder_stats){.n_viewers = n_viewers, .viewers = viewers};
    return 0;
}

void forwarder_stats_free(struct forwarder_stats *s)
{
    assert_ptr_equal(s->viewers, viewers);
}

void forwarder_set_ingest_rate(struct forwarder *f, uint32_t id, uint64_t max_bps)
{
    (void)f;
    assert_int_equal(id, 7);
    limit_bps = max_bps;
}

void http_on_publish_wish(struct http *h, uint32_t id, uint64_t bitrate_bps, unsigned layers,
                          const char *reason)
{
    (void)h;
    assert_int_equal(id, 7);
    assert_non_null(reason);
    wished_bps = bitrate_bps;
    wished_layers = layers;
    n_wishes++;
}

static uint64_t source_bps, source_small_bps;

void source_set_most(struct source *s, uint64_t bps, uint64_t small_bps)
{
    assert_non_null(s);
    source_bps = bps;
    source_small_bps = small_bps;
}

int64_t server_now_us(void)
{
    return now_us;
}

struct room *server_find_room(struct server *s, const char *code)
{
    return strcmp(code, CODE) == 0 ? s->rooms.list[0] : NULL;
}

struct guest *server_find_guest(struct server *s, uint32_t id)
{
    return g_hash_table_lookup(s->guests, GUINT_TO_POINTER(id));
}

int room_layer(const struct room *r, unsigned slot, int layer)
{
    return feed_layer(&r->slots[slot].feed, layer);
}

static struct guest *add_guest(uint32_t id)
{
    struct guest *g = g_new0(struct guest, 1);
    g->room = room;
    g->started = true;
    g_hash_table_insert(server.guests, GUINT_TO_POINTER(id), g);
    return g;
}

static int setup(void **state)
{
    (void)state;
    server = (struct server){0};
    backend = (struct backend){.arg = &server};
    now_us = 10 * SECOND;
    n_viewers = n_asked = n_wishes = 0;
    wished_bps = limit_bps = 0;
    room = calloc(1, sizeof(*room));
    server.rooms.list = calloc(1, sizeof(struct room *));
    server.rooms.list[0] = room;
    server.rooms.n = 1;
    server.guests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    presenter = add_guest(7);
    presenter->presents = true;
    room->slots[1].feed = (struct feed){.presenter = 7,
                                        .has_video = true,
                                        .arrived = true,
                                        .n_layers = 2,
                                        .layers = {{.index = 2}, {.index = 0}}};
    audience_fill_backend(&backend);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    g_hash_table_destroy(server.guests);
    free(server.rooms.list);
    free(room);
    return 0;
}

static struct forwarder_viewer_stats *add_viewer(uint8_t layer)
{
    struct forwarder_viewer_stats *v = &viewers[n_viewers++];
    *v = (struct forwarder_viewer_stats){.id = 20 + n_viewers,
                                         .state = VIEWER_PLAYING,
                                         .fraction_lost = -1,
                                         .queue_us = -1,
                                         .estimate_bps = -1,
                                         .mode = LAYER_FULL,
                                         .layer = layer};
    add_guest(v->id);
    return v;
}

static void wish(void)
{
    now_us += 2 * SECOND;
    audience_wish(&server, 7, presenter, now_us);
}

static void who_watches_what_is_told(void **state)
{
    (void)state;
    struct backend_audience a;
    assert_false(backend.audience(&server, "NO-SUCH-ROOM", &a));
    assert_true(backend.audience(&server, CODE, &a));
    assert_int_equal(a.viewers, 0);
    assert_int_equal(a.layers, 0);
    assert_int_equal(room->used_us, now_us); /* the room waits for who asks */
    add_viewer(0);
    add_viewer(0)->state = VIEWER_DTLS;
    now_us += SECOND;
    assert_true(backend.audience(&server, CODE, &a));
    assert_int_equal(a.viewers, 2);
    assert_int_equal(a.joining, 1);
    assert_int_equal(a.layers, 2); /* the second best, which is the forwarder's smallest */
    add_viewer(2);
    now_us += SECOND - 1;
    backend.audience(&server, CODE, &a);
    assert_int_equal(n_asked, 2); /* not for every presenter anew */
    now_us += 1;
    backend.audience(&server, CODE, &a);
    assert_int_equal(a.layers, 3);
}

static void a_wish_is_told_when_it_changes(void **state)
{
    (void)state;
    wish();
    assert_int_equal(n_wishes, 0); /* nobody is there */
    struct forwarder_viewer_stats *v = add_viewer(2);
    wish();
    assert_int_equal(n_wishes, 1);
    assert_int_equal(wished_bps, 0);
    assert_int_equal(wished_layers, 1);
    wish();
    assert_int_equal(n_wishes, 1);
    v->narrow = true;
    v->estimate_bps = 1048576;
    wish();
    assert_int_equal(n_wishes, 2);
    assert_int_equal(wished_bps, 1048576);
    assert_int_equal(limit_bps, 0); /* two layers: the sum says nothing of the best one */
    v->estimate_bps = 1200000;      /* in the same quarter of an octave */
    wish();
    assert_int_equal(n_wishes, 2);
    v->state = VIEWER_ICE; /* the only one is connecting anew */
    wish();
    assert_int_equal(n_wishes, 2);
}

static void one_picture_is_limited_by_remb(void **state)
{
    (void)state;
    room->slots[1].feed.n_layers = 1;
    struct forwarder_viewer_stats *v = add_viewer(2);
    v->narrow = true;
    v->estimate_bps = 1048576;
    wish();
    assert_int_equal(limit_bps, 1048576 + 128000);
    v->narrow = false;
    wish();
    assert_int_equal(n_wishes, 2);
    assert_int_equal(limit_bps, 0);
}

/* The same of a source of its own, whatever is shown beside it; and of its smallest layer. */
static void one_source_follows_its_viewers(void **state)
{
    (void)state;
    static char anything;
    room->slots[0].source = (struct source *)&anything;
    room->slots[0].video_stream = 9;
    room->viewers = 1;
    struct forwarder_viewer_stats *v = add_viewer(0);
    v->n_tracks = 1;
    v->tracks[0] = (struct forwarder_track_stats){.stream_id = 9, .kind = FORWARDER_VIDEO};
    v->narrow = true;
    v->estimate_bps = 1048576;
    audience_tick(&server, now_us);
    assert_in_range(source_bps, 500000, 1048576);
    assert_in_range(source_small_bps, 500000, 1048576);
    v->tracks[0].layer = 1;
    now_us += 2 * SECOND;
    audience_tick(&server, now_us);
    assert_int_equal(source_small_bps, 0);
    room->slots[0].source = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_watches_what_is_told),
        TEST(a_wish_is_told_when_it_changes),
        TEST(one_picture_is_limited_by_remb),
        TEST(one_source_follows_its_viewers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
