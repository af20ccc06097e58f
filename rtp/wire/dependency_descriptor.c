#include "rtp/wire/dependency_descriptor.h"

#include "rtp/wire/bits.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* next_layer_idc (table A.2) */
#define SAME_LAYER 0
#define NEXT_TEMPORAL 1
#define NEXT_SPATIAL 2
#define NO_MORE 3

struct flags {
    bool structure, active_targets, dtis, references, chains; /* of which the last three: custom */
};

/* --- reading --- */

/* ns(n) (A.8.2): values below n in as few bits as can be. */
static uint32_t get_ns(struct bit_reader *r, uint32_t n)
{
    unsigned w = 0;
    for (uint32_t x = n; x != 0; x >>= 1)
        w++;
    uint32_t m = (1u << w) - n;
    uint32_t v = get_bits(r, w - 1);
    return v < m ? v : (v << 1) - m + get_bits(r, 1);
}

static bool read_layers(struct dependency_structure *s, struct bit_reader *r)
{
    uint8_t spatial = 0, temporal = 0;
    for (;;) {
        if (s->n_templates == DEPENDENCY_MAX_TEMPLATES || spatial == DEPENDENCY_MAX_SPATIAL ||
            temporal == DEPENDENCY_MAX_TEMPORAL)
            return false;
        struct dependency_frame *t = &s->templates[s->n_templates++];
        t->spatial_id = spatial;
        t->temporal_id = temporal;
        s->n_spatial = (uint8_t)(spatial + 1);
        switch (get_bits(r, 2)) {
        case SAME_LAYER:
            break;
        case NEXT_TEMPORAL:
            temporal++;
            break;
        case NEXT_SPATIAL:
            spatial++;
            temporal = 0;
            break;
        default:
            return true;
        }
        if (r->overrun)
            return false;
    }
}

static void read_dtis(struct dependency_frame *f, unsigned n_targets, struct bit_reader *r)
{
    for (unsigned i = 0; i < n_targets; i++)
        f->dti[i] = (uint8_t)get_bits(r, 2);
}

static bool read_template_references(struct dependency_frame *f, struct bit_reader *r)
{
    while (get_bit(r)) {
        if (f->n_references == DEPENDENCY_MAX_REFERENCES)
            return false;
        f->references[f->n_references++] = (uint16_t)(get_bits(r, 4) + 1);
    }
    return true;
}

static bool read_own_references(struct dependency_frame *f, struct bit_reader *r)
{
    f->n_references = 0;
    for (unsigned size; (size = get_bits(r, 2)) != 0;) {
        if (f->n_references == DEPENDENCY_MAX_REFERENCES)
            return false;
        f->references[f->n_references++] = (uint16_t)(get_bits(r, 4 * size) + 1);
    }
    return true;
}

static void read_chains(struct dependency_structure *s, struct bit_reader *r)
{
    s->n_chains = (uint8_t)get_ns(r, s->n_targets + 1u);
    if (s->n_chains == 0)
        return;
    for (unsigned i = 0; i < s->n_targets; i++)
        s->protected_by[i] = (uint8_t)get_ns(r, s->n_chains);
    for (unsigned i = 0; i < s->n_templates; i++) {
        for (unsigned c = 0; c < s->n_chains; c++)
            s->templates[i].chains[c] = (uint8_t)get_bits(r, 4);
    }
}

static bool read_structure(struct dependency_structure *s, struct bit_reader *r)
{
    memset(s, 0, sizeof(*s));
    s->first_id = (uint8_t)get_bits(r, 6);
    s->n_targets = (uint8_t)(get_bits(r, 5) + 1);
    if (!read_layers(s, r))
        return false;
    for (unsigned i = 0; i < s->n_templates; i++)
        read_dtis(&s->templates[i], s->n_targets, r);
    for (unsigned i = 0; i < s->n_templates; i++) {
        if (!read_template_references(&s->templates[i], r))
            return false;
    }
    read_chains(s, r);
    s->has_sizes = get_bit(r);
    for (unsigned i = 0; s->has_sizes && i < s->n_spatial; i++) {
        s->width[i] = get_bits(r, 16) + 1;
        s->height[i] = get_bits(r, 16) + 1;
    }
    return !r->overrun;
}

static struct flags read_flags(struct bit_reader *r, size_t size)
{
    struct flags f = {.structure = false};
    if (size <= DEPENDENCY_MIN_SIZE)
        return f;
    f.structure = get_bit(r);
    f.active_targets = get_bit(r);
    f.dtis = get_bit(r);
    f.references = get_bit(r);
    f.chains = get_bit(r);
    return f;
}

/* frame_dependency_definition (A.8.2) */
static int read_frame(struct dependency_descriptor *d, const struct dependency_structure *s,
                      const struct flags *own, struct bit_reader *r)
{
    unsigned index = (d->template_id + 64u - s->first_id) % 64;
    if (index >= s->n_templates)
        return -EAGAIN;
    d->frame = s->templates[index];
    if (own->dtis)
        read_dtis(&d->frame, s->n_targets, r);
    if (own->references && !read_own_references(&d->frame, r))
        return -EBADMSG;
    for (unsigned c = 0; own->chains && c < s->n_chains; c++)
        d->frame.chains[c] = (uint8_t)get_bits(r, 8);
    return r->overrun ? -EBADMSG : 0;
}

int dependency_read(struct dependency_descriptor *d, struct dependency_structure *s,
                    const uint8_t *bytes, size_t size)
{
    struct bit_reader r = {.bytes = bytes, .size = size};
    *d = (struct dependency_descriptor){.starts_frame = get_bit(&r)};
    d->ends_frame = get_bit(&r);
    d->template_id = (uint8_t)get_bits(&r, 6);
    d->frame_number = (uint16_t)get_bits(&r, 16);
    struct flags flags = read_flags(&r, size);
    if (r.overrun)
        return -EBADMSG;

    struct dependency_structure attached;
    const struct dependency_structure *now = s;
    if (flags.structure) {
        if (!read_structure(&attached, &r))
            return -EBADMSG;
        now = &attached;
        d->has_structure = true;
        d->active_targets = (uint32_t)((UINT64_C(1) << now->n_targets) - 1);
    }
    if (now->n_templates == 0)
        return -EAGAIN;
    if (flags.active_targets) {
        d->has_active_targets = true;
        d->active_targets = get_bits(&r, now->n_targets);
    }
    int err = read_frame(d, now, &flags, &r);
    /* A structure is of no use to the very frame that brings it only if it is wrong. */
    if (err == -EAGAIN && flags.structure)
        return -EBADMSG;
    if (err == 0 && flags.structure)
        *s = attached;
    return err;
}

/* --- writing --- */

static void put_ns(struct bit_writer *w, uint32_t n, uint32_t v)
{
    unsigned bits = 0;
    for (uint32_t x = n; x != 0; x >>= 1)
        bits++;
    uint32_t m = (1u << bits) - n;
    if (v < m)
        put_bits(w, bits - 1, v);
    else
        put_bits(w, bits, v + m);
}

static void write_layers(struct bit_writer *w, const struct dependency_structure *s)
{
    for (unsigned i = 0; i + 1 < s->n_templates; i++) {
        const struct dependency_frame *t = &s->templates[i], *next = t + 1;
        unsigned idc = SAME_LAYER;
        if (next->spatial_id != t->spatial_id)
            idc = NEXT_SPATIAL;
        else if (next->temporal_id != t->temporal_id)
            idc = NEXT_TEMPORAL;
        assert(next->spatial_id == t->spatial_id + (idc == NEXT_SPATIAL));
        assert(next->temporal_id ==
               (idc == NEXT_SPATIAL ? 0 : t->temporal_id + (idc == NEXT_TEMPORAL)));
        put_bits(w, 2, idc);
    }
    put_bits(w, 2, NO_MORE);
}

static void write_dtis(struct bit_writer *w, const struct dependency_frame *f, unsigned n_targets)
{
    for (unsigned i = 0; i < n_targets; i++)
        put_bits(w, 2, f->dti[i]);
}

static void write_template_references(struct bit_writer *w, const struct dependency_frame *f)
{
    for (unsigned i = 0; i < f->n_references; i++) {
        put_bit(w, true);
        put_bits(w, 4, f->references[i] - 1u);
    }
    put_bit(w, false);
}

static void write_chains(struct bit_writer *w, const struct dependency_structure *s)
{
    put_ns(w, s->n_targets + 1u, s->n_chains);
    for (unsigned i = 0; s->n_chains > 0 && i < s->n_targets; i++)
        put_ns(w, s->n_chains, s->protected_by[i]);
    for (unsigned i = 0; i < s->n_templates; i++) {
        for (unsigned c = 0; c < s->n_chains; c++)
            put_bits(w, 4, s->templates[i].chains[c]);
    }
}

static void write_structure(struct bit_writer *w, const struct dependency_structure *s)
{
    put_bits(w, 6, s->first_id);
    put_bits(w, 5, s->n_targets - 1u);
    write_layers(w, s);
    for (unsigned i = 0; i < s->n_templates; i++)
        write_dtis(w, &s->templates[i], s->n_targets);
    for (unsigned i = 0; i < s->n_templates; i++)
        write_template_references(w, &s->templates[i]);
    write_chains(w, s);
    put_bit(w, s->has_sizes);
    for (unsigned i = 0; s->has_sizes && i < s->n_spatial; i++) {
        put_bits(w, 16, s->width[i] - 1);
        put_bits(w, 16, s->height[i] - 1);
    }
}

/* In units of four bits; 0 is the end of the list. */
static unsigned reference_size(uint16_t reference)
{
    assert(reference >= 1 && reference <= 4096);
    if (reference <= 16)
        return 1;
    return reference <= 256 ? 2 : 3;
}

static void write_own(struct bit_writer *w, const struct dependency_frame *f,
                      const struct dependency_structure *s, const struct flags *own)
{
    if (own->dtis)
        write_dtis(w, f, s->n_targets);
    if (own->references) {
        for (unsigned i = 0; i < f->n_references; i++) {
            unsigned size = reference_size(f->references[i]);
            put_bits(w, 2, size);
            put_bits(w, 4 * size, f->references[i] - 1u);
        }
        put_bits(w, 2, 0);
    }
    for (unsigned c = 0; own->chains && c < s->n_chains; c++)
        put_bits(w, 8, f->chains[c]);
}

static struct flags differences(const struct dependency_frame *f, const struct dependency_frame *t,
                                const struct dependency_structure *s)
{
    return (struct flags){
        .dtis = memcmp(f->dti, t->dti, s->n_targets) != 0,
        .references =
            f->n_references != t->n_references ||
            memcmp(f->references, t->references, f->n_references * sizeof(f->references[0])) != 0,
        .chains = memcmp(f->chains, t->chains, s->n_chains) != 0,
    };
}

static unsigned cost(const struct flags *own, const struct dependency_frame *f,
                     const struct dependency_structure *s)
{
    unsigned bits = own->dtis ? 2u * s->n_targets : 0;
    bits += own->chains ? 8u * s->n_chains : 0;
    for (unsigned i = 0; own->references && i < f->n_references; i++)
        bits += 2 + 4 * reference_size(f->references[i]);
    return bits + (own->references ? 2 : 0);
}

/* The template that leaves the least to say; its index, or -1. */
static int find_template(const struct dependency_structure *s, const struct dependency_frame *f,
                         struct flags *own)
{
    int best = -1;
    unsigned best_cost = 0;
    for (unsigned i = 0; i < s->n_templates; i++) {
        const struct dependency_frame *t = &s->templates[i];
        if (t->spatial_id != f->spatial_id || t->temporal_id != f->temporal_id)
            continue;
        struct flags now = differences(f, t, s);
        unsigned now_cost = cost(&now, f, s);
        if (best >= 0 && now_cost >= best_cost)
            continue;
        best = (int)i;
        best_cost = now_cost;
        *own = now;
    }
    return best;
}

size_t dependency_write(uint8_t *out, size_t capacity, const struct dependency_descriptor *d,
                        const struct dependency_structure *s)
{
    struct flags flags = {.structure = false};
    int index = find_template(s, &d->frame, &flags);
    if (index < 0)
        return 0;
    flags.structure = d->has_structure;
    flags.active_targets = d->has_active_targets;

    struct bit_writer w = {.bytes = out, .size = capacity};
    put_bit(&w, d->starts_frame);
    put_bit(&w, d->ends_frame);
    put_bits(&w, 6, ((unsigned)index + s->first_id) % 64);
    put_bits(&w, 16, d->frame_number);
    if (flags.structure || flags.active_targets || flags.dtis || flags.references || flags.chains) {
        put_bit(&w, flags.structure);
        put_bit(&w, flags.active_targets);
        put_bit(&w, flags.dtis);
        put_bit(&w, flags.references);
        put_bit(&w, flags.chains);
        if (flags.structure)
            write_structure(&w, s);
        if (flags.active_targets)
            put_bits(&w, s->n_targets, d->active_targets);
        write_own(&w, &d->frame, s, &flags);
    }
    return w.overrun ? 0 : (w.at + 7) / 8;
}

/* --- our own streams --- */

void dependency_target_layers(const struct dependency_structure *s, unsigned target,
                              uint8_t *spatial_id, uint8_t *temporal_id)
{
    assert(target < s->n_targets);
    *spatial_id = 0;
    *temporal_id = 0;
    for (unsigned i = 0; i < s->n_templates; i++) {
        const struct dependency_frame *t = &s->templates[i];
        if (t->dti[target] == DEPENDENCY_ABSENT)
            continue;
        if (t->spatial_id > *spatial_id)
            *spatial_id = t->spatial_id;
        if (t->temporal_id > *temporal_id)
            *temporal_id = t->temporal_id;
    }
}

/* What a frame of a layer is for each target: all of the base layer is kept and one may switch up
 * after it; a frame above is discardable for those who watch up to its layer, since nothing of that
 * layer refers to it. */
static void set_dtis(struct dependency_frame *f, unsigned n_temporal)
{
    for (unsigned target = 0; target < n_temporal; target++) {
        if (target < f->temporal_id)
            f->dti[target] = DEPENDENCY_ABSENT;
        else if (target == f->temporal_id && target > 0)
            f->dti[target] = DEPENDENCY_DISCARDABLE;
        else
            f->dti[target] = DEPENDENCY_SWITCH;
    }
}

void dependency_structure_init(struct dependency_structure *s, unsigned n_temporal)
{
    /* layer, reference, chain: the distances of the patterns 0; 0 1; 0 2 1 2. */
    static const uint8_t templates[3][5][3] = {
        {{0, 0, 0}, {0, 1, 1}},
        {{0, 0, 0}, {0, 2, 2}, {1, 1, 1}},
        {{0, 0, 0}, {0, 4, 4}, {1, 2, 2}, {2, 1, 1}, {2, 1, 3}},
    };
    /* Ids of different structures do not overlap (A.8.3). */
    static const uint8_t counts[3] = {2, 3, 5}, first_ids[3] = {0, 2, 5};
    assert(n_temporal >= 1 && n_temporal <= 3);
    memset(s, 0, sizeof(*s));
    s->first_id = first_ids[n_temporal - 1];
    s->n_templates = counts[n_temporal - 1];
    s->n_targets = (uint8_t)n_temporal;
    s->n_chains = 1;
    s->n_spatial = 1;
    for (unsigned i = 0; i < s->n_templates; i++) {
        const uint8_t *row = templates[n_temporal - 1][i];
        struct dependency_frame *t = &s->templates[i];
        t->temporal_id = row[0];
        t->n_references = row[1] > 0;
        t->references[0] = row[1];
        t->chains[0] = row[2];
        set_dtis(t, n_temporal);
    }
}

void dependency_tracker_init(struct dependency_tracker *t, unsigned n_temporal)
{
    assert(n_temporal >= 1 && n_temporal <= 3);
    *t = (struct dependency_tracker){.n_temporal = (uint8_t)n_temporal};
}

static bool refer_back(const struct dependency_tracker *t, struct dependency_frame *f,
                       uint16_t frame_number)
{
    unsigned layer = f->temporal_id > 0 ? f->temporal_id - 1u : 0;
    uint16_t chain = (uint16_t)(frame_number - t->last[0]);
    uint16_t reference = (uint16_t)(frame_number - t->last[layer]);
    if (chain == 0 || chain > UINT8_MAX || reference == 0 || reference > chain)
        return false;
    f->n_references = 1;
    f->references[0] = reference;
    f->chains[0] = (uint8_t)chain;
    return true;
}

bool dependency_next(struct dependency_tracker *t, struct dependency_frame *out,
                     uint16_t frame_number, unsigned temporal_id, bool keyframe)
{
    if (temporal_id >= t->n_temporal || (keyframe ? temporal_id != 0 : !t->started))
        return false;
    *out = (struct dependency_frame){.temporal_id = (uint8_t)temporal_id};
    set_dtis(out, t->n_temporal);
    if (!keyframe && !refer_back(t, out, frame_number))
        return false;
    t->started = true;
    /* What upper layers had before this one is not looked at again. */
    for (unsigned i = temporal_id; i < t->n_temporal; i++)
        t->last[i] = frame_number;
    return true;
}
