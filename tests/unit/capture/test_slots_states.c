/* Every state that can be reached, by operations in any order and number, for consumers that keep
 * one, two or three pictures: an explicit-state model checker over the code itself. Operations are
 * atomic (each is one critical section), so that their orders are all interleavings there are. */
#include "capture/slots.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum op { BEGIN, PUBLISH, CANCEL, TAKE, TAKE_OR_WAKE, RELEASE, WAKE = RELEASE + 5, CLOSE, N_OPS };

#define NO_SLOT 7u /* in `newest`: nothing was published yet, or it was written over since */
#define STATES_MAX (1u << 16)

/* What the code's behaviour may depend on, and which slot was published last. */
struct state {
    enum slot_state slot[5];
    bool closed, woken;
    unsigned newest;
};

static struct state queue[STATES_MAX];
static bool seen[STATES_MAX];
static unsigned n_states, n_transitions;

static unsigned encode(const struct state *s)
{
    unsigned code = 0;
    for (int i = 0; i < 5; i++)
        code = code << 2 | (unsigned)s->slot[i];
    return (code << 2 | (unsigned)s->closed << 1 | (unsigned)s->woken) << 3 | s->newest;
}

static int count(const struct state *s, int n, enum slot_state what)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += s->slot[i] == what;
    return found;
}

static int find(const struct state *s, int n, enum slot_state what)
{
    for (int i = 0; i < n; i++) {
        if (s->slot[i] == what)
            return i;
    }
    return -1;
}

static void check_state(const struct state *s, int n)
{
    int ready = find(s, n, SLOT_READY);
    assert_true(count(s, n, SLOT_WRITING) <= 1);
    assert_true(count(s, n, SLOT_READY) <= 1);
    assert_true(count(s, n, SLOT_IN_USE) <= n - 2); /* the consumer keeps what it may */
    if (ready >= 0)
        assert_int_equal(ready, s->newest);
}

/* False: nobody calls this now, or it would wait. */
static bool apply(struct slots *s, struct state *next, const struct state *now, int n, enum op op)
{
    int writing = find(now, n, SLOT_WRITING), ready = find(now, n, SLOT_READY);
    int held = count(now, n, SLOT_IN_USE), slot;
    if (op == BEGIN && writing < 0) {
        slot = slots_begin_write(s);
        assert_in_range(slot, 0, n - 1); /* never has to wait */
        assert_int_equal(now->slot[slot], SLOT_FREE);
        next->newest = now->newest == (unsigned)slot ? NO_SLOT : now->newest;
    } else if (op == PUBLISH && writing >= 0) {
        assert_int_equal(slots_publish(s, writing), ready >= 0);
        assert_int_equal(s->state[writing], SLOT_READY);
        next->newest = (unsigned)writing;
    } else if (op == CANCEL && writing >= 0) {
        slots_cancel(s, writing);
        assert_int_equal(find(now, n, SLOT_READY), ready);
    } else if ((op == TAKE || op == TAKE_OR_WAKE) && held < n - 2) {
        bool told = op == TAKE_OR_WAKE && now->woken;
        if (ready < 0 && !now->closed && !told)
            return false;
        slot = op == TAKE ? slots_take(s) : slots_take_or_wake(s);
        assert_int_equal(slot, ready >= 0 ? ready : told ? -EINTR : -ESHUTDOWN);
    } else if (op >= RELEASE && op < WAKE && (int)(op - RELEASE) < n &&
               now->slot[op - RELEASE] == SLOT_IN_USE) {
        slots_release(s, (int)(op - RELEASE));
    } else if (op == WAKE) {
        slots_wake(s);
    } else if (op == CLOSE) {
        slots_close(s);
    } else {
        return false;
    }
    return true;
}

/* Pictures that are held, and the one that is written, are touched by nobody else. */
static void check_step(const struct state *now, const struct state *next, int n, enum op op)
{
    for (int i = 0; i < n; i++) {
        bool released = op == RELEASE + (enum op)i;
        if (now->slot[i] == SLOT_IN_USE)
            assert_int_equal(next->slot[i], released ? SLOT_FREE : SLOT_IN_USE);
        if (now->slot[i] == SLOT_WRITING && op != PUBLISH && op != CANCEL)
            assert_int_equal(next->slot[i], SLOT_WRITING);
        if (now->slot[i] == SLOT_READY && op != PUBLISH && op != TAKE && op != TAKE_OR_WAKE)
            assert_int_equal(next->slot[i], SLOT_READY);
    }
}

static void reach(const struct state *s, int n)
{
    check_state(s, n);
    if (seen[encode(s)])
        return;
    seen[encode(s)] = true;
    assert_true(n_states < STATES_MAX);
    queue[n_states++] = *s;
}

static void step(const struct state *now, int n, enum op op)
{
    struct slots s;
    struct state next = *now;
    assert_int_equal(slots_init(&s, n), 0);
    memcpy(s.state, now->slot, (size_t)n * sizeof(s.state[0]));
    s.closed = now->closed;
    s.woken = now->woken;
    if (apply(&s, &next, now, n, op)) {
        memcpy(next.slot, s.state, (size_t)n * sizeof(s.state[0]));
        next.closed = s.closed;
        next.woken = s.woken;
        check_step(now, &next, n, op);
        n_transitions++;
        reach(&next, n);
    }
    slots_finish(&s);
}

static void explore(int kept)
{
    const int n = 2 + kept;
    const struct state first = {.newest = NO_SLOT};
    memset(seen, 0, sizeof(seen));
    n_states = n_transitions = 0;
    reach(&first, n);
    for (unsigned i = 0; i < n_states; i++) {
        const struct state now = queue[i];
        for (enum op op = BEGIN; op < N_OPS; op++)
            step(&now, n, op);
    }
    printf("%d kept: %u states, %u transitions\n", kept, n_states, n_transitions);
    assert_true(n_states > 100u * (unsigned)kept);
}

static void every_state_is_sound(void **state)
{
    (void)state;
    for (int kept = 1; kept <= 3; kept++)
        explore(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
