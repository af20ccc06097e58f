/* source_listing.h - the list of what could be shared, made on a thread of its own, since displays
 * and sound servers may take their time.
 *
 * Life: source_listing_create, source_listing_ask any time, source_listing_take after `wake` was
 * called, source_listing_destroy, which waits for nothing: a list that is being made is dropped
 * where it is made. Threads: all of it on one; `wake` is called on the thread of its own, not after
 * destroy.
 */
#pragma once

#include "capture/sources.h"

struct source_listing;

int source_listing_create(struct source_listing **out, void (*wake)(void *arg), void *wake_arg);
void source_listing_destroy(struct source_listing *s); /* NULL is fine */
void source_listing_ask(struct source_listing *s);     /* one that is being made is enough */
/* A new list: how many, -1: there is none. */
int source_listing_take(struct source_listing *s, struct sources_entry *out, int max);
