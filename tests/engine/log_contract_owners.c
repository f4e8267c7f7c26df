// Cases of the contract: transactions, and who may write: producers that fence each other, members of a group.
#include "tests/engine/log_contract_private.h"

void contract_case_open_and_aborted_are_invisible(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    int64_t stable;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL, *other = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *all;
    uint32_t count;
    bool tainted;
    CALL(contract_topic(c, log, 1, &err));
    CALL(contract_producer(c, log, &producer, &err));
    char id[160];
    snprintf(id, sizeof id, "%s-other", c->topic);
    CALL(log->ops->producer_open(log, id, 10 * SECOND, &other, &err));
    CALL(contract_write(c, log, producer, "a", &err)); // offset 0, marker 1
    CALL(log->ops->begin(other, &err));
    CALL(contract_put(c, log, other, 0, "hidden", &err)); // 2
    CALL(contract_await_end(c, log, false, 3, &err));     // the broker has it
    CALL(contract_write(c, log, producer, "b", &err));    // 3, behind the open transaction
    CALL(contract_await_end(c, log, false, 5, &err));
    CALL(log->ops->offsets(log, c->topic, 0, true, NULL, &stable, &err));
    NEED(stable == 2, "%lld", (long long)stable);
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err));
    CALL(contract_read(c, log, reader, 100, 2, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a") == 0, "%s", values);
    CALL(log->ops->fetch(reader, 100, 1 << 20, 100000, &all, &count, &err));
    NEED(count == 0 && log->ops->position(reader) == 2);
    CALL(log->ops->abort(other, &err));
    CALL(contract_read(c, log, reader, 1, 100, 100, values, sizeof values, &err));
    NEED(strcmp(values, "b") == 0, "%s", values);
    CALL(contract_read(c, log, reader, 1, 6, 100, values, sizeof values, &err));
    NEED(values[0] == '\0' && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader)); // b, b's marker, abort's marker
    // A transaction that was aborted before anything was written, and one that is empty.
    log->ops->producer_close(other);
    other = NULL;
    CALL(log->ops->producer_open(log, id, 10 * SECOND, &other, &err));
    CALL(log->ops->begin(other, &err));
    CALL(log->ops->commit(other, &tainted, &err));
    CALL(log->ops->begin(other, &err));
    CALL(contract_put(c, log, other, 0, "never", &err));
    CALL(log->ops->abort(other, &err));
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->producer_close(other);
    log->ops->close(log);
}

void contract_case_tracked_offsets(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool tainted;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    CALL(contract_topic(c, log, 2, &err));
    CALL(contract_producer(c, log, &producer, &err));
    CALL(log->ops->begin(producer, &err));
    CALL(contract_put(c, log, producer, 0, "a", &err));
    CALL(contract_put(c, log, producer, 1, "b", &err));
    struct k_out_message out = contract_message(c, 1, "tracked");
    out.tracked = true;
    CALL(log->ops->produce(producer, &out, &err));
    CALL(contract_put(c, log, producer, 1, "c", &err));
    CALL(log->ops->commit(producer, &tainted, &err));
    NEED(log->ops->tracked_offset(producer) == 1, "%lld", (long long)log->ops->tracked_offset(producer));
    CALL(contract_write(c, log, producer, "d", &err));
    NEED(log->ops->tracked_offset(producer) == -1);
    CALL(log->ops->begin(producer, &err));
    CALL(log->ops->produce(producer, &out, &err));
    CALL(log->ops->commit(producer, &tainted, &err));
    NEED(log->ops->tracked_offset(producer) == 4, "%lld", (long long)log->ops->tracked_offset(producer));
done:
    log->ops->producer_close(producer);
    log->ops->close(log);
}

void contract_case_the_predecessor_is_fenced(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool tainted;
    char values[256];
    struct k_log *one = c->connect(c, "one"), *two = c->connect(c, "two");
    struct k_producer *old = NULL, *new = NULL;
    struct k_reader *reader = NULL;
    CALL(contract_topic(c, one, 1, &err));
    CALL(contract_producer(c, one, &old, &err));
    CALL(contract_write(c, one, old, "a", &err)); // 0, marker 1
    CALL(one->ops->begin(old, &err));
    CALL(contract_put(c, one, old, 0, "zombie", &err)); // 2
    CALL(contract_await_end(c, one, false, 3, &err));
    CALL(contract_producer(c, two, &new, &err));
    // Its open transaction has ended, so nothing hides what follows.
    CALL(contract_await_end(c, two, true, 4, &err));
    CALL(contract_write(c, two, new, "b", &err));
    REFUSED(one->ops->commit(old, &tainted, &err), K_E_FENCED);
    (void)!one->ops->abort(old, &err);
    CALL(contract_write(c, two, new, "c", &err));
    CALL(two->ops->reader_open(two, c->topic, 0, 0, &reader, &err));
    CALL(contract_read(c, two, reader, 3, 1000, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a b c") == 0, "%s", values);
done:
    two->ops->reader_close(reader);
    one->ops->producer_close(old);
    two->ops->producer_close(new);
    one->ops->close(one);
    two->ops->close(two);
}

// Polls both members (each may be NULL) until the first is in the state, or patience ends. A LOST is remembered.
static int await(struct log_contract *c, struct k_log *log, struct k_member *member, struct k_member *other,
                 enum k_membership wanted, bool *ret_other_lost, struct k_error *err)
{
    enum k_membership state;
    for (int64_t waited = 0; waited < c->patience_us; waited += 20000) {
        int code;
        if (other != NULL) {
            if ((code = log->ops->member_poll(other, &state, err)) != 0) return code;
            if (state == K_MEMBER_LOST && ret_other_lost != NULL) *ret_other_lost = true;
        }
        if ((code = log->ops->member_poll(member, &state, err)) != 0) return code;
        if (state == wanted) return 0;
        c->pass(c, 20000);
    }
    return k_fail(err, K_E_TIMEOUT, "the member did not come to the state %d", wanted);
}

void contract_case_one_member_leads(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool lost = false, tainted;
    enum k_membership state;
    struct k_log *one = c->connect(c, "one"), *two = c->connect(c, "two"), *three = c->connect(c, "three");
    struct k_member *a = NULL, *b = NULL, *d = NULL;
    struct k_producer *producer = NULL;
    CALL(contract_topic(c, one, 1, &err));
    CALL(one->ops->member_join(one, c->topic, c->topic, "5", &a, &err));
    CALL(await(c, one, a, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    // The offsets of a transaction, with the leader's membership.
    struct k_topic_offset offset = {c->topic, 0, 0};
    CALL(contract_producer(c, one, &producer, &err));
    CALL(one->ops->begin(producer, &err));
    CALL(one->ops->send_offsets(producer, a, &offset, 1, &err));
    CALL(contract_put(c, one, producer, 0, "led", &err));
    CALL(one->ops->commit(producer, &tainted, &err));
    // A higher rank waits.
    CALL(two->ops->member_join(two, c->topic, c->topic, "7", &b, &err));
    for (int i = 0; i < 50; i++) {
        CALL(one->ops->member_poll(a, &state, &err));
        CALL(two->ops->member_poll(b, &state, &err));
        NEED(state == K_MEMBER_WAITING, "%d", state);
        c->pass(c, 40000);
    }
    CALL(await(c, one, a, b, K_MEMBER_ASSIGNED, NULL, &err));
    // The leader leaves: the other leads, and sooner than the session would end.
    one->ops->member_leave(a);
    a = NULL;
    int64_t begun = two->ops->now_us(two);
    CALL(await(c, two, b, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    NEED(two->ops->now_us(two) - begun < c->session_timeout_us * 3 / 4);
    // A lower rank takes over from a healthy one, who is told, and whose offsets are refused.
    CALL(three->ops->member_join(three, c->topic, c->topic, "1", &d, &err));
    CALL(await(c, three, d, b, K_MEMBER_ASSIGNED, &lost, &err));
    NEED(lost);
    CALL(two->ops->member_poll(b, &state, &err));
    NEED(state == K_MEMBER_WAITING, "%d", state);
    CALL(one->ops->begin(producer, &err));
    code = one->ops->send_offsets(producer, b, &offset, 1, &err);
    NEED(code == K_E_ABORTED || code == K_E_FENCED, "%s", k_error_name(code));
    (void)!one->ops->abort(producer, &err);
done:
    one->ops->producer_close(producer);
    one->ops->member_leave(a);
    two->ops->member_leave(b);
    three->ops->member_leave(d);
    one->ops->close(one);
    two->ops->close(two);
    three->ops->close(three);
}

void contract_case_a_session_ends(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    enum k_membership state;
    bool seen = false;
    struct k_log *one = c->connect(c, "one");
    struct k_member *a = NULL;
    CALL(contract_topic(c, one, 1, &err));
    CALL(one->ops->member_join(one, c->topic, c->topic, "5", &a, &err));
    CALL(await(c, one, a, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    // A healthy member that is polled keeps its place for longer than a session.
    for (int64_t passed = 0; passed < c->session_timeout_us * 3 / 2; passed += 100000) {
        CALL(one->ops->member_poll(a, &state, &err));
        seen |= state != K_MEMBER_ASSIGNED;
        c->pass(c, 100000);
    }
    NEED(!seen);
done:
    one->ops->member_leave(a);
    one->ops->close(one);
}
