// Wrong graphs: each file of wrong/ gives exactly the diagnostics that stand in NAME.expected beside it.
// With KAPPA_UPDATE=1 in the environment the expected files are written anew, to be read before a commit.
#include "tests/base/test.h"

#include "proto/params.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES_LEAST = 25 };

static const char *folder;

static struct k_buf read_file(const char *path)
{
    struct k_buf content = {0};
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s cannot be read", path);
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof(block), file)) > 0;) k_buf_add(&content, block, got);
    fclose(file);
    return content;
}

static int is_graph(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending && (strcmp(ending, ".textproto") == 0 || strcmp(ending, ".json") == 0);
}

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

// All that is said about one graph.
static struct k_buf diagnostics_of(const char *name, struct k_str content)
{
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    struct k_params *params = k_params_create(NULL, 0, no_environment);
    struct k_buf out = {0};
    int code = k_graph_read(name, content, K_FORM_AUTO, &diags, &graph);
    if (code == 0) code = k_params_apply(params, graph, &diags);
    k_diags_print(&diags, &out);
    if (code != K_E_CONFIG) fail_msg("%s: the code is %d", name, code);
    assert_int_not_equal(diags.errors, 0);
    k_diags_fini(&diags);
    k_params_destroy(params);
    k_graph_destroy(graph);
    return out;
}

static void check_file(const char *name)
{
    char *path = k_format("%s/%s", folder, name), *expected_path = k_format("%s/%s.expected", folder, name);
    struct k_buf content = read_file(path);
    struct k_buf out = diagnostics_of(name, k_buf_str(&content));
    if (getenv("KAPPA_UPDATE")) {
        FILE *file = fopen(expected_path, "wb");
        assert_non_null(file);
        fwrite(out.data, 1, out.length, file);
        fclose(file);
    }
    struct k_buf expected = read_file(expected_path);
    if (!k_str_equal(k_buf_str(&out), k_buf_str(&expected)))
        fail_msg("%s gives\n%s, expected\n%s", name, k_buf_str(&out).data, k_buf_str(&expected).data);
    k_buf_fini(&content);
    k_buf_fini(&expected);
    k_buf_fini(&out);
    free(path);
    free(expected_path);
}

static void test_wrong_graphs(void **state)
{
    (void)state;
    struct dirent **entries;
    int count = scandir(folder, &entries, is_graph, alphasort);
    assert_true(count >= FILES_LEAST);
    for (int i = 0; i < count; i++) {
        check_file(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

// What text and JSON cannot say, because there the mistakes look otherwise.
static void test_wrong_binary(void **state)
{
    (void)state;
    const struct {
        struct k_str content;
        const char *expected;
    } cases[] = {
        {K_STR("\x0a\x05short"), NULL},
        {K_STR("\x0a\x06short"), "the file is damaged or of another kind: the bytes of a message Graph make no sense"},
        {K_STR("\x0a"), "the file is damaged or of another kind: the bytes of a message Graph make no sense"},
        {K_STR("\x0b\x01"), "the file is damaged or of another kind: the bytes of a message Graph make no sense"},
        {K_STR("\x02\x01"), "the file is damaged or of another kind: the bytes of a message Graph make no sense"},
        {K_STR("\x08\x01"), "the file is damaged or of another kind: the bytes of a message Graph make no sense"},
        {K_STR("\x3a\x02\x0a\x05"),
            "the file is damaged or of another kind: the bytes of a message Node make no sense"},
        {K_STR("\xfa\x07\x01x"), "a message Graph has field number 127, which this version of kappa does not know"},
        {K_STR("\x2a\x02\x08\x09"),
            "field \"on_error\" of a message Policy has the choice 9, which this version of kappa does not know"},
        {K_STR("\x0a\x02\xc3\x28"), "field \"name\" of a message Graph is text, but is not UTF-8"},
        {K_STR("\x0a\x02\x61\x00"), "field \"name\" of a message Graph is text, but holds a NUL character"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct k_diags diags = {0};
        struct k_graph *graph = NULL;
        int code = k_graph_read("x.binpb", cases[i].content, K_FORM_AUTO, &diags, &graph);
        assert_int_equal(code, cases[i].expected ? K_E_CONFIG : 0);
        if (cases[i].expected) assert_string_equal(diags.items[0].text, cases[i].expected);
        k_graph_destroy(graph);
        k_diags_fini(&diags);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) return 64;
    folder = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong_graphs), cmocka_unit_test(test_wrong_binary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
