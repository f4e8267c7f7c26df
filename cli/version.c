// kappa version: which kappa, which formats it reads and writes, which libraries it was built with.
#include "cli/output.h"
#include "engine/journal.h"
#include "state/encoding.h"
#include "cli/version.h"

enum { OUTPUT };
static const struct k_option options[] = {[OUTPUT] = OPTION_OUTPUT_TEXT};

static const struct {
    const char *name, *version;
} libraries[] = {
#define X(name, version) {name, version},
    KAPPA_LIBRARIES(X)
#undef X
};
enum { LIBRARIES = sizeof libraries / sizeof *libraries };

static void print_json(void)
{
    struct k_buf out = {0};
    k_buf_printf(
        &out,
        "{\"kind\":\"version\",\"version\":\"%s\",\"semantics\":%d,\"state_format\":%d,\"journal_version\":%d,"
        "\"libraries\":{",
        KAPPA_VERSION, K_SEMANTICS, K_STATE_FORMAT, K_JOURNAL_VERSION);
    for (uint32_t i = 0; i < LIBRARIES; i++)
        k_buf_printf(&out, "%s\"%s\":\"%s\"", i ? "," : "", libraries[i].name, libraries[i].version);
    k_buf_add_text(&out, "}}\n");
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

static int run(struct call *call)
{
    bool json = false;
    struct k_error err = {0};
    int code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    if (json) {
        print_json();
        return 0;
    }
    printf("kappa %s\nsemantics %d, state format %d, journal version %d\nbuilt with", KAPPA_VERSION, K_SEMANTICS,
           K_STATE_FORMAT, K_JOURNAL_VERSION);
    for (uint32_t i = 0; i < LIBRARIES; i++)
        printf("%s %s %s", i ? "," : "", libraries[i].name, libraries[i].version);
    puts("");
    return 0;
}

const struct command command_version = {.name = "version",
                                        .doc = "print the versions of kappa, its formats and its libraries",
                                        .options = options,
                                        .option_count = sizeof options / sizeof *options,
                                        .run = run};
