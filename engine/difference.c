// The difference of a switch, as all who follow the journal know it: whether it is wanted, where the switch stands, how
// far its leader has come. difference_write.c has the leader's part.
//
// Rules
// 1. The leadership record that begins a switch says whether its difference is wanted, and who led before. Everyone who
//    follows, and the new leader itself, keeps a copy of the state as it stands before that record: there the two
//    generations' tables are what their outputs until then add up to.
// 2. How far it is, is a fact of the journal, in the same transaction as the messages. So whoever leads next goes on
//    exactly there, and a message is written once.
// 3. A later switch ends it, done or not.
#include "engine/shard_private.h"

#include "base/trace.h"

#include <stdlib.h>

typedef Kappa__Internal__Difference Difference;

static const char *generation_of(const struct leadership *lead)
{
    return lead->said->generation ? lead->said->generation : "1";
}

const char *difference_wanted(const struct k_shard *shard)
{
    const struct leadership *lead = &shard->lead;
    uint64_t wanted = shard->options.orders ? atomic_load(&shard->options.orders->difference) : 0;
    if (!wanted || wanted != shard->seq || shard->seq <= lead->seq || !lead->said) return NULL;
    // Nobody else led here since: there is nothing that differs.
    return strcmp(generation_of(lead), shard->options.generation) != 0 ? generation_of(lead) : NULL;
}

int difference_keep(struct k_shard *shard, uint64_t seq, struct k_error *err)
{
    const struct k_copies *copies = shard->options.copies;
    if (!copies) return 0;
    TRY(checkpoint_take(shard, err));
    // What comes of it is for whoever asked: a copy that cannot be made does not stop the pipeline.
    struct k_error why = {0};
    int code = copies->keep(shard->options.copies_context, k_state_store(shard->store), seq, &why);
    if (code == K_E_CRASHED) return code;
    if (code)
        k_trace(K_TRACE_WARN, "difference", "shard %u: no copy for the difference of switch %llu: %s",
                shard->options.shard, (unsigned long long)seq, why.text);
    return 0;
}

static void forget(struct k_shard *shard)
{
    struct difference *d = &shard->difference;
    difference_work_end(shard);
    free(d->from);
    free(d->sink);
    k_buf_fini(&d->after);
    *d = (struct difference){0};
    shard->report.difference_waits[0] = 0;
}

void difference_close(struct k_shard *shard)
{
    difference_work_end(shard);
    if (shard->difference.seq && shard->options.copies)
        shard->options.copies->drop(shard->options.copies_context, shard->difference.seq);
}

void difference_begin(struct k_shard *shard, uint64_t seq, const char *from, uint64_t sequence)
{
    struct difference *d = &shard->difference;
    if (d->seq != seq) difference_close(shard);
    forget(shard);
    if (!from) return;
    d->seq = seq;
    d->from = k_strdup(from);
    d->sequence = sequence;
}

static void take_progress(struct difference *d, const Difference *said)
{
    free(d->sink);
    d->sink = said->sink ? k_strdup(said->sink) : NULL;
    k_buf_clear(&d->after);
    d->some = said->has_after;
    if (d->some) k_buf_add(&d->after, (const char *)said->after.data, said->after.len);
    d->compared = said->compared;
    d->written = said->written;
    d->done = said->done;
}

void difference_note(struct k_shard *shard, const Difference *said)
{
    struct difference *d = &shard->difference;
    if (!said || said->seq != d->seq || K_PLANT(difference_twice)) return;
    take_progress(d, said);
    if (d->done) difference_close(shard);
}

void difference_fill(const struct k_shard *shard, Difference *ret)
{
    const struct difference *d = &shard->difference;
    kappa__internal__difference__init(ret);
    ret->has_seq = ret->has_sequence = ret->has_compared = ret->has_written = ret->has_done = true;
    ret->seq = d->seq;
    ret->from = d->from;
    ret->sequence = d->sequence;
    ret->sink = d->sink;
    ret->has_after = d->some;
    ret->after = (ProtobufCBinaryData){d->after.length, (uint8_t *)d->after.data};
    ret->compared = d->compared;
    ret->written = d->written;
    ret->done = d->done;
}

void difference_load(struct k_shard *shard, const Difference *saved)
{
    struct difference *d = &shard->difference;
    forget(shard);
    if (!saved || !saved->seq) return;
    d->seq = saved->seq;
    d->from = k_strdup(saved->from ? saved->from : "1");
    d->sequence = saved->sequence;
    take_progress(d, saved);
    // A crash may have come between the record and the removal.
    if (d->done) difference_close(shard);
}

void difference_drop(struct k_shard *shard)
{
    forget(shard);
}
