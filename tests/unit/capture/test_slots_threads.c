/* A producer and a consumer at full speed; worth most under ThreadSanitizer. */
#include "capture/slots.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PICTURES = 50000, WORDS = 64 };

static struct slots slots;
static uint64_t picture[SLOTS_MAX][WORDS];

static void *produce(void *arg)
{
    int *refused = arg;
    for (uint64_t n = 1; n <= PICTURES; n++) {
        int slot = slots_begin_write(&slots);
        if (slot < 0) {
            (*refused)++;
            continue;
        }
        for (int i = 0; i < WORDS; i++)
            picture[slot][i] = n;
        if (n % 97 == 0)
            slots_cancel(&slots, slot);
        else
            slots_publish(&slots, slot);
        if (n % 16 == 0)
            sched_yield();
    }
    slots_close(&slots);
    return NULL;
}

static void check_picture(int slot, uint64_t *last)
{
    for (int i = 1; i < WORDS; i++)
        assert_int_equal(picture[slot][i], picture[slot][0]); /* never torn */
    assert_true(picture[slot][0] > *last);                    /* never backwards */
    *last = picture[slot][0];
}

/* The consumer keeps up to `hold` pictures at once, as an asynchronous encoder does. */
static void run(int n, int hold)
{
    int refused = 0, held[SLOTS_MAX], n_held = 0, slot;
    uint64_t last = 0, taken = 0;
    pthread_t producer;
    memset(picture, 0, sizeof(picture));
    assert_int_equal(slots_init(&slots, n), 0);
    assert_int_equal(pthread_create(&producer, NULL, produce, &refused), 0);
    while ((slot = slots_take(&slots)) >= 0) {
        check_picture(slot, &last);
        held[n_held++] = slot;
        taken++;
        if (n_held == hold) {
            slots_release(&slots, held[0]);
            memmove(held, held + 1, (size_t)--n_held * sizeof(held[0]));
        }
    }
    assert_int_equal(slot, -ESHUTDOWN);
    pthread_join(producer, NULL);
    assert_int_equal(refused, 0);      /* it never waited */
    assert_true(last >= PICTURES - 1); /* the last published one was handed out */
    uint64_t published, superseded;
    slots_counts(&slots, &published, &superseded);
    assert_int_equal(published, PICTURES - PICTURES / 97);
    assert_int_equal(taken + superseded, published);
    slots_finish(&slots);
}

static void three_slots_one_held(void **state)
{
    (void)state;
    run(3, 1);
}

static void five_slots_three_held(void **state)
{
    (void)state;
    run(5, 3);
}

static void *take_one(void *arg)
{
    *(int *)arg = slots_take(&slots);
    return NULL;
}

static void close_wakes_a_waiting_consumer(void **state)
{
    (void)state;
    int got = 0;
    pthread_t consumer;
    assert_int_equal(slots_init(&slots, 3), 0);
    assert_int_equal(pthread_create(&consumer, NULL, take_one, &got), 0);
    slots_close(&slots);
    pthread_join(consumer, NULL);
    assert_int_equal(got, -ESHUTDOWN);
    slots_finish(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_slots_one_held),
        cmocka_unit_test(five_slots_three_held),
        cmocka_unit_test(close_wakes_a_waiting_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
