// kappa fmt: the canonical form of graphs. Only reads and prints: parameters stay as they are, comments too, and a
// graph that makes no sense yet can be formatted all the same.
#include "cli/load.h"
#include "cli/color.h"
#include "proto/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE, CHECK };
static const struct k_option options[] = {
    [WRITE] = {.name = "write", .letter = 'w', .help = "change the files in place"},
    [CHECK] = {.name = "check", .help = "print nothing; exit with 1 when a file is not in canonical form"},
};

// The canonical form of a file in the form that it has; diagnostics go to stderr.
static int format(struct call *call, const char *path, struct k_str content, struct k_buf *out)
{
    struct k_error err = {0};
    struct k_diags diags = {0};
    struct k_buf text = {0};
    struct k_graph *graph = NULL;
    enum k_form form = k_form_of(path, content);
    if (form == K_FORM_BINARY) {
        int code = k_fail(&err, K_E_CONFIG, "%s: is binary, which has only one form; see  kappa convert", path);
        return command_failed(call, code, &err);
    }
    int code = k_graph_read(path, content, form, &diags, &graph);
    color_diags(&diags, &text);
    if (text.length) fwrite(text.data, 1, text.length, stderr);
    if (!code) k_print(k_graph_document(graph), form, out);
    k_graph_destroy(graph);
    k_diags_fini(&diags);
    k_buf_fini(&text);
    return k_error_status(code);
}

// The new text beside the old, then in its place, so that no moment sees half a file. A link stays a link.
static int replace(const char *path, const struct k_buf *text, struct k_error *err)
{
    char *real = realpath(path, NULL);
    struct stat old;
    if (!real || stat(real, &old) != 0) {
        free(real);
        return k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
    }
    char *fresh = k_format("%s.XXXXXX", real);
    int fd = mkstemp(fresh), code = 0;
    bool good = fd >= 0 && fchmod(fd, old.st_mode & 07777) == 0 &&
                write(fd, text->data, text->length) == (ssize_t)text->length;
    if (fd >= 0 && close(fd) != 0) good = false;
    if (!good || rename(fresh, real) != 0) {
        bool denied = errno == EACCES || errno == EPERM || errno == EROFS;
        code = k_fail(err, denied ? K_E_DENIED : K_E_IO, "%s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0) unlink(fresh);
    }
    free(fresh);
    free(real);
    return code;
}

static int format_file(struct call *call, const char *path, bool in_place, bool check)
{
    struct k_error err = {0};
    struct k_buf content = {0}, out = {0};
    int status = 0, code = load_file(path, &content, &err);
    if (code) status = command_failed(call, code, &err);
    else status = format(call, path, k_buf_str(&content), &out);
    bool same = k_str_equal(k_buf_str(&content), k_buf_str(&out));
    if (!status && check && !same) {
        fprintf(stderr, "%s: not in canonical form; kappa fmt --write %s changes it\n", path, path);
        status = 1;
    } else if (!status && in_place && !same) {
        code = replace(path, &out, &err);
        if (code) status = command_failed(call, code, &err);
    } else if (!status && !check && !in_place) {
        fwrite(out.data, 1, out.length, stdout);
    }
    k_buf_fini(&content);
    k_buf_fini(&out);
    return status;
}

static int run(struct call *call)
{
    bool in_place = false, check = false;
    struct k_error err = {0};
    int code = k_options_flag(&call->options, WRITE, &in_place, &err);
    if (!code) code = k_options_flag(&call->options, CHECK, &check, &err);
    if (!code && in_place && check) code = k_fail(&err, K_E_USAGE, "--write and --check exclude each other");
    for (uint32_t i = 0; !code && in_place && i < call->options.operand_count; i++)
        if (strcmp(call->options.operands[i], "-") == 0)
            code = k_fail(&err, K_E_USAGE, "--write needs files; standard input has no place to write to");
    if (code) return command_misused(call, &err);
    int worst = 0;
    for (uint32_t i = 0; i < call->options.operand_count; i++) {
        int status = format_file(call, call->options.operands[i], in_place, check);
        if (status > worst) worst = status;
    }
    return worst;
}

const struct command command_fmt = {
    .name = "fmt",
    .operands = "FILE…",
    .doc = "print graphs in canonical form, or bring files into it",
    .more = "Comments stay, each with the field that it is about. \"-\" is standard input.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1000,
    .run = run};
