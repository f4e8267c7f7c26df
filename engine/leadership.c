// Who leads the journal, as a shard knows it: what the last leadership in the journal said, and what the control record
// wants. Several generations of a pipeline, with different graphs, follow one journal.
//
// Invariants
// 1. What is known here belongs to the point where the state stands; it is saved and loaded with it.
// 2. The journal names its inputs by the numbers of the leader's list; a graph that lacks one of them skips it.
// 3. While a leader runs another graph, the units of frontier work in its records are its own. Where none is left, a
//    follower does all of its own; where some is left, as much at each node as the leader did at the node of that name,
//    unless nodes before it have some left here: then it waits for them.
//    So its state is a function of the journal in this case, too; and if it takes over in the middle, what the other
//    had not brought out yet is left for it, and no more.
#include "engine/shard_private.h"

#include <stdlib.h>

#include "base/hash.h"

typedef Kappa__Internal__JournalRecord__Leadership Leadership;
typedef Kappa__Internal__JournalRecord__Input Input;

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
    int64_t from = shard->history.journal_from;
    // Behind a later record rests begin at another clock, also where nothing was read before.
    uint64_t hash = from ? k_hash_seeded(&from, sizeof from, 0) : 0;
    const struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t one[] = {inputs[i].source, inputs[i].partition, (uint64_t)inputs[i].begin};
        if (inputs[i].begin > 0 || inputs[i].until > 0) hash = k_hash_seeded(one, sizeof one, hash);
        const uint64_t past[] = {(uint64_t)inputs[i].until, inputs[i].history_hash};
        if (inputs[i].until > 0) hash = k_hash_seeded(past, sizeof past, hash);
    }
    return hash;
}

// protobuf-c packs whole messages only, so the copy lies in a record of its own. Where its inputs stood is left out: it
// goes into every position, and is no more true there.
static Kappa__Internal__JournalRecord *copy_of(const Leadership *said, Input **list, size_t list_count)
{
    struct k_arena arena;
    k_arena_init(&arena);
    Kappa__Internal__JournalRecord holder;
    kappa__internal__journal_record__init(&holder);
    Leadership leadership = *said;
    holder.leadership = &leadership;
    leadership.n_input = list_count;
    leadership.input = k_arena_array(&arena, Input *, list_count + 1);
    for (size_t i = 0; i < list_count; i++) {
        Input *input = leadership.input[i] = k_arena_get(&arena, sizeof *input);
        *input = *list[i];
        input->n_next = 0;
        input->next = NULL;
    }
    size_t size = kappa__internal__journal_record__get_packed_size(&holder);
    uint8_t *bytes = k_arena_get(&arena, size + 1);
    kappa__internal__journal_record__pack(&holder, bytes);
    Kappa__Internal__JournalRecord *copy = kappa__internal__journal_record__unpack(NULL, size, bytes);
    k_arena_fini(&arena);
    K_ASSERT(copy);
    return copy;
}

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static int map_input(struct k_shard *shard, const Input *input, int32_t *ret, struct k_error *err)
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

// A source that the journal's first leader did not read is ordered from where it joins the others; the generation's
// starts say where.
static int check_added(struct k_shard *shard, const Leadership *said, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    uint32_t count;
    const struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t s = 0; s < plan->source_count; s++) {
        bool there = true; // if it is known where it joins them
        for (uint32_t i = 0; i < count; i++) there &= inputs[i].source != s || inputs[i].next >= 0;
        for (size_t i = 0; i < said->n_input; i++)
            there |= is_same(said->input[i]->source, plan->sources[s].name) &&
                     is_same(said->input[i]->topic, plan->sources[s].topic);
        if (!there)
            return k_fail(err, K_E_CONFIG,
                          "source \"%s\" (topic %s) is new, and nothing says where its records join the pipeline's "
                          "journal: make a new generation (kappa replay start)",
                          plan->sources[s].name, plan->sources[s].topic);
    }
    return 0;
}

static bool is_foreign(const struct k_shard *shard, const Leadership *said)
{
    return said->semantics != K_SEMANTICS || !is_same(said->fingerprint, shard->options.plan->fingerprint) ||
           said->start != leadership_start(shard);
}

void leadership_look_again(struct k_shard *shard)
{
    if (shard->lead.said) shard->lead.foreign = is_foreign(shard, shard->lead.said);
}

// list: its inputs; of a leadership that is told once more they stand beside it.
static int take(struct k_shard *shard, const Leadership *said, Input **list, size_t list_count, struct k_error *err)
{
    struct leadership *lead = &shard->lead;
    int32_t *sources = k_new_array(int32_t, list_count + 1);
    int code = 0;
    for (size_t i = 0; i < list_count && !code; i++) code = map_input(shard, list[i], &sources[i], err);
    if (code) {
        free(sources);
        return code;
    }
    Kappa__Internal__JournalRecord *copy = copy_of(said, list, list_count);
    if (lead->holder) kappa__internal__journal_record__free_unpacked(lead->holder, NULL);
    free(lead->sources);
    lead->holder = copy;
    lead->said = copy->leadership;
    lead->sources = sources;
    lead->source_count = (uint32_t)list_count;
    lead->foreign = is_foreign(shard, said);
    return 0;
}

int leadership_adopt(struct k_shard *shard, const Leadership *said, uint64_t sequence, int64_t offset,
                     struct k_error *err)
{
    struct leadership *lead = &shard->lead;
    bool own = is_same(said->generation, shard->options.generation);
    int code = k_leadership_check(said, shard->options.plan, own, err);
    if (!code && own && said->start != leadership_start(shard))
        code = k_fail(
            err, K_E_CONFIG,
            "generation %s is led by a state that began elsewhere, or with other records of a compacted topic: "
            "this one is no copy of it. Take a copy (kappa state import), or make a new generation",
            said->generation);
    if (!code && !lead->said && shard->point.sequence == 0) code = check_added(shard, said, err);
    if (!code && said->control_seq < lead->seq && !K_PLANT(old_control))
        code = k_fail(err, K_E_CORRUPT,
                      "a leadership of generation %s acts on control record %llu, after one that acted on %llu: no "
                      "worker leads so",
                      said->generation ? said->generation : "?", (unsigned long long)said->control_seq,
                      (unsigned long long)lead->seq);
    bool first = !lead->said || said->control_seq != lead->seq;
    if (!code) code = take(shard, said, said->input, said->n_input, err);
    if (code) return code;
    lead->seq = said->control_seq;
    if (!first) return 0;
    lead->offset = offset;
    difference_begin(shard, said->control_seq, said->difference_from, sequence);
    return 0;
}

// --- for states that begin in the middle of the journal

// Where this shard's partitions of the source stand.
static void put_next(struct k_shard *shard, uint32_t source, struct k_arena *arena, Input *input)
{
    uint32_t count;
    const struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    input->n_next = 0;
    input->next = k_arena_array(arena, int64_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        if (inputs[i].source == source) input->next[input->n_next++] = inputs[i].next;
}

void leadership_stand(struct k_shard *shard, Leadership *leadership, struct k_journal_facts *facts,
                      struct standing *ret)
{
    const struct leadership *lead = &shard->lead;
    ret->input_count = 0;
    k_arena_init(&ret->arena);
    if (!leadership && (!lead->said || !trim_lists_inputs(shard, facts->clock_us))) return;
    // The inputs of the leader's own list are its sources, in their order.
    Input **list = leadership ? leadership->input : lead->said->input;
    size_t count = leadership ? leadership->n_input : lead->said->n_input;
    for (size_t i = 0; i < count; i++) put_next(shard, (uint32_t)i, &ret->arena, list[i]);
    bool first = leadership && (!lead->said || leadership->control_seq != lead->seq);
    Kappa__Internal__JournalRecord__Standing *said = &ret->said;
    kappa__internal__journal_record__standing__init(said);
    if (!leadership) {
        facts->list = list;
        facts->list_count = count;
        ret->leadership = *lead->said;
        ret->leadership.n_input = 0;
        said->leadership = &ret->leadership;
    }
    said->has_lead_offset = !first;
    said->lead_offset = lead->offset;
    said->has_settled = said->has_mark = said->has_final = true;
    said->settled = facts->settled ? facts->settled : lead->settled;
    said->mark = facts->mark ? facts->mark : shard->mark;
    said->final = k_machine_is_final(shard->machine);
    difference_fill(shard, &ret->difference);
    if (shard->difference.seq && !first) said->difference = &ret->difference;
    ret->inputs = list;
    ret->input_count = count;
    facts->standing = said;
}

void leadership_stood(struct standing *standing)
{
    for (size_t i = 0; i < standing->input_count; i++) {
        standing->inputs[i]->n_next = 0;
        standing->inputs[i]->next = NULL;
    }
    k_arena_fini(&standing->arena);
}

int leadership_begin(struct k_shard *shard, const Kappa__Internal__JournalRecord *record, int64_t offset,
                     struct k_error *err)
{
    const Kappa__Internal__JournalRecord__Standing *standing = record->standing;
    struct leadership *lead = &shard->lead;
    size_t count;
    Input **list = k_journal_inputs(record, &count);
    const Leadership *said = record->leadership ? record->leadership : standing->leadership;
    int code = k_leadership_check(said, shard->options.plan, false, err);
    if (!code) code = take(shard, said, list, count, err);
    if (code) return code;
    lead->seq = said->control_seq;
    lead->settled = standing->settled;
    lead->offset = standing->has_lead_offset ? standing->lead_offset : offset;
    shard->mark = standing->mark;
    shard->mark_offset = 0; // somewhere before: nobody waits for a copy of this state there
    if (standing->has_lead_offset) difference_load(shard, standing->difference);
    else difference_begin(shard, said->control_seq, said->difference_from, record->sequence);
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
    lead->left = position->work_pending;
    difference_load(shard, position->difference);
    if (!position->leadership) return 0;
    int code = take(shard, position->leadership, position->leadership->input, position->leadership->n_input, err);
    lead->offset = position->lead_offset;
    lead->seq = position->leadership->control_seq;
    return code;
}
