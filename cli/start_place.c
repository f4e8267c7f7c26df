// Reading and resolving where a generation begins.
#include "cli/start_place.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int start_place_read(struct call *call, uint32_t first, struct start_place *ret, struct k_error *err)
{
    const struct k_options *o = &call->options;
    k_starts_init(&ret->starts);
    for (uint32_t w = 0; w < START_PLACE_OPTION_COUNT; w++) {
        bool on = false;
        int code = w == K_TO_EARLIEST ? k_options_flag(o, first + w, &on, err) : 0;
        if (code) return code;
        if (w != K_TO_EARLIEST) on = k_options_given(o, first + w);
        if (!on) continue;
        const char *text = w == K_TO_EARLIEST ? NULL : k_options_text(o, first + w), *name = o->table[first + w].name;
        if (ret->given) return k_fail(err, K_E_USAGE, "%s and --%s contradict each other", ret->place.name, name);
        ret->given = true;
        snprintf(ret->words, sizeof ret->words, "--%s%s%s", name, text ? " " : "", text ? text : "");
        code = k_place_of((enum k_place_word)w, text, k_clock_us(CLOCK_REALTIME), &ret->place, err);
        if (code) return code;
    }
    return 0;
}

void start_place_fini(struct start_place *place)
{
    k_place_fini(&place->place);
    k_starts_fini(&place->starts);
}

int start_place_resolve(struct k_log *log, const struct k_plan *plan, struct start_place *place, struct k_error *err)
{
    const struct k_place latest = {.kind = K_PLACE_LATEST};
    struct k_aside_window *windows = NULL;
    uint32_t count = 0;
    int code = k_place_windows(log, plan, &place->place, &latest, &windows, &count, err);
    for (uint32_t i = 0; !code && i < count; i++)
        if (windows[i].from > 0)
            k_starts_add(&place->starts, windows[i].topic, windows[i].partition, windows[i].from);
    free(windows);
    return code;
}

void start_place_print(const char *graph, const struct k_starts *starts, struct k_buf *out)
{
    for (uint32_t s = 0; starts->journal_from && s < starts->shards; s++)
        if (starts->journal_from[s] > 0)
            k_buf_printf(out, "begins   behind offset %lld of topic %s.journal.%u\n",
                         (long long)starts->journal_from[s], graph, s);
    for (uint32_t i = 0; i < starts->count; i++) {
        const struct k_start *start = &starts->items[i];
        k_buf_printf(out, "begins   topic %s, partition %d: offset %lld", start->topic, start->partition,
                     (long long)start->offset);
        if (start->joins) k_buf_printf(out, "; joins the journal at offset %lld", (long long)start->join);
        k_buf_add_char(out, '\n');
    }
}
