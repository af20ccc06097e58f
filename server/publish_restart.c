#define G_LOG_DOMAIN "server"

#include "server/publish_inside.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>

/* ICE restarts: RFC 9725 4.3.3 */

static void give_up_restart(struct publish *p)
{
    p->restarting = false;
    p->changed = true;
}

void publish_take_patched(struct publish *p, const struct whip_reply *r)
{
    struct publish_credentials theirs;
    struct attempt *a = p->now;
    p->patching = false;
    if (r->status == 405 || r->status == 501 || r->status == 404)
        p->can_patch = false;
    if (!p->restarting)
        return;
    p->restarting = false;
    if (!r->ok || r->status != 200 || !r->body || !a ||
        !publish_fragment_read(&theirs, r->body, r->body_size) ||
        p->backend.restart(p->backend.arg, a->seat.viewer_id, theirs.ufrag, theirs.pwd, NULL) !=
            0) {
        give_up_restart(p);
        return;
    }
    p->restarts++;
    g_message("publishing: another way to the server is being looked for");
    attempt_take_candidates(p, a, r->body, r->body_size);
}

static int begin(struct publish *p, bool moves, struct backend_credentials *ours)
{
    uint32_t id = p->now->seat.viewer_id;
    if (!p->can_patch || p->patching || !p->backend.restart)
        return -ENOTSUP;
    return moves && p->agent.move ? p->agent.move(p->agent.arg, id, ours)
                                  : p->backend.restart(p->backend.arg, id, "", "", ours);
}

static void restart(struct publish *p, bool moves)
{
    struct attempt *a = p->now;
    struct backend_credentials ours;
    char fragment[1024];
    p->restart_us = p->now_us;
    if (begin(p, moves, &ours) != 0) {
        give_up_restart(p);
        return;
    }
    snprintf(a->ufrag, sizeof(a->ufrag), "%s", ours.ufrag);
    snprintf(a->pwd, sizeof(a->pwd), "%s", ours.pwd);
    a->trickle[0] = '\0';
    a->gathered = a->ends = false;
    int n = publish_fragment_write(fragment, sizeof(fragment), a->ufrag, a->pwd, "");
    p->restarting = p->patching = n > 0 && whip_client_restart(p->client, fragment) == 0;
    if (!p->restarting)
        give_up_restart(p);
}

/* The server's lite agent takes our checks from wherever they come. */
static void move_alone(struct publish *p)
{
    struct attempt *a = p->now;
    uint32_t id = a->seat.viewer_id;
    p->restart_us = p->now_us;
    a->silent = true;
    if (p->agent.move(p->agent.arg, id, NULL) != 0 ||
        p->backend.restart(p->backend.arg, id, a->theirs.ufrag, a->theirs.pwd, NULL) != 0) {
        p->changed = true;
        return;
    }
    attempt_take_candidates(p, a, a->answer, a->answer_size);
    p->restarts++;
    g_message("publishing: another way to the server is being looked for");
}

static void look_for_another_way(struct publish *p, bool moves)
{
    if (p->now->lite && p->now->answer && p->agent.move && p->backend.restart)
        move_alone(p);
    else
        restart(p, moves);
}

void publish_look_at_silence(struct publish *p)
{
    if (!p->now || !p->silent || p->next)
        return;
    if (p->restart_us == 0)
        look_for_another_way(p, false);
    else if (!p->restarting && p->now_us - p->restart_us >= PUBLISH_RESTART_US)
        p->changed = true;
}

void publish_on_silence(struct publish *p, bool silent)
{
    p->silent = silent;
    if (!silent && !p->restarting)
        p->restart_us = 0;
}

void publish_on_addresses(struct publish *p)
{
    p->failures = 0;
    p->retry_us = p->now_us; /* whatever was in the way may be away */
    if (p->now && !p->next && p->agent.move && !p->restarting)
        look_for_another_way(p, true);
    else
        p->changed = p->now != NULL;
}
