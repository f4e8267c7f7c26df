// kappa convert: the same graph as text, JSON or binary. Parameters stay as they are.
#include "cli/load.h"
#include "cli/color.h"
#include "proto/print.h"

#include <stdio.h>
#include <unistd.h>

enum { TO };
static const struct k_option options[] = {
    [TO] = {.name = "to", .argument = "json|text|binary", .help = "the form of the output"},
};

static int convert(struct call *call, const char *path, struct k_str content, enum k_form form)
{
    struct k_diags diags = {0};
    struct k_buf out = {0};
    struct k_graph *graph = NULL;
    int code = k_graph_read(path, content, K_FORM_AUTO, &diags, &graph);
    color_diags(&diags, &out);
    if (out.length) fwrite(out.data, 1, out.length, stderr);
    k_buf_clear(&out);
    if (!code) {
        const struct k_document *document = k_graph_document(graph);
        if (form != K_FORM_TEXT && k_document_has_comments(document))
            fprintf(stderr, "kappa %s: %s: the # comments are left out; only text can hold them\n",
                    call->command->name, path);
        k_print(document, form, &out);
        fwrite(out.data, 1, out.length, stdout);
    }
    k_graph_destroy(graph);
    k_diags_fini(&diags);
    k_buf_fini(&out);
    return k_error_status(code);
}

static int run(struct call *call)
{
    static const char *const names[] = {"json", "text", "binary"};
    static const enum k_form forms[] = {K_FORM_JSON, K_FORM_TEXT, K_FORM_BINARY};
    uint32_t choice = 0;
    struct k_error err = {0};
    int code = k_options_need(&call->options, TO, &err);
    if (!code) code = k_options_choice(&call->options, TO, names, 3, &choice, &err);
    if (!code && forms[choice] == K_FORM_BINARY && isatty(STDOUT_FILENO))
        code = k_fail(&err, K_E_USAGE, "binary does not go to a terminal; add  > FILE");
    if (code) return command_misused(call, &err);
    const char *path = call->options.operands[0];
    struct k_buf content = {0};
    code = load_file(path, &content, &err);
    int status = code ? command_failed(call, code, &err) : convert(call, path, k_buf_str(&content), forms[choice]);
    k_buf_fini(&content);
    return status;
}

const struct command command_convert = {.name = "convert",
                                        .operands = "FILE",
                                        .doc = "print a graph as text, JSON or binary",
                                        .options = options,
                                        .option_count = sizeof options / sizeof *options,
                                        .operands_min = 1,
                                        .operands_max = 1,
                                        .run = run};
