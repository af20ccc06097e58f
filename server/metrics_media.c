#include "server/metrics_inside.h"

/* --- streams, as the forwarder has them --- */

struct place {
    const char *room;
    unsigned slot;
    const struct forwarder_stream_stats *stream;
};

typedef void write_place_fn(FILE *f, const struct place *p);

static void write_delay(FILE *f, const struct place *p)
{
    if (p->stream->capture_to_send_us_p99 == 0)
        return; /* nothing was sent yet */
    fprintf(f,
            "amphi_stream_capture_to_send_seconds{room=\"%s\",track=\"video%u\",quantile=\"0.5\"} "
            "%.17g\n",
            p->room, p->slot, (double)p->stream->capture_to_send_us_p50 / 1e6);
    fprintf(f,
            "amphi_stream_capture_to_send_seconds{room=\"%s\",track=\"video%u\",quantile=\"0.99\"} "
            "%.17g\n",
            p->room, p->slot, (double)p->stream->capture_to_send_us_p99 / 1e6);
}

/* Layers are counted from the best one. */
static void write_watchers(FILE *f, const struct place *p)
{
    for (unsigned i = p->stream->n_layers; i-- > 0;)
        fprintf(f, "amphi_stream_layer_watchers{room=\"%s\",track=\"video%u\",layer=\"%u\"} %u\n",
                p->room, p->slot, p->stream->n_layers - 1 - i, p->stream->layers[i].watchers);
}

static void write_rates(FILE *f, const struct place *p)
{
    for (unsigned i = p->stream->n_layers; i-- > 0;)
        fprintf(
            f, "amphi_stream_layer_bitrate_bps{room=\"%s\",track=\"video%u\",layer=\"%u\"} %.17g\n",
            p->room, p->slot, p->stream->n_layers - 1 - i, (double)p->stream->layers[i].rate_bps);
}

static void for_each_place(FILE *f, const struct stats *s, write_place_fn *write)
{
    for (unsigned i = 0; i < s->n_rooms; i++) {
        const struct room *room = s->rooms[i].room;
        for (unsigned k = 0; k < BACKEND_STREAMS_MAX; k++) {
            const struct place p = {
                .room = room->code,
                .slot = k,
                .stream = stats_find_stream(&s->forwarder, room->slots[k].video_stream),
            };
            if (p.stream)
                write(f, &p);
        }
    }
}

void metrics_write_forwarder(FILE *f, const struct stats *s)
{
    metrics_family(f, "stream_capture_to_send_seconds", "summary",
                   "From a picture's capture, or arrival, until it was sent; of the last 1024.");
    for_each_place(f, s, write_delay);
    metrics_family(f, "stream_layer_watchers", "gauge", "Viewers of the layer.");
    for_each_place(f, s, write_watchers);
    metrics_family(f, "stream_layer_bitrate_bps", "gauge", "Bits a second of the layer.");
    for_each_place(f, s, write_rates);
}

/* --- who sends from elsewhere --- */

typedef double layer_value_fn(const struct ingest_layer_info *l);

static double layer_packets(const struct ingest_layer_info *l)
{
    return (double)l->packets;
}

static double layer_bytes(const struct ingest_layer_info *l)
{
    return (double)l->bytes;
}

static double layer_missing(const struct ingest_layer_info *l)
{
    return (double)l->missing;
}

static double layer_recovered(const struct ingest_layer_info *l)
{
    return (double)l->recovered;
}

static double layer_lost(const struct ingest_layer_info *l)
{
    return (double)l->lost;
}

static double layer_nacks(const struct ingest_layer_info *l)
{
    return (double)l->nacks;
}

static double layer_plis(const struct ingest_layer_info *l)
{
    return (double)l->plis;
}

static double layer_frames(const struct ingest_layer_info *l)
{
    return (double)l->frames;
}

static double layer_keyframes(const struct ingest_layer_info *l)
{
    return (double)l->keyframes;
}

static double layer_dropped(const struct ingest_layer_info *l)
{
    return (double)l->frames_dropped;
}

static double layer_rate(const struct ingest_layer_info *l)
{
    return (double)l->bps;
}

static double layer_width(const struct ingest_layer_info *l)
{
    return l->width;
}

static double layer_height(const struct ingest_layer_info *l)
{
    return l->height;
}

static double layer_delay_p50(const struct ingest_layer_info *l)
{
    return (double)l->delay_us_p50 / 1e6;
}

static double layer_delay_p99(const struct ingest_layer_info *l)
{
    return (double)l->delay_us_p99 / 1e6;
}

static const struct {
    const char *name, *type, *help;
    layer_value_fn *value;
} layer_families[] = {
    {"ingest_packets_total", "counter", "RTP packets that came.", layer_packets},
    {"ingest_bytes_total", "counter", "Bytes of them.", layer_bytes},
    {"ingest_packets_missing_total", "counter", "Packets that did not come in turn.",
     layer_missing},
    {"ingest_packets_recovered_total", "counter", "Of those, that came later.", layer_recovered},
    {"ingest_packets_lost_total", "counter", "Of those, that were given up.", layer_lost},
    {"ingest_nacks_total", "counter", "Packets asked for again.", layer_nacks},
    {"ingest_plis_total", "counter", "Keyframes asked for.", layer_plis},
    {"ingest_frames_total", "counter", "Frames published.", layer_frames},
    {"ingest_keyframes_total", "counter", "Keyframes of them.", layer_keyframes},
    {"ingest_frames_dropped_total", "counter", "Frames lost, or of no use.", layer_dropped},
    {"ingest_bitrate_bps", "gauge", "Bits a second that come.", layer_rate},
    {"ingest_width", "gauge", "Of the picture.", layer_width},
    {"ingest_height", "gauge", "Of the picture.", layer_height},
    {"ingest_added_delay_p50_seconds", "gauge", "From arrival until published, half of them.",
     layer_delay_p50},
    {"ingest_added_delay_p99_seconds", "gauge", "The same, nearly all of them.", layer_delay_p99},
};

enum { N_LAYER_FAMILIES = sizeof(layer_families) / sizeof(layer_families[0]) };

static const char *track_of(const struct room *room, const struct ingest_track_info *t,
                            unsigned *slot)
{
    bool audio = t->kind == FORWARDER_AUDIO;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        const struct room_slot *s = &room->slots[i];
        if (t->stream_id == (audio ? s->audio_stream : s->video_stream))
            *slot = i;
    }
    return audio ? "audio" : "video";
}

static void write_layers(FILE *f, size_t what, const struct room *room,
                         const struct ingest_track_info *t)
{
    unsigned slot = 0;
    const char *track = track_of(room, t, &slot);
    for (unsigned i = t->n_layers; i-- > 0;) {
        if (t->layers[i].known)
            fprintf(f, "amphi_%s{room=\"%s\",track=\"%s%u\",layer=\"%u\"} %.17g\n",
                    layer_families[what].name, room->code, track, slot, t->n_layers - 1 - i,
                    layer_families[what].value(&t->layers[i]));
    }
}

static void write_layer_family(FILE *f, const struct stats *s, size_t what)
{
    metrics_family(f, layer_families[what].name, layer_families[what].type,
                   layer_families[what].help);
    for (unsigned i = 0; i < s->forwarder.n_ingests; i++) {
        const struct forwarder_ingest_stats *p = &s->forwarder.ingests[i];
        struct stats_guest guest = {0};
        if (!s->guest || !s->guest(s->guest_arg, p->id, &guest) || !guest.room)
            continue;
        for (unsigned k = 0; k < p->n_tracks; k++)
            write_layers(f, what, guest.room, &p->tracks[k]);
    }
}

void metrics_write_presenters(FILE *f, const struct stats *s)
{
    metrics_family(f, "publishers", "gauge", "Who sends from elsewhere.");
    fprintf(f, "amphi_publishers %u\n", s->forwarder.n_ingests);
    for (size_t i = 0; i < N_LAYER_FAMILIES; i++)
        write_layer_family(f, s, i);
}
