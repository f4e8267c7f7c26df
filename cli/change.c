// The live graph lies beside its state, so that a plan can be made without knowing which file it came from.
#include "cli/change.h"

#include <stdio.h>

#include "base/json_out.h"
#include "proto/internal.pb-c.h"
#include "replay/change.h"
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

int change_load_live(const char *state_dir, const char *graph, struct loaded *ret, const char **ret_why_all,
                     struct k_error *err)
{
    const struct k_reader_options options = {
        .state_dir = state_dir, .graph = graph, .generation = "live", .one_view = true};
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

static void print_item(const struct k_change_item *item, struct k_buf *out)
{
    k_buf_printf(out, "%-8s %s %s%s%s\n", k_fate_name(item->fate), item->kind, item->name, item->reason ? ": " : "",
                 item->reason ? item->reason : "");
}

static void json_item(const struct k_change_item *item, struct k_buf *out)
{
    k_buf_add_text(out, "{\"name\":");
    k_json_string(out, k_str_of(item->name));
    k_buf_printf(out, ",\"kind\":\"%s\",\"fate\":\"%s\",\"reason\":", item->kind, k_fate_name(item->fate));
    if (item->reason) k_json_string(out, k_str_of(item->reason));
    else k_buf_add_text(out, "null");
    k_buf_add_char(out, '}');
}

uint32_t change_print(const struct k_plan *old, const struct k_plan *new, const char *why_all, bool json,
                      struct k_buf *out)
{
    struct k_arena arena;
    struct k_change change;
    uint32_t refused = 0;
    k_arena_init(&arena);
    k_change_make(old, new, why_all, &arena, &change);
    if (json) k_buf_add_text(out, "\"change\":[");
    for (uint32_t i = 0; i < change.count; i++) {
        refused += change.items[i].fate == K_FATE_REFUSE;
        if (json && i) k_buf_add_char(out, ',');
        if (json) json_item(&change.items[i], out);
        else print_item(&change.items[i], out);
    }
    if (json) k_buf_add_char(out, ']');
    k_arena_fini(&arena);
    return refused;
}
