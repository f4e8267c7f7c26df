// Diagnostics about what a person wrote: collected, sorted, printed; and the nearest name for advice.
//
// Invariant: items holds the first K_DIAG_MAX diagnostics, except that an error takes the place of the
// latest warning once they are full, so that warnings never hide why a graph was refused.
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

static struct k_diag *room_for(struct k_diags *diags, bool warning)
{
    if (diags->count < K_DIAG_MAX) return &diags->items[diags->count++];
    diags->dropped++;
    if (warning) return NULL;
    for (uint32_t i = diags->count; i-- > 0;) {
        if (!diags->items[i].warning) continue;
        free(diags->items[i].text);
        // The rest moves up: the order of arrival decides among equal positions.
        memmove(&diags->items[i], &diags->items[i + 1], (diags->count - i - 1) * sizeof diags->items[0]);
        return &diags->items[diags->count - 1];
    }
    return NULL;
}

static void add(struct k_diags *diags, struct k_pos pos, const char *code, bool warning, const char *format,
                va_list arguments)
{
    if (!warning) diags->errors++;
    struct k_diag *diag = room_for(diags, warning);
    if (diag == NULL) return;
    char *text = NULL;
    K_ASSERT(vasprintf(&text, format, arguments) >= 0);
    *diag = (struct k_diag){pos, code, text, warning};
}

void k_diag_error(struct k_diags *diags, struct k_pos pos, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(diags, pos, code, false, format, arguments);
    va_end(arguments);
}

void k_diag_warning(struct k_diags *diags, struct k_pos pos, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(diags, pos, code, true, format, arguments);
    va_end(arguments);
}

static int compare(const struct k_diag *a, const struct k_diag *b)
{
    int order = strcmp(a->pos.file ? a->pos.file : "", b->pos.file ? b->pos.file : "");
    if (order != 0) return order;
    if (a->pos.line != b->pos.line) return a->pos.line < b->pos.line ? -1 : 1;
    return (a->pos.column > b->pos.column) - (a->pos.column < b->pos.column);
}

// By insertion: at most K_DIAG_MAX items, and equal positions keep the order in which they were found.
static void sort(struct k_diags *diags)
{
    for (uint32_t i = 1; i < diags->count; i++) {
        struct k_diag moving = diags->items[i];
        uint32_t at = i;
        for (; at > 0 && compare(&diags->items[at - 1], &moving) > 0; at--)
            diags->items[at] = diags->items[at - 1];
        diags->items[at] = moving;
    }
}

void k_diags_print(struct k_diags *diags, struct k_buf *out)
{
    sort(diags);
    for (uint32_t i = 0; i < diags->count; i++) {
        const struct k_diag *diag = &diags->items[i];
        const char *severity = !diags->colored ? "" : diag->warning ? K_DIAG_YELLOW : K_DIAG_RED;
        const char *plain = diags->colored ? K_DIAG_PLAIN : "";
        if (diags->colored) k_buf_add_text(out, K_DIAG_BOLD);
        if (diag->pos.file != NULL) k_buf_printf(out, "%s:", diag->pos.file);
        if (diag->pos.line > 0) k_buf_printf(out, "%u:", diag->pos.line);
        if (diag->pos.line > 0 && diag->pos.column > 0) k_buf_printf(out, "%u:", diag->pos.column);
        if (diag->pos.file != NULL || diag->pos.line > 0) k_buf_add_char(out, ' ');
        k_buf_printf(out, "%s%s%s[%s]:%s %s\n", plain, severity, diag->warning ? "warning" : "error", diag->code, plain,
                     diag->text);
    }
    if (diags->dropped > 0) k_buf_printf(out, "… and %u more\n", diags->dropped);
}

void k_diags_fini(struct k_diags *diags)
{
    if (diags == NULL) return;
    for (uint32_t i = 0; i < diags->count; i++) free(diags->items[i].text);
    *diags = (struct k_diags){0};
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Edits (insert, delete, replace, swap neighbours) from a to b. rows has room for 3 * (length of b + 1).
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length, size_t *rows)
{
    size_t *before = rows, *last = rows + b_length + 1, *row = last + b_length + 1;
    for (size_t j = 0; j <= b_length; j++) last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(last[j - 1] + (x != y), least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

const char *k_nearest(const char *name, const char *const *candidates, size_t count)
{
    size_t length = strlen(name), bound = length / 3, best = bound + 1;
    // A candidate longer than this is out of reach whatever it says.
    size_t *rows = k_new_array(size_t, 3 * (length + bound + 1));
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i] == NULL) continue;
        size_t other = strlen(candidates[i]);
        if (other > length + bound || other + bound < length) continue;
        size_t edits = distance(name, length, candidates[i], other, rows);
        if (edits >= best) continue;
        best = edits;
        nearest = candidates[i];
    }
    free(rows);
    return nearest;
}
