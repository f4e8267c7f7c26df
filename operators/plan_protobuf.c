// See plan_protobuf.h.
#include "operators/plan_protobuf.h"

#include <stdlib.h>

// The type that was meant: of the same last name, whatever the package, else the nearest.
static const char *nearest_type(const struct k_pb_set *set, const char *message)
{
    const char **names = k_new_array(const char *, set->message_count + 1);
    const char *dot = strrchr(message, '.'), *last = dot ? dot + 1 : message, *found = NULL;
    for (uint32_t i = 0; i < set->message_count; i++) {
        const char *name = names[i] = set->messages[i]->name;
        const char *inner = strrchr(name, '.');
        if (!found && strcmp(inner ? inner + 1 : name, last) == 0) found = name;
    }
    if (!found) found = k_nearest(message, names, set->message_count);
    free(names);
    return found;
}

static bool need(struct k_planner *planner, const void *protobuf, const char *kind, const char *name,
                 const char *field, const char *text, const char *advice)
{
    if (text && *text) return true;
    if (!text && k_graph_is_broken(planner->graph, protobuf)) return false;
    k_plan_error(planner, protobuf, text ? field : NULL, text ? 0 : -1, K0401,
                 "%s \"%s\": the protobuf format needs %s; add  %s", kind, name, field, advice);
    return false;
}

const struct k_pb_message *k_plan_protobuf(struct k_planner *planner, const void *protobuf, const char *kind,
                                           const char *name, const char *descriptor_set, const char *message)
{
    bool has_file = need(planner, protobuf, kind, name, "descriptor_set", descriptor_set, "descriptor_set: \"FILE\"");
    bool has_name = need(planner, protobuf, kind, name, "message", message, "message: \"package.Message\"");
    struct k_str bytes;
    if (!has_file || !has_name) return NULL;
    if (!k_plan_file(planner, protobuf, "descriptor_set", descriptor_set, K_PB_SET_BYTES_MAX, &bytes)) return NULL;
    struct k_pb_set set;
    struct k_error error;
    if (k_pb_read(bytes, planner->arena, &set, &error) != 0) {
        k_plan_error(planner, protobuf, "descriptor_set", 0, K0430, "%s \"%s\": %s: %s", kind, name, descriptor_set,
                     error.text);
        return NULL;
    }
    const struct k_pb_message *found = k_pb_find(&set, message[0] == '.' ? message + 1 : message);
    if (found) return found;
    const char *nearest = nearest_type(&set, message);
    k_plan_error(planner, protobuf, "message", 0, K0430, "%s \"%s\": %s has no message \"%s\"%s%s%s", kind, name,
                 descriptor_set, message, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "");
    return NULL;
}
