// The command line of ktool, and what it asks of the cluster besides messages.
#include "tests/tools/ktool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage_text[] =
    "usage: ktool -b BROKERS [-F FILE] [-X NAME=VALUE]… COMMAND …\n"
    "  create TOPIC [--partitions N] [--config NAME=VALUE]… [--if-absent]\n"
    "  delete TOPIC…\n"
    "  add-partitions TOPIC TOTAL\n"
    "  delete-records TOPIC PARTITION BEFORE        BEFORE -1: all\n"
    "  produce [TOPIC] [--transaction ID [--abort] [--every N]] [--partition P] [--plain]\n"
    "          lines of JSON from stdin; --plain: each line is a value\n"
    "  consume TOPIC… [--partition P] [--from OFFSET] [--count N] [--uncommitted] [--timeout MS] [--settle MS]\n"
    "          up to the stable end, or (--count) until N messages came\n"
    "  offsets TOPIC [--partition P] [--settle MS]\n"
    "  committed GROUP TOPIC                        the group's offsets, -1 where it has none\n"
    "  topics                                       their names and partitions\n"
    "-F reads NAME=VALUE lines, as Kafka's own client files have them. Exit: 0; 1 failed; 64 usage.\n";

_Noreturn static void usage(void)
{
    fputs(usage_text, stderr);
    exit(64);
}

_Noreturn void ktool_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("ktool: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stdout);
    _Exit(1); // handles that still have threads would only delay the end
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) ktool_fail("%s", why);
}

static void set_pair(rd_kafka_conf_t *conf, const char *pair)
{
    const char *equals = strchr(pair, '=');
    char name[128];
    if (!equals || equals == pair || (size_t)(equals - pair) >= sizeof(name)) ktool_fail("not NAME=VALUE: %s", pair);
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    set(conf, name, equals + 1);
}

rd_kafka_conf_t *ktool_conf(const struct ktool_options *options, ...)
{
    va_list pairs;
    const char *name;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "log_level", "3"); // errors: retries of a coordinator that loads are none
    va_start(pairs, options);
    while ((name = va_arg(pairs, const char *)) != NULL) set(conf, name, va_arg(pairs, const char *));
    va_end(pairs);
    if (options->brokers) set(conf, "bootstrap.servers", options->brokers);
    for (int i = 0; i < options->setting_count; i++) set_pair(conf, options->settings[i]);
    return conf;
}

rd_kafka_t *ktool_open(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (!rk) ktool_fail("%s", why);
    return rk;
}

static void add_setting(struct ktool_options *options, const char *pair)
{
    if (options->setting_count == sizeof(options->settings) / sizeof(options->settings[0]))
        ktool_fail("too many settings");
    options->settings[options->setting_count++] = pair;
}

static void add_setting_file(struct ktool_options *options, const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    if (!file) ktool_fail("cannot open %s", path);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') add_setting(options, strdup(line)); // lives as long as we do
    }
    fclose(file);
}

int ktool_partitions(rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, handle, &metadata, KTOOL_WAIT_MS);
    if (!err) err = metadata->topics[0].err;
    if (err) ktool_fail("%s: %s", topic, rd_kafka_err2str(err));
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

// --- admin requests ---------------------------------------------------------------------------------

struct admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
};

static struct admin admin_open(const struct ktool_options *options, rd_kafka_admin_op_t operation)
{
    char why[256];
    struct admin admin = {.rk = ktool_open(RD_KAFKA_PRODUCER, ktool_conf(options, NULL))};
    admin.queue = rd_kafka_queue_new(admin.rk);
    admin.options = rd_kafka_AdminOptions_new(admin.rk, operation);
    if (rd_kafka_AdminOptions_set_request_timeout(admin.options, KTOOL_WAIT_MS, why, sizeof(why)))
        ktool_fail("%s", why);
    return admin;
}

// The one answer; ends the program when the request as a whole failed.
static rd_kafka_event_t *admin_wait(struct admin *admin)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, KTOOL_WAIT_MS + 1000);
    if (!event) ktool_fail("no answer from the cluster");
    if (rd_kafka_event_error(event)) ktool_fail("%s", rd_kafka_event_error_string(event));
    return event;
}

static void admin_close(struct admin *admin, rd_kafka_event_t *event)
{
    rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(admin->options);
    rd_kafka_queue_destroy(admin->queue);
    rd_kafka_destroy(admin->rk);
}

static void check_topics(const rd_kafka_topic_result_t **results, size_t count, rd_kafka_resp_err_t allowed)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
        if (err && err != allowed)
            ktool_fail("%s: %s: %s", rd_kafka_topic_result_name(results[i]), rd_kafka_err2str(err),
                rd_kafka_topic_result_error_string(results[i]) ? rd_kafka_topic_result_error_string(results[i]) : "");
    }
}

// A created topic is usable only when the broker leads its partitions: wait until metadata says so.
static void await_topic(rd_kafka_t *rk, const char *topic, int partitions)
{
    for (int attempt = 0; attempt < 500; attempt++) {
        const struct rd_kafka_metadata *metadata;
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, handle, &metadata, KTOOL_WAIT_MS);
        rd_kafka_topic_destroy(handle);
        if (err) ktool_fail("%s: %s", topic, rd_kafka_err2str(err));
        const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
        bool ready = !found->err && found->partition_cnt == partitions;
        for (int i = 0; ready && i < found->partition_cnt; i++)
            ready = !found->partitions[i].err && found->partitions[i].leader >= 0;
        rd_kafka_metadata_destroy(metadata);
        if (ready) return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    ktool_fail("%s was created, but has no leader", topic);
}

static void create_topic(const struct ktool_options *options, const char *topic)
{
    char why[512];
    size_t count;
    struct admin admin = admin_open(options, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, options->partitions, 1, why, sizeof(why));
    if (!wanted) ktool_fail("%s", why);
    for (int i = 0; i < options->config_count; i++) {
        char *name = strdup(options->configs[i]), *equals = strchr(name, '=');
        if (!equals) ktool_fail("not NAME=VALUE: %s", name);
        *equals = '\0';
        rd_kafka_NewTopic_set_config(wanted, name, equals + 1);
        free(name);
    }
    rd_kafka_CreateTopics(admin.rk, &wanted, 1, admin.options, admin.queue);
    rd_kafka_event_t *event = admin_wait(&admin);
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    bool there = count == 1 && rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
    check_topics(results, count, options->if_absent ? RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS : 0);
    if (!there) await_topic(admin.rk, topic, options->partitions);
    rd_kafka_NewTopic_destroy(wanted);
    admin_close(&admin, event);
}

static void delete_topics(const struct ktool_options *options, char **topics, int count)
{
    size_t answers;
    struct admin admin = admin_open(options, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopic_t **wanted = calloc((size_t)count, sizeof(*wanted));
    for (int i = 0; i < count; i++) wanted[i] = rd_kafka_DeleteTopic_new(topics[i]);
    rd_kafka_DeleteTopics(admin.rk, wanted, (size_t)count, admin.options, admin.queue);
    rd_kafka_event_t *event = admin_wait(&admin);
    const rd_kafka_topic_result_t **results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &answers);
    check_topics(results, answers, 0);
    rd_kafka_DeleteTopic_destroy_array(wanted, (size_t)count);
    free(wanted);
    admin_close(&admin, event);
}

static void add_partitions(const struct ktool_options *options, const char *topic, int total)
{
    char why[512];
    size_t count;
    struct admin admin = admin_open(options, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_NewPartitions_t *wanted = rd_kafka_NewPartitions_new(topic, (size_t)total, why, sizeof(why));
    if (!wanted) ktool_fail("%s", why);
    rd_kafka_CreatePartitions(admin.rk, &wanted, 1, admin.options, admin.queue);
    rd_kafka_event_t *event = admin_wait(&admin);
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);
    check_topics(results, count, 0);
    await_topic(admin.rk, topic, total);
    rd_kafka_NewPartitions_destroy(wanted);
    admin_close(&admin, event);
}

static void check_offsets(const rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < parts->cnt; i++)
        if (parts->elems[i].err)
            ktool_fail("%s/%d: %s", parts->elems[i].topic, parts->elems[i].partition,
                rd_kafka_err2str(parts->elems[i].err));
}

static void delete_records(const struct ktool_options *options, const char *topic, int32_t partition, int64_t before)
{
    struct admin admin = admin_open(options, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(parts, topic, partition)->offset = before < 0 ? RD_KAFKA_OFFSET_END : before;
    rd_kafka_DeleteRecords_t *wanted = rd_kafka_DeleteRecords_new(parts);
    rd_kafka_DeleteRecords(admin.rk, &wanted, 1, admin.options, admin.queue);
    rd_kafka_event_t *event = admin_wait(&admin);
    check_offsets(rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event)));
    rd_kafka_DeleteRecords_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(parts);
    admin_close(&admin, event);
}

static void print_committed(const struct ktool_options *options, const char *group, const char *topic)
{
    rd_kafka_t *rk =
        ktool_open(RD_KAFKA_CONSUMER, ktool_conf(options, "group.id", group, "enable.auto.commit", "false", NULL));
    int partitions = ktool_partitions(rk, topic);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(partitions);
    rd_kafka_topic_partition_list_add_range(parts, topic, 0, partitions - 1);
    rd_kafka_resp_err_t err = rd_kafka_committed(rk, parts, KTOOL_WAIT_MS);
    if (err) ktool_fail("%s: %s", group, rd_kafka_err2str(err));
    check_offsets(parts);
    for (int i = 0; i < parts->cnt; i++)
        printf("{\"partition\":%d,\"offset\":%lld}\n", parts->elems[i].partition,
            parts->elems[i].offset < 0 ? -1LL : (long long)parts->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_destroy(rk);
}

static void print_topics(const struct ktool_options *options)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_t *rk = ktool_open(RD_KAFKA_PRODUCER, ktool_conf(options, NULL));
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 1, NULL, &metadata, KTOOL_WAIT_MS);
    if (err) ktool_fail("topics: %s", rd_kafka_err2str(err));
    for (int i = 0; i < metadata->topic_cnt; i++) // Kafka's names need no escapes in JSON
        printf("{\"topic\":\"%s\",\"partitions\":%d}\n", metadata->topics[i].topic, metadata->topics[i].partition_cnt);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_destroy(rk);
}

// --- the command line -------------------------------------------------------------------------------

static int64_t number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0') ktool_fail("not a number: %s", text);
    return value;
}

// One option with its value, or false. What is not known here is not an option.
static bool take_option(struct ktool_options *options, const char *name, const char *value)
{
    if (!value) usage();
    if (!strcmp(name, "--partitions")) options->partitions = (int)number(value);
    else if (!strcmp(name, "--transaction")) options->transaction = value;
    else if (!strcmp(name, "--every")) options->every = number(value);
    else if (!strcmp(name, "--partition")) options->partition = (int32_t)number(value);
    else if (!strcmp(name, "--from")) options->from = number(value);
    else if (!strcmp(name, "--count")) options->count = number(value);
    else if (!strcmp(name, "--timeout")) options->timeout_ms = (int)number(value);
    else if (!strcmp(name, "--settle")) options->settle_ms = (int)number(value);
    else if (!strcmp(name, "-X")) add_setting(options, value);
    else if (!strcmp(name, "-F")) add_setting_file(options, value);
    else if (!strcmp(name, "-b")) options->brokers = value;
    else if (!strcmp(name, "--config") && options->config_count < 64) options->configs[options->config_count++] = value;
    else return false;
    return true;
}

static bool take_switch(struct ktool_options *options, const char *name)
{
    if (!strcmp(name, "--if-absent")) options->if_absent = true;
    else if (!strcmp(name, "--abort")) options->abort = true;
    else if (!strcmp(name, "--plain")) options->plain = true;
    else if (!strcmp(name, "--uncommitted")) options->uncommitted = true;
    else return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct ktool_options options = {
        .partitions = 1, .partition = -1, .from = -1, .count = -1, .timeout_ms = 60000, .settle_ms = 1000};
    char *words[64];
    int count = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0' && !(argv[i][1] >= '0' && argv[i][1] <= '9')) {
            if (take_switch(&options, argv[i])) continue;
            if (!take_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) usage();
            i++;
        } else if (count < 64) {
            words[count++] = argv[i];
        }
    }
    if (count == 0) usage();
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    const char *command = words[0];
    if (!strcmp(command, "create") && count == 2) create_topic(&options, words[1]);
    else if (!strcmp(command, "delete") && count >= 2) delete_topics(&options, words + 1, count - 1);
    else if (!strcmp(command, "add-partitions") && count == 3)
        add_partitions(&options, words[1], (int)number(words[2]));
    else if (!strcmp(command, "delete-records") && count == 4)
        delete_records(&options, words[1], (int32_t)number(words[2]), number(words[3]));
    else if (!strcmp(command, "produce") && count <= 2) ktool_produce(&options, count == 2 ? words[1] : NULL);
    else if (!strcmp(command, "consume") && count >= 2) ktool_consume(&options, words + 1, count - 1);
    else if (!strcmp(command, "offsets") && count == 2) ktool_offsets(&options, words[1]);
    else if (!strcmp(command, "committed") && count == 3) print_committed(&options, words[1], words[2]);
    else if (!strcmp(command, "topics") && count == 1) print_topics(&options);
    else usage();
    if (fflush(stdout) != 0 || ferror(stdout)) ktool_fail("cannot write the output");
    return 0;
}
