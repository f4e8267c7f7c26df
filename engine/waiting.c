// Nodes that wait: what they hold at some place of the journal is already in the state, from a copy of another one, so
// they are not run before the machine comes to that place.
//
// They are not opened either: an operator may look at its state when it is opened, and what lies there is of later.
#include "engine/machine_private.h"

bool machine_is_waiting(const struct k_machine *m, const char *name)
{
    for (uint32_t i = 0; i < m->owner.waiting_count; i++)
        if (strcmp(m->owner.waiting[i], name) == 0) return true;
    return false;
}

int k_machine_wake(struct k_machine *m, const Kappa__Internal__Position *position, struct k_error *err)
{
    for (uint32_t i = 0; i < m->plan->node_count; i++) {
        struct post *post = &m->posts[m->plan->source_count + i];
        if (!post->waits) continue;
        int code = machine_open_node(post, err);
        if (code) return code;
        machine_load_counters(post, position);
    }
    m->owner.waiting = NULL;
    m->owner.waiting_count = 0;
    return 0;
}
