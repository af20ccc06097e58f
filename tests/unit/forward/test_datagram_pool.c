#include "rtp/forward/datagram_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static void all_of_them_and_no_more(void **state)
{
    (void)state;
    enum { N = 5 };
    struct datagram_pool pool;
    struct pooled_datagram *out[N];
    assert_int_equal(datagram_pool_init(&pool, N), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            out[i] = datagram_pool_take(&pool);
            assert_non_null(out[i]);
            memset(out[i]->data, i, sizeof(out[i]->data));
        }
        assert_null(datagram_pool_take(&pool));
        for (int i = 0; i < N; i++) { /* nobody else's */
            assert_int_equal(out[i]->data[0], i);
            assert_int_equal(out[i]->data[DATAGRAM_POOL_SIZE_MAX - 1], i);
        }
        for (int i = 0; i < N; i++)
            datagram_pool_give(&pool, out[i]);
    }
    datagram_pool_finish(&pool);
}

static void last_back_is_first_out(void **state)
{
    (void)state;
    struct datagram_pool pool;
    assert_int_equal(datagram_pool_init(&pool, 2), 0);
    struct pooled_datagram *a = datagram_pool_take(&pool), *b = datagram_pool_take(&pool);
    datagram_pool_give(&pool, b);
    datagram_pool_give(&pool, a);
    assert_ptr_equal(datagram_pool_take(&pool), a);
    datagram_pool_give(&pool, a);
    datagram_pool_finish(&pool);
}

static void zeroed_memory_is_fine(void **state)
{
    (void)state;
    struct datagram_pool pool = {0};
    datagram_pool_finish(&pool);
}

static void *take_and_give(void *arg)
{
    struct datagram_pool *pool = arg;
    for (int i = 0; i < 20000; i++) {
        struct pooled_datagram *d = datagram_pool_take(pool);
        if (!d)
            continue;
        d->size = (size_t)i;
        d->via = 7;
        assert_true(d->size == (size_t)i && d->via == 7);
        datagram_pool_give(pool, d);
    }
    return NULL;
}

static void any_thread(void **state)
{
    (void)state;
    struct datagram_pool pool;
    pthread_t threads[3];
    assert_int_equal(datagram_pool_init(&pool, 2), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &pool), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_non_null(datagram_pool_take(&pool));
    assert_non_null(datagram_pool_take(&pool));
    assert_null(datagram_pool_take(&pool));
    datagram_pool_finish(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them_and_no_more),
        cmocka_unit_test(last_back_is_first_out),
        cmocka_unit_test(zeroed_memory_is_fine),
        cmocka_unit_test(any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
