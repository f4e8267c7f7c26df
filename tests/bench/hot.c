// The engine's hot paths without Kafka: Nexmark events through a query's graph on the deterministic machine, over the
// store in memory. Its work is the same in every run, so that callgrind can count it (tests/bench/gate).
//   hot QUERY.textproto [EVENTS]
// Prints one line, in which the outputs are counted and hashed. measured_run is what is counted: feeding batches, a
// boundary every few of them as at commits, and a checkpoint in the middle and at the end. Exit 1 on any error.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/machine.h"
#include "proto/params.h"
#include "tests/bench/nexmark.h"

enum { EVENTS = 16384, UNIFORM_BIDDERS = 4000, PARTITIONS = 4, COMMIT_EVERY = 2 /* batches */, BATCH = 1024 };

struct hot {
    struct k_state *state;
    struct k_machine *machine;
    struct k_message *messages;        // event n is that of partition n mod PARTITIONS
    const struct k_message **pointers; // by partition
    uint32_t events;
    uint64_t outputs, hash;
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "hot: %s: %s\n", what, why);
    exit(1);
}

static int output(void *context, const struct k_output *output, struct k_error *err)
{
    (void)err;
    struct hot *hot = context;
    hot->outputs++;
    hot->hash += k_hash(output->value.data, output->value.length);
    return 0;
}

static char *read_file(const char *path)
{
    struct k_buf text = {0};
    char part[4096];
    FILE *file = fopen(path, "re");
    if (!file) die(path, "cannot be opened");
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) k_buf_add(&text, part, n);
    fclose(file);
    char *copy = k_strndup(text.data, text.length);
    k_buf_fini(&text);
    return copy;
}

static struct k_plan *plan_of(const char *path, struct k_graph **ret_graph)
{
    struct k_diags diags = {0};
    struct k_plan *plan = NULL;
    struct k_buf why = {0};
    char *text = read_file(path);
    struct k_params *params = k_params_create(NULL, 0, NULL); // the defaults
    int code = k_graph_read_draft(path, k_str_of(text), K_FORM_TEXT, &diags, ret_graph);
    if (!code) code = k_params_apply(params, *ret_graph, &diags);
    if (!code) code = k_plan_make(*ret_graph, 1, &diags, &plan);
    k_diags_print(&diags, &why);
    if (code) die("graph", why.data ? why.data : "?");
    k_diags_fini(&diags);
    k_buf_fini(&why);
    k_params_destroy(params);
    free(text);
    return plan;
}

static void make_events(struct hot *hot, bool uniform)
{
    struct nexmark g = {.events_per_second = 1000, .base_ms = 1767225600000,
                        .uniform_bidders = uniform ? UNIFORM_BIDDERS : 0};
    hot->messages = k_new_array(struct k_message, hot->events);
    hot->pointers = k_new_array(const struct k_message *, hot->events);
    for (uint32_t n = 0; n < hot->events; n++) {
        char event[NEXMARK_EVENT_MAX];
        int64_t ms;
        size_t length = nexmark_event(&g, n, event, &ms);
        uint32_t partition = n % PARTITIONS, each = hot->events / PARTITIONS;
        hot->messages[n] = (struct k_message){.value = {k_strndup(event, length), (uint32_t)length},
                                              .has_value = true,
                                              .partition = (int32_t)partition,
                                              .offset = n / PARTITIONS,
                                              .timestamp_us = ms * 1000};
        hot->pointers[partition * each + n / PARTITIONS] = &hot->messages[n];
    }
}

static void checked(int code, const char *what, const struct k_error *err)
{
    if (code) die(what, err->text);
}

static void commit(struct hot *hot, bool final)
{
    struct k_error err = {0};
    uint64_t work;
    checked(k_machine_boundary(hot->machine, 1767225600000000, NULL, 0, final, 1000000, &work, &err), "boundary", &err);
    while (!k_machine_is_settled(hot->machine))
        checked(k_machine_work(hot->machine, 1000000, &work, &err), "work", &err);
}

static void checkpoint(struct hot *hot)
{
    struct k_error err = {0};
    checked(k_machine_tidy(hot->machine, &err), "tidy", &err);
    checked(k_state_checkpoint(hot->state, K_STR("position"), &err), "checkpoint", &err);
}

// Not inlined, and not static: the gate names it.
void measured_run(struct hot *hot);
__attribute__((noinline)) void measured_run(struct hot *hot)
{
    struct k_error err = {0};
    uint32_t each = hot->events / PARTITIONS, batches = 0;
    for (uint32_t at = 0; at < each; at += BATCH) {
        uint32_t n = each - at < BATCH ? each - at : BATCH;
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            checked(k_machine_feed(hot->machine, p, hot->pointers + p * each + at, n, &err), "feed", &err);
            if (++batches % COMMIT_EVERY == 0) commit(hot, false);
        }
        if (at < each / 2 && at + n >= each / 2) checkpoint(hot);
    }
    commit(hot, true);
    checkpoint(hot);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) die("usage", "hot QUERY.textproto [EVENTS]");
    struct hot hot = {.events = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) / PARTITIONS * PARTITIONS : EVENTS};
    struct k_graph *graph = NULL;
    struct k_plan *plan = plan_of(argv[1], &graph);
    struct k_memory_disk *disk = k_memory_disk_create();
    struct k_store *store;
    struct k_error err = {0};
    struct k_state_options options = {.cache_bytes = 64 << 20};
    struct k_machine_owner owner = {.context = &hot, .output = output};
    uint32_t partitions = PARTITIONS;
    checked(k_store_memory_open(disk, NULL, NULL, &store, &err), "store", &err);
    checked(k_state_open(store, &options, &hot.state, &err), "state", &err);
    checked(k_machine_open(plan, 0, &partitions, hot.state, &owner, &hot.machine, &err), "machine", &err);
    k_machine_want_outputs(hot.machine, true);
    make_events(&hot, strstr(argv[1], "kc.") != NULL);

    measured_run(&hot);

    printf("{\"events\":%u,\"outputs\":%llu,\"hash\":\"%016llx\"}\n", hot.events, (unsigned long long)hot.outputs,
           (unsigned long long)hot.hash);
    k_machine_close(hot.machine);
    k_state_destroy(hot.state);
    k_memory_disk_destroy(disk);
    for (uint32_t n = 0; n < hot.events; n++) free((char *)(uintptr_t)hot.messages[n].value.data);
    free(hot.messages);
    free(hot.pointers);
    k_plan_destroy(plan);
    k_graph_destroy(graph);
    return 0;
}
