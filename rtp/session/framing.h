/* framing.h - datagrams in a TCP stream: 16 bits of length, then as many bytes (RFC 4571). Pure.
 *
 * Reading: put bytes into framing_room and say so with framing_added; then take the frames one by
 * one with framing_peek and framing_drop until there is none. There is room again then, for any
 * frame is either whole, or too long and refused. Null packets (length 0) are skipped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_HEADER 2
#define FRAMING_FRAME_MAX 2048 /* a longer one is refused */

struct framing {
    uint16_t begin, end; /* of what waits in `data` */
    uint8_t data[FRAMING_HEADER + FRAMING_FRAME_MAX];
};

void framing_init(struct framing *f);
/* Where the next bytes go, at least one once framing_peek has said 0. Moves what waits. */
uint8_t *framing_room(struct framing *f, size_t *room);
void framing_added(struct framing *f, size_t size);
/* 1: the first frame, which stays until framing_drop and may be modified; 0: not whole yet;
 * -EMSGSIZE: it is too long, and so nothing more can be read. */
int framing_peek(struct framing *f, uint8_t **frame, size_t *size);
void framing_drop(struct framing *f); /* the frame that framing_peek has shown */

/* The header before a frame of `size` bytes. */
void framing_write(uint8_t out[FRAMING_HEADER], size_t size);
