// The control record as bytes (Control in proto/internal.proto), and what it says when there is none.
#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"
#include "replay/control.h"

#include <stdio.h>
#include <string.h>

enum { CONTROL_VERSION = 1 };
typedef Kappa__Internal__Control Record;
typedef Kappa__Internal__Control__Generation Generation;
typedef Kappa__Internal__Control__Parity Parity;

const char *k_role_name(enum k_role role)
{
    static const char *const names[] = {"shadow", "live", "warm", "retired"};
    return names[role];
}

void k_control_init(struct k_control *control)
{
    *control = (struct k_control){.target = 1, .live = 1, .generation_count = 1};
    control->generations[0] = (struct k_generation){.number = 1, .role = K_ROLE_LIVE};
}

struct k_generation *k_control_find(struct k_control *control, uint64_t number)
{
    for (uint32_t i = 0; i < control->generation_count; i++)
        if (control->generations[i].number == number) return &control->generations[i];
    return NULL;
}

static void fill_parity(Parity *to, const struct k_parity_report *from)
{
    kappa__internal__control__parity__init(to);
    to->has_mark = to->has_left = to->has_right = to->has_time_us = to->has_tables = to->has_differing = true;
    to->has_changed = to->has_only_left = to->has_only_right = true;
    to->mark = from->mark;
    to->left = from->left;
    to->right = from->right;
    to->time_us = from->time_us;
    to->tables = from->tables;
    to->differing = from->differing;
    to->changed = from->changed;
    to->only_left = from->only_left;
    to->only_right = from->only_right;
    to->first = from->first[0] ? (char *)from->first : NULL;
}

void k_control_encode(const struct k_control *control, const char *graph, struct k_buf *out)
{
    Record record;
    Generation generations[K_GENERATIONS_MAX], *pointers[K_GENERATIONS_MAX];
    Parity parities[K_PARITIES_MAX], *parity_pointers[K_PARITIES_MAX];
    kappa__internal__control__init(&record);
    record.has_version = record.has_revision = record.has_seq = record.has_target = record.has_live =
        record.has_done = record.has_mark = true;
    record.version = CONTROL_VERSION;
    record.pipeline = (char *)graph;
    record.revision = control->revision;
    record.seq = control->seq;
    record.target = control->target;
    record.live = control->live;
    record.done = control->done;
    record.mark = control->mark;
    record.has_back = control->back;
    record.back = control->back;
    record.has_previous = control->previous > 0;
    record.previous = control->previous;
    record.has_give_up_us = control->give_up_us > 0;
    record.give_up_us = control->give_up_us;
    record.has_hold_us = control->hold_us > 0;
    record.hold_us = control->hold_us;
    record.reason = control->reason[0] ? (char *)control->reason : NULL;
    record.n_generation = control->generation_count;
    record.generation = pointers;
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *from = &control->generations[i];
        Generation *g = pointers[i] = &generations[i];
        kappa__internal__control__generation__init(g);
        g->has_number = g->has_role = true;
        g->number = from->number;
        g->role = (Kappa__Internal__Control__Role)from->role;
        g->fingerprint = from->fingerprint[0] ? (char *)from->fingerprint : NULL;
        g->has_began_us = from->began_us != 0;
        g->began_us = from->began_us;
        g->has_hold_until_us = from->hold_until_us != 0;
        g->hold_until_us = from->hold_until_us;
        g->start = from->start[0] ? (char *)from->start : NULL;
        g->output_suffix = from->suffix[0] ? (char *)from->suffix : NULL;
    }
    record.has_difference = control->difference;
    record.difference = control->difference;
    record.has_report = control->report > 0;
    record.report = control->report;
    record.n_parity = control->parity_count;
    record.parity = parity_pointers;
    for (uint32_t i = 0; i < control->parity_count; i++)
        fill_parity(parity_pointers[i] = &parities[i], &control->parities[i]);
    k_protobuf_pack(&record.base, out);
}

static bool take_generation(struct k_control *control, const Generation *from)
{
    struct k_generation *to = &control->generations[control->generation_count++];
    *to = (struct k_generation){.number = from->number,
                                .began_us = from->began_us,
                                .hold_until_us = from->hold_until_us,
                                .role = (enum k_role)from->role};
    if (from->fingerprint) snprintf(to->fingerprint, sizeof to->fingerprint, "%s", from->fingerprint);
    if (from->start) snprintf(to->start, sizeof to->start, "%s", from->start);
    if (from->output_suffix) snprintf(to->suffix, sizeof to->suffix, "%s", from->output_suffix);
    bool ascends = control->generation_count < 2 || to->number > to[-1].number;
    return ascends && from->number > 0 && from->role <= KAPPA__INTERNAL__CONTROL__ROLE__RETIRED;
}

static bool take_parity(struct k_control *control, const Parity *from)
{
    struct k_parity_report *to = &control->parities[control->parity_count++];
    *to = (struct k_parity_report){.mark = from->mark,
                                   .left = from->left,
                                   .right = from->right,
                                   .time_us = from->time_us,
                                   .tables = from->tables,
                                   .differing = from->differing,
                                   .changed = from->changed,
                                   .only_left = from->only_left,
                                   .only_right = from->only_right};
    if (from->first) snprintf(to->first, sizeof to->first, "%s", from->first);
    return from->mark > 0 && from->left > 0 && from->right > 0 && from->differing <= from->tables;
}

int k_control_decode(struct k_str bytes, const char *graph, struct k_control *ret, struct k_error *err)
{
    Record *record = kappa__internal__control__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!record) return k_fail(err, K_E_CORRUPT, "topic %s.control holds what is no control record", graph);
    int code = 0;
    struct k_control control = {.revision = record->revision,
                                .seq = record->seq,
                                .target = record->target,
                                .live = record->live,
                                .done = record->done,
                                .mark = record->mark,
                                .previous = record->previous,
                                .back = record->back,
                                .give_up_us = record->give_up_us,
                                .hold_us = record->hold_us,
                                .difference = record->difference,
                                .report = record->report};
    if (record->reason) snprintf(control.reason, sizeof control.reason, "%s", record->reason);
    bool good = record->revision > 0 && record->done <= record->seq && record->n_generation <= K_GENERATIONS_MAX;
    for (size_t i = 0; i < record->n_generation && good; i++) good = take_generation(&control, record->generation[i]);
    good = good && record->n_parity <= K_PARITIES_MAX;
    for (size_t i = 0; i < record->n_parity && good; i++) good = take_parity(&control, record->parity[i]);
    good = good && k_control_find(&control, control.target) && k_control_find(&control, control.live);
    if (record->version > CONTROL_VERSION)
        code = k_fail(err, K_E_CORRUPT,
                      "topic %s.control is written in version %u; this kappa reads up to %d: use a "
                      "newer one",
                      graph, record->version, CONTROL_VERSION);
    else if (!record->pipeline || strcmp(record->pipeline, graph) != 0)
        code = k_fail(err, K_E_CORRUPT, "topic %s.control holds a record of pipeline \"%s\"", graph,
                      record->pipeline ? record->pipeline : "");
    else if (!good)
        code = k_fail(err, K_E_CORRUPT, "the record in topic %s.control contradicts itself: kappa did not write it",
                      graph);
    kappa__internal__control__free_unpacked(record, NULL);
    if (!code) *ret = control;
    return code;
}
