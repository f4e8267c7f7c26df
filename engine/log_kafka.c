// The librdkafka side of the log seam: the connection, its handles, and what errors say.
//
// Invariants: opening a handle never waits for a broker. Whatever librdkafka reports on a handle (a refused password, a
// refused connection) is remembered there, because the calls themselves only say "timed out"; k_kafka_fail puts it
// into the text. No text holds a secret: librdkafka's own messages do not, and values of secret properties are never
// formatted.
#include "engine/log_kafka.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/trace.h"
#include "base/units.h"

enum { SLACK_NS = 1000000 }; // see k_kafka_handle_open

static int64_t now_us(struct k_log *log)
{
    (void)log;
    return k_clock_us(CLOCK_REALTIME);
}

// --- what librdkafka says of itself ---

// Called by librdkafka on the thread that has something to say, before the call that failed returns.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct k_kafka_handle *handle = rk != NULL ? rd_kafka_opaque(rk) : NULL;
    if (handle == NULL) return;
    if (strcmp(facility, "FAIL") == 0) atomic_fetch_add(&handle->disconnects, 1);
    // "EndTxn returned X in state Y (may_retry=…)", a line of debug=eos: the one place where librdkafka tells that the
    // answer of an EndTxn was lost and the request is going to be sent again.
    if (strcmp(facility, "ENDTXN") == 0 && strncmp(text, "EndTxn returned _", 17) == 0)
        atomic_fetch_add(&handle->unanswered_ends, 1);
    if (level >= LOG_DEBUG) return;
    // Lost connections are told, because no call may be under way that could return them; all else is returned.
    bool lost = level <= LOG_ERR && strcmp(facility, "FAIL") == 0;
    const char *behind_thread = strncmp(text, "[thrd:", 6) == 0 ? strstr(text, "]: ") : NULL;
    k_trace(lost ? K_TRACE_WARN : K_TRACE_INFO, "kafka", "%s", behind_thread != NULL ? behind_thread + 3 : text);
}

// Called inside rd_kafka_poll and its like.
static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    (void)rk;
    struct k_kafka_handle *handle = opaque;
    // "all brokers down" only repeats what the brokers' own errors said better.
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__FATAL) return;
    pthread_mutex_lock(&handle->lock);
    handle->said[0] = '\0';
    k_join_cut(handle->said, sizeof handle->said, 0, text);
    pthread_mutex_unlock(&handle->lock);
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
        code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
        atomic_store(&handle->refused, true);
}

void k_kafka_listen(struct k_kafka_handle *handle)
{
    while (rd_kafka_poll(handle->rk, 0) > 0) {}
}

void k_kafka_forget(struct k_kafka_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    handle->said[0] = '\0';
    pthread_mutex_unlock(&handle->lock);
    atomic_store(&handle->refused, false);
}

// --- errors ---

int k_kafka_code(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return 0;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED: return K_E_DENIED;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return K_E_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return K_E_CONFIG;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return K_E_LOST_RANGE;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG: return K_E_CORRUPT;
    default: return K_E_UNAVAILABLE;
    }
}

static bool is_authorization(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

static bool is_silence(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE ||
           code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           code == RD_KAFKA_RESP_ERR__RESOLVE || code == RD_KAFKA_RESP_ERR__WAIT_COORD;
}

int k_kafka_fail(struct k_kafka *kafka, struct k_kafka_handle *handle, struct k_error *err, rd_kafka_resp_err_t code,
                 const char *detail, const char *what, ...)
{
    char subject[256], said[512] = "";
    va_list arguments;
    va_start(arguments, what);
    k_format_cut(subject, sizeof subject, what, arguments);
    va_end(arguments);
    bool refused = false;
    if (handle != NULL) {
        pthread_mutex_lock(&handle->lock);
        k_join_cut(said, sizeof said, 0, handle->said);
        pthread_mutex_unlock(&handle->lock);
        refused = atomic_load(&handle->refused);
    }
    int kind = k_kafka_code(code);
    if (detail == NULL || detail[0] == '\0') detail = rd_kafka_err2str(code);

    if (is_authorization(code))
        return k_fail(err, K_E_DENIED, "%s: the brokers at %s do not allow it: %s; ask for the right", subject,
                      kafka->brokers, detail);
    if (kind == K_E_DENIED || (kind == K_E_UNAVAILABLE && refused))
        return k_fail(err, K_E_DENIED, "%s: the brokers at %s refused this client: %s; check the security properties, "
                      "and try: kappa doctor --brokers %s", subject, kafka->brokers, said[0] ? said : detail,
                      kafka->brokers);
    if (kind == K_E_NOT_FOUND)
        return k_fail(err, kind, "%s: does not exist at the brokers at %s; check its name, or create it", subject,
                      kafka->brokers);
    if (is_silence(code))
        return k_fail(err, kind, "%s: no answer from the brokers at %s: %s; is this the right address, and is it "
                      "reachable? Try: kappa doctor --brokers %s", subject, kafka->brokers, said[0] ? said : detail,
                      kafka->brokers);
    return k_fail(err, kind, "%s: the brokers at %s say: %s", subject, kafka->brokers, detail);
}

// --- configurations and handles ---

void k_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return;
    k_trace(K_TRACE_ERROR, "kafka", "librdkafka refuses %s=%s: %s", name, value, text);
    K_ASSERT(!"librdkafka takes our own settings");
}

void k_kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    k_kafka_set(conf, name, text);
}

rd_kafka_conf_t *k_kafka_conf(struct k_kafka *kafka, const char *client)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    // Defaults that the properties of people may change.
    k_kafka_set(conf, "socket.keepalive.enable", "true");
    k_kafka_set(conf, "socket.nagle.disable", "true");
    k_kafka_set(conf, "socket.connection.setup.timeout.ms", "10000");
    k_kafka_set(conf, "reconnect.backoff.max.ms", "1000"); // a restarted broker is found within a second
    for (size_t i = 0; i < kafka->properties.count; i++) {
        const struct k_kafka_property *property = &kafka->properties.items[i];
        // A consumer would complain about what only producers have; log_kafka_producer.c takes it itself.
        if (strcmp(property->name, "compression.type") != 0) k_kafka_set(conf, property->name, property->value);
    }
    k_kafka_set(conf, "bootstrap.servers", kafka->brokers);
    k_kafka_set(conf, "client.id", client != NULL ? client : kafka->worker);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

int k_kafka_handle_open(struct k_kafka_handle *handle, struct k_kafka *kafka, rd_kafka_type_t type,
                        rd_kafka_conf_t *conf_take, struct k_error *err)
{
    char text[512];
    *handle = (struct k_kafka_handle){.kafka = kafka};
    pthread_mutex_init(&handle->lock, NULL);
    rd_kafka_conf_set_opaque(conf_take, handle);
    // Each handle has a thread that looks at its timers every second. librdkafka 2.0.2 rounds its sleep down to whole
    // milliseconds and spins for the rest: half a dozen handles did so for 0.6 % of a core with nothing to do. Threads
    // inherit how late they may be woken, and a millisecond's grace sleeps through the rest. (Commits do not wait for
    // it: their latency was the same.)
    int slack_ns = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK_NS);
    handle->rk = rd_kafka_new(type, conf_take, text, sizeof text);
    if (slack_ns > 0) prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns);
    if (handle->rk != NULL) return 0;
    rd_kafka_conf_destroy(conf_take);
    pthread_mutex_destroy(&handle->lock);
    // What is wrong is in the properties: a file that is not there, a mechanism that was not built in.
    return k_fail(err, K_E_CONFIG, "client for the brokers at %s: %s", kafka->brokers, text);
}

void k_kafka_handle_close(struct k_kafka_handle *handle, int flags)
{
    if (handle->rk == NULL) return;
    rd_kafka_destroy_flags(handle->rk, flags);
    handle->rk = NULL;
    pthread_mutex_destroy(&handle->lock);
}

static int shared(struct k_kafka *kafka, struct k_kafka_handle *handle, const char *isolation,
                  struct k_kafka_handle **ret, struct k_error *err)
{
    int code = 0;
    pthread_mutex_lock(&kafka->lock);
    if (handle->rk == NULL) {
        rd_kafka_conf_t *conf = k_kafka_conf(kafka, NULL);
        k_kafka_set(conf, "isolation.level", isolation);
        k_kafka_set(conf, "enable.auto.commit", "false");
        code = k_kafka_handle_open(handle, kafka, RD_KAFKA_CONSUMER, conf, err);
    }
    pthread_mutex_unlock(&kafka->lock);
    if (code == 0) *ret = handle;
    return code;
}

int k_kafka_raw(struct k_kafka *kafka, struct k_kafka_handle **ret, struct k_error *err)
{
    return shared(kafka, &kafka->raw, "read_uncommitted", ret, err);
}

int k_kafka_stable(struct k_kafka *kafka, struct k_kafka_handle **ret, struct k_error *err)
{
    return shared(kafka, &kafka->stable, "read_committed", ret, err);
}

// --- open and close ---

static void close_log(struct k_log *log)
{
    struct k_kafka *kafka = k_kafka_of(log);
    k_kafka_consumers_close(kafka);
    k_kafka_handle_close(&kafka->raw, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    k_kafka_handle_close(&kafka->stable, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    k_kafka_properties_fini(&kafka->properties);
    pthread_mutex_destroy(&kafka->lock);
    pthread_mutex_destroy(&kafka->wake_lock);
    pthread_cond_destroy(&kafka->wake);
    free(kafka->brokers);
    free(kafka->worker);
    free(kafka);
}

static const struct k_log_ops ops = {
    .now_us = now_us,
    .wait = k_kafka_wait,
    .topic_info = k_kafka_topic_info,
    .topic_create = k_kafka_topic_create,
    .topic_delete = k_kafka_topic_delete,
    .offsets = k_kafka_offsets,
    .delete_records = k_kafka_delete_records,
    .reader_open = k_kafka_reader_open,
    .leave_headers = k_kafka_leave_headers,
    .fetch = k_kafka_fetch,
    .position = k_kafka_position,
    .at_end = k_kafka_at_end,
    .seek = k_kafka_seek,
    .reader_close = k_kafka_reader_close,
    .producer_open = k_kafka_producer_open,
    .begin = k_kafka_begin,
    .produce = k_kafka_produce,
    .send_offsets = k_kafka_send_offsets,
    .commit = k_kafka_commit,
    .tracked_offset = k_kafka_tracked_offset,
    .abort = k_kafka_abort,
    .producer_close = k_kafka_producer_close,
    .member_join = k_kafka_member_join,
    .member_poll = k_kafka_member_poll,
    .member_leave = k_kafka_member_leave,
    .close = close_log,
};

// librdkafka allocates a buffer of megabytes for each fetch. By default malloc maps and unmaps (and the kernel zeroes)
// each of them anew, which now and then triples the cost of reading; kept on the heap, they are reused. The price is
// up to so much memory per arena that is free and not given back: a part of the queues' budget. Arenas are fewer, too,
// where the budget is small: a score of threads that each keep some free memory cost 64 MiB a quarter more.
static void keep_large_blocks(uint64_t queue_bytes)
{
    mallopt(M_MMAP_THRESHOLD, (int)k_kafka_max(1 << 20, k_kafka_min((int64_t)queue_bytes / 4, 16 << 20)));
    mallopt(M_TRIM_THRESHOLD, (int)k_kafka_max(1 << 20, k_kafka_min((int64_t)queue_bytes / 2, 64 << 20)));
    mallopt(M_ARENA_MAX, (int)k_kafka_max(1, k_kafka_min((int64_t)queue_bytes >> 23, 16)));
}

int k_log_kafka_open(const struct k_kafka_options *options, struct k_log **ret, struct k_error *err)
{
    keep_large_blocks(options->queue_bytes);
    for (const char *c = options->worker; *c != '\0'; c++)
        if (strspn(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == 0)
            return k_fail(err, K_E_CONFIG, "worker name \"%s\": only letters, digits, - and _", options->worker);

    struct k_kafka_properties properties = {0};
    int code = k_kafka_properties_load(options->properties_file, &properties, err);
    if (code != 0) return code;
    const char *brokers = options->brokers;
    if (brokers == NULL || brokers[0] == '\0') brokers = k_kafka_properties_get(&properties, "bootstrap.servers");
    if (brokers == NULL || brokers[0] == '\0') {
        k_kafka_properties_fini(&properties);
        return k_fail(err, K_E_CONFIG, "no brokers are named: give --brokers HOST:PORT");
    }

    struct k_kafka *kafka = k_new(struct k_kafka);
    kafka->log.ops = &ops;
    kafka->brokers = k_strdup(brokers);
    kafka->worker = k_strdup(options->worker[0] != '\0' ? options->worker : "kappa");
    kafka->properties = properties;
    kafka->reader_queue_bytes = options->queue_bytes / (options->readers_expected ? options->readers_expected : 1);
    kafka->session_timeout_us = options->session_timeout_us;
    kafka->request_timeout_us = options->request_timeout_us;
    kafka->fetch_wait_us = options->fetch_wait_us;
    pthread_mutex_init(&kafka->lock, NULL);
    pthread_mutex_init(&kafka->wake_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&kafka->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    // A first handle tells now what is wrong with the properties; it does not wait for a broker.
    struct k_kafka_handle *handle;
    code = k_kafka_raw(kafka, &handle, err);
    if (code != 0) {
        close_log(&kafka->log);
        return code;
    }
    *ret = &kafka->log;
    return 0;
}
