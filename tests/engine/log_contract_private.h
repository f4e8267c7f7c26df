// What the files of the contract share: how a case ends, and small tools. The cases are in log_contract_messages.c and
// log_contract_owners.c.
//
// Each case has a topic of its own, made by contract_topic with the partitions it asks for; it ends at the first thing
// that is not so, and frees what it opened.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/log_contract.h"

enum { SECOND = 1000000, TIMEOUT_US = 10 * SECOND };

// The case has failed there.
void contract_note(struct log_contract *c, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Ends the case unless the condition holds; what was opened is closed behind `done`.
#define NEED(condition, ...)                                         \
    do {                                                             \
        if (!(condition)) {                                          \
            contract_note(c, __LINE__, #condition, " " __VA_ARGS__); \
            goto done;                                               \
        }                                                            \
    } while (0)
#define CALL(call) NEED((code = (call)) == 0, "%s: %s", k_error_name(code), err.text)
#define REFUSED(call, wanted) NEED((code = (call)) == (wanted), "%s: %s", k_error_name(code), code ? err.text : "")

int contract_topic(struct log_contract *c, struct k_log *log, int32_t partitions, struct k_error *err);
int contract_producer(struct log_contract *c, struct k_log *log, struct k_producer **ret, struct k_error *err);
struct k_out_message contract_message(struct log_contract *c, int32_t partition, const char *value);
int contract_put(struct log_contract *c, struct k_log *log, struct k_producer *producer, int32_t partition,
                 const char *value, struct k_error *err);
// One transaction with the values, which are separated by blanks.
int contract_write(struct log_contract *c, struct k_log *log, struct k_producer *producer, const char *values,
                   struct k_error *err);
// Reads until `wanted` messages have come or the reader stands at `until`, and joins their values with blanks.
int contract_read(struct log_contract *c, struct k_log *log, struct k_reader *reader, uint32_t wanted, int64_t until,
                  uint32_t batch, char *out, size_t capacity, struct k_error *err);
// The end of partition 0. The last marker may be written some time after the commit was answered.
int contract_await_end(struct log_contract *c, struct k_log *log, bool committed, int64_t wanted,
                       struct k_error *err);

// log_contract_messages.c: what is written is what is read.
void contract_case_topics(struct log_contract *c);
void contract_case_whole_messages(struct log_contract *c);
void contract_case_every_message_has_its_own_header(struct log_contract *c);
void contract_case_markers_at_the_end(struct log_contract *c);
void contract_case_lost_ranges(struct log_contract *c);
void contract_case_batches_and_seeks(struct log_contract *c);
// log_contract_owners.c: transactions, and who may write.
void contract_case_open_and_aborted_are_invisible(struct log_contract *c);
void contract_case_tracked_offsets(struct log_contract *c);
void contract_case_the_predecessor_is_fenced(struct log_contract *c);
void contract_case_one_member_leads(struct log_contract *c);
void contract_case_a_session_ends(struct log_contract *c);
