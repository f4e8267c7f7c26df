// Printing: whatever is printed reads back as the same message, printing again changes nothing, comments
// stay; and the limit of nesting. Random messages are made from a seed (KAPPA_SEED, printed).
#include "tests/base/test.h"

#include "base/hash.h"
#include "proto/graph.h"
#include "proto/print.h"
#include "tests/proto/every.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

static struct k_document *read_document(
    const ProtobufCMessageDescriptor *type, struct k_str content, enum k_form form)
{
    struct k_diags diags = {0};
    struct k_document *document = NULL;
    if (k_document_read(type, "x", content, form, &diags, &document))
        fail_msg("%s\nin\n%.*s", diags.items[0].text, form == K_FORM_BINARY ? 0 : (int)content.length, content.data);
    k_diags_fini(&diags);
    return document;
}

static struct k_buf printed(const struct k_document *document, enum k_form form)
{
    struct k_buf out = {0};
    k_print(document, form, &out);
    return out;
}

// ---- random messages, in binary ----

static void add_bytes(struct k_buf *out, struct k_buf *inner)
{
    k_buf_add_varint(out, inner->length);
    k_buf_add(out, k_buf_str(inner).data, inner->length);
    k_buf_fini(inner);
}

static void add_text(struct k_buf *out, uint64_t *seed, bool is_bytes)
{
    static const char *const parts[] = {
        "a", "\"", "'", "\\", "\n", "\t", "\x01", "é", "漢", "😀", "${A}", "# no comment", " ", "0", "\x7f"};
    struct k_buf text = {0};
    for (uint64_t n = k_random_below(seed, 8); n > 0; n--) {
        k_buf_add_text(&text, parts[k_random_below(seed, sizeof(parts) / sizeof(parts[0]))]);
        if (is_bytes) k_buf_add_char(&text, (char)k_random(seed));
    }
    add_bytes(out, &text);
}

static void add_fixed(struct k_buf *out, uint64_t value, size_t size)
{
    k_buf_add(out, &value, size);
} // little-endian, as here

static void add_message(struct k_buf *out, const ProtobufCMessageDescriptor *type, uint64_t *seed, int depth);

static void add_value(struct k_buf *out, const ProtobufCFieldDescriptor *field, uint64_t *seed, int depth)
{
    static const uint64_t numbers[] = {
        0, 1, 7, 127, 128, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, (uint64_t)INT32_MIN, (uint64_t)INT64_MIN};
    static const float floats[] = {0, -0.0f, 1.5f, 0.1f, 1e38f, -1e-40f, (float)__builtin_inf()};
    static const double doubles[] = {0, -0.0, 1, 0.1, 1e300, -5e-324, 123456789.25, -__builtin_inf()};
    uint64_t number = numbers[k_random_below(seed, sizeof(numbers) / sizeof(numbers[0]))];
    const ProtobufCEnumDescriptor *choices = field->descriptor;
    struct k_buf inner = {0};
    switch (field->type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32: add_fixed(out, number, 4); return;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64: add_fixed(out, number, 8); return;
    case PROTOBUF_C_TYPE_FLOAT: k_buf_add(out, &floats[k_random_below(seed, 7)], 4); return;
    case PROTOBUF_C_TYPE_DOUBLE: k_buf_add(out, &doubles[k_random_below(seed, 8)], 8); return;
    case PROTOBUF_C_TYPE_BOOL: k_buf_add_varint(out, number & 1); return;
    case PROTOBUF_C_TYPE_ENUM:
        k_buf_add_varint(out, (uint64_t)(int64_t)choices->values[k_random_below(seed, choices->n_values)].value);
        return;
    case PROTOBUF_C_TYPE_INT32: k_buf_add_varint(out, (uint64_t)(int64_t)(int32_t)number); return;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32: k_buf_add_varint(out, (uint32_t)number); return;
    case PROTOBUF_C_TYPE_STRING: add_text(out, seed, false); return;
    case PROTOBUF_C_TYPE_BYTES: add_text(out, seed, true); return;
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(&inner, field->descriptor, seed, depth + 1);
        add_bytes(out, &inner);
        return;
    default: k_buf_add_varint(out, number); return;
    }
}

static unsigned wire_type(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return 5;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 1;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return 2;
    default: return 0;
    }
}

static void add_message(struct k_buf *out, const ProtobufCMessageDescriptor *type, uint64_t *seed, int depth)
{
    for (unsigned f = 0; f < type->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &type->fields[f];
        uint64_t count = k_random_below(seed, field->label == PROTOBUF_C_LABEL_REPEATED ? 4 : 2);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth >= 4) count = 0;
        if (type == &kappa__test__every__descriptor && k_random_below(seed, 2)) count = 0;
        for (; count > 0; count--) {
            k_buf_add_varint(out, (uint64_t)field->id << 3 | wire_type(field));
            add_value(out, field, seed, depth);
        }
    }
}

// ---- properties ----

static void check_round_trips(const ProtobufCMessageDescriptor *type, struct k_str binary)
{
    struct k_document *document = read_document(type, binary, K_FORM_BINARY);
    struct k_buf canonical = printed(document, K_FORM_BINARY);
    for (enum k_form form = K_FORM_TEXT; form <= K_FORM_BINARY; form++) {
        struct k_buf out = printed(document, form);
        struct k_document *again = read_document(type, k_buf_str(&out), form);
        struct k_buf same = printed(again, K_FORM_BINARY), out_again = printed(again, form);
        if (!k_str_equal(k_buf_str(&same), k_buf_str(&canonical)))
            fail_msg("form %d: another message from\n%s", form, out.data);
        if (!k_str_equal(k_buf_str(&out_again), k_buf_str(&out)))
            fail_msg("\n%s\nprints as\n%s", out.data, out_again.data);
        k_document_destroy(again);
        k_buf_fini(&out);
        k_buf_fini(&same);
        k_buf_fini(&out_again);
    }
    k_document_destroy(document);
    k_buf_fini(&canonical);
}

static void test_round_trips(void **state)
{
    (void)state;
    uint64_t seed = getenv("KAPPA_SEED") ? strtoull(getenv("KAPPA_SEED"), NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int turn = 0; turn < 300; turn++) {
        const ProtobufCMessageDescriptor *type =
            turn % 2 ? &kappa__v1__graph__descriptor : &kappa__test__every__descriptor;
        struct k_buf binary = {0};
        add_message(&binary, type, &seed, 0);
        check_round_trips(type, k_buf_str(&binary));
        k_buf_fini(&binary);
    }
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) count++;
    return count;
}

// A random message as text, with comments and empty lines between its fields.
static struct k_buf commented(const ProtobufCMessageDescriptor *type, uint64_t *seed, unsigned *ret_comments)
{
    struct k_buf binary = {0}, out = {0};
    add_message(&binary, type, seed, 1);
    struct k_document *document = read_document(type, k_buf_str(&binary), K_FORM_BINARY);
    struct k_buf text = printed(document, K_FORM_TEXT);
    *ret_comments = 0;
    for (size_t i = 0; i < text.length; i++) {
        bool at_line = text.data[i] == '\n';
        if (at_line && k_random_below(seed, 4) == 0) k_buf_printf(&out, " #c%u.", (*ret_comments)++);
        k_buf_add_char(&out, text.data[i]);
        while (at_line && k_random_below(seed, 6) == 0) k_buf_add_char(&out, '\n');
        while (at_line && k_random_below(seed, 4) == 0) k_buf_printf(&out, "  #c%u.\n", (*ret_comments)++);
    }
    k_document_destroy(document);
    k_buf_fini(&binary);
    k_buf_fini(&text);
    return out;
}

static void test_comments_stay(void **state)
{
    (void)state;
    uint64_t seed = 42;
    unsigned total = 0;
    for (int turn = 0; turn < 100; turn++) {
        const ProtobufCMessageDescriptor *type =
            turn % 2 ? &kappa__v1__graph__descriptor : &kappa__test__every__descriptor;
        unsigned comments;
        struct k_buf text = commented(type, &seed, &comments);
        struct k_document *document = read_document(type, k_buf_str(&text), K_FORM_TEXT);
        struct k_buf out = printed(document, K_FORM_TEXT);
        assert_int_equal(k_document_has_comments(document), comments > 0);
        for (unsigned i = 0; i < comments; i++) {
            char comment[20];
            snprintf(comment, sizeof(comment), "#c%u.", i);
            if (count_of(out.data, comment) != 1)
                fail_msg("%s stands %zu times in\n%s", comment, count_of(out.data, comment), out.data);
        }
        struct k_document *again = read_document(type, k_buf_str(&out), K_FORM_TEXT);
        struct k_buf out_again = printed(again, K_FORM_TEXT);
        assert_string_equal(k_buf_str(&out_again).data, k_buf_str(&out).data);
        total += comments;
        k_document_destroy(document);
        k_document_destroy(again);
        k_buf_fini(&text);
        k_buf_fini(&out);
        k_buf_fini(&out_again);
    }
    assert_true(total > 1000);
}

static void test_canonical_form(void **state)
{
    (void)state;
    static const struct {
        const char *written, *text;
    } cases[] = {
        {"", ""},
        {"# only a comment\n\n\n# two\n", "# only a comment\n\n# two\n"},
        {"# proto-message: kappa.v1.Graph\nnode{}name:'g'", "# proto-message: kappa.v1.Graph\nname: \"g\"\nnode {}\n"},
        {"# about node\nnode{} # behind node\nname:'g';", "name: \"g\"\n# about node\nnode {}  # behind node\n"},
        {"# the file\n\n# about name\nname: 'g'\n\n\n\nnode {}",
            "# the file\n\n# about name\nname: \"g\"\n\nnode {}\n"},
        {"node { name: 'n' # n\n input: ['a', # a\n 'b' # b\n ] # list\n # end\n } # node\n",
            "node {\n  name: \"n\"  # n\n  input: \"a\"  # a\n  # b\n  # list\n  input: \"b\"\n  # end\n}  # node\n"},
        {"comment: 'it\\'s' name: 'say \"x\"'", "name: 'say \"x\"'\ncomment: \"it's\"\n"},
        // 100 columns and 101
        {"table { name: '34567890123456789012345678901234567890' input: '1234567890123456789012345' key: 'a' }",
            "table { name: \"34567890123456789012345678901234567890\" input: \"1234567890123456789012345\" key: \"a\" "
            "}\n"},
        {"table { name: '34567890123456789012345678901234567890' input: '12345678901234567890123456' key: 'a' }",
            "table {\n  name: \"34567890123456789012345678901234567890\"\n"
            "  input: \"12345678901234567890123456\"\n  key: \"a\"\n}\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct k_document *document =
            read_document(&kappa__v1__graph__descriptor, k_str_of(cases[i].written), K_FORM_TEXT);
        struct k_buf out = printed(document, K_FORM_TEXT);
        assert_string_equal(k_buf_str(&out).data, cases[i].text);
        k_document_destroy(document);
        k_buf_fini(&out);
    }
}

// levels messages inside each other, the outermost counted, in a form.
static struct k_buf nested(enum k_form form, int levels)
{
    struct k_buf out = {0};
    if (form == K_FORM_BINARY) {
        for (int i = 1; i < levels; i++) {
            struct k_buf outer = {0};
            k_buf_add_varint(&outer, 17 << 3 | 2);
            add_bytes(&outer, &out);
            out = outer;
        }
        return out;
    }
    if (form == K_FORM_JSON) k_buf_add_char(&out, '{');
    for (int i = 1; i < levels; i++) k_buf_add_text(&out, form == K_FORM_JSON ? "\"inner\":{" : "inner{");
    for (int i = 1; i < levels; i++) k_buf_add_char(&out, '}');
    if (form == K_FORM_JSON) k_buf_add_char(&out, '}');
    return out;
}

static void test_depth(void **state)
{
    (void)state;
    for (enum k_form form = K_FORM_TEXT; form <= K_FORM_BINARY; form++) {
        struct k_buf right = nested(form, K_DEPTH_MAX), wrong = nested(form, K_DEPTH_MAX + 1), mad = nested(form, 3000);
        struct k_document *document = read_document(&kappa__test__every__descriptor, k_buf_str(&right), form);
        struct k_buf out = printed(document, form);
        k_document_destroy(document);
        k_document_destroy(read_document(&kappa__test__every__descriptor, k_buf_str(&out), form));
        k_buf_fini(&out);
        struct k_diags diags = {0};
        const struct k_buf *both[] = {&wrong, &mad};
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                k_document_read(&kappa__test__every__descriptor, "x", k_buf_str(both[i]), form, &diags, &document),
                K_E_CONFIG);
            assert_int_equal(diags.count, i + 1);
            assert_string_equal(diags.items[i].code, "K0109");
        }
        k_diags_fini(&diags);
        k_buf_fini(&right);
        k_buf_fini(&wrong);
        k_buf_fini(&mad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_comments_stay),
        cmocka_unit_test(test_canonical_form), cmocka_unit_test(test_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
