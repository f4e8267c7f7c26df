// A state that was begun with a copy of another generation's (replay/takeover.c makes it): what of that counts, from
// where on, and whether it fits.
//
// The copy stands at one place of the journal. What did not change in the graph waits there, already computed; this
// shard follows the journal up to that place with the rest of the graph only, and goes on from it with all. So that
// nothing that is of later shows before, the families of what waits lie under other names until then. They get their
// names in the checkpoint that is the first to stand there, or behind: a crash before it leads back to before that
// place, and nothing has changed.
#include "engine/takeover.h"

#include "base/trace.h"

#define TAKEN "taken/"
#define ADVICE "Retire this generation (kappa replay abort), and replay with --full"

typedef Kappa__Internal__Takeover Takeover;
typedef Kappa__Internal__Position Position;
typedef Kappa__Internal__Position__Partition Partition;

void takeover_drop(struct k_shard *shard)
{
    if (shard->takeover) kappa__internal__takeover__free_unpacked(shard->takeover, NULL);
    shard->takeover = NULL;
}

static bool has_node(const struct k_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (strcmp(plan->nodes[i].name, name) == 0) return true;
    return false;
}

static int check(struct k_shard *shard, const Takeover *t, struct k_error *err)
{
    if (!t || !t->position) return k_fail(err, K_E_CORRUPT, "the state's note of what it took over cannot be read");
    if (t->version > 1)
        return k_fail(err, K_E_CORRUPT, "what the state took over is in version %u; use a newer kappa", t->version);
    for (size_t i = 0; i < t->n_waiting; i++)
        if (!has_node(shard->options.plan, t->waiting[i]))
            return k_fail(err, K_E_CORRUPT, "the state took over \"%s\", which the graph does not have",
                          t->waiting[i]);
    return 0;
}

// Whether the state stands where the copy did, or behind: then what was taken over is its own by now.
static bool is_over(struct k_shard *shard, const Takeover *t)
{
    struct k_str bytes = k_state_position(shard->store);
    if (bytes.length == 0) return false;
    Position *position = kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    bool over = position && position->sequence >= t->position->sequence;
    if (position) kappa__internal__position__free_unpacked(position, NULL);
    return over; // what cannot be read is refused when it is loaded
}

int takeover_open(struct k_shard *shard, struct k_machine_owner *owner, struct k_error *err)
{
    struct k_arena arena;
    struct k_str bytes;
    takeover_drop(shard);
    k_arena_init(&arena);
    int code = k_state_get_meta(shard->store, "takeover", &arena, &bytes, err);
    if (!code && bytes.data) {
        shard->takeover = kappa__internal__takeover__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        code = check(shard, shard->takeover, err);
    }
    k_arena_fini(&arena);
    shard->takeover_mark = !code && shard->takeover ? shard->takeover->position->mark : 0;
    const char *from = !code && shard->takeover ? shard->takeover->generation : NULL;
    k_join_cut(shard->report.taken_from, sizeof shard->report.taken_from, 0, from ? from : "");
    if (!code && shard->takeover && is_over(shard, shard->takeover)) takeover_drop(shard);
    if (code || !shard->takeover) return code;
    if (shard->takeover->whole) return k_state_uncover(shard->store, TAKEN, err);
    owner->waiting = (const char *const *)shard->takeover->waiting;
    owner->waiting_count = (uint32_t)shard->takeover->n_waiting;
    return 0;
}

const Position *takeover_begins(const struct k_shard *shard)
{
    return shard->takeover && shard->takeover->whole ? shard->takeover->position : NULL;
}

void takeover_inputs(struct k_shard *shard)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count && shard->takeover; i++)
        for (size_t s = 0; s < shard->takeover->n_unread; s++)
            if (strcmp(shard->options.plan->sources[inputs[i].source].name, shard->takeover->unread[s]) == 0)
                inputs[i].unread = true;
}

// --- whether it fits

// What an input and the copy's knowledge of its partition differ in, in words; NULL: nothing. some_unread: a watermark
// that depends on other partitions is another here, and is loaded (waiting.c).
static const char *differs(const struct k_input *in, const Partition *p, bool watermarks, bool some_unread)
{
    if (in->begin != p->begin) return "where it begins";
    if (in->next != p->next) return "the next offset";
    if (in->unread) return NULL;
    if (in->records != p->records) return "how many records were read";
    if (in->last_offset != (p->has_last_offset ? p->last_offset : -1)) return "the last record's offset";
    if (in->last_offset >= 0 && in->last_hash != p->last_hash) return "the last record";
    if (in->clock.max_time_us != (p->has_max_time_us ? p->max_time_us : INT64_MIN)) return "the largest event time";
    // Of a partition that was always empty this is of interest for watermarks only.
    bool clock = watermarks || in->records > 0;
    if (clock && in->last_clock_us != (p->has_last_clock_us ? p->last_clock_us : INT64_MIN))
        return "when it was last read";
    bool own = in->clock.max_time_us != INT64_MIN || !some_unread;
    if (watermarks && own && in->clock.watermark_us != (p->has_watermark_us ? p->watermark_us : INT64_MIN))
        return "the watermark";
    return NULL;
}

static int compare_input(struct k_shard *shard, const Partition *p, bool watermarks, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    uint32_t count;
    const struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    int32_t input = -1;
    for (uint32_t s = 0; s < plan->source_count && input < 0; s++)
        if (p->source && strcmp(plan->sources[s].name, p->source) == 0)
            input = k_machine_find_input(shard->machine, s, p->partition);
    const char *what =
        input < 0 ? "that there is one" : differs(&inputs[input], p, watermarks, shard->takeover->n_unread > 0);
    if (!what) return 0;
    return k_fail(err, K_E_CORRUPT,
                  "source \"%s\", partition %u: where the copy of generation %s stands (journal record %llu), %s is "
                  "another in it than here. " ADVICE,
                  p->source ? p->source : "", p->partition,
                  shard->takeover->generation ? shard->takeover->generation : "?",
                  (unsigned long long)shard->takeover->position->sequence, what);
}

static int compare(struct k_shard *shard, struct k_error *err)
{
    const Position *copy = shard->takeover->position;
    if (shard->point.sequence != copy->sequence || shard->point.chain != copy->chain)
        return k_fail(
            err, K_E_CORRUPT,
            "the copy of generation %s that was taken over stands at journal record %llu of another journal; "
            "this one stands at %llu. " ADVICE,
            shard->takeover->generation ? shard->takeover->generation : "?", (unsigned long long)copy->sequence,
            (unsigned long long)shard->point.sequence);
    for (size_t i = 0; i < copy->n_partition; i++)
        TRY(compare_input(shard, copy->partition[i], copy->has_frontier_us, err));
    if (shard->takeover->n_unread) return 0; // there was none to speak of
    if (copy->has_frontier_us && !copy->final && copy->frontier_us != k_machine_frontier(shard->machine))
        return k_fail(err, K_E_CORRUPT, "where the copy stands its frontier is another than here. " ADVICE);
    return 0;
}

int takeover_reach(struct k_shard *shard, struct k_error *err)
{
    if (!shard->takeover || shard->point.sequence < shard->takeover->position->sequence + K_PLANT(taken_late)) return 0;
    if (!K_PLANT(taken_late)) TRY(compare(shard, err));
    TRY(k_state_uncover(shard->store, TAKEN, err));
    TRY(k_machine_wake(shard->machine, shard->takeover->position, err));
    k_trace(K_TRACE_INFO, "takeover",
            "shard %u: at journal offset %lld, %zu nodes go on from the state of generation %s", shard->options.shard,
            (long long)shard->point.offset, shard->takeover->n_waiting,
            shard->takeover->generation ? shard->takeover->generation : "?");
    takeover_drop(shard);
    return 0;
}

int takeover_check_end(const struct k_shard *shard, struct k_error *err)
{
    if (!shard->takeover) return 0;
    return k_fail(err, K_E_CORRUPT,
                  "the journal ends before record %llu, where the copy stands that was taken over from generation %s",
                  (unsigned long long)shard->takeover->position->sequence,
                  shard->takeover->generation ? shard->takeover->generation : "?");
}
