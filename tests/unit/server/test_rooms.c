/* Rooms in numbers. Sources are test_room.c's. */
#include "server/rooms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define IDLE_US 300000000
#define MAX 2000

static struct rooms rooms;

static int setup_with(unsigned max)
{
    return rooms_init(&rooms, &(struct rooms_config){.max = max, .idle_us = IDLE_US});
}

static int setup(void **state)
{
    (void)state;
    return setup_with(MAX);
}

static int setup_small(void **state)
{
    (void)state;
    return setup_with(3);
}

static int teardown(void **state)
{
    (void)state;
    rooms_finish(&rooms);
    return 0;
}

static struct room *open_room(const char *code, int64_t now_us)
{
    struct room *room = NULL;
    assert_int_equal(rooms_open(&rooms, code, now_us, &room), 0);
    return room;
}

static void rooms_are_found_by_their_codes(void **state)
{
    (void)state;
    struct room *a = open_room("CALM-FOX-007", 0), *b = open_room(NULL, 0), *other;
    assert_ptr_equal(rooms_find(&rooms, "CALM-FOX-007"), a);
    assert_ptr_equal(rooms_find(&rooms, b->code), b);
    assert_null(rooms_find(&rooms, "CALM-FOX-008"));
    assert_int_equal(rooms_open(&rooms, "CALM-FOX-007", 0, &other), -EEXIST);
    rooms_close(&rooms, a);
    assert_null(rooms_find(&rooms, "CALM-FOX-007"));
    assert_int_equal(rooms.n, 1);
    assert_ptr_equal(rooms.list[0], b);
    assert_ptr_not_equal(open_room("CALM-FOX-007", 0), NULL);
    assert_int_equal(rooms.n_opened, 3);
}

static void more_than_the_most_are_refused(void **state)
{
    (void)state;
    struct room *other;
    struct room *first = open_room(NULL, 0);
    open_room(NULL, 0);
    open_room(NULL, 0);
    assert_int_equal(rooms_open(&rooms, NULL, 0, &other), -ENOSPC);
    assert_int_equal(rooms_open(&rooms, "ONE-MORE", 0, &other), -ENOSPC);
    rooms_close(&rooms, first);
    open_room("ONE-MORE", 0);
}

static void a_room_where_nobody_presents_ends_in_time(void **state)
{
    (void)state;
    struct room *room = open_room(NULL, 0), *stays = open_room(NULL, 0);
    stays->permanent = true;
    rooms_tick(&rooms, 1000);
    assert_null(rooms_find_idle(&rooms, IDLE_US - 1));
    assert_ptr_equal(rooms_find_idle(&rooms, IDLE_US), room);
    room_seat_taken(room);
    assert_ptr_equal(rooms_find_idle(&rooms, IDLE_US), room); /* who waits there keeps it not */
    room_viewer_left(room, false);
    static char anything;
    room->slots[3].source = (struct source *)&anything;
    assert_null(rooms_find_idle(&rooms, IDLE_US));
    rooms_tick(&rooms, IDLE_US + 1000);
    room->slots[3].source = NULL;
    assert_null(rooms_find_idle(&rooms, 2 * IDLE_US + 999)); /* the time begins anew */
    assert_ptr_equal(rooms_find_idle(&rooms, 2 * IDLE_US + 1000), room);
}

static void a_full_room_has_no_seat(void **state)
{
    (void)state;
    struct room *room = open_room(NULL, 0);
    assert_false(room_is_full(room));
    room->max_viewers = 2;
    room_seat_taken(room);
    assert_false(room_is_full(room));
    room_seat_taken(room);
    assert_true(room_is_full(room));
    room_viewer_left(room, false);
    assert_false(room_is_full(room));
}

/* What an empty room costs: two thousand of them are twenty megabytes. */
static void empty_rooms_are_cheap(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < MAX; i++)
        open_room(NULL, 0);
    size_t each = (mallinfo2().uordblks - before) / MAX;
    print_message("an empty room: %zu bytes\n", each);
    assert_true(sizeof(struct room) <= 10240);
    assert_true(each <= sizeof(struct room) + 256); /* 0 where the allocator is a sanitizer's */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rooms_are_found_by_their_codes),
        cmocka_unit_test_setup_teardown(more_than_the_most_are_refused, setup_small, teardown),
        TEST(a_room_where_nobody_presents_ends_in_time),
        TEST(a_full_room_has_no_seat),
        TEST(empty_rooms_are_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
