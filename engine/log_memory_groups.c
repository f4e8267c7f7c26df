// The group coordinator of the in-memory log, and its clients, the members.
//
// A group rebalances when a member joins, leaves or is silent for longer than its session: every member rejoins at
// its next poll; when all have, or the session timeout has passed, the generation goes up and the range assignor gives
// the one partition to the first by (client.id, member id). A member learns of each change only when it polls; until
// then it is a zombie, and what it sends with the old generation is refused.
#include "engine/log_memory_private.h"

#include <stdlib.h>

struct group *memory_group(struct k_cloud *cloud, const char *name, const char *topic)
{
    for (struct group *g = cloud->groups; g; g = g->next)
        if (strcmp(g->name, name) == 0) return g;
    struct group *g = k_arena_zeroed(&cloud->arena, sizeof *g);
    g->name = k_arena_copy(&cloud->arena, name, strlen(name));
    g->topic = k_arena_copy(&cloud->arena, topic, strlen(topic));
    g->next = cloud->groups;
    return cloud->groups = g;
}

static struct group_member *find(const struct group *group, uint64_t id)
{
    for (struct group_member *m = group->members; m; m = m->next)
        if (m->id == id) return m;
    return NULL;
}

static void begin_rebalance(struct k_cloud *cloud, struct group *group)
{
    if (group->rebalancing) return;
    group->rebalancing = true;
    group->rebalance_since_us = cloud->elapsed_us;
    for (struct group_member *m = group->members; m; m = m->next) m->rejoined = false;
}

static uint64_t choose_by_range(const struct group *group)
{
    const struct group_member *best = NULL;
    for (const struct group_member *m = group->members; m; m = m->next) {
        int order = best ? strcmp(m->client_id, best->client_id) : -1;
        if (order < 0 || (order == 0 && m->id < best->id)) best = m;
    }
    return best ? best->id : 0;
}

static void complete_rebalance(struct group *group)
{
    group->rebalancing = false;
    group->generation++;
    group->leader = choose_by_range(group);
}

static void try_complete(struct group *group)
{
    for (const struct group_member *m = group->members; m; m = m->next)
        if (!m->rejoined) return;
    complete_rebalance(group);
}

static void drop_member(struct group *group, struct group_member *member)
{
    for (struct group_member **link = &group->members; *link; link = &(*link)->next) {
        if (*link != member) continue;
        *link = member->next;
        break;
    }
    if (group->leader == member->id) group->leader = 0;
    free(member->client_id);
    free(member);
}

static void leave(struct k_cloud *cloud, struct group *group, struct group_member *member)
{
    drop_member(group, member);
    begin_rebalance(cloud, group);
    try_complete(group);
}

void memory_groups_tick(struct k_cloud *cloud)
{
    for (struct group *g = cloud->groups; g; g = g->next) {
        struct group_member *next;
        for (struct group_member *m = g->members; m; m = next) {
            next = m->next;
            if (cloud->elapsed_us - m->heard_us > SESSION_TIMEOUT_US) leave(cloud, g, m);
        }
        if (!g->rebalancing || cloud->elapsed_us - g->rebalance_since_us <= SESSION_TIMEOUT_US) continue;
        for (struct group_member *m = g->members; m; m = next) {
            next = m->next;
            if (!m->rejoined) drop_member(g, m);
        }
        complete_rebalance(g);
    }
}

bool memory_group_accepts(const struct k_member *member)
{
    return member->had && member->generation == member->group->generation && find(member->group, member->id);
}

void memory_group_commit(struct k_cloud *cloud, const struct pending_offset *o)
{
    for (struct group_offset *known = o->group->offsets; known; known = known->next) {
        if (known->topic != o->topic || known->partition != o->partition) continue;
        known->offset = o->offset;
        return;
    }
    struct group_offset *new = k_arena_zeroed(&cloud->arena, sizeof *new);
    *new = (struct group_offset){o->topic, o->partition, o->offset, o->group->offsets};
    o->group->offsets = new;
}

int64_t k_cloud_group_offset(struct k_cloud *cloud, const char *group, const char *topic, int32_t partition)
{
    for (struct group *g = cloud->groups; g; g = g->next) {
        if (strcmp(g->name, group) != 0) continue;
        for (struct group_offset *o = g->offsets; o; o = o->next)
            if (strcmp(o->topic->name, topic) == 0 && o->partition == partition) return o->offset;
    }
    return -1;
}

// --- members ---

static void join(struct k_member *member)
{
    struct k_cloud *cloud = member->log->cloud;
    struct group_member *m = k_new(struct group_member);
    m->id = member->id = ++cloud->last_member;
    m->client_id = k_strdup(member->client_id);
    m->heard_us = cloud->elapsed_us;
    begin_rebalance(cloud, member->group);
    m->rejoined = true;
    m->next = member->group->members;
    member->group->members = m;
    try_complete(member->group);
}

static int member_join(struct k_log *base, const char *group, const char *topic, const char *rank,
                       struct k_member **ret, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, group, err);
    if (!code && !memory_topic(log->cloud, topic)) code = k_fail(err, K_E_NOT_FOUND, "topic %s: does not exist", topic);
    if (code) return code;
    struct k_member *member = k_new(struct k_member);
    member->log = log;
    member->group = memory_group(log->cloud, group, topic);
    member->client_id = k_format("%s-%s", rank, log->worker);
    join(member);
    code = memory_leave(log, 0, err);
    if (code) {
        free(member->client_id);
        free(member);
        return code;
    }
    *ret = member;
    return 0;
}

// The one place where a member hears of what has become of it.
static enum k_membership hear(struct k_member *member)
{
    struct group *group = member->group;
    struct group_member *m = find(group, member->id);
    bool had = member->had;
    if (!m) { // its session was over
        join(member);
        member->had = false;
        return had ? K_MEMBER_LOST : K_MEMBER_WAITING;
    }
    m->heard_us = member->log->cloud->elapsed_us;
    bool moved = member->generation != group->generation;
    if (group->rebalancing && !m->rejoined) {
        m->rejoined = true;
        try_complete(group);
        moved = true;
    }
    if (had && moved) { // eager: what was assigned is given up before anything new is
        member->had = false;
        return K_MEMBER_LOST;
    }
    member->generation = group->generation;
    member->had = !group->rebalancing && group->leader == member->id;
    return member->had ? K_MEMBER_ASSIGNED : K_MEMBER_WAITING;
}

// Moves the partition without the present owner's knowing.
static void move_partition(struct k_cloud *cloud, struct group *group)
{
    uint64_t count = 0;
    for (const struct group_member *m = group->members; m; m = m->next) count++;
    if (count == 0 || group->rebalancing) return;
    uint64_t chosen = k_random_below(&cloud->random, count);
    const struct group_member *m = group->members;
    while (chosen--) m = m->next;
    group->generation++;
    group->leader = m->id;
}

static int member_poll(struct k_member *member, enum k_membership *ret, struct k_error *err)
{
    struct k_cloud *cloud = member->log->cloud;
    int code = memory_enter(member->log, err);
    if (code) return code;
    enum k_membership heard = hear(member);
    if (FAULT(cloud, rebalance)) move_partition(cloud, member->group);
    if (FAULT(cloud, session_lost)) {
        struct group_member *m = find(member->group, member->id);
        if (m) leave(cloud, member->group, m);
    }
    code = memory_leave(member->log, 0, err);
    if (!code) *ret = heard;
    return code;
}

static void member_leave(struct k_member *member)
{
    if (!member) return;
    struct group_member *m = find(member->group, member->id);
    if (m && !member->log->crashed) leave(member->log->cloud, member->group, m);
    free(member->client_id);
    free(member);
}

void memory_member_ops(struct k_log_ops *ops)
{
    ops->member_join = member_join;
    ops->member_poll = member_poll;
    ops->member_leave = member_leave;
}

void memory_groups_free(struct k_cloud *cloud)
{
    for (struct group *g = cloud->groups; g; g = g->next)
        while (g->members) drop_member(g, g->members);
    cloud->groups = NULL;
}
