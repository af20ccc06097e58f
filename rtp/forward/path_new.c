/* Apart from viewer_path.c, which itself takes no memory. */
#include "rtp/forward/viewer_path.h"

#include <stdlib.h>

struct viewer_path *viewer_path_new(unsigned n_tracks)
{
    return calloc(1, sizeof(struct viewer_path) + n_tracks * sizeof(struct viewer_path_track));
}

void viewer_path_free(struct viewer_path *p)
{
    free(p);
}
