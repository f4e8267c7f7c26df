// Opening a shard: whose state is it, where does it stand, does it fit the graph and the topics?
//
// Nothing is ever wiped. A state that does not fit is refused with what differs; a new one is given its identity,
// which the first checkpoint writes.
#include "engine/takeover.h"

#include "proto/protobuf.h"

#include <stdio.h>
#include <stdlib.h>

typedef Kappa__Internal__Identity Identity;
typedef Kappa__Internal__Position Position;

static bool same_name(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0; // a schema that nobody reads may lack one
}

// The first thing that differs between the graph that made the state and this one, in words.
static void say_difference(const Kappa__V1__Graph *old, const Kappa__V1__Graph *new, char *out, size_t size)
{
#define NAME_OF(thing) ((thing)->name ? (thing)->name : "")
#define COMPARE(field, kind)                                                                    \
    for (size_t i = 0; i < old->n_##field; i++) {                                               \
        size_t j = 0;                                                                           \
        while (j < new->n_##field && !same_name(old->field[i]->name, new->field[j]->name)) j++; \
        if (j == new->n_##field) {                                                              \
            snprintf(out, size, "%s \"%s\" is gone", kind, NAME_OF(old->field[i]));             \
            return;                                                                             \
        }                                                                                       \
        if (!k_protobuf_equal(&old->field[i]->base, &new->field[j]->base)) {                    \
            snprintf(out, size, "%s \"%s\" is another", kind, NAME_OF(old->field[i]));          \
            return;                                                                             \
        }                                                                                       \
    }                                                                                           \
    if (new->n_##field > old->n_##field) {                                                      \
        snprintf(out, size, "there are more %ss than before", kind);                            \
        return;                                                                                 \
    }
    COMPARE(source, "source")
    COMPARE(node, "node")
    COMPARE(table, "table")
    COMPARE(sink, "sink")
    COMPARE(schema, "schema")
#undef COMPARE
#undef NAME_OF
    snprintf(out, size, "a default policy is another");
}

static int check_identity(struct k_shard *shard, const Identity *id, struct k_error *err)
{
    const struct k_shard_options *o = &shard->options;
    if (!id->graph || strcmp(id->graph, o->plan->name) != 0)
        return k_fail(err, K_E_CONFIG,
                      "the state directory belongs to graph \"%s\", not to \"%s\"; choose another --state-dir",
                      id->graph ? id->graph : "", o->plan->name);
    if (id->shard != o->shard || id->shards != o->plan->shards)
        return k_fail(err, K_E_CONFIG,
                      "the state directory is shard %u of %u, wanted is shard %u of %u; the number of shards is "
                      "fixed for the life of a pipeline",
                      id->shard, id->shards, o->shard, o->plan->shards);
    if (id->semantics != K_SEMANTICS)
        return k_fail(err, K_E_CONFIG,
                      "the state was made by operators of semantics version %u, these are version %d", id->semantics,
                      K_SEMANTICS);
    if (id->fingerprint && strcmp(id->fingerprint, o->plan->fingerprint) == 0) return 0;
    char difference[300] = "its graph is another";
    Kappa__V1__Graph *old =
        id->has_graph_binary ? kappa__v1__graph__unpack(NULL, id->graph_binary.len, id->graph_binary.data) : NULL;
    if (old) {
        say_difference(old, o->plan->message, difference, sizeof difference);
        kappa__v1__graph__free_unpacked(old, NULL);
    }
    return k_fail(err, K_E_CONFIG,
                  "the state directory was made by another version of graph \"%s\": %s. State is never wiped: run "
                  "the graph that made it, "
                  "or give the changed graph another name or --state-dir",
                  o->plan->name, difference);
}

static int put_identity(struct k_shard *shard)
{
    const struct k_shard_options *o = &shard->options;
    Identity id;
    kappa__internal__identity__init(&id);
    id.graph = (char *)o->plan->name;
    id.generation = (char *)o->generation;
    id.has_shard = id.has_shards = id.has_semantics = true;
    id.shard = o->shard;
    id.shards = o->plan->shards;
    id.semantics = K_SEMANTICS;
    id.fingerprint = (char *)o->plan->fingerprint;
    for (uint32_t i = 0; i < o->plan->source_count && o->plan->shards > 1; i++) {
        const struct k_source_plan *source = &o->plan->sources[i];
        if (source->partition_column < 0) continue;
        id.partitioned_by = (char *)source->edge.schema.fields[source->partition_column].name;
        id.has_partitions = id.has_partitioner = true;
        id.partitions = shard->partitions[i];
        id.partitioner = source->crc32 ? KAPPA__INTERNAL__IDENTITY__PARTITIONER__CRC32
                                       : KAPPA__INTERNAL__IDENTITY__PARTITIONER__MURMUR2;
        break;
    }
    bool secrets = false;
    for (size_t i = 0; i < o->plan->message->n_param; i++) secrets |= o->plan->message->param[i]->secret;
    struct k_buf graph = {0}, bytes = {0};
    if (!secrets) {
        k_graph_canonical(o->plan->message, &graph);
        id.has_graph_binary = true;
        id.graph_binary = (ProtobufCBinaryData){graph.length, (uint8_t *)graph.data};
    }
    k_protobuf_pack(&id.base, &bytes);
    k_state_put_meta(shard->store, "identity", k_buf_str(&bytes));
    k_buf_fini(&graph);
    k_buf_fini(&bytes);
    return 0;
}

static int identify(struct k_shard *shard, struct k_error *err)
{
    struct k_arena arena;
    struct k_str bytes;
    k_arena_init(&arena);
    int code = k_state_get_meta(shard->store, "identity", &arena, &bytes, err);
    if (!code && !bytes.data) {
        code = put_identity(shard);
    } else if (!code) {
        Identity *id = kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        code = id ? check_identity(shard, id, err)
                  : k_fail(err, K_E_CORRUPT, "the state's note of whose it is cannot be read");
        if (id) kappa__internal__identity__free_unpacked(id, NULL);
    }
    k_arena_fini(&arena);
    return code;
}

// Sources must exist; several that feed keyed state over shards must have equally many partitions.
static int look_at_topics(struct k_shard *shard, bool *compacted, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    struct k_log *log = shard->options.log;
    uint32_t keyed = 0;
    for (uint32_t i = 0; i < plan->source_count; i++) {
        struct k_topic_info info;
        int code = log->ops->topic_info(log, plan->sources[i].topic, &info, err);
        if (code) return k_wrap(err, code, "source \"%s\"", plan->sources[i].name);
        shard->partitions[i] = (uint32_t)info.partitions;
        compacted[i] = info.compacted;
        if (plan->shards == 1 || plan->sources[i].partition_column < 0) continue;
        if (keyed && keyed != shard->partitions[i])
            return k_fail(err, K_E_CONFIG,
                          "source \"%s\": topic %s has %u partitions, another partitioned source has %u; over "
                          "several shards they must agree",
                          plan->sources[i].name, plan->sources[i].topic, shard->partitions[i], keyed);
        keyed = shard->partitions[i];
    }
    return 0;
}

static int check_partitions(struct k_shard *shard, const Position *position, struct k_error *err)
{
    uint32_t count;
    k_machine_inputs(shard->machine, &count);
    if (position->n_partition == count) return 0;
    return k_fail(err, K_E_CONFIG,
                  "the state knows %zu partitions of the sources, the topics now have %u for this shard; partitions "
                  "were added or taken away, "
                  "which moves keys: start a pipeline with another name that reads the topics from their beginning",
                  position->n_partition, count);
}

static int take_position(struct k_shard *shard, const Position *position, struct k_error *err)
{
    TRY(check_partitions(shard, position, err));
    TRY(k_machine_load(shard->machine, position, err));
    TRY(leadership_load(shard, position, err));
    shard->point = (struct k_journal_point){.offset = position->journal_offset,
                                            .sequence = position->sequence,
                                            .chain = position->chain,
                                            .epoch = position->leader_epoch};
    return 0;
}

static int load_position(struct k_shard *shard, struct k_error *err)
{
    struct k_str bytes = k_state_position(shard->store);
    shard->point = (struct k_journal_point){0};
    shard->saved_offset = 0;
    if (bytes.length == 0 && takeover_begins(shard)) {
        TRY(take_position(shard, takeover_begins(shard), err));
        shard->moved = true; // to be saved, though nothing was followed
        takeover_drop(shard);
        return 0;
    }
    if (bytes.length == 0) {
        history_init(shard);
        return 0;
    }
    Position *position = kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!position) return k_fail(err, K_E_CORRUPT, "the state's position cannot be read");
    int code =
        position->version > 1
            ? k_fail(err, K_E_CORRUPT, "the state's position is in version %u; use a newer kappa", position->version)
            : 0;
    if (!code) code = take_position(shard, position, err);
    shard->saved_offset = position->journal_offset;
    shard->history =
        (struct history){.under_way = position->history,
                         .begun = true,
                         .complete = position->history_complete,
                         .clock_us = position->has_history_clock_us ? position->history_clock_us : INT64_MIN,
                         .journal_from = position->journal_from,
                         .records = position->history_records};
    kappa__internal__position__free_unpacked(position, NULL);
    return code;
}

static int open_journal(struct k_shard *shard, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    int64_t start, end;
    TRY(log->ops->offsets(log, shard->journal_topic, 0, true, &start, &end, err));
    int64_t from =
        shard->history.under_way && !shard->history.begun ? shard->options.journal_from : shard->point.offset;
    if (from < start)
        return k_fail(
            err, K_E_LOST_RANGE,
            "the state stands at offset %lld of %s, which now begins at %lld: it cannot be brought up to date. "
            "Import a newer export (kappa state import), or build a new generation from what is left (kappa replay "
            "start)",
            (long long)from, shard->journal_topic, (long long)start);
    // The marker of a commit that is known may still be on its way: what is there is what counts, not what is stable.
    int64_t high = end;
    if (shard->point.offset > end) TRY(log->ops->offsets(log, shard->journal_topic, 0, false, NULL, &high, err));
    if (shard->point.offset > high)
        return k_fail(
            err, K_E_CORRUPT,
            "the state stands at offset %lld of %s, which ends at %lld: the journal was deleted and made anew, or "
            "cut. "
            "The state belongs to the old one: choose another --state-dir to follow the new journal from its start",
            (long long)shard->point.offset, shard->journal_topic, (long long)high);
    shard->journal_end = end;
    shard->journal_end_at_us = shard_now(shard);
    return log->ops->reader_open(log, shard->journal_topic, 0, from, &shard->journal, err);
}

int shard_open(struct k_shard *shard, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    bool *compacted = k_new_array(bool, plan->source_count + 1);
    shard->partitions = k_new_array(uint32_t, plan->source_count + 1);
    struct k_store *store = NULL;
    struct k_machine_owner owner = {.context = shard,
                                    .output = lead_output,
                                    .tap = shard->options.tap,
                                    .tap_context = shard->options.tap_context,
                                    .unit = shard->options.unit,
                                    .unit_context = shard->options.unit_context};
    int code = look_at_topics(shard, compacted, err);
    if (!code) code = shard->options.open_store(shard->options.store_context, &store, err);
    if (!code) code = k_state_open(store, &shard->options.state, &shard->store, err);
    if (!code) code = identify(shard, err);
    if (!code) code = takeover_open(shard, &owner, err);
    if (!code)
        code =
            k_machine_open(plan, shard->options.shard, shard->partitions, shard->store, &owner, &shard->machine, err);
    if (!code) code = load_position(shard, err);
    if (!code) takeover_inputs(shard);
    if (!code) code = open_journal(shard, err);
    if (!code) code = feed_check_ends(shard, err);
    if (!code) {
        uint32_t count;
        struct k_input *inputs = k_machine_inputs(shard->machine, &count);
        shard->feeds = k_new_array(struct feed, count + 1);
        for (uint32_t i = 0; i < count; i++) shard->feeds[i].embedded = compacted[inputs[i].source];
        shard->checkpoint_at_us = shard_now(shard);
        if (shard->options.once) code = feed_once_ends(shard, err);
    }
    free(compacted);
    return code;
}
