/* fuzz_dependency.c - dependency descriptors from anywhere, each preceded by its size in one byte.
 * What is read is written, and read again as the same. */
#include "rtp/wire/dependency_descriptor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct dependency_descriptor *d,
                          const struct dependency_structure *s)
{
    static uint8_t out[2048];
    struct dependency_structure again = *s;
    struct dependency_descriptor back;
    size_t size = dependency_write(out, sizeof(out), d, s);
    assert(size >= DEPENDENCY_MIN_SIZE);
    int err = dependency_read(&back, &again, out, size);
    assert(err == 0 && back.frame_number == d->frame_number);
    assert(back.has_active_targets == d->has_active_targets);
    assert(back.active_targets == d->active_targets);
    assert(back.frame.temporal_id == d->frame.temporal_id);
    assert(back.frame.n_references == d->frame.n_references);
    assert(memcmp(back.frame.dti, d->frame.dti, s->n_targets) == 0);
    assert(memcmp(back.frame.references, d->frame.references, 2u * d->frame.n_references) == 0);
    assert(memcmp(back.frame.chains, d->frame.chains, s->n_chains) == 0);
    assert(memcmp(&again, s, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dependency_structure s;
    memset(&s, 0, sizeof(s));
    while (size >= 1) {
        size_t n = data[0] <= size - 1 ? data[0] : size - 1;
        struct dependency_descriptor d;
        int err = dependency_read(&d, &s, data + 1, n);
        assert(err == 0 || err == -EAGAIN || err == -EBADMSG);
        if (err == 0)
            check_written(&d, &s);
        assert(s.n_templates <= DEPENDENCY_MAX_TEMPLATES && s.n_targets <= DEPENDENCY_MAX_TARGETS);
        data += 1 + n;
        size -= 1 + n;
    }
    return 0;
}
