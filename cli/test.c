// kappa test: the graph's own tests, on the real engine over an in-memory log.
#include "cli/load.h"
#include "cli/test_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SET, JUNIT, SEED };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [JUNIT] = {.name = "junit", .argument = "FILE", .help = "also write the result as JUnit XML"},
    [SEED] = {.name = "seed",
              .argument = "N",
              .help = "cut the input into batches by this seed, which no result may depend on; 0: do not",
              .text = "0"},
};

static void add_xml(struct k_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '<') k_buf_add_text(out, "&lt;");
        else if (*c == '&') k_buf_add_text(out, "&amp;");
        else if (*c == '"') k_buf_add_text(out, "&quot;");
        else k_buf_add_char(out, *c);
    }
}

static void add_case(struct k_buf *xml, const char *graph, const char *name, const struct k_buf *failures)
{
    k_buf_add_text(xml, "  <testcase classname=\"");
    add_xml(xml, graph);
    k_buf_add_text(xml, "\" name=\"");
    add_xml(xml, name);
    if (!failures->length) {
        k_buf_add_text(xml, "\"/>\n");
        return;
    }
    k_buf_add_text(xml, "\"><failure>");
    add_xml(xml, failures->data);
    k_buf_add_text(xml, "</failure></testcase>\n");
}

struct tally {
    uint32_t passed, failed;
    struct k_buf xml;
};

static int test_file(struct call *call, const char *path, uint64_t seed, struct tally *tally)
{
    struct loaded loaded;
    int status = load_plan(call, path, SET, 1, &loaded);
    if (status) return status;
    const Kappa__V1__Graph *g = loaded.plan->message;
    if (g->n_test == 0) fprintf(stderr, "kappa test: %s has no tests\n", path);
    for (size_t i = 0; i < g->n_test; i++) {
        struct k_buf failures = {0};
        struct k_error err = {0};
        const char *name = g->test[i]->name ? g->test[i]->name : "";
        int code = test_run(loaded.graph, loaded.plan, g->test[i], seed, &failures, &err);
        if (code) k_buf_printf(&failures, "%s: %s\n", path, err.text);
        printf("%s %s: %s\n", failures.length ? "FAIL" : "ok  ", g->name, name);
        if (failures.length) fwrite(failures.data, 1, failures.length, stdout);
        add_case(&tally->xml, g->name, name, &failures);
        if (failures.length) tally->failed++;
        else tally->passed++;
        k_buf_fini(&failures);
    }
    loaded_fini(&loaded);
    return 0;
}

static int write_junit(struct call *call, const char *path, const struct tally *tally)
{
    FILE *file = fopen(path, "w");
    struct k_error err = {0};
    if (!file) return command_failed(call, k_fail(&err, K_E_IO, "--junit: %s: %s", path, strerror(errno)), &err);
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kappa\" tests=\"%u\" "
            "failures=\"%u\">\n%s</testsuite>\n",
            tally->passed + tally->failed, tally->failed, tally->xml.data ? tally->xml.data : "");
    if (fclose(file) != 0)
        return command_failed(call, k_fail(&err, K_E_IO, "--junit: %s: %s", path, strerror(errno)), &err);
    return 0;
}

static int run(struct call *call)
{
    struct k_error err = {0};
    int64_t seed = 0;
    int code = k_options_integer(&call->options, SEED, 0, INT64_MAX, &seed, &err);
    if (code) return command_misused(call, &err);
    struct tally tally = {0};
    int worst = 0;
    for (uint32_t i = 0; i < call->options.operand_count; i++) {
        int status = test_file(call, call->options.operands[i], (uint64_t)seed, &tally);
        if (status > worst) worst = status;
    }
    printf("%u passed, %u failed\n", tally.passed, tally.failed);
    const char *junit = k_options_text(&call->options, JUNIT);
    int status = junit ? write_junit(call, junit, &tally) : 0;
    k_buf_fini(&tally.xml);
    if (status) return status;
    return worst ? worst : tally.failed ? 1 : 0;
}

const struct command command_test = {.name = "test",
                                     .operands = "FILE…",
                                     .doc = "run the tests that graphs carry",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1000,
                                     .run = run};
