/* Every sequence of operations up to a length, for every slot count in use, against a model that
 * knows pictures by number and nothing of slots. */
#include "capture/slots.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum op { BEGIN, PUBLISH, CANCEL, TAKE, RELEASE_OLDEST, RELEASE_NEWEST, CLOSE, N_OPS };

#define LENGTH 12

struct model {
    int n;
    int next;            /* number of the next picture */
    int writing, ready;  /* picture numbers; 0 = none */
    int held[SLOTS_MAX]; /* picture numbers, oldest first */
    int slot[SLOTS_MAX]; /* their slots */
    int n_held;
    int writing_slot;
    int content[SLOTS_MAX]; /* the "pixels": which picture was written into a slot last */
    uint64_t published, superseded;
    bool closed;
    bool jumped; /* the ready one superseded another */
};

static void check_begin(struct model *m, struct slots *s)
{
    int slot = slots_begin_write(s);
    int used = (m->ready != 0) + m->n_held;
    if (used == m->n) {
        assert_int_equal(slot, -EAGAIN);
        return;
    }
    assert_in_range(slot, 0, m->n - 1);
    for (int i = 0; i < m->n_held; i++)
        assert_int_not_equal(slot, m->slot[i]);
    m->writing = m->next++;
    m->writing_slot = slot;
    m->content[slot] = m->writing;
}

static void check_take(struct model *m, struct slots *s)
{
    int slot = slots_take(s);
    if (m->ready == 0) {
        assert_int_equal(slot, -ESHUTDOWN);
        return;
    }
    assert_in_range(slot, 0, m->n - 1);
    assert_int_equal(m->content[slot], m->ready); /* the newest published, not written over */
    assert_int_equal(slots_has_superseded(s, slot), m->jumped);
    m->held[m->n_held] = m->ready;
    m->slot[m->n_held++] = slot;
    m->ready = 0;
}

static void check_release(struct model *m, struct slots *s, int which)
{
    assert_int_equal(m->content[m->slot[which]], m->held[which]); /* untouched while held */
    slots_release(s, m->slot[which]);
    m->n_held--;
    for (int i = which; i < m->n_held; i++) {
        m->held[i] = m->held[i + 1];
        m->slot[i] = m->slot[i + 1];
    }
}

static bool is_allowed(const struct model *m, enum op op)
{
    switch (op) {
    case BEGIN:
        return !m->writing;
    case PUBLISH:
    case CANCEL:
        return m->writing;
    case TAKE:
        return m->ready || m->closed; /* else it would wait */
    case RELEASE_OLDEST:
        return m->n_held > 0;
    case RELEASE_NEWEST:
        return m->n_held > 1;
    default:
        return !m->closed;
    }
}

static void apply(struct model *m, struct slots *s, enum op op)
{
    switch (op) {
    case BEGIN:
        check_begin(m, s);
        break;
    case PUBLISH:
        m->jumped = m->ready != 0;
        assert_int_equal(slots_publish(s, m->writing_slot), m->jumped);
        m->published++;
        m->superseded += m->ready != 0;
        m->ready = m->writing;
        m->writing = 0;
        break;
    case CANCEL:
        slots_cancel(s, m->writing_slot);
        m->writing = 0;
        break;
    case TAKE:
        check_take(m, s);
        break;
    case RELEASE_OLDEST:
        check_release(m, s, 0);
        break;
    case RELEASE_NEWEST:
        check_release(m, s, m->n_held - 1);
        break;
    default:
        slots_close(s);
        m->closed = true;
    }
}

/* Replays a path from the start, then tries every operation allowed after it. */
static unsigned explore(int n, enum op *path, int length)
{
    struct slots s;
    struct model m = {.n = n, .next = 1};
    assert_int_equal(slots_init(&s, n), 0);
    for (int i = 0; i < length; i++)
        apply(&m, &s, path[i]);
    uint64_t published, superseded;
    slots_counts(&s, &published, &superseded);
    assert_int_equal(published, m.published);
    assert_int_equal(superseded, m.superseded);
    slots_finish(&s);

    unsigned paths = 1;
    for (enum op op = BEGIN; length < LENGTH && op < N_OPS; op++) {
        if (is_allowed(&m, op)) {
            path[length] = op;
            paths += explore(n, path, length + 1);
        }
    }
    return paths;
}

static void every_sequence_agrees_with_the_model(void **state)
{
    (void)state;
    enum op path[LENGTH];
    for (int n = 3; n <= 5; n++)
        assert_true(explore(n, path, 0) > 10000); /* the model does not simply refuse them all */
}

static void long_random_sequences_agree_with_the_model(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (int n = 3; n <= SLOTS_MAX; n++) {
        struct slots s;
        struct model m = {.n = n, .next = 1};
        assert_int_equal(slots_init(&s, n), 0);
        for (int i = 0; i < 20000; i++) {
            random = random * 1664525 + 1013904223;
            enum op op = (random >> 16) % CLOSE;
            if (is_allowed(&m, op))
                apply(&m, &s, op);
        }
        assert_true(m.superseded > 100 && m.published > m.superseded);
        slots_finish(&s);
    }
}

static void producer_never_waits_while_consumer_holds_what_it_may(void **state)
{
    (void)state;
    for (int n = 3; n <= SLOTS_MAX; n++) {
        struct slots s;
        assert_int_equal(slots_init(&s, n), 0);
        for (int held = 0; held < n - 2; held++) {
            slots_publish(&s, slots_begin_write(&s));
            assert_true(slots_take(&s) >= 0);
        }
        for (int i = 0; i < 3 * n; i++) {
            int slot = slots_begin_write(&s);
            assert_true(slot >= 0);
            slots_publish(&s, slot);
        }
        slots_finish(&s);
    }
}

static void ready_picture_outlives_close(void **state)
{
    (void)state;
    struct slots s;
    assert_int_equal(slots_init(&s, 3), 0);
    slots_publish(&s, slots_begin_write(&s));
    slots_close(&s);
    int slot = slots_take(&s);
    assert_true(slot >= 0);
    slots_release(&s, slot);
    assert_int_equal(slots_take(&s), -ESHUTDOWN);
    assert_int_equal(slots_take(&s), -ESHUTDOWN);
    slots_finish(&s);
}

static void a_wake_is_told_once_and_after_a_picture(void **state)
{
    (void)state;
    struct slots s;
    assert_int_equal(slots_init(&s, 3), 0);
    slots_wake(&s);
    slots_wake(&s);
    slots_publish(&s, slots_begin_write(&s));
    int slot = slots_take_or_wake(&s);
    assert_true(slot >= 0);
    slots_release(&s, slot);
    assert_int_equal(slots_take_or_wake(&s), -EINTR);
    slots_publish(&s, slots_begin_write(&s));
    slots_release(&s, slots_take_or_wake(&s));
    slots_wake(&s);
    slots_close(&s);
    assert_int_equal(slots_take(&s), -ESHUTDOWN); /* whom it does not concern is not woken */
    assert_int_equal(slots_take_or_wake(&s), -EINTR);
    assert_int_equal(slots_take_or_wake(&s), -ESHUTDOWN);
    slots_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_agrees_with_the_model),
        cmocka_unit_test(long_random_sequences_agree_with_the_model),
        cmocka_unit_test(producer_never_waits_while_consumer_holds_what_it_may),
        cmocka_unit_test(ready_picture_outlives_close),
        cmocka_unit_test(a_wake_is_told_once_and_after_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
