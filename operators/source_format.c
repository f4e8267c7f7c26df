// Planning a source's format: what it needs, and whether the schema fits it.
#include "operators/plan_protobuf.h"
#include "operators/source.h"
#include "proto/format_protobuf.h"
#include "proto/json_path.h"

typedef Kappa__V1__Source__Format Format;
typedef Kappa__V1__Source__Format__Packed Packed;

struct reading {
    struct k_planner *planner;
    const char *name;
    const Kappa__V1__Source *message;
    struct k_source_config *config;
    bool good;
};

// What was written: exactly one of these.
struct kinds {
    const Kappa__V1__Source__Format__Json *json;
    const Kappa__V1__Source__Format__Line *line;
    const Kappa__V1__Source__Format__Raw *raw;
    const Kappa__V1__Source__Format__Csv *csv;
    const Kappa__V1__Source__Format__Protobuf *protobuf;
};

static void check_paths(struct reading *r, const char *format)
{
    for (uint32_t i = 0; i < r->config->declared.count; i++) {
        if (!r->config->declared.fields[i].json_path) continue;
        k_plan_error(
            r->planner, r->message, "schema", 0, K0408,
            "source \"%s\": field \"%s\" of its schema has a path (\"at\"), which the %s format does not know",
            r->name, r->config->declared.fields[i].name, format);
        r->good = false;
    }
}

static void check_line(struct reading *r, const Kappa__V1__Source__Format__Line *line)
{
    if (!line->pattern || !*line->pattern) {
        if (!k_graph_is_broken(r->planner->graph, line))
            k_plan_error(
                r->planner, line, NULL, -1, K0401,
                "source \"%s\": the line format needs a pattern, such as  pattern: \"^(?<ip>\\\\S+) (?<path>.*)$\"",
                r->name);
        r->good = false;
        return;
    }
    r->config->pattern = line->pattern;
    const char **groups;
    uint32_t count;
    size_t offset;
    struct k_error error;
    if (k_line_groups(line->pattern, r->planner->arena, &groups, &count, &offset, &error) != 0) {
        k_diag_error(r->planner->diags, k_graph_pos_in(r->planner->graph, line, "pattern", 0, offset), K0408, "%s",
                     error.text);
        r->good = false;
        return;
    }
    for (uint32_t i = 0; i < r->config->declared.count; i++) {
        const char *name = r->config->declared.fields[i].name;
        bool found = false;
        for (uint32_t g = 0; g < count && !found; g++) found = strcmp(groups[g], name) == 0;
        if (found) continue;
        const char *nearest = k_nearest(name, groups, count);
        k_plan_error(r->planner, line, "pattern", 0, K0408,
                     "source \"%s\": field \"%s\" of its schema is no named group of the pattern%s%s%s", r->name,
                     name, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        r->good = false;
    }
    check_paths(r, "line");
}

static void check_raw(struct reading *r, const Kappa__V1__Source__Format__Raw *raw)
{
    const struct k_schema *declared = &r->config->declared;
    bool fits = declared->count == 1 && strcmp(declared->fields[0].name, "value") == 0 &&
                (declared->fields[0].type == K_STRING || declared->fields[0].type == K_BYTES);
    if (!fits && r->good) {
        k_plan_error(
            r->planner, raw, NULL, -1, K0408,
            "source \"%s\": the raw format gives one column; its schema must be \"value bytes\" or \"value string\"",
            r->name);
        r->good = false;
    }
    check_paths(r, "raw");
}

static void check_csv(struct reading *r, const Kappa__V1__Source__Format__Csv *csv)
{
    r->config->delimiter = ',';
    r->config->header = csv->has_header && csv->header;
    if (csv->delimiter && k_csv_delimiter_is_good(csv->delimiter)) {
        r->config->delimiter = csv->delimiter[0];
    } else if (csv->delimiter) {
        k_plan_error(
            r->planner, csv, "delimiter", 0, K0408,
            "source \"%s\": delimiter: \"%s\" is not one ASCII character other than a quote and a line break",
            r->name, csv->delimiter);
        r->good = false;
    }
    check_paths(r, "csv");
}

static const enum k_time_unit units[] = {K_UNIT_MS, K_UNIT_S, K_UNIT_US, K_UNIT_NS};

static void check_protobuf(struct reading *r, const Kappa__V1__Source__Format__Protobuf *protobuf)
{
    if (protobuf->has_timestamp_unit) r->config->timestamp_unit = units[protobuf->timestamp_unit];
    r->config->message =
        k_plan_protobuf(r->planner, protobuf, "source", r->name, protobuf->descriptor_set, protobuf->message);
    if (!r->config->message) {
        r->good = false;
        return;
    }
    for (uint32_t i = 0; i < r->config->declared.count; i++) {
        const struct k_pb_field *path[K_PATH_KEYS_MAX];
        uint32_t count;
        struct k_error error;
        if (k_pb_resolve(r->config->message, &r->config->declared.fields[i], path, &count, &error) == 0) continue;
        k_plan_error(r->planner, r->message, "schema", 0, K0408, "source \"%s\": %s", r->name, error.text);
        r->good = false;
    }
}

static void check_json(struct reading *r, const Kappa__V1__Source__Format__Json *json)
{
    if (json->has_timestamp_unit) r->config->timestamp_unit = units[json->timestamp_unit];
}

// The format inside packed { }. False: there is none.
static bool open_packed(struct reading *r, const Packed *packed, struct kinds *kinds)
{
    switch (packed->kind_case) {
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_JSON: kinds->json = packed->json; break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_LINE: kinds->line = packed->line; break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_RAW: kinds->raw = packed->raw; break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_CSV: kinds->csv = packed->csv; break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_PROTOBUF: kinds->protobuf = packed->protobuf; break;
    default:
        if (!k_graph_is_broken(r->planner->graph, packed))
            k_plan_error(r->planner, packed, NULL, -1, K0207,
                         "source \"%s\": what is packed? Say so, such as  packed { json {} }", r->name);
        return false;
    }
    r->config->packing.kind = kinds->csv ? K_PACKING_CSV : kinds->protobuf ? K_PACKING_LENGTHS : K_PACKING_LINES;
    return true;
}

// False after a report.
static bool find_kind(struct reading *r, struct kinds *kinds)
{
    const Format *format = r->message->format;
    switch (format ? format->kind_case : KAPPA__V1__SOURCE__FORMAT__KIND__NOT_SET) {
    case KAPPA__V1__SOURCE__FORMAT__KIND_JSON: kinds->json = format->json; return true;
    case KAPPA__V1__SOURCE__FORMAT__KIND_LINE: kinds->line = format->line; return true;
    case KAPPA__V1__SOURCE__FORMAT__KIND_RAW: kinds->raw = format->raw; return true;
    case KAPPA__V1__SOURCE__FORMAT__KIND_CSV: kinds->csv = format->csv; return true;
    case KAPPA__V1__SOURCE__FORMAT__KIND_PROTOBUF: kinds->protobuf = format->protobuf; return true;
    case KAPPA__V1__SOURCE__FORMAT__KIND_PACKED: return open_packed(r, format->packed, kinds);
    default: break;
    }
    if (!k_graph_is_broken(r->planner->graph, format ? (const void *)format : r->message))
        k_plan_error(r->planner, format ? (const void *)format : r->message, NULL, -1, K0207,
                     "source \"%s\" has no format; add  format { json {} }", r->name);
    return false;
}

bool k_source_format_plan(struct k_planner *planner, const char *name, const void *message, bool has_schema,
                          struct k_source_config *config)
{
    struct reading r = {planner, name, message, config, has_schema};
    struct kinds kinds = {0};
    if (!find_kind(&r, &kinds)) return false;
    if (kinds.json) {
        config->format = K_FORMAT_JSON;
        check_json(&r, kinds.json);
    } else if (kinds.line) {
        config->format = K_FORMAT_LINE;
        check_line(&r, kinds.line);
    } else if (kinds.raw) {
        config->format = K_FORMAT_RAW;
        check_raw(&r, kinds.raw);
    } else if (kinds.protobuf) {
        config->format = K_FORMAT_PROTOBUF;
        check_protobuf(&r, kinds.protobuf);
    } else {
        config->format = K_FORMAT_CSV;
        check_csv(&r, kinds.csv);
    }
    config->packing.delimiter = config->delimiter;
    config->packing.header = config->header;
    return r.good;
}
