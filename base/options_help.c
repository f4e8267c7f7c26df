// What people see of a table of options: --help, the variables of the environment, completion.
#include "base/options.h"

// A blank at which no line breaks, so that "(default x)" stays together.
#define STICKY "\x1f"

// Where the help starts; a label that reaches further has a line of its own.
enum { INDENT = 2, GAP = 2, COLUMN_MAX = 32, TEXT_MIN = 20 };

static const struct k_option help_option = {.name = "help", .help = "show this help", .letter = 'h'};

void k_option_variable(struct k_buf *out, const char *name)
{
    k_buf_add_text(out, "KAPPA_");
    for (; *name != '\0'; name++) {
        char c = *name;
        k_buf_add_char(out, c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

// Columns on a terminal: characters, not bytes. (Wide characters have no place in a help text.)
static uint32_t columns(const char *text, size_t length)
{
    uint32_t count = 0;
    for (size_t i = 0; i < length; i++) count += ((uint8_t)text[i] & 0xC0) != 0x80;
    return count;
}

static void add_label(struct k_buf *out, const struct k_option *option)
{
    if (option->letter != 0) k_buf_printf(out, "-%c, ", option->letter);
    else k_buf_add_text(out, "    ");
    k_buf_printf(out, "--%s", option->name);
    if (option->argument != NULL) k_buf_printf(out, " %s", option->argument);
    if (option->repeated) k_buf_add_text(out, " …");
}

static void add_description(struct k_buf *out, const struct k_option *option)
{
    k_buf_add_text(out, option->help);
    if (option == &help_option) return;
    if (option->text != NULL) k_buf_printf(out, " (default" STICKY "%s)", option->text);
    k_buf_add_text(out, " [");
    k_option_variable(out, option->name);
    k_buf_add_char(out, ']');
}

static void add_blanks(struct k_buf *out, uint32_t count)
{
    for (; count > 0; count--) k_buf_add_char(out, ' ');
}

// Words of text, from the column at on, in lines that start at column and end before width.
static void add_wrapped(struct k_buf *out, const char *text, uint32_t at, uint32_t column, uint32_t width)
{
    bool first = true; // word of its line
    add_blanks(out, column - at);
    at = column;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        uint32_t wide = columns(text, length);
        if (!first && at + 1 + wide > width) {
            k_buf_add_char(out, '\n');
            add_blanks(out, column);
            at = column;
            first = true;
        }
        if (!first) k_buf_add_char(out, ' ');
        for (size_t i = 0; i < length; i++) k_buf_add_char(out, text[i] == *STICKY ? ' ' : text[i]);
        at += wide + !first;
        first = false;
        text += length;
        while (*text == ' ') text++;
    }
    k_buf_add_char(out, '\n');
}

static uint32_t label_columns(const struct k_option *option)
{
    struct k_buf label = {0};
    add_label(&label, option);
    uint32_t wide = columns(label.data, label.length);
    k_buf_fini(&label);
    return wide;
}

static void add_option(struct k_buf *out, const struct k_option *option, uint32_t column, uint32_t width)
{
    struct k_buf description = {0};
    add_blanks(out, INDENT);
    add_label(out, option);
    add_description(&description, option);
    uint32_t at = INDENT + label_columns(option);
    if (at + GAP > column) {
        k_buf_add_char(out, '\n');
        at = 0;
    }
    add_wrapped(out, description.data, at, column, width);
    k_buf_fini(&description);
}

void k_options_help(struct k_buf *out, const struct k_option *table, uint32_t count, uint32_t width)
{
    uint32_t column = INDENT + label_columns(&help_option) + GAP;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t wide = INDENT + label_columns(&table[i]) + GAP;
        if (!table[i].hidden && wide <= COLUMN_MAX && wide > column) column = wide;
    }
    // A narrow terminal still gets words, if over its edge.
    if (width < column + TEXT_MIN) width = column + TEXT_MIN;
    for (uint32_t i = 0; i < count; i++)
        if (!table[i].hidden) add_option(out, &table[i], column, width);
    add_option(out, &help_option, column, width);
}

static void add_words(struct k_buf *out, const struct k_option *option)
{
    k_buf_printf(out, "--%s\n", option->name);
    if (option->letter != 0) k_buf_printf(out, "-%c\n", option->letter);
}

void k_options_words(struct k_buf *out, const struct k_option *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!table[i].hidden) add_words(out, &table[i]);
    add_words(out, &help_option);
}
