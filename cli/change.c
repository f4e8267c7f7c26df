// The live graph lies beside its state, so that a plan can be made without knowing which file it came from.
#include "cli/change.h"

#include <stdio.h>

#include "base/json_out.h"
#include "proto/internal.pb-c.h"
#include "replay/takeover.h"
#include "state/reader.h"

static int load_identity(const Kappa__Internal__Identity *id, struct loaded *ret, const char **ret_why_all,
                         struct k_error *err)
{
    if (!id->has_graph_binary)
        return k_fail(err, K_E_CONFIG, "the state does not hold its graph, because that has secret parameters");
    struct k_str bytes = {(const char *)id->graph_binary.data, (uint32_t)id->graph_binary.len};
    int code = load_binary(bytes, id->shards, ret, err);
    if (code) return code;
    *ret_why_all = NULL;
    if (id->semantics != K_SEMANTICS) *ret_why_all = "the operators of this version of kappa compute in another way";
    else if (!id->fingerprint || strcmp(id->fingerprint, ret->plan->fingerprint) != 0)
        *ret_why_all = "a file that the graph names is another than the one that the state was made with";
    return 0;
}

int change_load(const char *state_dir, const char *graph, const char *generation, struct loaded *ret,
                const char **ret_why_all, struct k_error *err)
{
    const struct k_reader_options options = {
        .state_dir = state_dir, .graph = graph, .generation = generation, .one_view = true};
    struct k_state_reader *reader = NULL;
    struct k_view *view = NULL;
    struct k_str bytes = {0};
    struct k_arena arena;
    k_arena_init(&arena);
    int code = k_reader_open(&options, &reader, err);
    if (!code) code = k_view_open(reader, &view, err);
    if (!code) code = k_view_meta(view, 0, "identity", &arena, &bytes, err);
    Kappa__Internal__Identity *id =
        bytes.data ? kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data) : NULL;
    if (!code) {
        code = id ? load_identity(id, ret, ret_why_all, err)
                  : k_fail(err, K_E_NOT_FOUND, "the state of graph \"%s\" in %s has no checkpoint yet", graph,
                           state_dir);
    }
    if (id) kappa__internal__identity__free_unpacked(id, NULL);
    k_arena_fini(&arena);
    k_view_close(view);
    k_reader_close(reader);
    return code;
}

// What a replay does about a source or node; NULL: all that is there is computed.
static const struct k_taking_item *taking_of(const struct k_taking *taking, const char *name)
{
    for (uint32_t i = 0; i < taking->count && !taking->why_not; i++)
        if (strcmp(taking->items[i].name, name) == 0) return &taking->items[i];
    for (uint32_t i = 0; i < taking->source_count && !taking->why_not; i++)
        if (strcmp(taking->sources[i].name, name) == 0) return &taking->sources[i];
    return NULL;
}

static void print_item(const struct k_change_item *item, const struct k_taking_item *taking, struct k_buf *out)
{
    k_buf_printf(out, "%-8s %s %s%s%s", k_fate_name(item->fate), item->kind, item->name, item->reason ? ": " : "",
                 item->reason ? item->reason : "");
    if (taking && taking->how != K_TAKING_COMPUTE) k_buf_printf(out, " (%s)", k_taking_name(taking->how));
    else if (taking && taking->why) k_buf_printf(out, " (%s: %s)", k_taking_name(taking->how), taking->why);
    k_buf_add_char(out, '\n');
}

static void add_text(struct k_buf *out, const char *name, const char *text)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (text) k_json_string(out, k_str_of(text));
    else k_buf_add_text(out, "null");
}

static void json_item(const struct k_change_item *item, const struct k_taking_item *taking, struct k_buf *out)
{
    k_buf_add_text(out, "{\"name\":");
    k_json_string(out, k_str_of(item->name));
    k_buf_printf(out, ",\"kind\":\"%s\",\"fate\":\"%s\"", item->kind, k_fate_name(item->fate));
    add_text(out, "reason", item->reason);
    add_text(out, "replay", taking ? k_taking_name(taking->how) : NULL);
    add_text(out, "replay_reason", taking ? taking->why : NULL);
    k_buf_add_char(out, '}');
}

static void print_taking(const struct k_taking *taking, bool json, struct k_buf *out)
{
    if (json) {
        k_buf_printf(out, ",\"taking\":{\"whole\":%s", taking->whole && !taking->why_not ? "true" : "false");
        add_text(out, "why_not", taking->why_not);
        k_buf_add_char(out, '}');
    } else if (taking->why_not) {
        k_buf_printf(out, "everything is computed: %s\n", taking->why_not);
    } else if (taking->whole) {
        k_buf_add_text(out, "nothing is read again\n");
    }
}

void change_print(const struct k_plan *old, const struct k_plan *new, const char *why_all, const char *why_full,
                  bool json, struct k_buf *out, bool *ret_whole)
{
    struct k_arena arena;
    struct k_change change;
    struct k_taking taking;
    k_arena_init(&arena);
    k_change_make(old, new, why_all, &arena, &change);
    k_taking_decide(old, new, &change, &arena, &taking);
    if (why_full) taking.why_not = why_full;
    if (json) k_buf_add_text(out, "\"change\":[");
    for (uint32_t i = 0; i < change.count; i++) {
        const struct k_taking_item *item = taking_of(&taking, change.items[i].name);
        if (json && i) k_buf_add_char(out, ',');
        if (json) json_item(&change.items[i], item, out);
        else print_item(&change.items[i], item, out);
    }
    if (json) k_buf_add_char(out, ']');
    print_taking(&taking, json, out);
    *ret_whole = taking.whole && !taking.why_not;
    k_arena_fini(&arena);
}
