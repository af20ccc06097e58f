/* worker_agent.h - a worker's full ICE agents (ice_full.h), where viewers come through those
 * instead of the shared port.
 *
 *     reserved: gathers ──viewer begins──▶ checks ──▶ its viewer's path ──viewer ends──▶ closing
 *         └──────────────── seat given back ─────────────────────────────────────────▶ (gone)
 *
 * One that moves is made anew, on the addresses that the machine has by then; the old one's pair
 * carries media until the new one has chosen its own.
 *
 * An agent is made when a seat is reserved, so that its candidates are there when the viewer's
 * description is written, and belongs to the viewer of that id. Its candidates go to the signaling
 * thread through a mailbox. A closing one gives its relays back, for at most a second.
 *
 * All descriptors of all agents are in one epoll set, which is one descriptor for the worker's
 * loop, and their timeouts in one heap: an agent costs only while something happens to it.
 * Threads: worker_agent_new by any; the rest is the worker's.
 */
#pragma once

#include "rtp/forward/mailbox.h"
#include "rtp/forward/viewer.h"
#include "rtp/forward/worker.h"
#include "rtp/session/ice_full.h"

#define WORKER_AGENTS_CLOSING_MAX 1024 /* beyond that relays are left to their own timeout */

struct worker_agents;

struct worker_agent *worker_agent_new(uint32_t viewer_id, const struct ice_local *local,
                                      bool controlling);
void worker_agent_free(struct worker_agent *a); /* one that no worker took; NULL is fine */

struct worker_agents_counters {
    uint64_t packets_sent, bytes_sent, send_calls, send_errors;
    uint64_t candidates_lost; /* ours, that nobody read in time */
};

int worker_agents_create(struct worker_agents **out, struct worker *w);
void worker_agents_destroy(struct worker_agents *all); /* NULL is fine */
int worker_agents_fd(const struct worker_agents *all); /* readable: worker_agents_run */
int64_t worker_agents_timeout(const struct worker_agents *all);
struct worker_agents_counters worker_agents_counters(const struct worker_agents *all);

void worker_agent_take(struct worker *w, struct worker_agent *a /* takes ownership */);
void worker_agent_cancel(struct worker *w, uint32_t viewer_id);
void worker_agent_add_candidate(struct worker *w, uint32_t viewer_id, const char *text);
void worker_agent_restart(struct worker *w, const struct worker_restart *r);
void worker_agent_add_relay(struct worker *w, const struct worker_relay *r);
void worker_agents_run(struct worker *w);
void worker_agents_end(struct worker *w); /* with its thread: waits until relays are given back */

/* It is its viewer's (worker_viewer.agent). False: it could not be made. */
bool worker_agent_bind(struct worker *w, struct worker_viewer *wv);
/* Its viewer lives: checks begin. */
void worker_agent_begin(struct worker *w, struct worker_viewer *wv,
                        const struct peer_config *config);
void worker_agent_send(struct worker *w, struct worker_viewer *wv, const uint8_t *data,
                       const struct viewer_train *train);
void worker_agent_leave(struct worker *w, struct worker_viewer *wv); /* its viewer has closed */
