/* viewer_path.h - what the way to one viewer takes, and which layers it gets therefore. Sans-IO.
 *
 * Every packet with a transport-wide number and all feedback about them go to gcc; receivers
 * without such feedback are followed by REMB and by the loss they report. As long as nothing has
 * shown the path to be a limit, or it takes comfortably more than the streams need, everything
 * leaves as if there were none: a frame is one train, and whoever has a GOP to catch up with gets
 * it within a second, or as fast as the path is known to take it. On a narrow path trains are what
 * 5 ms of the pace hold, and every track stands on a rung of its ladder (layer.h), with a share of
 * the target by what its best rung takes.
 *
 *     feedback ─▶ gcc ─▶ target ─┬─▶ layer_decide ─▶ target layer, temporal limit, slides
 *                                └─▶ pacer
 *
 * Probes are sent when the path is new, up to twice what the best rungs take, and later only on a
 * path that has shown to be a limit, as long as it is not known to take that.
 *
 * While no feedback comes nothing is decided: the receiver may be busy. When it is back and most of
 * what was sent meanwhile is lost, the path was away: tracks go on at a keyframe, and what was lost
 * is not sent again.
 *
 * Life: made with the first picture that plays, freed with its viewer. One thread.
 */
#pragma once

#include "rtp/control/gcc.h"
#include "rtp/control/layer.h"

#include <assert.h>

#define VIEWER_DECISIONS 32

enum viewer_why {
    VIEWER_WHY_LAYER = 1, /* another rung */
    VIEWER_WHY_NARROW,    /* the path has become narrow */
    VIEWER_WHY_WIDE,
    VIEWER_WHY_AWAY, /* no feedback any more */
    VIEWER_WHY_BACK,
    VIEWER_WHY_CACHE, /* a keyframe that was asked for came from the cache */
    VIEWER_WHY_ASKED, /* the source was asked for it */
    VIEWER_WHY_LOSSY, /* packets are lost: its player shall hold pictures until repairs come */
    VIEWER_WHY_CLEAN, /* it may show them at once again */
    VIEWER_WHY_JUMP,  /* it had fallen behind, and went on at a keyframe */
    VIEWER_WHY_TWICE, /* packets are lost: each of sound brings the one before, too */
    VIEWER_WHY_ONCE,  /* they do so no more */
};

/* What was decided when. */
struct viewer_decision {
    uint32_t at_ms; /* since the viewer was added */
    uint32_t target_kbps;
    uint16_t queue_ms;
    uint8_t why, mode;       /* enum viewer_why, enum layer_mode */
    uint8_t track;           /* VIEWER_TRACKS_MAX: of all */
    uint8_t layer, temporal; /* that are to play */
};

static_assert(sizeof(struct viewer_decision) <= 16, "a flight recorder of 512 bytes");

struct viewer_path_track {
    struct layer layer;
    int64_t slide_us; /* when the next one is due */
};

struct viewer_path {
    bool begun;    /* gcc is */
    bool numbered; /* all its pictures have transport-wide numbers */
    bool lossy;    /* without them: much loss was reported */
    bool narrow;
    bool away;
    int64_t decide_us;  /* not before, unless feedback came */
    int64_t due_us;     /* gcc's */
    int64_t train_us;   /* on a narrow path: not before */
    uint64_t hurry_bps; /* until all tracks have caught up; 0: they have */
    uint64_t top_bps;   /* what the best rungs of all tracks take; 0: not known */

    struct gcc gcc;
    uint32_t n_decisions; /* ever; the newest VIEWER_DECISIONS are kept */
    struct viewer_decision decisions[VIEWER_DECISIONS];
    struct viewer_path_track tracks[];
};

struct viewer_path *viewer_path_new(unsigned n_tracks); /* zeroed; NULL: no memory */
void viewer_path_free(struct viewer_path *p);           /* NULL is fine */
/* Has anything been heard of it? NULL: no. */
bool viewer_path_is_known(const struct viewer_path *p);
const char *viewer_why_name(enum viewer_why why);
