// kappa operators: what a graph can be made of. Names and sentences come from the catalogue, fields and their meaning
// from the comments of proto/kappa.proto, examples from operators/examples; nothing is written here a second time.
#include "cli/output.h"
#include "operators/catalogue.h"
#include "operators/examples.h"
#include "proto/help.h"
#include "proto/kappa.pb-c.h"

enum { OUTPUT };
static const struct k_option options[] = {[OUTPUT] = OPTION_OUTPUT_TEXT};

enum { WIDTH = 100, NAMES_MAX = 200, DEPTH_MAX = 8 };
typedef ProtobufCMessageDescriptor Message;
typedef ProtobufCFieldDescriptor Field;

// The message that configures an operator: its arm in a node; a table or sink is a message of its own.
static const Message *message_of(const char *name)
{
    const Field *arm = protobuf_c_message_descriptor_get_field_by_name(&kappa__v1__node__descriptor, name);
    if (arm && arm->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) return arm->descriptor;
    arm = protobuf_c_message_descriptor_get_field_by_name(&kappa__v1__sink__descriptor, name);
    if (arm && arm->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) return &kappa__v1__sink__descriptor;
    if (strcmp(name, "graph") == 0) return &kappa__v1__graph__descriptor;
    const Field *part = protobuf_c_message_descriptor_get_field_by_name(&kappa__v1__graph__descriptor, name);
    return part && part->type == PROTOBUF_C_TYPE_MESSAGE ? part->descriptor : NULL;
}

static const char *type_of(const Field *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: return "bool";
    case PROTOBUF_C_TYPE_INT32: return "int32";
    case PROTOBUF_C_TYPE_INT64: return "int64";
    case PROTOBUF_C_TYPE_STRING: return "string";
    case PROTOBUF_C_TYPE_BYTES: return "bytes";
    case PROTOBUF_C_TYPE_ENUM: return "choice";
    case PROTOBUF_C_TYPE_MESSAGE: return "message";
    default: K_ASSERT(!"a type that kappa.proto does not use"); return "";
    }
}

static void print_fields(const Message *message, uint32_t depth)
{
    uint32_t indent = 2 + 4 * depth;
    for (unsigned i = 0; i < message->n_fields; i++) {
        const Field *field = &message->fields[i];
        bool arm = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF, repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        printf("%*s%s  (%s%s%s)\n", (int)indent, "", field->name, type_of(field), repeated ? ", repeated" : "",
               arm ? ", one of several" : "");
        const char *text = k_help_of_field(message, field);
        if (text) output_paragraph(stdout, text, indent + 4, WIDTH);
        if (field->type == PROTOBUF_C_TYPE_ENUM) {
            const ProtobufCEnumDescriptor *choices = field->descriptor;
            for (unsigned c = 0; c < choices->n_values; c++) {
                const char *meaning = k_help_of_choice(choices, &choices->values[c]);
                printf("%*s%s\n", (int)indent + 4, "", choices->values[c].name);
                if (meaning) output_paragraph(stdout, meaning, indent + 8, WIDTH);
            }
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth < DEPTH_MAX) print_fields(field->descriptor, depth + 1);
    }
}

static void add_text(struct k_buf *out, const char *name, const char *text)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (text) k_json_string(out, k_str_of(text));
    else k_buf_add_text(out, "null");
}

static void json_fields(struct k_buf *out, const Message *message, uint32_t depth)
{
    k_buf_add_char(out, '[');
    for (unsigned i = 0; i < message->n_fields; i++) {
        const Field *field = &message->fields[i];
        k_buf_printf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"repeated\":%s,\"one_of\":%s", i ? "," : "",
                     field->name, type_of(field), field->label == PROTOBUF_C_LABEL_REPEATED ? "true" : "false",
                     field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? "true" : "false");
        add_text(out, "doc", k_help_of_field(message, field));
        if (field->type == PROTOBUF_C_TYPE_ENUM) {
            const ProtobufCEnumDescriptor *choices = field->descriptor;
            k_buf_add_text(out, ",\"choices\":[");
            for (unsigned c = 0; c < choices->n_values; c++) {
                k_buf_printf(out, "%s{\"name\":\"%s\"", c ? "," : "", choices->values[c].name);
                add_text(out, "doc", k_help_of_choice(choices, &choices->values[c]));
                k_buf_add_char(out, '}');
            }
            k_buf_add_char(out, ']');
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth < DEPTH_MAX) {
            k_buf_add_text(out, ",\"fields\":");
            json_fields(out, field->descriptor, depth + 1);
        }
        k_buf_add_char(out, '}');
    }
    k_buf_add_char(out, ']');
}

static const char *doc_of(const char *name, const Message *message)
{
    const struct k_operator *type = k_operator_find(name);
    return type ? type->doc : k_help_of(message->name);
}

static const char *example_of(const char *name)
{
    for (size_t i = 0; i < k_example_count; i++)
        if (strcmp(k_examples[i].name, name) == 0) return k_examples[i].text;
    return NULL;
}

static void print_one(const char *name, bool json)
{
    const char *example = example_of(name);
    const Message *message = message_of(name);
    if (!json) {
        printf("%s\n", name);
        output_paragraph(stdout, k_help_of(message->name), 2, WIDTH);
        puts("");
        print_fields(message, 0);
        if (example) printf("%sExample, as a file for kappa test:\n\n%s", message->n_fields ? "\n" : "", example);
        return;
    }
    struct k_buf out = {0};
    k_buf_printf(&out, "{\"kind\":\"operator\",\"name\":\"%s\"", name);
    add_text(&out, "summary", doc_of(name, message));
    add_text(&out, "doc", k_help_of(message->name));
    add_text(&out, "example", example);
    k_buf_add_text(&out, ",\"fields\":");
    json_fields(&out, message, 0);
    k_buf_add_text(&out, "}\n");
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

// Operators in the catalogue's order, then the other parts of a graph.
static uint32_t all_names(const char **names)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < k_operator_count; i++) names[count++] = k_operators[i]->name;
    names[count++] = "graph";
    for (unsigned i = 0; i < kappa__v1__graph__descriptor.n_fields; i++) {
        const char *name = kappa__v1__graph__descriptor.fields[i].name;
        if (message_of(name) && !k_operator_find(name)) names[count++] = name;
    }
    K_ASSERT(count <= NAMES_MAX);
    return count;
}

static void print_list(const char *const *names, uint32_t count, bool json)
{
    if (json) {
        struct k_buf out = {0};
        k_buf_add_text(&out, "{\"kind\":\"operators\",\"operators\":[");
        for (uint32_t i = 0; i < k_operator_count; i++) {
            k_buf_printf(&out, "%s{\"name\":\"%s\"", i ? "," : "", names[i]);
            add_text(&out, "doc", k_operators[i]->doc);
            k_buf_add_char(&out, '}');
        }
        k_buf_add_text(&out, "]}\n");
        fwrite(out.data, 1, out.length, stdout);
        k_buf_fini(&out);
        return;
    }
    for (uint32_t i = 0; i < k_operator_count; i++) printf("%-12s %s\n", names[i], k_operators[i]->doc);
    printf("\nkappa operators NAME says more, also of the other parts of a graph:");
    for (uint32_t i = k_operator_count; i < count; i++) printf(" %s", names[i]);
    puts("");
}

static int run(struct call *call)
{
    bool json = false;
    struct k_error err = {0};
    int code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    const char *names[NAMES_MAX];
    uint32_t count = all_names(names);
    if (call->options.operand_count == 0) {
        print_list(names, count, json);
        return 0;
    }
    const char *wanted = call->options.operands[0];
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], wanted) != 0) continue;
        print_one(wanted, json);
        return 0;
    }
    const char *nearest = k_nearest(wanted, names, count);
    code = k_fail(&err, K_E_NOT_FOUND, "there is no operator \"%s\"%s%s%s", wanted,
                  nearest ? "; did you mean \"" : "; kappa operators lists them", nearest ? nearest : "",
                  nearest ? "\"?" : "");
    return command_failed(call, code, &err);
}

const struct command command_operators = {.name = "operators",
                                          .operands = "[NAME]",
                                          .doc = "list the operators, or say all about one",
                                          .options = options,
                                          .option_count = sizeof options / sizeof *options,
                                          .operands_max = 1,
                                          .run = run};
