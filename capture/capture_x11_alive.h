/* capture_x11_alive.h - whether the X server of $DISPLAY answers at all.
 *
 * XCB connects without a time limit: a server that is there and hangs (stopped, or waiting for its
 * graphics card) would keep whoever asks for as long. So it is asked beforehand, by the first words
 * of the protocol on a socket of its own. Any thread.
 */
#pragma once

#include <stdbool.h>

#define X11_ALIVE_PATIENCE_MS 2000

/* False: it said nothing in time. True also where there is nothing to ask
 * (no such display, or one that is reached by TCP): connecting tells. Blocks for so long at most.
 */
bool x11_is_alive(void);
