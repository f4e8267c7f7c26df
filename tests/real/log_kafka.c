// The log seam on a real Kafka: its contract, and what only the real one can show (speed, refusals, full queues).
// usage: log_kafka [PART]…, with KAPPA_BROKERS; without PART all that need only a broker. Prints "ok NAME: …" or
// "FAIL NAME: …"; exits with 1 if one failed.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/engine/log_contract.h"
#include "tests/real/log_kafka.h"

#include "base/units.h"

const char *brokers;
char unique[64];
static int failures;

void report(const char *name, bool good, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s %s: ", good ? "ok" : "FAIL", name);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
    failures += !good;
}

void sleep_us(int64_t us) { nanosleep(&(struct timespec){us / SECOND, us % SECOND * 1000}, NULL); }

struct k_kafka_options options(void)
{
    return (struct k_kafka_options){.brokers = brokers, .worker = "test", .queue_bytes = 64 << 20,
                                    .readers_expected = 1, .session_timeout_us = SESSION_US,
                                    .request_timeout_us = 8 * SECOND};
}

struct k_log *open_log(struct k_kafka_options with)
{
    struct k_log *log = NULL;
    struct k_error err = {0};
    if (k_log_kafka_open(&with, &log, &err) != 0) {
        report("open", false, "%s", err.text);
        exit(1);
    }
    return log;
}

void expect_refusal(const char *name, struct k_kafka_options with, int wanted, const char *wanted_text)
{
    struct k_log *log = NULL;
    struct k_error err = {0};
    struct k_topic_info info;
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    int code = k_log_kafka_open(&with, &log, &err);
    if (code == 0) code = log->ops->topic_info(log, "some-topic", &info, &err);
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    bool good = code == wanted && strstr(err.text, wanted_text) != NULL && took < 10 * SECOND;
    report(name, good, "%s in %lld ms: %s", k_error_name(code), (long long)took / 1000, err.text);
    if (log != NULL) log->ops->close(log);
}

// --- the contract ---
static struct k_log *connect_worker(struct log_contract *contract, const char *worker)
{
    (void)contract;
    struct k_kafka_options with = options();
    with.worker = worker;
    return open_log(with);
}
static void pass(struct log_contract *contract, int64_t us)
{
    (void)contract;
    sleep_us(us);
}
static void contract(void)
{
    struct log_contract run = {.connect = connect_worker, .pass = pass, .unique = unique, .patience_us = 20 * SECOND,
                               .session_timeout_us = SESSION_US, .only = getenv("KAPPA_CASE")};
    failures += log_contract_run(&run);
}

// --- refusals ---
static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

static void unreachable(void)
{
    struct k_kafka_options with = options();
    with.request_timeout_us = 3 * SECOND;
    with.brokers = "127.0.0.1:1"; // nobody listens
    expect_refusal("nobody-listens", with, K_E_UNAVAILABLE, "Connection refused");
    expect_refusal("nobody-listens-names-what-to-try", with, K_E_UNAVAILABLE, "kappa doctor --brokers 127.0.0.1:1");
    with.brokers = "no-such-host.invalid:9092";
    expect_refusal("no-such-host", with, K_E_UNAVAILABLE, "no-such-host.invalid");

    struct k_log *log = open_log(with);
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    int code = log->ops->producer_open(log, "id", 10 * SECOND, &producer, &err);
    report("producer-without-brokers", code == K_E_UNAVAILABLE && k_clock_us(CLOCK_MONOTONIC) - begun < 10 * SECOND,
           "%s: %s", k_error_name(code), err.text);
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->close(log);
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    report("close-without-brokers", took < 3 * SECOND, "%lld ms", (long long)took / 1000);
}

static void properties(void)
{
    char path[] = "/tmp/kappa-properties-XXXXXX";
    close(mkstemp(path));
    struct k_kafka_options with = options();
    with.properties_file = path;
    static const struct {
        const char *name, *text, *wanted;
    } tries[] = {
        {"a-shell-command", "sasl.kerberos.kinit.cmd=touch /tmp/x\n", "runs a shell command"},
        {"a-plugin", "plugin.library.paths=/tmp/x.so\n", "loads code"},
        {"a-misspelt-name", "# one\nsasl.pasword=x\n", ":2: \"sasl.pasword\""},
        {"a-near-name", "sasl.pasword=x\n", "did you mean \"sasl.password\"?"},
        {"a-wrong-value", "security.protocol=sasl\n", "security.protocol=sasl"},
        {"java-only", "sasl.jaas.config=org.apache\n", "use sasl.mechanism"},
        {"our-own", "isolation.level=read_uncommitted\n", "committed records only"},
        {"twice", "client.rack=a\nclient.rack=b\n", "stands twice"},
        {"no-equals", "sasl.password hunter2\n", "is not name=value"},
        {"missing-authority", "security.protocol=ssl\nssl.ca.location=/no/such.pem\n", "/no/such.pem"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        write_file(path, tries[i].text);
        expect_refusal(tries[i].name, with, K_E_CONFIG, tries[i].wanted);
    }
    struct k_log *log = NULL;
    struct k_error err = {0};
    write_file(path, "sasl.username=u\nsasl.password=hunter2\\\n");
    int code = k_log_kafka_open(&with, &log, &err);
    report("no-secret-in-texts", code == K_E_CONFIG && strstr(err.text, "hunter2") == NULL, "%s", err.text);
    setenv("KAPPA_KAFKA_CLIENT_RACK", "a", 1);
    write_file(path, "client.rack=b\n\n  ! a comment\nssl.endpoint.identification.algorithm=\n");
    err.text[0] = '\0';
    code = k_log_kafka_open(&with, &log, &err);
    report("environment-and-java-spellings", code == 0, "%s", err.text);
    if (code == 0) log->ops->close(log);
    setenv("KAPPA_KAFKA_GROUP_ID", "x", 1);
    code = k_log_kafka_open(&with, &log, &err);
    report("a-refused-variable", code == K_E_CONFIG && strstr(err.text, "KAPPA_KAFKA_GROUP_ID") != NULL, "%s",
           err.text);
    unsetenv("KAPPA_KAFKA_GROUP_ID");
    unsetenv("KAPPA_KAFKA_CLIENT_RACK");
    with.properties_file = "/no/such/file";
    code = k_log_kafka_open(&with, &log, &err);
    report("no-such-file", code == K_E_NOT_FOUND && strstr(err.text, "/no/such/file") != NULL, "%s", err.text);
    unlink(path);
}

// --- speed ---
static void fill(struct k_log *log, const char *topic, int32_t partitions, uint32_t count, struct k_error *err)
{
    struct k_producer *producer = NULL;
    char id[128], value[300];
    snprintf(id, sizeof id, "%s-fill", topic);
    memset(value, 'x', sizeof value);
    uint64_t random = 1;
    int code = log->ops->topic_create(
        log, topic,
        &(struct k_topic_spec){.partitions = partitions, .replication = 1, .compacted = false, .retention_ms = -1},
        err);
    if (code == 0) code = log->ops->producer_open(log, id, 60 * SECOND, &producer, err);
    if (code == 0) code = log->ops->begin(producer, err);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC), cpu = k_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        char key[16];
        int length = snprintf(key, sizeof key, "%u", i / (uint32_t)partitions);
        snprintf(value, 20, "%019u", i);
        value[19] = ' ';
        // Half of it random, or compression would make the fetches of a broker far larger than people's are.
        for (size_t k = 20; k + 16 < sizeof value; k += 16) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            memcpy(value + k, &random, sizeof random);
        }
        code = log->ops->produce(producer, &(struct k_out_message){
            .topic = topic, .partition = (int32_t)(i % (uint32_t)partitions), .key = {key, (uint32_t)length},
            .value = {value, 287}, .has_key = true, .has_value = true, .timestamp_us = 1700000000000000}, err);
    }
    bool tainted = false;
    if (code == 0) code = log->ops->commit(producer, &tainted, err);
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    report("written", code == 0, "%u messages of 287 B in one transaction: %.0f a second, %.0f ns of CPU each %s",
           count, count * 1e6 / (double)took, (double)(k_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1000 / count,
           code != 0 ? err->text : "");
    log->ops->producer_close(producer);
}

// work_us: what the reader does with each round of fetches, so that queues fill meanwhile.
static void drain(const char *name, struct k_kafka_options with, const char *topic, int32_t partitions, uint32_t count,
                  int64_t work_us, double slowest_s)
{
    struct k_log *log = open_log(with);
    struct k_error err = {0};
    struct k_reader *readers[8] = {0};
    uint32_t seen = 0, next[8] = {0}, fetches = 0;
    int code = 0;
    bool ordered = true;
    for (int32_t p = 0; code == 0 && p < partitions; p++)
        code = log->ops->reader_open(log, topic, p, 0, &readers[p], &err);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC), cpu = k_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    int64_t deadline = begun + 60 * SECOND;
    while (code == 0 && seen < count && k_clock_us(CLOCK_MONOTONIC) < deadline) {
        uint32_t before = seen;
        for (int32_t p = 0; code == 0 && p < partitions; p++) {
            const struct k_message *const *messages;
            uint32_t got;
            code = log->ops->fetch(readers[p], 4096, 4 << 20, 0, &messages, &got, &err);
            if (code != 0) break;
            fetches += got > 0;
            for (uint32_t i = 0; i < got; i++) {
                uint32_t number = (uint32_t)strtoul(messages[i]->value.data, NULL, 10);
                ordered &= number == next[p] * (uint32_t)partitions + (uint32_t)p;
                next[p]++;
            }
            seen += got;
        }
        if (seen > before && work_us > 0) sleep_us(work_us);
        if (seen == before) log->ops->wait(log, readers, (uint32_t)partitions, 100000);
    }
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    report(name, code == 0 && seen == count && ordered && (double)took < slowest_s * 1e6,
           "%u of %u in %.2f s, %.0f a second, %.0f ns of CPU each, %u a batch, %s %s", seen, count, (double)took / 1e6,
           seen * 1e6 / (double)took, (double)(k_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1000 / (seen ? seen : 1),
           fetches ? seen / fetches : 0, ordered ? "in order" : "OUT OF ORDER", err.text);
    for (int32_t p = 0; p < partitions; p++) log->ops->reader_close(readers[p]);
    log->ops->close(log);
}

static void throughput(void)
{
    const char *given = getenv("KAPPA_MESSAGES");
    uint32_t count = given != NULL ? (uint32_t)atoi(given) : 200000;
    struct k_error err = {0};
    char topic[96];
    struct k_kafka_options with = options();
    with.queue_bytes = 256 << 20;
    with.readers_expected = 4;
    struct k_log *log = open_log(with);
    snprintf(topic, sizeof topic, "%s-fast", unique);
    fill(log, topic, 4, count, &err);
    log->ops->close(log);
    drain("drained", with, topic, 4, count, 0, 60);
    // Full queues put librdkafka's threads to sleep for a second each time, unless they are woken.
    with.queue_bytes = 4 << 20;
    drain("drained-through-full-queues", with, topic, 4, count, 20000, count / 200000.0 + 0.8);
}

static void commits(void)
{
    struct k_kafka_options with = options();
    struct k_log *log = open_log(with);
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    struct k_member *member = NULL;
    enum k_membership state = K_MEMBER_WAITING;
    char topic[96];
    snprintf(topic, sizeof topic, "%s-commits", unique);
    int code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    if (code == 0) code = log->ops->member_join(log, topic, topic, "1", &member, &err);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    while (code == 0 && state != K_MEMBER_ASSIGNED && k_clock_us(CLOCK_MONOTONIC) < begun + 20 * SECOND) {
        code = log->ops->member_poll(member, &state, &err);
        sleep_us(5000);
    }
    int64_t joined = k_clock_us(CLOCK_MONOTONIC) - begun;
    if (code == 0) code = log->ops->producer_open(log, topic, 10 * SECOND, &producer, &err);
    int64_t slowest = 0, total = 0, cpu = k_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    int rounds = 100, tainted_count = 0;
    for (int i = 0; code == 0 && i < rounds; i++) {
        bool tainted = false;
        begun = k_clock_us(CLOCK_MONOTONIC);
        code = log->ops->begin(producer, &err);
        if (code == 0)
            code = log->ops->produce(producer, &(struct k_out_message){.topic = topic, .partition = 0, .tracked = true,
                                     .value = K_STR("journal"), .has_value = true, .timestamp_us = -1}, &err);
        if (code == 0) code = log->ops->send_offsets(producer, member, &(struct k_topic_offset){topic, 0, i}, 1, &err);
        if (code == 0) code = log->ops->commit(producer, &tainted, &err);
        if (code == 0 && log->ops->tracked_offset(producer) != 2 * i) code = k_fail(&err, K_E_BUG, "wrong offset");
        int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
        total += took;
        tainted_count += tainted;
        if (took > slowest) slowest = took;
    }
    report("commits", code == 0 && tainted_count == 0 && total / rounds < 50000,
           "joined in %lld ms; %d with offsets, mean %.1f ms, slowest %.1f ms, %.1f ms of CPU each %s",
           (long long)joined / 1000, rounds, (double)total / rounds / 1000, (double)slowest / 1000,
           (double)(k_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / rounds / 1000, err.text);
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->member_leave(member);
    int64_t left = k_clock_us(CLOCK_MONOTONIC) - begun;
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->producer_close(producer);
    int64_t closed = k_clock_us(CLOCK_MONOTONIC) - begun;
    report("closing", left < 3 * SECOND && closed < 2 * SECOND, "member %lld ms, producer %lld ms",
           (long long)left / 1000, (long long)closed / 1000);
    log->ops->close(log);
}

// --- waiting ---
struct later {
    struct k_log *log;
    const char *topic;
    int64_t committed_us;
};
static void *write_later(void *argument)
{
    struct later *later = argument;
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    bool tainted;
    int code = later->log->ops->producer_open(later->log, later->topic, 10 * SECOND, &producer, &err);
    sleep_us(1000000);
    if (code == 0) code = later->log->ops->begin(producer, &err);
    if (code == 0)
        code = later->log->ops->produce(producer, &(struct k_out_message){.topic = later->topic, .partition = 1,
                                        .value = K_STR("x"), .has_value = true, .timestamp_us = -1}, &err);
    if (code == 0) code = later->log->ops->commit(producer, &tainted, &err);
    later->committed_us = code == 0 ? k_clock_us(CLOCK_MONOTONIC) : 0;
    later->log->ops->producer_close(producer);
    return NULL;
}

static void waiting(void)
{
    struct k_log *log = open_log(options());
    struct k_error err = {0};
    char topic[96];
    snprintf(topic, sizeof topic, "%s-wait", unique);
    struct k_reader *readers[2] = {0};
    const struct k_message *const *messages;
    uint32_t count = 0, got[2] = {0};
    int code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 2, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    for (int i = 0; code == 0 && i < 2; i++) code = log->ops->reader_open(log, topic, i, 0, &readers[i], &err);
    for (int i = 0; code == 0 && i < 2; i++)
        code = log->ops->fetch(readers[i], 10, 1000, 200000, &messages, &count, &err);
    // Idle: nothing comes.
    int64_t cpu = k_clock_us(CLOCK_PROCESS_CPUTIME_ID), begun = k_clock_us(CLOCK_MONOTONIC);
    int rounds = 0;
    while (k_clock_us(CLOCK_MONOTONIC) < begun + 3 * SECOND) {
        for (int i = 0; i < 2 && code == 0; i++)
            code = log->ops->fetch(readers[i], 10, 1000, 0, &messages, &count, &err);
        log->ops->wait(log, readers, 2, 100000);
        rounds++;
    }
    double share = (double)(k_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (3.0 * SECOND) * 100;
    report("idle", code == 0 && share < 1.0 && rounds < 60, "%.2f %% of a core, %d rounds in 3 s %s", share, rounds,
           code != 0 ? err.text : "");

    struct later later = {.log = log, .topic = topic};
    pthread_t thread;
    pthread_create(&thread, NULL, write_later, &later);
    int64_t woken = 0;
    begun = k_clock_us(CLOCK_MONOTONIC);
    while (code == 0 && got[1] == 0 && k_clock_us(CLOCK_MONOTONIC) < begun + 10 * SECOND) {
        log->ops->wait(log, readers, 2, 5 * SECOND);
        woken = k_clock_us(CLOCK_MONOTONIC);
        for (int i = 0; i < 2 && code == 0; i++) {
            code = log->ops->fetch(readers[i], 10, 1000, 0, &messages, &count, &err);
            got[i] += count;
        }
    }
    pthread_join(thread, NULL);
    int64_t late = woken - later.committed_us;
    report("woken-by-a-message", code == 0 && got[0] == 0 && got[1] == 1 && late < 200000,
           "%lld us after the commit %s", (long long)late, code != 0 ? err.text : "");
    for (int i = 0; i < 2; i++) log->ops->reader_close(readers[i]);
    log->ops->close(log);
}

int main(int argc, char **argv)
{
    brokers = getenv("KAPPA_BROKERS");
    if (brokers == NULL) {
        fprintf(stderr, "log_kafka: KAPPA_BROKERS is not set\n");
        return 64;
    }
    snprintf(unique, sizeof unique, "lk%d", getpid());
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"stale", stale}, {"contract", contract}, {"properties", properties}, {"unreachable", unreachable},
                 {"security", security}, {"doubt", doubt}, {"throughput", throughput}, {"commits", commits},
                 {"waiting", waiting}, {"resting", resting}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        bool wanted = argc < 2 && strcmp(parts[i].name, "security") != 0 && strcmp(parts[i].name, "doubt") != 0;
        for (int a = 1; a < argc; a++) wanted |= strcmp(argv[a], parts[i].name) == 0;
        if (wanted) parts[i].run();
    }
    return failures > 0;
}
