/* Presenters against a forwarder that only writes down what it is asked. */
#include "server/server_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#define CODE "CALM-FOX-007"
#define SECOND INT64_C(1000000)

static struct server server;
static struct backend backend;
static struct room *room;
static int64_t now_us;
static uint32_t next_id, next_stream;
static unsigned n_added, n_removed, n_canceled, n_woken;
static uint32_t removed[16];
static struct ingest_config last_config;
static struct forwarder_ingest_stats sent; /* of whoever is asked about */
static int add_error;
static uint32_t attached_to[2 * BACKEND_STREAMS_MAX + 1]; /* by stream: the ingest that has it */

/* --- the forwarder --- */

int forwarder_add_stream(struct forwarder *f, enum forwarder_kind kind, unsigned n_layers_max,
                         uint32_t *stream_id)
{
    (void)f;
    (void)kind;
    (void)n_layers_max;
    *stream_id = ++next_stream;
    return 0;
}

void forwarder_remove_stream(struct forwarder *f, uint32_t stream_id)
{
    (void)f;
    assert_int_equal(attached_to[stream_id], 0);
}

int forwarder_reserve(struct forwarder *f, struct forwarder_seat *out)
{
    (void)f;
    *out = (struct forwarder_seat){.viewer_id = ++next_id};
    return 0;
}

void forwarder_cancel(struct forwarder *f, uint32_t viewer_id)
{
    (void)f;
    (void)viewer_id;
    n_canceled++;
}

int forwarder_add_ingest(struct forwarder *f, const struct ingest_config *config)
{
    (void)f;
    if (add_error)
        return add_error;
    for (unsigned i = 0; i < config->n_tracks; i++) {
        uint32_t *to = &attached_to[config->tracks[i].stream_id];
        assert_int_equal(*to, 0); /* whoever had it was fenced off before */
        *to = config->id;
    }
    last_config = *config;
    n_added++;
    return 0;
}

void forwarder_remove_ingest(struct forwarder *f, uint32_t id)
{
    (void)f;
    for (unsigned i = 0; i <= 2 * BACKEND_STREAMS_MAX; i++) {
        if (attached_to[i] == id)
            attached_to[i] = 0;
    }
    removed[n_removed++ % 16] = id;
}

int forwarder_ingest(struct forwarder *f, uint32_t id, struct forwarder_ingest_stats *out)
{
    (void)f;
    (void)id;
    *out = sent;
    return 0;
}

/* --- native sources: there are none --- */

int source_open(struct source **out, const struct source_config *config, char *error, size_t size)
{
    (void)out;
    (void)config;
    (void)error;
    (void)size;
    return -ENODEV;
}

int source_start(struct source *s)
{
    (void)s;
    return 0;
}

void source_close(struct source *s)
{
    assert_null(s);
}

void source_info(struct source *s, struct source_info *out)
{
    (void)s;
    *out = (struct source_info){0};
}

void source_stats(struct source *s, struct source_stats *out)
{
    (void)s;
    *out = (struct source_stats){0};
}

int source_audio_open(struct source_audio **out, const struct source_audio_config *config,
                      char *error, size_t size)
{
    (void)out;
    (void)config;
    (void)error;
    (void)size;
    return -ENODEV;
}

int source_audio_start(struct source_audio *s)
{
    (void)s;
    return 0;
}

void source_audio_close(struct source_audio *s)
{
    assert_null(s);
}

void source_audio_info(struct source_audio *s, struct source_audio_info *out)
{
    (void)s;
    *out = (struct source_audio_info){0};
}

/* --- the rest of the server --- */

int64_t server_now_us(void)
{
    return now_us;
}

void server_random(void *out, size_t size)
{
    memset(out, 0x5a, size);
}

struct room *server_find_room(struct server *s, const char *code)
{
    return rooms_find(&s->rooms, code);
}

struct guest *server_find_guest(struct server *s, uint32_t id)
{
    return g_hash_table_lookup(s->guests, GUINT_TO_POINTER(id));
}

void server_add_guest(struct server *s, uint32_t id, struct guest *guest)
{
    g_hash_table_insert(s->guests, GUINT_TO_POINTER(id), guest);
}

void server_drop_guest(struct server *s, uint32_t id)
{
    g_hash_table_remove(s->guests, GUINT_TO_POINTER(id));
}

void server_fill_seat(struct server *s, const struct forwarder_seat *seat, struct backend_seat *out)
{
    (void)s;
    *out = (struct backend_seat){.viewer_id = seat->viewer_id, .cname = "name"};
}

bool server_fill_peer(const struct backend_seat *seat, const struct server_peer *peer,
                      struct peer_config *out)
{
    (void)seat;
    (void)out;
    return peer->n_fingerprints > 0;
}

static unsigned n_wishes;

void audience_wish(struct server *s, uint32_t id, struct guest *g, int64_t at_us)
{
    (void)s;
    assert_int_not_equal(id, 0);
    assert_true(g->presents && g->room && !g->lost);
    assert_int_equal(at_us, now_us);
    n_wishes++;
}

static void on_wake(void *arg)
{
    (void)arg;
    n_woken++;
}

static int setup(void **state)
{
    (void)state;
    server = (struct server){0};
    backend = (struct backend){.arg = &server};
    now_us = 1;
    next_id = next_stream = 0;
    n_added = n_removed = n_canceled = n_woken = 0;
    add_error = 0;
    memset(attached_to, 0, sizeof(attached_to));
    sent = (struct forwarder_ingest_stats){0};
    server.guests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    const struct rooms_config config = {.max = 2, .idle_us = 300 * SECOND, .wake = on_wake};
    assert_int_equal(rooms_init(&server.rooms, &config), 0);
    assert_int_equal(rooms_open(&server.rooms, CODE, now_us, &room), 0);
    presenters_fill_backend(&server, &backend);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    presenters_end_all(&server, NULL);
    rooms_finish(&server.rooms);
    g_hash_table_destroy(server.guests);
    return 0;
}

/* --- what a presenter does --- */

static struct backend_publication publication(unsigned slots)
{
    struct backend_publication p = {.n_fingerprints = 1, .kind = "browser"};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (!(slots & 1u << i))
            continue;
        struct backend_publish_track *t = &p.tracks[p.n_tracks++];
        *t = (struct backend_publish_track){.slot = i, .mid = "0", .nack = true, .rid_id = 4};
        t->formats[BACKEND_VP8].payload_type = 96;
        t->formats[BACKEND_VP8].rtx_payload_type = 97;
    }
    return p;
}

static uint32_t reserve(void)
{
    struct backend_seat seat;
    assert_int_equal(backend.publish_reserve(&server, CODE, &seat), 0);
    return seat.viewer_id;
}

static uint32_t begin(unsigned slots)
{
    uint32_t id = reserve();
    struct backend_publication p = publication(slots);
    assert_int_equal(backend.publish_start(&server, id, &p), 0);
    return id;
}

static bool tell(uint32_t id, enum viewer_state state, const char **reason)
{
    const struct forwarder_event e = {.kind = FORWARDER_INGEST, .viewer_id = id, .state = state};
    *reason = "as it was";
    return presenters_on_event(&server, &e, reason);
}

static void show(uint32_t id, unsigned slots)
{
    const char *reason;
    sent = (struct forwarder_ingest_stats){0};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        if (!(slots & 1u << i))
            continue;
        struct ingest_track_info *t = &sent.tracks[sent.n_tracks++];
        t->stream_id = room->slots[i].video_stream;
        t->n_layers = 1;
        t->layers[0] = (struct ingest_layer_info){
            .known = true, .live = true, .codec = PAYLOAD_VP8, .width = 640, .height = 360};
    }
    assert_true(tell(id, VIEWER_PLAYING, &reason));
    assert_string_equal(reason, "as it was");
}

static struct backend_room about(void)
{
    struct backend_room r;
    room_describe(room, &r);
    return r;
}

static void is_closed(uint32_t id, const char *want)
{
    const char *reason;
    assert_true(tell(id, VIEWER_CLOSED, &reason));
    assert_string_equal(reason, want);
}

/* --- tests --- */

static void one_comes_shows_and_ends(void **state)
{
    (void)state;
    struct backend_seat seat;
    assert_int_equal(backend.publish_reserve(&server, "NO-SUCH-ROOM", &seat), -ENOENT);
    uint32_t id = begin(1);
    assert_int_equal(last_config.id, id);
    assert_int_equal(last_config.tracks[0].stream_id, room->slots[0].video_stream);
    assert_int_equal(last_config.tracks[0].formats[PAYLOAD_VP8].rtx_payload_type, 97);
    assert_int_equal(last_config.tracks[0].extensions.rid, 4);
    assert_true(about().presenter);
    assert_false(about().live);
    n_woken = 0;
    show(id, 1);
    assert_true(about().live);
    assert_int_equal(about().streams[0].width, 640);
    assert_int_equal(n_woken, 1);
    n_wishes = 0;
    now_us += 2 * SECOND;
    presenters_tick(&server, now_us);
    presenters_tick(&server, now_us);
    assert_int_equal(n_wishes, 1);
    backend.publish_end(&server, id);
    assert_false(about().presenter);
    assert_false(about().live);
    is_closed(id, "as it was");
    assert_int_equal(g_hash_table_size(server.guests), 0);
    backend.publish_end(&server, id);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct backend_publication p = publication(1);
    assert_int_equal(backend.publish_start(&server, 99, &p), -ENOENT);
    uint32_t id = reserve();
    p.n_fingerprints = 0;
    assert_int_equal(backend.publish_start(&server, id, &p), -EINVAL);
    p = publication(0);
    assert_int_equal(backend.publish_start(&server, id, &p), -EINVAL);
    p = publication(1);
    p.tracks[0].slot = BACKEND_STREAMS_MAX;
    assert_int_equal(backend.publish_start(&server, id, &p), -EINVAL);
    p = publication(1);
    p.tracks[0].n_rids = BACKEND_LAYERS_MAX + 1;
    assert_int_equal(backend.publish_start(&server, id, &p), -EINVAL);
    p = publication(1);
    static char anything;
    room->slots[0].source = (struct source *)&anything;
    assert_int_equal(backend.publish_start(&server, id, &p), -EBUSY);
    assert_int_equal(backend.publish_slot(&server, CODE, 0), 1);
    assert_int_equal(backend.publish_slot(&server, CODE, 0xfe), -ENOSPC);
    room->slots[0].source = NULL;
    assert_int_equal(backend.publish_slot(&server, CODE, 0), 0);
    assert_int_equal(backend.publish_slot(&server, "NO-SUCH-ROOM", 0), -ENOENT);
    assert_int_equal(n_added, 0);
    assert_int_equal(backend.publish_start(&server, id, &p), 0);
    assert_int_equal(backend.publish_start(&server, id, &p), -EALREADY);
}

static void one_that_is_lost_is_waited_for(void **state)
{
    (void)state;
    uint32_t id = begin(3);
    show(id, 1);
    is_closed(id, "as it was");
    assert_true(about().reconnecting);
    assert_true(about().live);
    assert_true(about().presenter);
    assert_int_equal(n_removed, 0); /* who joins now gets what is cached */
    now_us += 60 * SECOND - 1;
    presenters_tick(&server, now_us);
    assert_true(about().reconnecting);
    now_us++;
    presenters_tick(&server, now_us);
    assert_false(about().presenter);
    assert_false(about().reconnecting);
    assert_int_equal(removed[0], id);
    assert_int_equal(g_hash_table_size(server.guests), 0);
    assert_non_null(rooms_find(&server.rooms, CODE)); /* and its secret with it */
}

static void one_that_showed_nothing_is_not_waited_for(void **state)
{
    (void)state;
    uint32_t id = begin(1);
    is_closed(id, "as it was");
    assert_false(about().presenter);
    assert_int_equal(removed[0], id);
    assert_int_equal(g_hash_table_size(server.guests), 0);
}

static void who_is_lost_is_taken_over_from(void **state)
{
    (void)state;
    uint32_t first = begin(1);
    show(first, 1);
    is_closed(first, "as it was");
    uint32_t second = begin(1);
    assert_int_equal(removed[0], first);
    assert_true(about().reconnecting); /* until there is a picture again */
    assert_int_equal(about().streams[0].width, 640);
    assert_null(server_find_guest(&server, first));
    show(second, 1);
    assert_false(about().reconnecting);
    assert_true(about().live);
}

static void who_is_there_is_fenced_off(void **state)
{
    (void)state;
    uint32_t first = begin(7);
    show(first, 7);
    uint32_t second = begin(1);
    assert_int_equal(removed[0], first);
    assert_int_equal(about().n_streams, 1); /* what the second does not have is gone */
    backend.publish_end(&server, first);    /* he has nothing to end any more */
    assert_int_equal(about().n_streams, 1);
    is_closed(first, "replaced");
    assert_int_equal(g_hash_table_size(server.guests), 1);
    show(second, 1);
    assert_true(about().live);
    assert_false(about().reconnecting);
    const char *reason;
    assert_false(tell(first, VIEWER_CLOSED, &reason));
}

static void two_share_a_room(void **state)
{
    (void)state;
    uint32_t first = begin(1), second = begin(2);
    show(first, 1);
    show(second, 2);
    assert_int_equal(about().n_streams, 2);
    backend.publish_end(&server, first);
    assert_int_equal(about().n_streams, 1);
    assert_true(about().streams[1].active);
}

static void one_that_cannot_be_added_leaves_no_trace(void **state)
{
    (void)state;
    uint32_t first = begin(1);
    show(first, 1);
    uint32_t id = reserve();
    struct backend_publication p = publication(1);
    add_error = -ENOMEM;
    assert_int_equal(backend.publish_start(&server, id, &p), -ENOMEM);
    assert_false(about().presenter);
    backend.leave = NULL;
    presenters_leave(&server, id, server_find_guest(&server, id));
    assert_int_equal(n_canceled, 1);
}

static void a_session_that_leaves_is_lost(void **state)
{
    (void)state;
    uint32_t id = begin(1);
    show(id, 1);
    presenters_leave(&server, id, server_find_guest(&server, id));
    assert_int_equal(removed[0], id);
    is_closed(id, "as it was");
    assert_true(about().reconnecting);
    presenters_leave(&server, id, server_find_guest(&server, id));
    assert_true(about().reconnecting);
    backend.publish_end(&server, id); /* he said goodbye after all */
    assert_false(about().presenter);
    assert_int_equal(g_hash_table_size(server.guests), 0);
}

static void what_is_kept_for_nothing_is_given_up(void **state)
{
    (void)state;
    uint32_t first = begin(3);
    show(first, 3);
    is_closed(first, "as it was");
    uint32_t second = begin(3);
    show(second, 1);
    assert_true(about().reconnecting); /* the second picture is not there yet */
    now_us += 61 * SECOND;
    presenters_tick(&server, now_us);
    assert_false(about().reconnecting);
    assert_int_equal(about().n_streams, 1);
}

static void what_he_says_is_taken_from_him_alone(void **state)
{
    (void)state;
    uint32_t first = begin(1), second = begin(2);
    show(first, 1);
    show(second, 2);
    const struct backend_publish_info said = {.window_name = "slides",
                                              .width = -1,
                                              .height = -1,
                                              .active = -1,
                                              .focused = 1,
                                              .paused = 1};
    backend.publish_info(&server, first, 1, &said);
    assert_string_equal(about().streams[1].window_name, "");
    backend.publish_info(&server, second, 1, &said);
    backend.publish_info(&server, second, BACKEND_STREAMS_MAX, &said);
    backend.publish_info(&server, 99, 1, &said);
    assert_string_equal(about().streams[1].window_name, "slides");
    assert_true(about().streams[1].paused);
    assert_true(about().streams[1].is_focused);
    assert_false(about().streams[0].is_focused);
}

static void a_room_that_ends_takes_them_along(void **state)
{
    (void)state;
    uint32_t id = begin(1);
    reserve();
    show(id, 1);
    presenters_end_all(&server, room);
    rooms_close(&server.rooms, room);
    assert_int_equal(removed[0], id);
    assert_int_equal(n_canceled, 1);
    is_closed(id, "as it was");
    assert_int_equal(g_hash_table_size(server.guests), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_comes_shows_and_ends),
        TEST(what_cannot_be_is_refused),
        TEST(one_that_is_lost_is_waited_for),
        TEST(one_that_showed_nothing_is_not_waited_for),
        TEST(who_is_lost_is_taken_over_from),
        TEST(who_is_there_is_fenced_off),
        TEST(two_share_a_room),
        TEST(one_that_cannot_be_added_leaves_no_trace),
        TEST(a_session_that_leaves_is_lost),
        TEST(what_is_kept_for_nothing_is_given_up),
        TEST(what_he_says_is_taken_from_him_alone),
        TEST(a_room_that_ends_takes_them_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
