// Faults that only a real broker can show: a leader that stood still, users without rights, a broker that stops.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/real/log_kafka.h"

#include "base/units.h"

// --- rights ---
// TEST_SASL and TEST_GUEST name property files of a broker with SASL: one user may do all, the other nothing.
void security(void)
{
    const char *good = getenv("TEST_SASL"), *guest = getenv("TEST_GUEST");
    if (good == NULL || guest == NULL) {
        report("security", false, "TEST_SASL and TEST_GUEST are not set");
        return;
    }
    struct k_kafka_options with = options();
    with.brokers = NULL; // they are in the file
    with.properties_file = good;
    expect_refusal("sasl-and-a-missing-topic", with, K_E_NOT_FOUND, "some-topic");
    setenv("KAPPA_KAFKA_SASL_PASSWORD", "hunter2", 1);
    expect_refusal("wrong-password", with, K_E_DENIED, "kappa doctor");
    struct k_log *log = open_log(with);
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    int code = log->ops->producer_open(log, "id", 10 * SECOND, &producer, &err);
    report("producer-with-a-wrong-password",
           code == K_E_DENIED && k_clock_us(CLOCK_MONOTONIC) - begun < 10 * SECOND &&
               strstr(err.text, "hunter2") == NULL,
           "%s: %s", k_error_name(code), err.text);
    log->ops->close(log);
    unsetenv("KAPPA_KAFKA_SASL_PASSWORD");
    setenv("KAPPA_KAFKA_SECURITY_PROTOCOL", "plaintext", 1);
    expect_refusal("plaintext-to-a-sasl-port", with, K_E_UNAVAILABLE, "kappa doctor");
    setenv("KAPPA_KAFKA_SECURITY_PROTOCOL", "sasl_ssl", 1);
    expect_refusal("tls-to-a-plain-port", with, K_E_DENIED, "SSL");
    unsetenv("KAPPA_KAFKA_SECURITY_PROTOCOL");

    log = open_log(with);
    char topic[96];
    snprintf(topic, sizeof topic, "%s-secret", unique);
    code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    report("topic-with-sasl", code == 0, "%s", code != 0 ? err.text : "");
    with.properties_file = guest;
    struct k_log *other = open_log(with);
    struct k_topic_info info;
    struct k_reader *reader = NULL;
    int64_t end;
    code = other->ops->topic_info(other, topic, &info, &err);
    // A broker hides a topic from those who may not see it, or says so.
    report("denied-topic", code == K_E_DENIED && strstr(err.text, topic) != NULL, "%s: %s", k_error_name(code),
           err.text);
    code = other->ops->offsets(other, topic, 0, true, NULL, &end, &err);
    report("denied-offsets", code == K_E_DENIED, "%s: %s", k_error_name(code), err.text);
    code = other->ops->reader_open(other, topic, 0, 0, &reader, &err);
    report("denied-reader", code == K_E_DENIED, "%s: %s", k_error_name(code), err.text);
    code = other->ops->producer_open(other, topic, 10 * SECOND, &producer, &err);
    report("denied-producer", code == K_E_DENIED, "%s: %s", k_error_name(code), err.text);
    code = other->ops->topic_create(
        other, "guest-topic",
        &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1}, &err);
    report("denied-create", code == K_E_DENIED, "%s: %s", k_error_name(code), err.text);
    other->ops->close(other);
    log->ops->close(log);
}

// --- a leader that stood still ---
// Runs in a process of its own: leads, is stopped by its parent for longer than its session, and goes on as if nothing
// had happened, without polling. What the broker answers is the exit status.
static int zombie(const char *topic, int ready)
{
    struct k_log *log = open_log(options());
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    struct k_member *member = NULL;
    enum k_membership state = K_MEMBER_WAITING;
    struct k_topic_info info;
    while (log->ops->topic_info(log, topic, &info, &err) == K_E_NOT_FOUND) sleep_us(20000); // the parent makes it
    // Another id than the new leader's, so that it is the group that refuses, and not the fencing.
    int code = log->ops->producer_open(log, "zombie", 60 * SECOND, &producer, &err);
    if (code == 0) code = log->ops->member_join(log, topic, topic, "1", &member, &err);
    while (code == 0 && state != K_MEMBER_ASSIGNED) {
        code = log->ops->member_poll(member, &state, &err);
        sleep_us(5000);
    }
    if (code == 0) code = log->ops->begin(producer, &err);
    struct k_topic_offset offset = {topic, 0, 0};
    if (code == 0) code = log->ops->send_offsets(producer, member, &offset, 1, &err);
    int64_t last = k_clock_us(CLOCK_MONOTONIC), now = last;
    if (code == 0 && write(ready, "x", 1) != 1) code = K_E_IO;
    // Until it sees that it was stopped; and a while longer, in which librdkafka hears of it and the thread does not.
    for (; code == 0; last = now) {
        now = k_clock_us(CLOCK_MONOTONIC);
        if (now - last > 500000) break;
        sleep_us(1000);
    }
    sleep_us(1500000);
    if (code == 0) code = log->ops->send_offsets(producer, member, &offset, 1, &err);
    fprintf(stderr, "zombie: %s\n", code != 0 ? err.text : "its offsets were taken");
    return code == K_E_ABORTED ? 42 : code == K_E_FENCED ? 43 : 1;
}

void stale(void)
{
    char topic[96], byte;
    snprintf(topic, sizeof topic, "%s-stale", unique);
    int ends[2];
    if (pipe(ends) != 0) exit(1);
    pid_t child = fork(); // first of all parts, while this process has no threads
    if (child == 0) _exit(zombie(topic, ends[1]));
    struct k_log *log = open_log(options());
    struct k_error err = {0};
    struct k_member *member = NULL;
    enum k_membership state = K_MEMBER_WAITING;
    int code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    close(ends[1]);
    bool ready = read(ends[0], &byte, 1) == 1;
    kill(child, SIGSTOP);
    if (code == 0) code = log->ops->member_join(log, topic, topic, "9", &member, &err);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    while (code == 0 && state != K_MEMBER_ASSIGNED && k_clock_us(CLOCK_MONOTONIC) < begun + 20 * SECOND) {
        code = log->ops->member_poll(member, &state, &err);
        sleep_us(5000);
    }
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    report("takes-over-from-a-dead-member", code == 0 && ready && state == K_MEMBER_ASSIGNED && took < 3 * SESSION_US,
           "%lld ms %s", (long long)took / 1000, code != 0 ? err.text : "");
    kill(child, SIGCONT);
    int status = 0;
    waitpid(child, &status, 0);
    report("a-stale-member-is-refused", WIFEXITED(status) && WEXITSTATUS(status) >= 42, "status %d", status);
    log->ops->member_leave(member);
    log->ops->close(log);
}

// --- commits on a broker that stops ---
// TEST_KAFKA is a command that acts on the broker under test; VERB in it stands for pause, resume, kill or up.
static void broker(const char *verb)
{
    char command[600];
    snprintf(command, sizeof command, "%s", getenv("TEST_KAFKA"));
    char *at = strstr(command, "VERB");
    char line[1200];
    snprintf(line, sizeof line, "%.*s%s%s >/dev/null 2>&1", (int)(at - command), command, verb, at + 4);
    if (system(line) != 0) report("broker", false, "%s failed", line);
}
struct script {
    const char *first, *then;
    int64_t after_us;
};
static void *play(void *argument)
{
    struct script *script = argument;
    sleep_us(script->after_us);
    broker(script->then);
    return NULL;
}

// A transaction that is flushed, whose commit meets a broker that was just stopped; then what a reader sees.
static void commit_on(const char *name, struct script script, int64_t timeout_us, bool (*good)(int code, bool tainted))
{
    struct k_log *log = open_log(options());
    struct k_error err = {0};
    struct k_producer *producer = NULL, *second = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *messages;
    char topic[96];
    snprintf(topic, sizeof topic, "%s-%s", unique, name);
    int64_t stable = -1;
    bool tainted = false;
    int code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    if (code == 0) code = log->ops->producer_open(log, topic, timeout_us, &producer, &err);
    struct k_out_message out = {.topic = topic, .partition = 0, .value = K_STR("x"), .has_value = true,
                                .timestamp_us = -1};
    if (code == 0) code = log->ops->begin(producer, &err);
    if (code == 0) code = log->ops->produce(producer, &out, &err);
    int64_t high = 0; // until the broker has it, so that only EndTxn is left to do
    for (int i = 0; code == 0 && i < 100 && high == 0; i++) {
        code = log->ops->offsets(log, topic, 0, false, NULL, &high, &err);
        sleep_us(20000);
    }
    int setup = code;
    pthread_t thread;
    broker(script.first);
    pthread_create(&thread, NULL, play, &script);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    if (code == 0) code = log->ops->commit(producer, &tainted, &err);
    int64_t took = k_clock_us(CLOCK_MONOTONIC) - begun;
    pthread_join(thread, NULL);
    report(name, setup == 0 && high == 1 && good(code, tainted), "%s%s after %lld ms %s", k_error_name(code),
           tainted ? ", tainted" : "", (long long)took / 1000, code != 0 ? err.text : "");
    int answer = code;
    log->ops->producer_close(producer);
    // As its owner does: a new producer, and then the log tells how it ended.
    code = log->ops->producer_open(log, topic, 10 * SECOND, &second, &err);
    uint32_t count = 0;
    if (code == 0) code = log->ops->offsets(log, topic, 0, true, NULL, &stable, &err);
    if (code == 0) code = log->ops->reader_open(log, topic, 0, 0, &reader, &err);
    for (int i = 0; code == 0 && i < 100 && count == 0 && log->ops->position(reader) < stable; i++)
        code = log->ops->fetch(reader, 10, 1000, 100000, &messages, &count, &err);
    char after[128];
    snprintf(after, sizeof after, "%s-then", name);
    // The message and a marker; two markers when the broker had ended the transaction as too old before it was asked.
    bool ended = stable == 2 || (stable == 3 && answer == K_E_DOUBTFUL && count == 0);
    report(after, code == 0 && ended && (answer != 0 || count == 1), "%u message, end %lld %s", count,
           (long long)stable, code != 0 ? err.text : "");
    log->ops->reader_close(reader);
    log->ops->producer_close(second);
    log->ops->close(log);
}

static bool known_but_tainted(int code, bool tainted) { return code == 0 && tainted; }
static bool doubtful(int code, bool tainted) { return code == K_E_DOUBTFUL && !tainted; }
static bool not_clean(int code, bool tainted) { return code == K_E_DOUBTFUL || (code == 0 && tainted); }

void doubt(void)
{
    if (getenv("TEST_KAFKA") == NULL || strstr(getenv("TEST_KAFKA"), "VERB") == NULL) {
        report("doubt", false, "TEST_KAFKA is not set");
        return;
    }
    commit_on("slow-commit", (struct script){"pause", "resume", 2500000}, 10 * SECOND, known_but_tainted);
    commit_on("unanswered-commit", (struct script){"pause", "resume", 4000000}, 2 * SECOND, doubtful);
    commit_on("commit-on-a-killed-broker", (struct script){"kill", "up", 200000}, 20 * SECOND, not_clean);

    // While a transaction is under way and the broker is silent, nothing blocks for long.
    struct k_log *log = open_log(options());
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    struct k_member *member = NULL;
    enum k_membership state = K_MEMBER_WAITING;
    char topic[96];
    snprintf(topic, sizeof topic, "%s-silent", unique);
    int code = log->ops->topic_create(
        log, topic, &(struct k_topic_spec){.partitions = 1, .replication = 1, .compacted = false, .retention_ms = -1},
        &err);
    if (code == 0) code = log->ops->producer_open(log, topic, 10 * SECOND, &producer, &err);
    if (code == 0) code = log->ops->member_join(log, topic, topic, "1", &member, &err);
    for (int i = 0; code == 0 && i < 500 && state != K_MEMBER_ASSIGNED; i++) {
        code = log->ops->member_poll(member, &state, &err);
        sleep_us(10000);
    }
    if (code == 0) code = log->ops->begin(producer, &err);
    struct k_out_message out = {.topic = topic, .partition = 0, .value = K_STR("x"), .has_value = true,
                                .timestamp_us = -1};
    if (code == 0) code = log->ops->produce(producer, &out, &err);
    int64_t high = 0;
    for (int i = 0; code == 0 && i < 100 && high == 0; i++) {
        code = log->ops->offsets(log, topic, 0, false, NULL, &high, &err);
        sleep_us(20000);
    }
    broker("pause");
    for (int i = 0; code == 0 && i < 10; i++) code = log->ops->produce(producer, &out, &err);
    report("writing-to-a-silent-broker", code == 0 && state == K_MEMBER_ASSIGNED, "%s", code != 0 ? err.text : "");
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    code = log->ops->abort(producer, &err);
    int64_t aborted = k_clock_us(CLOCK_MONOTONIC) - begun;
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->producer_close(producer);
    int64_t closed = k_clock_us(CLOCK_MONOTONIC) - begun;
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->member_leave(member);
    int64_t left = k_clock_us(CLOCK_MONOTONIC) - begun;
    begun = k_clock_us(CLOCK_MONOTONIC);
    log->ops->close(log);
    int64_t ended = k_clock_us(CLOCK_MONOTONIC) - begun;
    broker("resume");
    report("closing-on-a-silent-broker", aborted < 4 * SECOND && closed < 2 * SECOND &&
           left < 4 * SECOND && ended < 2 * SECOND,
           "abort %lld ms (%s), producer %lld ms, member %lld ms, log %lld ms", (long long)aborted / 1000,
           k_error_name(code), (long long)closed / 1000, (long long)left / 1000, (long long)ended / 1000);
}
