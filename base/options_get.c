// The typed getters of options: each wrong value is told with its flag, itself and what is wanted.
#include "base/options.h"

#include <stdlib.h>

#include "base/diag.h"
#include "base/units.h"

static const struct k_option_value *value_of(const struct k_options *options, uint32_t index)
{
    K_ASSERT(index < options->count);
    return &options->values[index];
}

bool k_options_given(const struct k_options *options, uint32_t index)
{
    return value_of(options, index)->origin >= K_OPTION_ENVIRONMENT;
}

const char *k_options_text(const struct k_options *options, uint32_t index)
{
    const struct k_option_value *value = value_of(options, index);
    return value->count > 0 ? value->texts[value->count - 1] : NULL;
}

int k_options_refuse(const struct k_options *options, uint32_t index, const char *wanted, struct k_error *err)
{
    const struct k_option_value *value = value_of(options, index);
    struct k_buf name = {0};
    // People look for the mistake where they made it.
    if (value->origin == K_OPTION_ENVIRONMENT) k_option_variable(&name, options->table[index].name);
    else k_buf_printf(&name, "--%s", options->table[index].name);
    const char *text = k_options_text(options, index);
    int code = k_fail(err, K_E_USAGE, "%s: \"%s\" is not %s", name.data, text ? text : "", wanted);
    k_buf_fini(&name);
    return code;
}

int k_options_need(const struct k_options *options, uint32_t index, struct k_error *err)
{
    if (k_options_text(options, index) != NULL) return 0;
    const struct k_option *option = &options->table[index];
    struct k_buf variable = {0};
    k_option_variable(&variable, option->name);
    int code = k_fail(err, K_E_USAGE, "--%s is missing; give --%s %s or set %s", option->name, option->name,
                      option->argument ? option->argument : "", variable.data);
    k_buf_fini(&variable);
    return code;
}

static int index_in(const char *text, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) return (int)i;
    return -1;
}

int k_options_flag(const struct k_options *options, uint32_t index, bool *ret_on, struct k_error *err)
{
    // Each word for no stands beside its word for yes.
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    const char *text = k_options_text(options, index);
    if (text == NULL) {
        *ret_on = false;
        return 0;
    }
    int found = index_in(text, words, sizeof words / sizeof words[0]);
    if (found < 0) return k_options_refuse(options, index, "\"true\" or \"false\"", err);
    *ret_on = found % 2 == 1;
    return 0;
}

int k_options_duration(const struct k_options *options, uint32_t index, int64_t *ret_us, struct k_error *err)
{
    const char *text = k_options_text(options, index);
    if (text == NULL || k_duration_parse(k_str_of(text), ret_us)) return 0;
    return k_options_refuse(options, index, "a duration like \"100ms\", \"90s\" or \"1h30m\"", err);
}

int k_options_size(const struct k_options *options, uint32_t index, uint64_t *ret_bytes, struct k_error *err)
{
    const char *text = k_options_text(options, index);
    if (text == NULL || k_size_parse(k_str_of(text), ret_bytes)) return 0;
    return k_options_refuse(options, index, "a size like \"64MiB\", \"500kB\" or \"4096\"", err);
}

// An optional minus and decimal digits, nothing else.
static bool parse_integer(const char *text, int64_t *ret_value)
{
    bool minus = *text == '-';
    text += minus;
    if (*text == '\0') return false;
    int64_t value = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        // Downwards, because the smallest number has no positive counterpart.
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, *text - '0', &value)) return false;
    }
    if (!minus && __builtin_sub_overflow(0, value, &value)) return false;
    *ret_value = value;
    return true;
}

int k_options_integer(const struct k_options *options, uint32_t index, int64_t low, int64_t high,
                      int64_t *ret_value, struct k_error *err)
{
    const char *text = k_options_text(options, index);
    if (text == NULL) return 0;
    int64_t value;
    if (parse_integer(text, &value) && value >= low && value <= high) {
        *ret_value = value;
        return 0;
    }
    struct k_buf wanted = {0};
    k_buf_add_text(&wanted, "a whole number");
    if (high == INT64_MAX && low > INT64_MIN) k_buf_printf(&wanted, " of at least %lld", (long long)low);
    else if (low > INT64_MIN) k_buf_printf(&wanted, " from %lld to %lld", (long long)low, (long long)high);
    else if (high < INT64_MAX) k_buf_printf(&wanted, " of at most %lld", (long long)high);
    int code = k_options_refuse(options, index, wanted.data, err);
    k_buf_fini(&wanted);
    return code;
}

int k_options_choice(const struct k_options *options, uint32_t index, const char *const *names, uint32_t count,
                     uint32_t *ret_choice, struct k_error *err)
{
    const char *text = k_options_text(options, index);
    if (text == NULL) return 0;
    int found = index_in(text, names, count);
    if (found >= 0) {
        *ret_choice = (uint32_t)found;
        return 0;
    }
    struct k_buf wanted = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) k_buf_add_text(&wanted, i + 1 < count ? ", " : " or ");
        k_buf_printf(&wanted, "\"%s\"", names[i]);
    }
    const char *nearest = k_nearest(text, names, count);
    if (nearest != NULL) k_buf_printf(&wanted, "; did you mean \"%s\"?", nearest);
    int code = k_options_refuse(options, index, wanted.data, err);
    k_buf_fini(&wanted);
    return code;
}
