// kappa functions: what expressions can call, from the one table of functions.
#include "cli/output.h"
#include "operators/expr/expr.h"

#include <stdlib.h>

enum { OUTPUT };
static const struct k_option options[] = {[OUTPUT] = OPTION_OUTPUT_TEXT};

enum { WIDTH = 100 };

static void print_json(const struct k_function_doc *docs, uint32_t count, const char *name)
{
    struct k_buf out = {0};
    k_buf_add_text(&out, "{\"kind\":\"functions\",\"functions\":[");
    const char *separator = "";
    for (uint32_t i = 0; i < count; i++) {
        const struct k_function_doc *d = &docs[i];
        if (name && strcmp(d->name, name) != 0) continue;
        const char *const texts[][2] = {
            {"name", d->name}, {"signature", d->signature}, {"doc", d->doc}, {"example", d->example}};
        k_buf_printf(&out, "%s{", separator);
        for (uint32_t t = 0; t < 4; t++) {
            k_buf_printf(&out, "%s\"%s\":", t ? "," : "", texts[t][0]);
            k_json_string(&out, k_str_of(texts[t][1]));
        }
        k_buf_add_char(&out, '}');
        separator = ",";
    }
    k_buf_add_text(&out, "]}\n");
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

static void print_text(const struct k_function_doc *docs, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (name && strcmp(docs[i].name, name) != 0) continue;
        printf("%s\n", docs[i].signature);
        output_paragraph(stdout, docs[i].doc, 4, WIDTH);
        if (docs[i].example && docs[i].example[0]) printf("    %s\n", docs[i].example);
    }
}

static int unknown(struct call *call, const struct k_function_doc *docs, uint32_t count, const char *name)
{
    struct k_error err = {0};
    const char **names = k_new_array(const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) names[i] = docs[i].name;
    const char *nearest = k_nearest(name, names, count);
    int code = k_fail(&err, K_E_NOT_FOUND, "there is no function \"%s\"%s%s%s", name,
                      nearest ? "; did you mean \"" : "; kappa functions lists them", nearest ? nearest : "",
                      nearest ? "\"?" : "");
    free(names);
    return command_failed(call, code, &err);
}

static int run(struct call *call)
{
    bool json = false;
    struct k_error err = {0};
    int code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    uint32_t count, found = 0;
    const struct k_function_doc *docs = k_function_docs(&count);
    const char *name = call->options.operand_count ? call->options.operands[0] : NULL;
    for (uint32_t i = 0; i < count; i++) found += !name || strcmp(docs[i].name, name) == 0;
    if (!found) return unknown(call, docs, count, name);
    if (json) print_json(docs, count, name);
    else print_text(docs, count, name);
    return 0;
}

const struct command command_functions = {.name = "functions",
                                          .operands = "[NAME]",
                                          .doc = "list the functions and operators of expressions",
                                          .options = options,
                                          .option_count = sizeof options / sizeof *options,
                                          .operands_max = 1,
                                          .run = run};
