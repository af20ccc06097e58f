/* origins: own and foreign addresses, what is given up when full, and random operations against a
 * plain list. */
#include "rtp/forward/origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ADDRESSES = 60, OPERATIONS = 30000 };

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static struct address address_number(unsigned i)
{
    struct address a;
    assert_true(address_parse(&a, i % 2 ? "192.0.2.7" : "2001:db8::7", (uint16_t)(1000 + i)));
    return a;
}

static void expect(struct origins *r, unsigned address, bool foreign, uint32_t id)
{
    struct address a = address_number(address);
    struct origin origin;
    assert_true(origins_find(r, &a, &origin));
    assert_int_equal(origin.foreign, foreign);
    assert_int_equal(origin.id, id);
}

static bool known(struct origins *r, unsigned address)
{
    struct address a = address_number(address);
    struct origin origin;
    return origins_find(r, &a, &origin);
}

static void set_own(struct origins *r, unsigned address, uint32_t id)
{
    struct address a = address_number(address);
    origins_set_own(r, &a, id);
}

static void set_foreign(struct origins *r, unsigned address, uint32_t id)
{
    struct address a = address_number(address);
    origins_set_foreign(r, &a, id);
}

static void remove_own(struct origins *r, unsigned address, uint32_t id)
{
    struct address a = address_number(address);
    origins_remove_own(r, &a, id);
}

static void test_own(void **unused)
{
    (void)unused;
    struct origins r;
    assert_int_equal(origins_init(&r, 4, 4, 1), 0);
    assert_false(known(&r, 0));
    set_own(&r, 0, 77);
    expect(&r, 0, false, 77);
    assert_false(known(&r, 2)); /* the same host, another port */
    remove_own(&r, 0, 77);
    assert_false(known(&r, 0));
    assert_int_equal(r.n_own, 0);
    origins_finish(&r);
    origins_finish(&r);
}

static void test_latest_wins_and_late_removal_is_harmless(void **unused)
{
    (void)unused;
    struct origins r;
    assert_int_equal(origins_init(&r, 4, 4, 1), 0);
    set_own(&r, 3, 1);
    set_own(&r, 3, 2); /* another viewer behind the same address */
    remove_own(&r, 3, 1);
    expect(&r, 3, false, 2);
    set_foreign(&r, 3, 5);
    expect(&r, 3, true, 5);
    assert_int_equal(r.n_own, 0);
    remove_own(&r, 3, 2);
    expect(&r, 3, true, 5);
    set_own(&r, 3, 9);
    expect(&r, 3, false, 9);
    assert_int_equal(r.n_foreign, 0);
    origins_finish(&r);
}

static void test_full_of_foreign_gives_up_the_unused(void **unused)
{
    (void)unused;
    struct origins r;
    assert_int_equal(origins_init(&r, 2, 8, 1), 0);
    set_own(&r, 50, 1);
    for (unsigned i = 0; i < 8; i++)
        set_foreign(&r, i, i);
    set_foreign(&r, 8, 8); /* nobody had been used since: one goes, and all marks */
    assert_int_equal(r.n_foreign, 8);
    unsigned kept = 0;
    for (unsigned i = 0; i < 9; i++) {
        if (!known(&r, i))
            continue;
        kept++;
    }
    assert_int_equal(kept, 8);

    /* One address that is used all the time outlives any number of newcomers. */
    set_foreign(&r, 9, 9);
    for (unsigned i = 10; i < 45; i++) {
        expect(&r, 9, true, 9);
        set_foreign(&r, i, i);
        assert_int_equal(r.n_foreign, 8);
        expect(&r, i, true, i);
    }
    expect(&r, 50, false, 1); /* own ones are never given up */
    origins_finish(&r);
}

struct model {
    bool known, foreign;
    uint32_t id;
};

static void compare(struct origins *r, const struct model *model)
{
    unsigned own = 0, foreign = 0;
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct address a = address_number(i);
        struct origin origin = {0};
        assert_int_equal(origins_find(r, &a, &origin), model[i].known);
        if (!model[i].known)
            continue;
        assert_int_equal(origin.foreign, model[i].foreign);
        assert_int_equal(origin.id, model[i].id);
        own += !model[i].foreign;
        foreign += model[i].foreign;
    }
    assert_int_equal(r->n_own, own);
    assert_int_equal(r->n_foreign, foreign);
}

/* Room for all, so that nothing is given up: the table must agree with a list after every
 * operation. */
static void random_operations(uint64_t seed)
{
    struct model model[ADDRESSES] = {0};
    uint64_t random = seed;
    struct origins r;
    assert_int_equal(origins_init(&r, ADDRESSES / 2, ADDRESSES / 2, seed), 0);
    r.own_max = r.foreign_max = ADDRESSES; /* denser than it would ever be */
    for (int i = 0; i < OPERATIONS; i++) {
        unsigned k = draw(&random) % ADDRESSES;
        uint32_t id = draw(&random) % 4;
        switch (draw(&random) % 3) {
        case 0:
            set_own(&r, k, id);
            model[k] = (struct model){.known = true, .id = id};
            break;
        case 1:
            set_foreign(&r, k, id);
            model[k] = (struct model){.known = true, .foreign = true, .id = id};
            break;
        default:
            remove_own(&r, k, id);
            if (model[k].known && !model[k].foreign && model[k].id == id)
                model[k].known = false;
        }
        if (i % 16 == 0)
            compare(&r, model);
    }
    compare(&r, model);
    origins_finish(&r);
}

static void test_random_operations(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_operations(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_latest_wins_and_late_removal_is_harmless),
        cmocka_unit_test(test_full_of_foreign_gives_up_the_unused),
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
