// Reading graphs: positions, drafts, forms and depth.
#include "tests/base/test.h"

#include "proto/codes.h"
#include "proto/graph.h"
#include "proto/help.h"

#include <stdlib.h>

static struct k_graph *read_graph(const char *file, struct k_str content)
{
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    int code = k_graph_read(file, content, K_FORM_AUTO, &diags, &graph);
    if (code) fail_msg("%s: %s", file, diags.items[0].text);
    k_diags_fini(&diags);
    return graph;
}

static void assert_pos(struct k_pos pos, uint32_t line, uint32_t column)
{
    if (pos.line != line || pos.column != column) fail_msg("%u:%u, expected %u:%u", pos.line, pos.column, line, column);
}

static void test_positions_in_text(void **state)
{
    (void)state;
    struct k_graph *graph = read_graph("g.textproto", K_STR(
        "# comment\n"
        "name: \"g\"\n"
        "node { name: 'n'\n"
        "  input: \"a\"  input: [\"b\",\n"
        "    'c'] filter <\n"
        "    where: \"a\\n\\u00e9b\" # c\n"
        "      'cd' > }\n"
        "node { }\n"));
    const Kappa__V1__Graph *message = k_graph_message(graph);
    assert_int_equal(message->n_node, 2);
    const Kappa__V1__Node *node = message->node[0];
    assert_pos(k_graph_pos(graph, message, NULL, -1), 1, 1);
    assert_pos(k_graph_pos(graph, message, "name", -1), 2, 1);
    assert_pos(k_graph_pos(graph, message, "name", 0), 2, 7);
    assert_pos(k_graph_pos(graph, message, "node", -1), 3, 1);
    assert_pos(k_graph_pos(graph, message, "node", 0), 3, 6);
    assert_pos(k_graph_pos(graph, message, "node", 1), 8, 6);
    assert_pos(k_graph_pos(graph, node, NULL, -1), 3, 1);
    assert_pos(k_graph_pos(graph, message->node[1], NULL, -1), 8, 1);
    assert_pos(k_graph_pos(graph, node, "input", -1), 4, 3);
    assert_pos(k_graph_pos(graph, node, "input", 0), 4, 10);
    assert_pos(k_graph_pos(graph, node, "input", 1), 4, 23);
    assert_pos(k_graph_pos(graph, node, "input", 2), 5, 5);
    assert_pos(k_graph_pos(graph, node, "filter", -1), 5, 10);
    assert_pos(k_graph_pos(graph, node, "filter", 0), 5, 17);
    assert_pos(k_graph_pos(graph, node->filter, NULL, -1), 5, 10);
    // What is absent stands where its message does.
    assert_pos(k_graph_pos(graph, node, "policy", -1), 3, 1);
    assert_pos(k_graph_pos(graph, node, "policy", 0), 3, 1);
    assert_pos(k_graph_pos(graph, node, "input", 3), 3, 1);
    assert_pos(k_graph_pos_in(graph, node, "comment", 0, 5), 3, 1);

    // a \n é(2 bytes) b | c d
    static const struct k_pos where[] = {{NULL, 6, 13}, {NULL, 6, 14}, {NULL, 6, 16}, {NULL, 6, 16}, {NULL, 6, 22},
        {NULL, 7, 8}, {NULL, 7, 9}, {NULL, 7, 10}};
    assert_string_equal(node->filter->where, "a\n\xc3\xa9"
                                             "bcd");
    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++)
        assert_pos(k_graph_pos_in(graph, node->filter, "where", 0, i), where[i].line, where[i].column);
    assert_string_equal(k_graph_pos(graph, node, NULL, -1).file, "g.textproto");
    k_graph_destroy(graph);
}

static void test_positions_in_json(void **state)
{
    (void)state;
    struct k_graph *graph = read_graph("g.json", K_STR(
        "{\"name\": \"g\",\n"
        " \"node\": [{\"name\": \"n\", \"input\": \"a\"},\n"
        "  {\"filter\": {\"where\": \"a\\n\\ud83d\\ude00b\"}}],\n"
        " \"source\": {\"time\": {\"outOfOrder\": \"1s\"}}}"));
    const Kappa__V1__Graph *message = k_graph_message(graph);
    assert_pos(k_graph_pos(graph, message, NULL, -1), 1, 1);
    assert_pos(k_graph_pos(graph, message, "node", -1), 2, 2);
    assert_pos(k_graph_pos(graph, message, "node", 0), 2, 11);
    assert_pos(k_graph_pos(graph, message, "node", 1), 3, 3);
    assert_pos(k_graph_pos(graph, message->node[0], "input", 0), 2, 34);
    assert_pos(k_graph_pos(graph, message->source[0]->time, "out_of_order", -1), 4, 22);
    const Kappa__V1__Filter *filter = message->node[1]->filter;
    assert_pos(k_graph_pos_in(graph, filter, "where", 0, 0), 3, 25);
    assert_pos(k_graph_pos_in(graph, filter, "where", 0, 1), 3, 26);
    for (size_t i = 2; i < 6; i++) assert_pos(k_graph_pos_in(graph, filter, "where", 0, i), 3, 28);
    assert_pos(k_graph_pos_in(graph, filter, "where", 0, 6), 3, 40);
    assert_pos(k_graph_pos_in(graph, filter, "where", 0, 7), 3, 41);
    k_graph_destroy(graph);
}

static void test_binary_has_no_positions(void **state)
{
    (void)state;
    struct k_graph *graph = read_graph("g.binpb", K_STR("\x0a\x01g\x3a\x03\x0a\x01n"));
    const Kappa__V1__Graph *message = k_graph_message(graph);
    assert_string_equal(message->node[0]->name, "n");
    assert_pos(k_graph_pos(graph, message->node[0], "name", 0), 0, 0);
    assert_pos(k_graph_pos_in(graph, message->node[0], "name", 0, 1), 0, 0);
    assert_false(k_graph_is_broken(graph, message->node[0]));
    k_graph_destroy(graph);
}

static void test_draft(void **state)
{
    (void)state;
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    struct k_str content = K_STR("name: \"g\"\n"
                                 "node { name: \"a\" filtre {} }\n"
                                 "node { name: \"b\" filter { where: 5 } }\n"
                                 "node { name: \"c\" filter { where \"x\" } }\n"
                                 "node { name: \"d\" } ]\n"
                                 "node { name: \"e\" filter }\n");
    assert_int_equal(k_graph_read(NULL, content, K_FORM_TEXT, &diags, &graph), K_E_CONFIG);
    assert_null(graph);
    uint32_t errors = diags.errors;
    assert_int_equal(errors, 5);
    assert_int_equal(k_graph_read_draft(NULL, content, K_FORM_TEXT, &diags, &graph), 0);
    assert_int_equal(diags.errors, 2 * errors);
    const Kappa__V1__Graph *message = k_graph_message(graph);
    assert_int_equal(message->n_node, 5);
    assert_true(k_graph_is_broken(graph, message->node[0]));
    assert_false(k_graph_is_broken(graph, message->node[1]));
    assert_true(k_graph_is_broken(graph, message->node[1]->filter));
    assert_null(message->node[1]->filter->where);
    assert_false(k_graph_is_broken(graph, message->node[2]));
    assert_string_equal(message->node[2]->filter->where, "x"); // a forgotten colon is clear enough
    assert_false(k_graph_is_broken(graph, message->node[3]));
    assert_true(k_graph_is_broken(graph, message->node[4]));
    assert_true(k_graph_is_broken(graph, message)); // by the stray bracket
    k_graph_destroy(graph);
    k_diags_fini(&diags);
}

static void test_forms(void **state)
{
    (void)state;
    assert_int_equal(k_form_of("a.textproto", K_STR("{")), K_FORM_TEXT);
    assert_int_equal(k_form_of("dir.json/a.TXTPB", K_STR("{")), K_FORM_TEXT);
    assert_int_equal(k_form_of("a.json", K_STR("name")), K_FORM_JSON);
    assert_int_equal(k_form_of("a.binpb", K_STR("{")), K_FORM_BINARY);
    assert_int_equal(k_form_of(NULL, K_STR("")), K_FORM_TEXT);
    assert_int_equal(k_form_of("-", K_STR("\xEF\xBB\xBF \n {")), K_FORM_JSON);
    assert_int_equal(k_form_of("-", K_STR("\n\t# {")), K_FORM_TEXT);
    assert_int_equal(k_form_of("-", K_STR("\x0a\x01g")), K_FORM_BINARY);
    k_graph_destroy(read_graph("bom.textproto", K_STR("\xEF\xBB\xBFname: 'g'")));
    k_graph_destroy(read_graph("bom.json", K_STR("\xEF\xBB\xBF{}")));
    k_graph_destroy(read_graph("empty", (struct k_str){0}));
}

// The parsers know no types: nesting that no message allows may not overflow their stack either. (For the
// limit itself see test_print.c, with a message that nests in itself.)
static void test_depth_of_nonsense(void **state)
{
    (void)state;
    enum { LEVELS = 200000 };
    struct k_buf text = {0}, json = {0};
    for (int i = 0; i < LEVELS; i++) k_buf_add_text(&text, "a{");
    for (int i = 0; i < LEVELS; i++) k_buf_add_text(&json, "{\"a\":[");
    struct k_diags diags = {0};
    struct k_graph *graph = NULL;
    assert_int_equal(k_graph_read("d.textproto", k_buf_str(&text), K_FORM_AUTO, &diags, &graph), K_E_CONFIG);
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.items[0].code, "K0109");
    assert_int_equal(k_graph_read("d.json", k_buf_str(&json), K_FORM_AUTO, &diags, &graph), K_E_CONFIG);
    k_diags_fini(&diags);
    k_buf_fini(&text);
    k_buf_fini(&json);
}

static void test_every_code_has_a_meaning(void **state)
{
    (void)state;
    assert_string_equal(k_code_meaning("K0102"), "A message has no field or operator of this name.");
    assert_null(k_code_meaning("K9999"));
    assert_string_equal(K0102, "K0102");
}

// Every field and choice that a graph can have is explained; the help and the reference are made from it.
static void check_help(const ProtobufCMessageDescriptor *type)
{
    if (!k_help_of(type->name)) fail_msg("message %s has no comment", type->name);
    for (unsigned f = 0; f < type->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &type->fields[f];
        if (!k_help_of_field(type, field)) fail_msg("field %s of %s has no comment", field->name, type->name);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) check_help(field->descriptor);
        if (field->type != PROTOBUF_C_TYPE_ENUM) continue;
        const ProtobufCEnumDescriptor *choices = field->descriptor;
        if (!k_help_of(choices->name)) fail_msg("enum %s has no comment", choices->name);
        for (unsigned i = 0; i < choices->n_values; i++)
            if (!k_help_of_choice(choices, &choices->values[i]))
                fail_msg("choice %s of %s has no comment", choices->values[i].name, choices->name);
    }
}

static void test_everything_is_explained(void **state)
{
    (void)state;
    check_help(&kappa__v1__graph__descriptor);
    assert_string_equal(k_help_of("kappa.v1.Node.filter"), "Keeps the rows for which a condition is true.");
    assert_null(k_help_of("kappa.v1.Node.filtre"));
    for (size_t i = 1; i < k_help_count; i++) assert_true(strcmp(k_help_table[i - 1].name, k_help_table[i].name) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_positions_in_text),
        cmocka_unit_test(test_positions_in_json), cmocka_unit_test(test_binary_has_no_positions),
        cmocka_unit_test(test_draft), cmocka_unit_test(test_forms), cmocka_unit_test(test_depth_of_nonsense),
        cmocka_unit_test(test_every_code_has_a_meaning),
        cmocka_unit_test(test_everything_is_explained)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
