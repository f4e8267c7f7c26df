// kappa state show: whose state a directory is, where it stands, and what became of every row. Asks no broker.
#include "cli/facts.h"
#include "cli/table.h"

enum { STATE_DIR, GRAPH, GENERATION, OUTPUT };
static const struct k_option options[] = {
    [STATE_DIR] = OPTION_STATE_DIR,
    [GRAPH] = OPTION_GRAPH,
    [GENERATION] = OPTION_GENERATION,
    [OUTPUT] = OPTION_OUTPUT_TEXT,
};

static int run(struct call *call)
{
    bool json = false;
    struct k_error err = {0};
    struct facts facts = {0};
    int code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    const struct k_reader_options reader = {.state_dir = k_options_text(&call->options, STATE_DIR),
                                            .graph = k_options_text(&call->options, GRAPH),
                                            .generation = k_options_text(&call->options, GENERATION)};
    code = facts_open(&reader, &facts, &err);
    if (!code && json) facts_print_json(&facts, "state", stdout);
    if (!code && !json) facts_print_text(&facts, stdout);
    facts_close(&facts);
    if (!code) return 0;
    return code == K_E_USAGE ? command_misused(call, &err) : command_failed(call, code, &err);
}

const struct command command_state_show = {.name = "state show",
                                           .doc =
                                               "show whose state a directory is, where it stands, and its counters",
                                           .options = options,
                                           .option_count = sizeof options / sizeof *options,
                                           .run = run};
