// Parameters: where values come from, how they are replaced, where positions then point, and masking.
#include "tests/base/test.h"

#include "proto/params.h"

#include <stdlib.h>

// A graph with its parameters applied.
struct applied {
    struct k_diags diags;
    struct k_graph *graph;
    struct k_params *params;
    int code;
};

static const char *environment(const char *name)
{
    if (strcmp(name, "KAPPA_VAR_E") == 0) return "from-env";
    if (strcmp(name, "KAPPA_VAR_EMPTY") == 0) return "";
    return NULL;
}

static struct applied apply(struct k_str content, const char *const *sets, size_t set_count)
{
    struct applied applied = {0};
    if (k_graph_read("g", content, K_FORM_AUTO, &applied.diags, &applied.graph))
        fail_msg("%s", applied.diags.items[0].text);
    applied.params = k_params_create(sets, set_count, environment);
    applied.code = k_params_apply(applied.params, applied.graph, &applied.diags);
    return applied;
}

static void finish(struct applied *applied)
{
    k_params_destroy(applied->params);
    k_graph_destroy(applied->graph);
    k_diags_fini(&applied->diags);
}

static const char *comment_of(const struct applied *applied) { return k_graph_message(applied->graph)->comment; }

#define PARAMS "param { name: 'A' default: 'a' } param { name: 'E' default: 'e' } param { name: 'N' } " \
               "param { name: 'EMPTY' default: 'never' } param { name: 'S' default: '${A}' } "

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *written, *replaced;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"${A}", "a"},
        {"x${A}y${E}z", "xayfrom-envz"},
        {"${A}${A}", "aa"},
        {"${N:-}", ""},
        {"${N:-a:-b c}", "a:-b c"},
        {"${A:-other}", "a"},
        {"${A:?no}", "a"},
        {"${EMPTY}", ""},
        {"${EMPTY:-filled}", "filled"},
        {"${S}", "${A}"}, // not replaced again
        {"$${A}", "${A}"},
        {"$$${A}", "$${A}"},
        {"a$${b}${A}$", "a${b}a$"},
        {"$A $.path $", "$A $.path $"},
        {"é${A}é", "éaé"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = k_format(PARAMS "comment: \"%s\"", cases[i].written);
        struct applied applied = apply(k_str_of(text), NULL, 0);
        if (applied.code) fail_msg("%s: %s", cases[i].written, applied.diags.items[0].text);
        assert_string_equal(comment_of(&applied), cases[i].replaced);
        finish(&applied);
        free(text);
    }
}

static void test_set_wins_over_environment_and_default(void **state)
{
    (void)state;
    static const char *const sets[] = {"A=1", "E=x=y", "A=2", "N="};
    struct applied applied = apply(K_STR(PARAMS "comment: '${A} ${E} ${N}|'"), sets, 4);
    assert_int_equal(applied.code, 0);
    assert_string_equal(comment_of(&applied), "2 x=y |");
    finish(&applied);
}

static void test_the_process_has_an_environment_too(void **state)
{
    (void)state;
    struct applied applied = {0};
    struct k_str content = K_STR(PARAMS "comment: '${A}'");
    assert_int_equal(k_graph_read("g", content, K_FORM_TEXT, &applied.diags, &applied.graph), 0);
    setenv("KAPPA_VAR_A", "own", 1);
    applied.params = k_params_create(NULL, 0, NULL);
    applied.code = k_params_apply(applied.params, applied.graph, &applied.diags);
    unsetenv("KAPPA_VAR_A");
    assert_int_equal(applied.code, 0);
    assert_string_equal(comment_of(&applied), "own");
    finish(&applied);
}

static void test_wrong_sets(void **state)
{
    (void)state;
    static const char *const sets[] = {"TOPC=1", "=2", "nothing", "BAD=\xff"};
    struct applied applied =
        apply(K_STR("param { name: 'TOPIC' } param { name: 'BAD' } comment: '${BAD}${TOPIC:?set it}'"), sets, 4);
    struct k_buf out = {0};
    assert_int_equal(applied.code, K_E_CONFIG);
    k_diags_print(&applied.diags, &out);
    assert_string_equal(out.data,
        "error[K0123]: --set TOPC: the graph has no param of this name; did you mean \"TOPIC\"?\n"
        "error[K0123]: --set : the graph has no param of this name\n"
        "error[K0123]: --set nothing is not of the form NAME=value\n"
        "g:1:39: error[K0108]: the value of param \"BAD\" is not UTF-8\n"
        "g:1:63: error[K0122]: param \"TOPIC\" has no value: set it\n");
    assert_true(k_graph_is_broken(applied.graph, k_graph_message(applied.graph)));
    k_buf_fini(&out);
    finish(&applied);
}

static void assert_column(const struct applied *applied, size_t offset, uint32_t column)
{
    struct k_pos pos = k_graph_pos_in(applied->graph, k_graph_message(applied->graph), "comment", 0, offset);
    if (pos.line != 2 || pos.column != column)
        fail_msg("byte %zu: %u:%u, expected 2:%u", offset, pos.line, pos.column, column);
}

static void test_positions_survive(void **state)
{
    (void)state;
    //                                                     1234567890123456789012345678901234567890
    struct applied applied = apply(K_STR(PARAMS "\ncomment: \"a\\nb${E}c\" \"$${d\\t${N:-}e${A}\""), NULL, 0);
    assert_int_equal(applied.code, 0);
    assert_string_equal(comment_of(&applied), "a\nbfrom-envc${d\tea");
    assert_column(&applied, 0, 11);                                  // a
    assert_column(&applied, 1, 12);                                  // \n
    assert_column(&applied, 2, 14);                                  // b
    for (size_t i = 3; i < 11; i++) assert_column(&applied, i, 15);  // ${E}
    assert_column(&applied, 11, 19);                                 // c
    assert_column(&applied, 12, 24);                                 // the second $
    assert_column(&applied, 13, 25);                                 // {
    assert_column(&applied, 14, 26);                                 // d
    assert_column(&applied, 15, 27);                                 // \t
    assert_column(&applied, 16, 35);                                 // e
    assert_column(&applied, 17, 36);                                 // ${A}
    assert_column(&applied, 18, 40);                                 // just behind
    finish(&applied);
}

static void test_everywhere_but_in_params(void **state)
{
    (void)state;
    struct applied applied =
        apply(K_STR("{\"name\": \"${A}\", \"param\": {\"name\": \"A\", \"default\": \"a\", \"comment\": \"${A}\"},"
                    " \"node\": [{\"input\": [\"x\", \"${A}\"], \"filter\": {\"where\": \"${A} > 1\"}}]}"),
            NULL, 0);
    assert_int_equal(applied.code, 0);
    const Kappa__V1__Graph *graph = k_graph_message(applied.graph);
    assert_string_equal(graph->name, "a");
    assert_string_equal(graph->param[0]->comment, "${A}");
    assert_string_equal(graph->node[0]->input[1], "a");
    assert_string_equal(graph->node[0]->filter->where, "a > 1");
    finish(&applied);
    // A binary graph, which has no positions.
    applied = apply(K_STR("\x0a\x04${A}\x1a\x06\x0a\x01"
                          "A\x12\x01z"), NULL, 0);
    assert_int_equal(applied.code, 0);
    assert_string_equal(k_graph_message(applied.graph)->name, "z");
    finish(&applied);
}

static void test_secrets(void **state)
{
    (void)state;
    static const char *const sets[] = {"P=pass\"w\\ord", "Q=pass", "OPEN=open"};
    struct applied applied =
        apply(K_STR("param { name: 'P' secret: true } param { name: 'Q' secret: true } "
                    "param { name: 'OPEN' } param { name: 'NONE' secret: true } comment: '${NONE:-inline}'"),
            sets, 3);
    assert_int_equal(applied.code, 0);
    struct k_buf text = {0};
    k_buf_add_text(&text, "pass\"w\\ord passpass open \"pass\\\"w\\\\ord\" 'pass\"w\\\\ord' inline in pas");
    k_params_mask(applied.params, &text);
    assert_string_equal(text.data, "*** ****** open \"***\" '***' *** in pas");
    k_buf_fini(&text);
    k_params_mask(applied.params, &text);
    assert_int_equal(text.length, 0);
    finish(&applied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
        cmocka_unit_test(test_set_wins_over_environment_and_default),
        cmocka_unit_test(test_the_process_has_an_environment_too), cmocka_unit_test(test_wrong_sets),
        cmocka_unit_test(test_positions_survive), cmocka_unit_test(test_everywhere_but_in_params),
        cmocka_unit_test(test_secrets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
