// libFuzzer harness for the graph reader: whatever the bytes are, reading them as text, JSON or binary ends
// with a message or with diagnostics; and what was read prints to what reads back as the same message.
// Built with -Dfuzz=true and clang; run it over tests/proto/right and tests/proto/wrong.
#include "proto/params.h"
#include "proto/print.h"
#include "tests/proto/every.pb-c.h"

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

// Prints in one form, reads that, and compares both as JSON (in which all NaNs are one).
static void check_round_trip(
    const ProtobufCMessageDescriptor *type, const struct k_document *document, enum k_form form)
{
    struct k_diags diags = {0};
    struct k_document *again = NULL;
    struct k_buf printed = {0}, before = {0}, after = {0};
    k_print(document, form, &printed);
    int code = k_document_read(type, "again", k_buf_str(&printed), form, &diags, &again);
    K_ASSERT(code == 0);
    k_print(document, K_FORM_JSON, &before);
    k_print(again, K_FORM_JSON, &after);
    K_ASSERT(k_str_equal(k_buf_str(&before), k_buf_str(&after)));
    k_document_destroy(again);
    k_diags_fini(&diags);
    k_buf_fini(&printed);
    k_buf_fini(&before);
    k_buf_fini(&after);
}

static void check_document(const ProtobufCMessageDescriptor *type, struct k_str content, enum k_form form)
{
    struct k_diags diags = {0};
    struct k_document *document = NULL;
    if (k_document_read_draft(type, "input", content, form, &diags, &document) == 0) {
        // Drafts print too: they lack what was wrong, and are otherwise sound.
        for (enum k_form as = K_FORM_TEXT; as <= K_FORM_BINARY; as++) check_round_trip(type, document, as);
        k_document_destroy(document);
    } else {
        K_ASSERT(diags.errors > 0);
    }
    k_diags_fini(&diags);
}

static void check_params(struct k_str content, enum k_form form)
{
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    if (k_graph_read_draft("input", content, form, &diags, &graph) == 0) {
        static const char *const sets[] = {"A=1", "SECRET=hidden"};
        struct k_params *params = k_params_create(sets, 2, no_environment);
        uint32_t errors = diags.errors;
        int code = k_params_apply(params, graph, &diags);
        K_ASSERT((code != 0) == (diags.errors > errors));
        k_params_destroy(params);
        k_graph_destroy(graph);
    }
    k_diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct k_str content = {(const char *)data, (uint32_t)size};
    for (enum k_form form = K_FORM_TEXT; form <= K_FORM_BINARY; form++) {
        check_document(&kappa__v1__graph__descriptor, content, form);
        check_document(&kappa__test__every__descriptor, content, form);
        check_params(content, form);
    }
    return 0;
}
