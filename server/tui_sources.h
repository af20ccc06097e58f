/* tui_sources.h - the list of what could be shared, made on a thread of its own, since displays and
 * sound servers may take their time.
 *
 * Life: tui_sources_create, tui_sources_ask any time, tui_sources_take after `wake` was called,
 * tui_sources_destroy, which waits for a list that is being made. Threads: all of it on one;
 * `wake` is called on the thread of its own.
 */
#pragma once

#include "capture/sources.h"

struct tui_sources;

int tui_sources_create(struct tui_sources **out, void (*wake)(void *arg), void *wake_arg);
void tui_sources_destroy(struct tui_sources *s); /* NULL is fine */
void tui_sources_ask(struct tui_sources *s);     /* one that is being made is enough */
/* A new list: how many, -1: there is none. */
int tui_sources_take(struct tui_sources *s, struct sources_entry *out, int max);
