// Aligned tables, wrapped paragraphs, and questions.
#include "cli/output.h"

#include "base/units.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <unistd.h>

int output_rows_form(struct call *call, uint32_t option, enum output_form *ret, struct k_error *err)
{
    static const char *const forms[] = {"table", "json", "jsonl"};
    uint32_t choice = 0;
    int code = k_options_choice(&call->options, option, forms, 3, &choice, err);
    *ret = (enum output_form)choice;
    return code;
}

int output_is_json(struct call *call, uint32_t option, bool *ret, struct k_error *err)
{
    static const char *const forms[] = {"text", "json"};
    uint32_t choice = 0;
    int code = k_options_choice(&call->options, option, forms, 2, &choice, err);
    *ret = choice == 1;
    return code;
}

int output_confirm(struct call *call, bool yes, const char *what)
{
    if (yes) return 0;
    if (!isatty(STDIN_FILENO)) {
        struct k_error err = {0};
        k_fail(&err, K_E_USAGE, "would %s; without a terminal to ask on it needs --yes", what);
        return command_misused(call, &err);
    }
    fprintf(stderr, "kappa %s: %s? [y/N] ", call->command->name, what);
    char answer[16] = "";
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y')) return 0;
    fputs("nothing was changed\n", stderr);
    return 1;
}

static uint32_t width_of(struct k_str text)
{
    uint32_t width = 0;
    for (uint32_t i = 0; i < text.length; i++) width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return width;
}

void output_paragraph(FILE *out, const char *text, uint32_t indent, uint32_t width)
{
    uint32_t at = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        uint32_t wide = width_of((struct k_str){text, (uint32_t)length});
        bool fresh = at == 0;
        if (!fresh && at + 1 + wide > width) {
            fputc('\n', out);
            fresh = true;
        }
        if (fresh) fprintf(out, "%*s", (int)indent, "");
        else fputc(' ', out);
        at = fresh ? indent + wide : at + 1 + wide;
        fwrite(text, 1, length, out);
        text += length + strspn(text + length, " ");
    }
    if (at) fputc('\n', out);
}

void output_age(struct k_buf *out, int64_t us)
{
    static const int64_t ms = 1000, second = 1000 * ms, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
    int64_t unit = us < second ? ms : us < hour ? second : us < day ? minute : us < 10 * day ? hour : day;
    k_duration_print(out, us < 0 ? 0 : us / unit * unit);
}

enum { AHEAD_ROWS = 200, WIDTH_MAX = 80, GAP = 2 };

struct columns {
    FILE *out;
    const char *const *headings;
    uint32_t count, at; // at: of the next cell in its row
    bool *right;
    uint32_t *widths;
    // Cells of the rows that are held back: texts one behind the other, and where each ends.
    struct k_buf held;
    uint32_t *ends, end_count;
    bool streaming;
};

struct columns *columns_create(FILE *out, const char *const *headings, const bool *right, uint32_t count)
{
    struct columns *c = k_new(struct columns);
    c->out = out;
    c->headings = headings;
    c->count = count;
    c->right = k_new_array(bool, count + 1);
    c->widths = k_new_array(uint32_t, count + 1);
    c->ends = k_new_array(uint32_t, (size_t)count * AHEAD_ROWS + 1);
    for (uint32_t i = 0; i < count; i++) {
        c->right[i] = right && right[i];
        c->widths[i] = width_of(k_str_of(headings[i]));
    }
    return c;
}

static void print_cell(const struct columns *c, uint32_t column, struct k_str text)
{
    uint32_t width = width_of(text), pad = c->widths[column] > width ? c->widths[column] - width : 0;
    bool last = column + 1 == c->count;
    if (c->right[column]) fprintf(c->out, "%*s", (int)pad, "");
    fwrite(text.data, 1, text.length, c->out);
    if (last) fputc('\n', c->out);
    else fprintf(c->out, "%*s", (int)(c->right[column] ? GAP : pad + GAP), "");
}

static void release(struct columns *c)
{
    for (uint32_t i = 0; i < c->count; i++) print_cell(c, i, k_str_of(c->headings[i]));
    uint32_t begin = 0;
    for (uint32_t i = 0; i < c->end_count; i++) {
        print_cell(c, i % c->count, (struct k_str){c->held.data + begin, c->ends[i] - begin});
        begin = c->ends[i];
    }
    c->streaming = true;
}

static void add_escaped(struct k_buf *out, struct k_str text)
{
    for (uint32_t i = 0; i < text.length;) {
        unsigned char b = (unsigned char)text.data[i];
        uint32_t length = k_utf8_length(text.data + i, text.length - i);
        // U+0080 to U+009F are control characters, too.
        bool control = b < 0x20 || b == 0x7f || (b == 0xc2 && length == 2 && (unsigned char)text.data[i + 1] < 0xa0);
        if (b == '\n') k_buf_add_text(out, "\\n");
        else if (b == '\t') k_buf_add_text(out, "\\t");
        else if (length == 0 || (control && length == 1)) k_buf_printf(out, "\\x%02x", b);
        else if (control) k_buf_printf(out, "\\u%04x", (unsigned char)text.data[i + 1]);
        else k_buf_add(out, text.data + i, length);
        i += length ? length : 1;
    }
}

void columns_cell(struct columns *c, struct k_str text)
{
    uint32_t column = c->at, begin = (uint32_t)c->held.length;
    c->at = (c->at + 1) % c->count;
    if (c->streaming) begin = 0, k_buf_clear(&c->held);
    add_escaped(&c->held, text);
    struct k_str shown = {c->held.data ? c->held.data + begin : "", (uint32_t)c->held.length - begin};
    if (c->streaming) {
        print_cell(c, column, shown);
        return;
    }
    uint32_t width = width_of(shown);
    if (width > WIDTH_MAX) width = WIDTH_MAX;
    if (width > c->widths[column]) c->widths[column] = width;
    c->ends[c->end_count++] = (uint32_t)c->held.length;
    if (c->end_count == c->count * AHEAD_ROWS) release(c);
}

void columns_printf(struct columns *c, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    columns_cell(c, k_str_of(text));
}

void columns_end(struct columns *c)
{
    if (!c) return;
    K_ASSERT(c->at == 0);
    if (!c->streaming) release(c);
    k_buf_fini(&c->held);
    free(c->right);
    free(c->widths);
    free(c->ends);
    free(c);
}
