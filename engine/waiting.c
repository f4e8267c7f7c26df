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

// Inputs that nobody read stand where the copy's did. So do all others, but for one thing: a partition that is still
// empty goes along with those that are not, and so many of them were not to be seen here. As the frontier depends on
// that, what was thought to be done at it counts no more; nothing that was computed asks for it.
static int load_unread(struct k_machine *m, const Kappa__Internal__Position *position, struct k_error *err)
{
    bool some = false;
    for (uint32_t i = 0; i < m->input_count; i++) {
        struct k_input *in = &m->inputs[i];
        if (in->unread) machine_load_counters(&m->posts[in->source], position);
        some |= in->unread;
        in->unread = false;
    }
    for (size_t p = 0; p < position->n_partition && some; p++) {
        int code = machine_load_input(m, position->partition[p], err);
        if (code) return code;
    }
    if (some) machine_load_frontier(m, position);
    return 0;
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
    return load_unread(m, position, err);
}
