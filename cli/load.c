// Loading a graph, with every error at once. A graph with errors of reading is planned all the same, as far as it
// could be read: people want to see what else is wrong.
#include "cli/load.h"
#include "cli/color.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { GRAPH_BYTES_MAX = 16 << 20 };

int load_file(const char *path, struct k_buf *ret, struct k_error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file) return k_fail(err, errno == EACCES ? K_E_DENIED : K_E_DATA, "%s: %s", path, strerror(errno));
    int code = 0;
    while (!code) {
        char *end = k_buf_reserve(ret, 65536);
        size_t n = fread(end, 1, 65536, file);
        ret->length += n;
        if (ret->length > GRAPH_BYTES_MAX)
            code = k_fail(err, K_E_DATA, "%s: larger than 16 MiB, so it is no graph", path);
        if (n == 0) {
            if (ferror(file)) code = k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
            break;
        }
    }
    if (file != stdin) fclose(file);
    k_buf_add(ret, "", 0);
    return code;
}

static void show(struct k_diags *diags, const struct k_params *params)
{
    struct k_buf text = {0};
    color_diags(diags, &text);
    k_params_mask(params, &text);
    if (text.length) fwrite(text.data, 1, text.length, stderr);
    k_buf_fini(&text);
}

int load_plan(struct call *call, const char *path, uint32_t set, uint32_t shards, struct loaded *ret)
{
    *ret = (struct loaded){0};
    struct k_error err = {0};
    struct k_buf content = {0};
    int code = load_file(path, &content, &err);
    if (code) {
        k_buf_fini(&content);
        return command_failed(call, code, &err);
    }
    struct k_diags diags = {0};
    const struct k_option_value *sets = &call->options.values[set];
    ret->params = k_params_create(sets->texts, sets->count, NULL);
    ret->content = content.data;
    code = k_graph_read_draft(path, k_buf_str(&content), K_FORM_AUTO, &diags, &ret->graph);
    if (ret->graph) {
        int applied = k_params_apply(ret->params, ret->graph, &diags);
        int planned = k_plan_make(ret->graph, shards, &diags, &ret->plan);
        if (!code) code = applied ? applied : planned;
    }
    if (diags.errors && !code) code = K_E_CONFIG;
    show(&diags, ret->params);
    k_diags_fini(&diags);
    if (!code) return 0;
    loaded_fini(ret);
    return k_error_status(code);
}

int load_binary(struct k_str bytes, uint32_t shards, struct loaded *ret, struct k_error *err)
{
    struct k_diags diags = {0};
    *ret = (struct loaded){.content = k_strndup(bytes.data, bytes.length)};
    bytes.data = ret->content;
    int code = k_graph_read("the stored graph", bytes, K_FORM_BINARY, &diags, &ret->graph);
    if (!code) code = k_plan_make(ret->graph, shards, &diags, &ret->plan);
    if (code) {
        struct k_buf text = {0};
        k_diags_print(&diags, &text);
        k_fail(err, code, "the stored graph makes no plan: %s", k_buf_str(&text).data);
        k_buf_fini(&text);
        loaded_fini(ret);
    }
    k_diags_fini(&diags);
    return code;
}

void loaded_fini(struct loaded *loaded)
{
    k_plan_destroy(loaded->plan);
    k_graph_destroy(loaded->graph);
    k_params_destroy(loaded->params);
    free(loaded->content);
    *loaded = (struct loaded){0};
}
