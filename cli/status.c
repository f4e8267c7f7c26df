// kappa status: where a pipeline stands. From the state directory of this machine, and from the broker how far the
// sources and the journals have gone on since.
#include "cli/facts.h"
#include "cli/kafka.h"
#include "cli/load.h"
#include "cli/table.h"
#include "base/units.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { CONTROL_TRIES = 20 };
enum { SET, STATE_DIR, GENERATION, OFFLINE, OVER, OUTPUT, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [STATE_DIR] = OPTION_STATE_DIR,
    [GENERATION] = OPTION_GENERATION,
    [OFFLINE] = {.name = "offline", .help = "do not ask the broker: no ends and no lag"},
    [OVER] = {.name = "over",
              .argument = "DURATION",
              .help = "look twice, so far apart, to measure rates: without, the ETA is unknown",
              .text = "0s"},
    [OUTPUT] = OPTION_OUTPUT_TEXT,
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

// The graph of which the status is asked: its name, and its sources' topics. From a file, or from the state itself.
struct subject {
    struct loaded loaded;
    Kappa__V1__Graph *stored; // what the state's identity holds; NULL: the file is there, or it has none
    const char *name;         // NULL: the only one in the state directory
};

static const char *topic_of(const struct subject *subject, const char *source)
{
    const Kappa__V1__Graph *graph = subject->loaded.plan ? subject->loaded.plan->message : subject->stored;
    for (size_t i = 0; graph && source && i < graph->n_source; i++)
        if (graph->source[i]->name && strcmp(graph->source[i]->name, source) == 0 && graph->source[i]->kafka)
            return graph->source[i]->kafka->topic;
    return NULL;
}

static int ask(struct k_log *log, const struct subject *subject, struct facts *facts, struct k_error *err)
{
    for (uint32_t i = 0; i < facts->partition_count; i++) {
        struct facts_partition *p = &facts->partitions[i];
        const char *topic = topic_of(subject, p->at->source);
        if (!topic)
            return k_fail(err, K_E_CONFIG,
                          "the state does not say which topic source \"%s\" reads (it has secret parameters, or is "
                          "another graph's): give the graph's file instead of its name",
                          p->at->source ? p->at->source : "");
        int code = log->ops->offsets(log, topic, (int32_t)p->at->partition, true, NULL, &p->end, err);
        if (code) return code;
    }
    int code = 0;
    for (uint32_t i = 0; i < facts->shard_count && !code; i++) {
        char *journal = k_format("%s.journal.%u", facts_graph(facts), facts->shards[i].view->shard);
        code = log->ops->offsets(log, journal, 0, true, NULL, &facts->shards[i].journal_end, err);
        free(journal);
    }
    return code;
}

static int ask_control(struct k_log *log, struct facts *facts, struct k_error *err)
{
    struct k_control control;
    int code = k_control_read(log, facts_graph(facts), &control, err);
    for (int i = 0; i < CONTROL_TRIES && code == K_E_RETRY; i++)
        code = k_control_read(log, facts_graph(facts), &control, err);
    const struct k_generation *found =
        code ? NULL : k_control_find(&control, strtoull(facts->shards[0].view->generation, NULL, 10));
    if (!found || facts->generation) return code;
    facts->generation = k_new_array(struct k_generation, 1);
    *facts->generation = *found;
    return 0;
}

static int ask_broker(struct call *call, const struct subject *subject, struct facts *facts)
{
    struct k_error err = {0};
    struct k_log *log = NULL;
    int code = kafka_open(call, KAFKA_OPTIONS, &log, &err);
    if (!code) code = ask(log, subject, facts, &err);
    if (!code) code = ask_control(log, facts, &err);
    if (log) log->ops->close(log);
    return code ? command_failed(call, code, &err) : 0;
}

// The graph that the state itself holds, where there is no file.
static void take_stored(struct subject *subject, const struct facts *facts)
{
    const Kappa__Internal__Identity *identity = facts->shards[0].identity;
    if (!subject->loaded.plan && !subject->stored && identity && identity->has_graph_binary)
        subject->stored = kappa__v1__graph__unpack(NULL, identity->graph_binary.len, identity->graph_binary.data);
}

// A look some time before: the state may be new then, or not there yet.
static int64_t look_before(struct call *call, const struct k_reader_options *reader, struct subject *subject,
                           int64_t over_us, struct facts *ret)
{
    struct k_error ignored = {0};
    struct timespec pause = {over_us / 1000000, over_us % 1000000 * 1000};
    struct k_log *log = NULL;
    int64_t began_us = k_clock_us(CLOCK_MONOTONIC);
    // What is wrong is told by the second look.
    int code = facts_open(reader, ret, &ignored);
    if (!code) take_stored(subject, ret);
    if (!code) code = kafka_open(call, KAFKA_OPTIONS, &log, &ignored);
    if (!code) code = ask(log, subject, ret, &ignored);
    (void)code;
    if (log) log->ops->close(log);
    nanosleep(&pause, NULL);
    return k_clock_us(CLOCK_MONOTONIC) - began_us;
}

static int show(struct call *call, struct subject *subject, bool offline, int64_t over_us, bool json)
{
    struct k_error err = {0};
    struct facts facts = {0}, earlier = {0};
    int64_t passed_us = 0;
    const struct k_reader_options reader = {.state_dir = k_options_text(&call->options, STATE_DIR),
                                            .graph = subject->name,
                                            .generation = k_options_text(&call->options, GENERATION)};
    if (over_us && !offline) passed_us = look_before(call, &reader, subject, over_us, &earlier);
    int status = 0, code = facts_open(&reader, &facts, &err);
    if (code) {
        status = code == K_E_USAGE ? command_misused(call, &err) : command_failed(call, code, &err);
    } else {
        const Kappa__Internal__Identity *identity = facts.shards[0].identity;
        take_stored(subject, &facts);
        if (subject->loaded.plan && identity && identity->fingerprint &&
            strcmp(identity->fingerprint, subject->loaded.plan->fingerprint) != 0)
            fprintf(stderr, "kappa status: the state was made by another version of the graph than %s\n",
                    call->options.operands[0]);
        if (!offline) status = ask_broker(call, subject, &facts);
        if (passed_us) facts_measure(&facts, &earlier, passed_us);
        if (json) facts_print_json(&facts, "status", stdout);
        else facts_print_text(&facts, stdout);
        if (!facts.sums_hold) status = 1;
    }
    facts_close(&facts);
    facts_close(&earlier);
    return status;
}

static int run(struct call *call)
{
    bool offline = false, json = false;
    int64_t over_us = 0;
    struct k_error err = {0};
    struct subject subject = {0};
    struct stat file;
    int code = k_options_flag(&call->options, OFFLINE, &offline, &err), status = 0;
    if (!code) code = k_options_duration(&call->options, OVER, &over_us, &err);
    if (!code) code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    const char *operand = call->options.operand_count ? call->options.operands[0] : NULL;
    if (operand && stat(operand, &file) == 0 && S_ISREG(file.st_mode)) {
        status = load_plan(call, operand, SET, 1, &subject.loaded);
        if (!status) subject.name = subject.loaded.plan->name;
    } else {
        subject.name = operand;
    }
    if (!status) status = show(call, &subject, offline, over_us, json);
    if (subject.stored) kappa__v1__graph__free_unpacked(subject.stored, NULL);
    loaded_fini(&subject.loaded);
    return status;
}

const struct command command_status = {
    .name = "status",
    .operands = "[FILE|GRAPH]",
    .doc = "show where a pipeline stands: positions, lag, checkpoints, and that the sums hold",
    .more = "By the state directory on this machine: the checkpoint is at most --checkpoint-interval behind what is\n"
            "committed. Exit status 1: the counters' sums do not hold.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_max = 1,
    .run = run};
