/* heap: against a plain array that is searched for its minimum. */
#include "rtp/forward/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 50, OPERATIONS = 20000 };

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void test_order(void **unused)
{
    (void)unused;
    static const int64_t times[] = {50, 10, 40, 10, 30, -5, 20};
    static const int64_t sorted[] = {-5, 10, 10, 20, 30, 40, 50};
    struct heap_node nodes[7] = {0};
    struct heap h;
    assert_int_equal(heap_init(&h, 7), 0);
    assert_null(heap_first(&h));
    for (int i = 0; i < 7; i++)
        heap_set(&h, &nodes[i], times[i]);
    for (int i = 0; i < 7; i++) {
        struct heap_node *first = heap_first(&h);
        assert_non_null(first);
        assert_int_equal(first->at_us, sorted[i]);
        heap_remove(&h, first);
        assert_int_equal(first->place, 0);
    }
    assert_null(heap_first(&h));
    heap_finish(&h);
}

static void test_never_means_out(void **unused)
{
    (void)unused;
    struct heap_node a = {0}, b = {0};
    struct heap h;
    assert_int_equal(heap_init(&h, 2), 0);
    heap_set(&h, &a, INT64_MAX); /* was not in */
    assert_null(heap_first(&h));
    heap_set(&h, &a, 1);
    heap_set(&h, &b, 2);
    heap_set(&h, &a, INT64_MAX);
    assert_ptr_equal(heap_first(&h), &b);
    heap_remove(&h, &a); /* twice is fine */
    heap_set(&h, &b, 9); /* alone, moved in place */
    assert_ptr_equal(heap_first(&h), &b);
    heap_finish(&h);
    heap_finish(&h);
}

static void check_against(const struct heap *h, struct heap_node *nodes, const bool *in)
{
    int64_t earliest = INT64_MAX;
    uint32_t n = 0;
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(nodes[i].place != 0, in[i]);
        n += in[i];
        if (in[i] && nodes[i].at_us < earliest)
            earliest = nodes[i].at_us;
    }
    assert_int_equal(h->count, n);
    for (uint32_t i = 1; i < n; i++)
        assert_true(h->nodes[(i - 1) / 2]->at_us <= h->nodes[i]->at_us);
    const struct heap_node *first = heap_first(h);
    assert_int_equal(first != NULL, n > 0);
    if (first)
        assert_int_equal(first->at_us, earliest);
}

static void test_random_operations(void **unused)
{
    (void)unused;
    struct heap_node nodes[NODES] = {0};
    bool in[NODES] = {0};
    uint64_t random = 7;
    struct heap h;
    assert_int_equal(heap_init(&h, NODES), 0);
    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t k = draw(&random) % NODES;
        if (draw(&random) % 3 == 0) {
            heap_remove(&h, &nodes[k]);
            in[k] = false;
        } else {
            heap_set(&h, &nodes[k], draw(&random) % 100);
            in[k] = true;
        }
        check_against(&h, nodes, in);
    }
    heap_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_never_means_out),
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
