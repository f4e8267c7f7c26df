// kappa doctor: everything that can be known before a run, each with what to do about it. Changes nothing but the
// broker's list of transactional ids, where "<graph>-doctor" shows that transactions are allowed.
#include "cli/doctor.h"

#include "base/trace.h"
#include "cli/table.h"

enum { SET, STATE_DIR, MEMORY, TRANSACTION_TIMEOUT, SHARDS, REPLICATION, OFFLINE, OUTPUT, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [STATE_DIR] = OPTION_STATE_DIR,
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "the budget that run will be given", .text = "512MiB"},
    [TRANSACTION_TIMEOUT] = {.name = "transaction-timeout",
                             .argument = "DURATION",
                             .help = "the one that run will be given",
                             .text = "10s"},
    [SHARDS] = OPTION_SHARDS,
    [REPLICATION] = {.name = "replication",
                     .argument = "N",
                     .help = "replicas of topics that run will make; -1: the broker's default",
                     .text = "-1"},
    [OFFLINE] = {.name = "offline", .help = "do not ask the broker"},
    [OUTPUT] = OPTION_OUTPUT_TEXT,
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

enum { WIDTH = 100, INDENT = 24 };

static void find(struct doctor *d, const char *verdict, const char *check, int status, const char *advice,
                 const char *format, va_list arguments)
{
    char text[1200];
    k_format_cut(text, sizeof text, format, arguments);
    if (status > d->worst) d->worst = status;
    k_buf_printf(&d->document, "%s{\"check\":\"%s\",\"verdict\":\"%s\",\"text\":", d->findings++ ? "," : "", check,
                 verdict);
    k_json_string(&d->document, k_str_of(text));
    k_buf_add_text(&d->document, ",\"advice\":");
    if (advice) k_json_string(&d->document, k_str_of(advice));
    else k_buf_add_text(&d->document, "null");
    k_buf_printf(&d->document, ",\"status\":%d}", status);
    if (d->json) return;
    printf("%-5s %-16s  ", strcmp(verdict, "fail") == 0 ? "FAIL" : verdict, check);
    // The first line stands behind the check's name, the others under it.
    char *cursor = text;
    size_t length = strlen(text);
    if (length + INDENT <= WIDTH) {
        puts(text);
    } else {
        size_t cut = WIDTH - INDENT;
        while (cut > 0 && text[cut] != ' ') cut--;
        if (cut == 0) cut = strcspn(text, " ");
        printf("%.*s\n", (int)cut, text);
        cursor = text + cut + strspn(text + cut, " ");
        output_paragraph(stdout, cursor, INDENT, WIDTH);
    }
    if (advice) output_paragraph(stdout, advice, INDENT, WIDTH);
    fflush(stdout);
}

void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    find(d, "ok", check, 0, NULL, format, arguments);
    va_end(arguments);
}

void doctor_warn(struct doctor *d, const char *check, const char *advice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    find(d, "warn", check, 0, advice, format, arguments);
    va_end(arguments);
}

void doctor_fail(struct doctor *d, const char *check, int code, const char *advice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    find(d, "fail", check, k_error_status(code), advice, format, arguments);
    va_end(arguments);
}

static int examine(struct doctor *d, bool offline)
{
    struct loaded loaded = {0};
    struct facts facts = {0};
    struct k_error err = {0};
    const char *file = d->call->options.operand_count ? d->call->options.operands[0] : NULL;
    if (file) {
        int status = load_plan(d->call, file, SET, d->shards, &loaded);
        d->plan = loaded.plan;
        // Its diagnostics stand on stderr already.
        if (status)
            doctor_fail(d, "graph", status == k_error_status(K_E_CONFIG) ? K_E_CONFIG : K_E_DATA,
                        "Mend what kappa validate says.", "%s is no valid graph", file);
        else doctor_ok(d, "graph", "%s: \"%s\" is valid", file, loaded.plan->name);
    }
    if (d->plan) {
        const struct k_reader_options reader = {.state_dir = d->state_dir, .graph = d->plan->name};
        int code = facts_open(&reader, &facts, &err);
        if (!code) d->facts = &facts;
        else if (code != K_E_NOT_FOUND)
            doctor_fail(d, "state", code, "Move it away, or bring an export back with kappa state import.", "%s",
                        err.text);
    }
    doctor_machine(d);
    if (!offline) doctor_broker(d);
    facts_close(&facts);
    loaded_fini(&loaded);
    if (d->json) printf("{\"kind\":\"doctor\",\"checks\":[%s],\"status\":%d}\n", d->document.data, d->worst);
    return d->worst;
}

static int run(struct call *call)
{
    struct doctor doctor = {.call = call, .memory_bytes = 512 << 20, .transaction_timeout_us = 10000000};
    struct k_error err = {0};
    const struct k_options *o = &call->options;
    bool offline = false;
    int64_t shards = 1, replication = -1;
    doctor.state_dir = k_options_text(o, STATE_DIR);
    int code = k_options_size(o, MEMORY, &doctor.memory_bytes, &err);
    if (!code) code = k_options_duration(o, TRANSACTION_TIMEOUT, &doctor.transaction_timeout_us, &err);
    if (!code) code = k_options_integer(o, SHARDS, 1, 1024, &shards, &err);
    if (!code) code = k_options_integer(o, REPLICATION, -1, 100, &replication, &err);
    if (!code) code = k_options_flag(o, OFFLINE, &offline, &err);
    if (!code) code = output_is_json(call, OUTPUT, &doctor.json, &err);
    if (!code && !offline) {
        struct k_kafka_options kafka;
        code = kafka_options(call, KAFKA_OPTIONS, &kafka, &err);
        if (!code) {
            // What librdkafka says is in the findings.
            k_trace_setup(K_TRACE_ERROR, false);
            code = k_log_kafka_open(&kafka, &doctor.log, &err);
            if (code) return command_failed(call, code, &err);
        }
    }
    if (code) return command_misused(call, &err);
    doctor.shards = (uint32_t)shards;
    doctor.replication = (int32_t)replication;
    int status = examine(&doctor, offline);
    if (doctor.log) doctor.log->ops->close(doctor.log);
    k_buf_fini(&doctor.document);
    return status;
}

const struct command command_doctor = {
    .name = "doctor",
    .operands = "[FILE]",
    .doc = "check what a run needs: broker, rights, topics, retention, memory, disk, limits",
    .more = "With a graph also its topics, its state, and whether the one still reaches back to the other. Exit "
            "status: 0,\n"
            "or that of the worst finding (69 broker, 77 rights, 78 settings, 74 disk, 65 lost data).",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_max = 1,
    .run = run};
