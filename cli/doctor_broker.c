// The broker's side of the preflight: is it there, does it let us, are the topics as they must be, and do they still
// have what the state needs.
#include "cli/doctor.h"

#include "engine/topics.h"

#include <stdlib.h>
#include <time.h>

enum { JOIN_WAIT_MS = 8000, POLL_MS = 20 };

static void check_create(struct doctor *d)
{
    struct k_error err = {0};
    const struct k_topic_need *needs;
    char *name = d->plan ? NULL : k_format("kappa-doctor-%lld", (long long)time(NULL));
    const struct k_topic_need any = {name, K_TOPIC_OUTPUT, -1};
    uint32_t count = d->plan ? k_plan_topics(d->plan, &needs) : 1, missing = 0, refused = 0;
    if (!d->plan) needs = &any;
    for (uint32_t i = 0; i < count; i++) {
        struct k_topic_info info;
        if (needs[i].use == K_TOPIC_SOURCE || d->log->ops->topic_info(d->log, needs[i].topic, &info, &err) == 0)
            continue;
        const struct k_topics_options options = {.replication = d->replication, .partitions = -1};
        const struct k_topic_spec spec = k_topics_spec(&needs[i], &options);
        missing++;
        int code = k_log_kafka_may_create(d->log, needs[i].topic, &spec, &err);
        if (!code) continue;
        refused++;
        doctor_fail(d, "create topics", code,
                    code == K_E_DENIED ? "Ask for the right Create on the topic or the cluster, or have it made."
                                       : "Make the topic by hand, or change --replication or the sink.",
                    "%s", err.text);
    }
    if (!refused && missing && !d->plan) doctor_ok(d, "create topics", "allowed");
    if (!refused && missing && d->plan) doctor_ok(d, "create topics", "allowed; %u would be made", missing);
    if (!missing) doctor_ok(d, "create topics", "all topics are there");
    free(name);
}

static void check_transactions(struct doctor *d)
{
    struct k_error err = {0};
    struct k_producer *producer = NULL;
    char *id = k_format("%s-doctor", d->plan ? d->plan->name : "kappa");
    int code = d->log->ops->producer_open(d->log, id, d->transaction_timeout_us, &producer, &err);
    d->log->ops->producer_close(producer);
    if (code)
        doctor_fail(
            d, "transactions", code,
            code == K_E_DENIED   ? "Ask for Write and Describe on transactional ids that begin with the graph's name."
            : code == K_E_CONFIG ? "Lower --transaction-timeout, or raise the broker's transaction.max.timeout.ms."
                                 : "Look at the broker's transaction coordinator.",
            "%s", err.text);
    else doctor_ok(d, "transactions", "allowed");
    free(id);
}

// Leaders are named by consumer groups: one must be joinable.
static void check_group(struct doctor *d)
{
    struct k_error err = {0};
    struct k_member *member = NULL;
    enum k_membership membership = K_MEMBER_WAITING;
    const char *topic = d->plan->sources[0].topic;
    char *group = k_format("%s.doctor", d->plan->name);
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int code = d->log->ops->member_join(d->log, group, topic, "0", &member, &err);
    for (uint32_t i = 0; !code && membership != K_MEMBER_ASSIGNED && i < JOIN_WAIT_MS / POLL_MS; i++) {
        nanosleep(&pause, NULL);
        code = d->log->ops->member_poll(member, &membership, &err);
    }
    if (!code && membership != K_MEMBER_ASSIGNED)
        code = k_fail(&err, K_E_UNAVAILABLE, "group \"%s\" was not joined within %d s", group, JOIN_WAIT_MS / 1000);
    d->log->ops->member_leave(member);
    if (code)
        doctor_fail(d, "groups", code,
                    code == K_E_DENIED
                        ? "Ask for Read on groups that begin with the graph's name, and on the source topics."
                        : "Look at the broker's group coordinator.",
                    "%s", err.text);
    else doctor_ok(d, "groups", "can be joined");
    free(group);
}

static void check_retention(struct doctor *d, const char *topic)
{
    struct k_topic_info info;
    struct k_error err = {0};
    const char *table = NULL;
    struct k_buf kept = {0};
    if (d->log->ops->topic_info(d->log, topic, &info, &err) || !info.deletes) return;
    if (k_topics_outlived(d->plan, &info, &table, &kept))
        doctor_warn(d, "retention", K_TOPICS_OUTLIVED_HINT,
                    "source topic %s keeps only %s, table \"%s\" keeps rows longer", topic, kept.data, table);
    else if (kept.length)
        doctor_ok(d, "retention", "source topic %s keeps %s, as long as the tables", topic, kept.data);
    else doctor_ok(d, "retention", "source topic %s keeps what the tables need", topic);
    k_buf_fini(&kept);
}

static void check_topics(struct doctor *d)
{
    struct k_error err = {0};
    int code = kafka_check_topics(d->log, d->plan, &err);
    if (code)
        doctor_fail(d, "topics", code, "Make or mend them; kappa plan lists what the graph needs.", "%s", err.text);
    else doctor_ok(d, "topics", "sources are there; the others fit, or are made by run");
    for (uint32_t i = 0; i < d->plan->source_count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++) again |= strcmp(d->plan->sources[i].topic, d->plan->sources[j].topic) == 0;
        if (!again) check_retention(d, d->plan->sources[i].topic);
    }
}

static const char *topic_of(const struct doctor *d, const char *source)
{
    for (uint32_t i = 0; source && i < d->plan->source_count; i++)
        if (strcmp(d->plan->sources[i].name, source) == 0) return d->plan->sources[i].topic;
    return NULL;
}

// Does one partition still have what comes next? True when it has; false when a finding says why not.
static bool check_range(struct doctor *d, const char *topic, uint32_t partition, int64_t next)
{
    int64_t start, end;
    struct k_error err = {0};
    int code = d->log->ops->offsets(d->log, topic, (int32_t)partition, true, &start, &end, &err);
    if (code) doctor_fail(d, "position", code, NULL, "%s", err.text);
    else if (next >= 0 && next < start)
        doctor_fail(d, "position", K_E_LOST_RANGE,
                    "Import a newer export (kappa state import), or start under another name.",
                    "the state needs %s partition %u from offset %lld, which now begins at %lld", topic, partition,
                    (long long)next, (long long)start);
    else if (next > end)
        doctor_fail(d, "position", K_E_CORRUPT, "The topic was made anew: start under another name or --state-dir.",
                    "the state stands at offset %lld of %s partition %u, which ends at %lld", (long long)next, topic,
                    partition, (long long)end);
    else return true;
    return false;
}

// One finding is enough: the others mostly have the same reason.
static void check_position(struct doctor *d)
{
    bool good = true;
    for (uint32_t i = 0; i < d->facts->partition_count && good; i++) {
        const Kappa__Internal__Position__Partition *at = d->facts->partitions[i].at;
        const char *topic = topic_of(d, at->source);
        if (topic) good = check_range(d, topic, at->partition, at->next);
    }
    for (uint32_t i = 0; i < d->facts->shard_count && good; i++) {
        const struct facts_shard *shard = &d->facts->shards[i];
        char *journal = k_format("%s.journal.%u", d->plan->name, shard->view->shard);
        if (shard->position) good = check_range(d, journal, 0, shard->position->journal_offset);
        free(journal);
    }
    if (good) doctor_ok(d, "position", "the log still has what the state needs next");
}

// Without a state here, the journal is followed from its beginning: do the sources still have what it names?
static void check_beginning(struct doctor *d)
{
    struct k_error err = {0};
    char *journal = k_format("%s.journal.0", d->plan->name);
    int64_t journal_start = 0, journal_end = 0;
    int code = d->log->ops->offsets(d->log, journal, 0, true, &journal_start, &journal_end, &err);
    free(journal);
    if (code || journal_end == 0) return; // it never ran
    for (uint32_t i = 0; i < d->plan->source_count; i++) {
        const char *topic = d->plan->sources[i].topic;
        struct k_topic_info info;
        if (d->log->ops->topic_info(d->log, topic, &info, &err)) continue;
        for (int32_t p = 0; p < info.partitions; p++) {
            int64_t start = 0;
            if (d->log->ops->offsets(d->log, topic, p, true, &start, NULL, &err) || start == 0) continue;
            doctor_warn(
                d, "position", "Bring an export to this machine first: kappa state import.",
                "there is no state here, the pipeline has run, and %s partition %d now begins at offset %lld: what "
                "was before cannot be computed again",
                topic, p, (long long)start);
            return;
        }
    }
    doctor_ok(d, "position", "there is no state here; it can be computed from the journal's beginning");
}

void doctor_broker(struct doctor *d)
{
    struct k_error err = {0};
    uint32_t brokers = 0;
    int code = k_log_kafka_reach(d->log, &brokers, &err);
    if (code) {
        doctor_fail(d, "broker", code,
                    code == K_E_DENIED ? "Check user, password and certificates in --kafka-config."
                                       : "Check --brokers, that the broker runs, and what lies between.",
                    "%s", err.text);
        return;
    }
    doctor_ok(d, "broker", "%u broker%s, this client is accepted", brokers, brokers == 1 ? "" : "s");
    check_transactions(d);
    check_create(d);
    if (!d->plan) return;
    check_group(d);
    check_topics(d);
    if (d->facts) check_position(d);
    else check_beginning(d);
}
