#include "rtp/forward/mailbox.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct message {
    uint64_t number;
    char text[5]; /* an odd size in all */
};

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static void post(struct mailbox *mb, uint64_t number, int expected)
{
    struct message m = {.number = number, .text = "abcd"};
    assert_int_equal(mailbox_post(mb, &m), expected);
}

static void take(struct mailbox *mb, uint64_t number)
{
    struct message m;
    assert_true(mailbox_take(mb, &m));
    assert_int_equal(m.number, number);
    assert_string_equal(m.text, "abcd");
}

static void messages_come_in_order_across_the_wrap(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox mb;
    assert_int_equal(mailbox_init(&mb, sizeof(struct message), 3, count_wake, &wakes), 0);
    uint64_t posted = 0, taken = 0;
    for (int round = 0; round < 10; round++) {
        post(&mb, posted++, 0);
        post(&mb, posted++, 0);
        take(&mb, taken++);
        take(&mb, taken++);
    }
    struct message m;
    assert_false(mailbox_take(&mb, &m));
    assert_int_equal(wakes, 10);
    mailbox_finish(&mb);
}

static void it_wakes_only_when_it_was_empty(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox mb;
    assert_int_equal(mailbox_init(&mb, sizeof(struct message), 4, count_wake, &wakes), 0);
    post(&mb, 1, 0);
    assert_int_equal(wakes, 1);
    post(&mb, 2, 0);
    assert_int_equal(wakes, 1);
    take(&mb, 1);
    post(&mb, 3, 0); /* not drained in between: whoever takes sees this one too */
    assert_int_equal(wakes, 1);
    take(&mb, 2);
    take(&mb, 3);
    post(&mb, 4, 0);
    assert_int_equal(wakes, 2);
    take(&mb, 4);
    mailbox_finish(&mb);
}

static void a_full_one_refuses_and_loses_nothing(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox mb;
    assert_int_equal(mailbox_init(&mb, sizeof(struct message), 2, count_wake, &wakes), 0);
    post(&mb, 1, 0);
    post(&mb, 2, 0);
    post(&mb, 3, -EAGAIN);
    assert_int_equal(wakes, 1);
    take(&mb, 1);
    post(&mb, 4, 0);
    take(&mb, 2);
    take(&mb, 4);
    mailbox_finish(&mb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_order_across_the_wrap),
        cmocka_unit_test(it_wakes_only_when_it_was_empty),
        cmocka_unit_test(a_full_one_refuses_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
