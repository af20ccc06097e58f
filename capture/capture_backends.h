/* capture_backends.h - the backends that are built in, and the way to open one that is not.
 *
 * Only capture.c and tests include this. A new backend is one capture_NAME.c with one
 * `const struct capture_ops`, declared here and listed in capture.c.
 */
#pragma once

#include "capture/capture.h"

extern const struct capture_ops capture_pattern_ops;
extern const struct capture_ops capture_x11_screen_ops; /* only with AMPHI_X11 */
extern const struct capture_ops capture_x11_window_ops; /* only with AMPHI_X11 */
extern const struct capture_ops capture_v4l2_ops;       /* only with AMPHI_V4L2 */
/* only with AMPHI_PIPEWIRE */
extern const struct capture_ops capture_portal_ops, capture_pipewire_ops;
extern const struct capture_ops capture_mac_screen_ops; /* only with AMPHI_MAC */
extern const struct capture_ops capture_mac_window_ops; /* only with AMPHI_MAC */

const struct capture_ops *const *capture_backends(void); /* ends with NULL */

/* capture_open with a backend at hand; config->kind is not looked at. */
int capture_open_ops(struct capture **out, const struct capture_ops *ops,
                     const struct capture_config *config, char *error, size_t error_size);
