// What others see of a shard, and what it waits for.
#include "engine/shard_private.h"

void k_shard_report(const struct k_shard *shard, struct k_shard_report *ret)
{
    *ret = shard->report;
    ret->state = shard->state;
    ret->frontier_us = shard->machine ? k_machine_frontier(shard->machine) : INT64_MIN;
    ret->lead_seq = shard->lead.seq;
    ret->settled_seq = shard->lead.settled;
    ret->lead_offset = shard->lead.offset;
    ret->lead_generation[0] = 0;
    if (shard->lead.said && shard->lead.said->generation)
        k_join_cut(ret->lead_generation, sizeof ret->lead_generation, 0, shard->lead.said->generation);
    ret->difference_seq = shard->difference.seq;
    ret->difference_compared = shard->difference.compared;
    ret->difference_written = shard->difference.written;
    ret->difference_done = shard->difference.done;
    ret->offset = shard->point.offset;
    ret->saved_offset = shard->saved_offset;
    ret->journal_end = shard->journal_end;
}

void k_shard_figures(const struct k_shard *shard, struct k_state_figures *ret)
{
    *ret = (struct k_state_figures){0};
    if (shard->store) k_state_figures(shard->store, ret);
}

void k_shard_wait(struct k_shard *shard, int64_t timeout_us)
{
    // Only those whose records would be taken: others may have some all the time. A leader takes from the sources, a
    // follower from the journal, and from a source what the record under way asks for.
    struct k_reader *readers[257];
    uint32_t n = 0, count = 0;
    bool leads = shard->state == K_SHARD_LEAD, follows = !leads && shard->state != K_SHARD_RESET;
    if (follows && shard->outputs.held && shard->outputs.reader) readers[n++] = shard->outputs.reader;
    // There are records, and they wait.
    if (follows && (shard->outputs.held || follow_rate_left(shard) > 0)) follows = false;
    if (shard->machine) k_machine_inputs(shard->machine, &count);
    bool past = shard->history.under_way && shard->history.begun;
    if (follows && !shard->report.stalled && shard->journal && !shard->following.record && !past)
        readers[n++] = shard->journal;
    for (uint32_t i = 0; shard->feeds && i < count && n < 257; i++)
        if (shard->feeds[i].reader && !shard->report.stalled && (leads || (follows && follow_wants(shard, i))))
            readers[n++] = shard->feeds[i].reader;
    shard->options.log->ops->wait(shard->options.log, readers, n,
                                  timeout_us < SHARD_QUIET_WAIT_US ? timeout_us : SHARD_QUIET_WAIT_US);
}
