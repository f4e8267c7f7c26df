// Who leads the journal, as a shard knows it: what the last leadership in the journal said, and what the control record
// wants. Several generations of a pipeline, with different graphs, follow one journal.
//
// Invariants
// 1. What is known here belongs to the point where the state stands; it is saved and loaded with it.
// 2. The journal names its inputs by the numbers of the leader's list; a graph that lacks one of them skips it.
// 3. While a leader runs another graph, the units of frontier work in its records are its own. Where none is left, a
//    follower does all of its own; where some is left, as much at each node as the leader did at the node of that name.
//    So its state is a function of the journal in this case, too; and if it takes over in the middle, what the other
//    had not brought out yet is left for it, and no more.
#include "engine/shard_private.h"

#include <stdlib.h>

#include "base/hash.h"

typedef Kappa__Internal__JournalRecord__Leadership Leadership;

uint64_t orders_seq(const struct k_shard *shard)
{
    return shard->options.orders ? atomic_load(&shard->options.orders->order) / 2 : 0;
}

bool orders_lead(const struct k_shard *shard)
{
    return shard->options.can_lead && (!shard->options.orders || atomic_load(&shard->options.orders->order) % 2);
}

uint64_t orders_mark(const struct k_shard *shard)
{
    return shard->options.orders ? atomic_load(&shard->options.orders->mark) : 0;
}

void leadership_drop(struct k_shard *shard)
{
    struct leadership *lead = &shard->lead;
    if (lead->holder) kappa__internal__journal_record__free_unpacked(lead->holder, NULL);
    free(lead->sources);
    *lead = (struct leadership){0};
}

uint64_t leadership_start(const struct k_shard *shard)
{
    uint32_t count;
    uint64_t hash = 0;
    const struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t one[] = {inputs[i].source, inputs[i].partition, (uint64_t)inputs[i].begin};
        if (inputs[i].begin > 0) hash = k_hash_seeded(one, sizeof one, hash);
    }
    return hash;
}

// protobuf-c packs whole messages only, so the copy lies in a record of its own.
static Kappa__Internal__JournalRecord *copy_of(const Leadership *said)
{
    Kappa__Internal__JournalRecord holder;
    kappa__internal__journal_record__init(&holder);
    holder.leadership = (Leadership *)said;
    size_t size = kappa__internal__journal_record__get_packed_size(&holder);
    uint8_t *bytes = k_alloc(size + 1);
    kappa__internal__journal_record__pack(&holder, bytes);
    Kappa__Internal__JournalRecord *copy = kappa__internal__journal_record__unpack(NULL, size, bytes);
    free(bytes);
    K_ASSERT(copy);
    return copy;
}

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static int map_input(struct k_shard *shard, const Kappa__Internal__JournalRecord__Input *input, int32_t *ret,
                     struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    *ret = -1;
    for (uint32_t s = 0; s < plan->source_count; s++) {
        if (!is_same(input->source, plan->sources[s].name)) continue;
        // Another topic under the same name is another source: its records are not those that this graph means.
        if (!is_same(input->topic, plan->sources[s].topic)) continue;
        if (input->partitions != shard->partitions[s])
            return k_fail(err, K_E_CONFIG,
                          "the pipeline was led with %u partitions of topic %s, which now has %u; partitions were "
                          "added or taken away, which moves keys: start a pipeline with another name that reads the "
                          "topics from their beginning",
                          input->partitions, plan->sources[s].topic, shard->partitions[s]);
        *ret = (int32_t)s;
    }
    return 0;
}

// A source that the journal's first leader did not read was ordered by nobody: where its records belong among the
// others is not known.
static int check_added(struct k_shard *shard, const Leadership *said, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    for (uint32_t s = 0; s < plan->source_count; s++) {
        bool there = false;
        for (size_t i = 0; i < said->n_input; i++)
            there |= is_same(said->input[i]->source, plan->sources[s].name) &&
                     is_same(said->input[i]->topic, plan->sources[s].topic);
        if (!there)
            return k_fail(err, K_E_CONFIG,
                          "source \"%s\" (topic %s) is new: the pipeline's journal does not order its records. A "
                          "generation can leave sources out, but not yet add any; give the graph another name",
                          plan->sources[s].name, plan->sources[s].topic);
    }
    return 0;
}

static int take(struct k_shard *shard, const Leadership *said, struct k_error *err)
{
    struct leadership *lead = &shard->lead;
    const struct k_plan *plan = shard->options.plan;
    int32_t *sources = k_new_array(int32_t, said->n_input + 1);
    int code = 0;
    for (size_t i = 0; i < said->n_input && !code; i++) code = map_input(shard, said->input[i], &sources[i], err);
    if (code) {
        free(sources);
        return code;
    }
    Kappa__Internal__JournalRecord *copy = copy_of(said);
    if (lead->holder) kappa__internal__journal_record__free_unpacked(lead->holder, NULL);
    free(lead->sources);
    lead->holder = copy;
    lead->said = copy->leadership;
    lead->sources = sources;
    lead->source_count = (uint32_t)said->n_input;
    lead->foreign = said->semantics != K_SEMANTICS || !is_same(said->fingerprint, plan->fingerprint) ||
                    said->start != leadership_start(shard);
    return 0;
}

int leadership_adopt(struct k_shard *shard, const Leadership *said, uint64_t sequence, int64_t offset,
                     struct k_error *err)
{
    struct leadership *lead = &shard->lead;
    bool own = is_same(said->generation, shard->options.generation);
    int code = k_leadership_check(said, shard->options.plan, own, err);
    if (!code && !lead->said && shard->point.sequence == 0) code = check_added(shard, said, err);
    if (!code && said->control_seq < lead->seq && !K_PLANT(old_control))
        code = k_fail(err, K_E_CORRUPT,
                      "a leadership of generation %s acts on control record %llu, after one that acted on %llu: no "
                      "worker leads so",
                      said->generation ? said->generation : "?", (unsigned long long)said->control_seq,
                      (unsigned long long)lead->seq);
    bool first = !lead->said || said->control_seq != lead->seq;
    if (!code) code = take(shard, said, err);
    if (code) return code;
    lead->seq = said->control_seq;
    if (!first) return 0;
    lead->offset = offset;
    difference_begin(shard, said->control_seq, said->difference_from, sequence);
    return 0;
}

int32_t leadership_source(const struct k_shard *shard, uint32_t input)
{
    const struct leadership *lead = &shard->lead;
    if (!lead->said) return input < shard->options.plan->source_count ? (int32_t)input : -2;
    return input < lead->source_count ? lead->sources[input] : -2;
}

void leadership_save(const struct k_shard *shard, Kappa__Internal__Position *position,
                     Kappa__Internal__Difference *ret_difference)
{
    const struct leadership *lead = &shard->lead;
    position->leadership = lead->said;
    position->has_lead_offset = lead->said != NULL;
    position->lead_offset = lead->offset;
    position->has_settled = lead->settled > 0;
    position->settled = lead->settled;
    position->has_mark = position->has_mark_offset = shard->mark > 0;
    position->mark = shard->mark;
    position->mark_offset = shard->mark_offset;
    position->difference = NULL;
    if (!shard->difference.seq) return;
    difference_fill(shard, ret_difference);
    position->difference = ret_difference;
}

int leadership_load(struct k_shard *shard, const Kappa__Internal__Position *position, struct k_error *err)
{
    leadership_drop(shard);
    struct leadership *lead = &shard->lead;
    shard->mark = position->mark;
    shard->mark_offset = position->mark_offset;
    shard->mark_due = position->mark > 0 && position->mark_offset == position->journal_offset;
    lead->settled = position->settled;
    difference_load(shard, position->difference);
    if (!position->leadership) return 0;
    int code = take(shard, position->leadership, err);
    lead->offset = position->lead_offset;
    lead->seq = position->leadership->control_seq;
    return code;
}
