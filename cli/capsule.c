// kappa capsule create, kappa capsule run: a state and all that made it, in one file, and that state again from the
// file alone.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/hosting.h"
#include "cli/kafka.h"
#include "cli/load.h"
#include "base/directory.h"
#include "cli/shard_dirs.h"
#include "cli/table.h"
#include "proto/internal.pb-c.h"
#include "replay/capsule.h"

enum { STATE_DIR, GRAPH, GENERATION, FROM, CREATE_KAFKA };
static const struct k_option create_options[] = {
    [STATE_DIR] = OPTION_STATE_DIR,
    [GRAPH] = OPTION_GRAPH,
    [GENERATION] = OPTION_GENERATION,
    [FROM] = {.name = "from",
              .argument = "DIR",
              .help = "an export of the same state to begin with; default: the start of the journal"},
    KAFKA_OPTION_TABLE(CREATE_KAFKA),
};
enum { INTO, MEMORY, OUTPUT };
static const struct k_option run_options[] = {
    [INTO] = {.name = "into", .argument = "DIR", .help = "keep the state there; default: it is computed and dropped"},
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "budget of cache and RocksDB", .text = "512MiB"},
    [OUTPUT] = OPTION_OUTPUT_TEXT,
};

static int make_scratch(char **ret, struct k_error *err)
{
    const char *base = getenv("TMPDIR");
    *ret = k_format("%s/kappa-capsule-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(*ret)) return 0;
    int code = k_fail(err, K_E_IO, "cannot make a scratch directory \"%s\"", *ret);
    free(*ret);
    *ret = NULL;
    return code;
}

static void drop_scratch(char *scratch)
{
    if (scratch) k_tree_remove(scratch);
    free(scratch);
}

// --- create

struct opened {
    struct k_state_reader *reader;
    struct k_view *view;
};

static int open_state(struct call *call, const char *directory, struct opened *ret, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = directory,
                                             .graph = k_options_text(&call->options, GRAPH),
                                             .generation = k_options_text(&call->options, GENERATION),
                                             .one_view = true};
    int code = k_reader_open(&options, &ret->reader, err);
    return code ? code : k_view_open(ret->reader, &ret->view, err);
}

static void close_state(struct opened *o)
{
    k_view_close(o->view);
    k_reader_close(o->reader);
}

static int identify(struct k_view *view, struct loaded *loaded, struct k_error *err)
{
    struct k_arena arena;
    struct k_str bytes = {0};
    k_arena_init(&arena);
    int code = k_view_meta(view, 0, "identity", &arena, &bytes, err);
    Kappa__Internal__Identity *id =
        bytes.data ? kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data) : NULL;
    if (!code && (!id || !id->has_graph_binary))
        code = k_fail(err, K_E_CONFIG, "the state does not hold its graph (it has secret parameters), so that none "
                      "can be put into a capsule");
    if (!code)
        code = load_binary((struct k_str){(char *)id->graph_binary.data, (uint32_t)id->graph_binary.len}, id->shards,
                           loaded, err);
    if (id) kappa__internal__identity__free_unpacked(id, NULL);
    k_arena_fini(&arena);
    return code;
}

static int create(struct call *call)
{
    const char *file = call->options.operands[0], *from = k_options_text(&call->options, FROM);
    struct opened end = {0}, begin = {0};
    struct loaded loaded = {0};
    struct k_log *log = NULL;
    struct k_error err = {0};
    struct k_capsule capsule = {0};
    char *scratch = NULL;
    int code = access(file, F_OK) == 0 ? k_fail(&err, K_E_CONFIG, "%s is there already", file) : 0;
    if (!code) code = open_state(call, k_options_text(&call->options, STATE_DIR), &end, &err);
    if (!code && from && (code = open_state(call, from, &begin, &err))) k_wrap(&err, code, "--from %s", from);
    if (!code) code = identify(end.view, &loaded, &err);
    if (!code) code = kafka_open(call, CREATE_KAFKA, &log, &err);
    if (!code) code = make_scratch(&scratch, &err);
    const struct k_capsule_making making = {
        .log = log, .plan = loaded.plan, .end = end.view, .begin = begin.view, .directory = scratch};
    if (!code) code = k_capsule_gather(&making, &capsule, &err);
    if (!code) code = k_capsule_pack(scratch, file, &err);
    uint64_t records = 0, sources = 0;
    for (uint32_t i = 0; !code && i < capsule.partition_count; i++) {
        bool source = false;
        for (uint32_t t = 0; t < capsule.topic_count; t++)
            source |= strcmp(capsule.topics[t].topic, capsule.partitions[i].at.topic) == 0;
        *(source ? &sources : &records) += capsule.partitions[i].records;
    }
    if (!code)
        printf("%s: %llu journal records, %llu records that they name, %u tables\n", file,
               (unsigned long long)records, (unsigned long long)sources, capsule.digest_count);
    k_capsule_fini(&capsule);
    drop_scratch(scratch);
    if (log) log->ops->close(log);
    loaded_fini(&loaded);
    close_state(&begin);
    close_state(&end);
    if (!code) return 0;
    return code == K_E_USAGE ? command_misused(call, &err) : command_failed(call, code, &err);
}

// --- run

struct result {
    bool json;
    uint32_t wrong;
    struct k_buf out;
    struct columns *columns;
};

static void add_result(struct result *r, const struct k_capsule_digest *wanted, const struct k_digest *got)
{
    char want_hex[2 * K_DIGEST_BYTES + 1], got_hex[2 * K_DIGEST_BYTES + 1];
    bool equal = k_digest_equal(&wanted->digest, got);
    k_digest_hex(&wanted->digest, want_hex);
    k_digest_hex(got, got_hex);
    r->wrong += !equal;
    if (!r->json) {
        columns_cell(r->columns, k_str_of(wanted->table));
        columns_printf(r->columns, "%llu", (unsigned long long)got->rows);
        columns_cell(r->columns, k_str_of(got_hex));
        columns_cell(r->columns, equal ? K_STR("as the capsule says") : k_str_of("NOT as the capsule says"));
        return;
    }
    k_buf_add_text(&r->out, r->out.length ? ",{\"table\":" : "{\"table\":");
    k_json_string(&r->out, k_str_of(wanted->table));
    k_buf_printf(&r->out, ",\"equal\":%s,\"rows\":%llu,\"digest\":\"%s\",\"wanted_rows\":%llu,\"wanted\":\"%s\"}",
                 equal ? "true" : "false", (unsigned long long)got->rows, got_hex,
                 (unsigned long long)wanted->digest.rows, want_hex);
}

static int check(const struct k_capsule *capsule, const char *directory, struct result *r, struct k_error *err)
{
    static const char *const headings[] = {"table", "rows", "digest", ""};
    static const bool right[] = {false, true, false, false};
    const struct k_reader_options options = {
        .state_dir = directory, .graph = capsule->graph, .generation = "capsule", .one_view = true};
    struct opened state = {0};
    int code = k_reader_open(&options, &state.reader, err);
    if (!code) code = k_view_open(state.reader, &state.view, err);
    if (!code && !r->json) r->columns = columns_create(stdout, headings, right, 4);
    for (uint32_t i = 0; !code && i < capsule->digest_count; i++) {
        const struct k_table_info *table;
        struct k_table_digest digest;
        code = k_view_table(state.view, capsule->digests[i].table, &table, err);
        if (!code) code = k_table_digest(state.view, table, &digest, err);
        if (code) break;
        add_result(r, &capsule->digests[i], &digest.all);
        k_table_digest_fini(&digest);
    }
    columns_end(r->columns);
    close_state(&state);
    return code;
}

static int open_capsule(const char *file, const char *scratch, struct k_capsule *capsule, struct loaded *loaded,
                        struct k_error *err)
{
    struct k_buf bytes = {0};
    char *note = k_format("%s/capsule", scratch), *graph = k_format("%s/graph", scratch);
    int code = k_capsule_unpack(file, scratch, err);
    bool unpacked = !code;
    if (!code && (access(note, R_OK) != 0 || access(graph, R_OK) != 0))
        code = k_fail(err, K_E_CORRUPT, "it is no capsule: it has no note or no graph");
    if (!code) code = load_file(note, &bytes, err);
    if (!code) code = k_capsule_read_note(k_buf_str(&bytes), capsule, err);
    k_buf_clear(&bytes);
    if (!code) code = load_file(graph, &bytes, err);
    if (!code) code = load_binary(k_buf_str(&bytes), capsule->shards, loaded, err);
    k_buf_fini(&bytes);
    free(note);
    free(graph);
    return code && unpacked ? k_wrap(err, code, "%s", file) : code;
}

static int run(struct call *call)
{
    const char *file = call->options.operands[0], *into = k_options_text(&call->options, INTO);
    struct k_capsule capsule = {0};
    struct loaded loaded = {0};
    struct result result = {0};
    struct k_error err = {0};
    uint64_t memory_bytes = 512u << 20, records = 0;
    char *scratch = NULL, *own = NULL;
    int code = output_is_json(call, OUTPUT, &result.json, &err);
    if (!code) code = hosting_budget(&call->options, MEMORY, 1, &memory_bytes, &err);
    if (code) return command_misused(call, &err);
    if (into && !is_vacant(into)) code = k_fail(&err, K_E_CONFIG, "%s is not empty", into);
    // Beside the result, so that a checkpoint can be moved there.
    if (!code && into) {
        code = k_directories_make(into, 0777, &err);
        scratch = k_format("%s/.capsule", into);
        if (!code) code = k_directories_make(scratch, 0777, &err);
    } else if (!code) {
        code = make_scratch(&scratch, &err);
    }
    if (!code) code = open_capsule(file, scratch, &capsule, &loaded, &err);
    own = into ? k_strdup(into) : k_format("%s/result", scratch ? scratch : "");
    if (!code)
        code = k_capsule_follow(&capsule, loaded.plan, scratch, own, memory_bytes, &records, &err);
    if (!code) code = check(&capsule, own, &result, &err);
    if (!code && result.json) {
        printf("{\"kind\":\"capsule\",\"graph\":\"%s\",\"equal\":%s,\"records\":%llu,\"tables\":[%s]}\n", capsule.graph,
               result.wrong ? "false" : "true", (unsigned long long)records, k_buf_str(&result.out).data);
    }
    fflush(stdout);
    if (!code && !result.json) fprintf(stderr, "%llu records followed\n", (unsigned long long)records);
    k_buf_fini(&result.out);
    k_capsule_fini(&capsule);
    loaded_fini(&loaded);
    drop_scratch(scratch);
    free(own);
    if (code) {
        int status = command_failed(call, code, &err);
        return status == 1 ? k_error_status(K_E_DATA) : status; // 1 says "another state"
    }
    return result.wrong ? 1 : 0;
}

const struct command command_capsule_create = {
    .name = "capsule create",
    .operands = "FILE",
    .doc = "put a state's graph, journal and records into one file",
    .more = "The capsule leads to the state in --state-dir, from --from (an export) or from the journal's start, and "
            "holds exactly\n"
            "the records that the journal names on that way.",
    .options = create_options,
    .option_count = sizeof create_options / sizeof *create_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = create};

const struct command command_capsule_run = {
    .name = "capsule run",
    .operands = "FILE",
    .doc = "compute the state of a capsule again, with no broker",
    .more = "Exit status 0: it is the state that the capsule says, bit for bit; 1: another one; 65: the capsule is "
            "damaged.",
    .options = run_options,
    .option_count = sizeof run_options / sizeof *run_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
