// kappa replay start: a generation from a changed graph, built from the log beside the live one.
#include "cli/change.h"
#include "cli/hosting.h"
#include "cli/reading.h"
#include "cli/start_place.h"
#include "cli/takeover.h"
#include "replay/beginning.h"
#include "replay/generations.h"
#include "replay/suffixed.h"

#include <stdio.h>

enum { PLACE = HOST_OPTION_COUNT, RATE = PLACE + START_PLACE_OPTION_COUNT, DISK, OUTPUT_SUFFIX, FULL, NEW, DRY_RUN };
static const struct k_option options[] = {
    HOST_OPTIONS,
    START_PLACE_OPTIONS(PLACE),
    [RATE] = {.name = "rate",
              .argument = "N",
              .help = "follow at most so many records a second, here and until this generation is to lead; default: "
                      "as fast as it goes"},
    [DISK] = OPTION_DISK,
    [OUTPUT_SUFFIX] = {.name = "output-suffix",
                       .argument = "SUFFIX",
                       .help =
                           "write the outputs until this generation leads, exactly once, to new topics: the names "
                           "of the real ones with this behind them; default: outputs are dropped"},
    [FULL] = {.name = "full",
              .help = "compute everything; default: what does not change, and is not needed by what does, is taken "
                      "over from a copy of the live generation's state, where that is hosted with this --state-dir"},
    [NEW] = {.name = "new", .help = "a new generation, also if there is one of this graph"},
    [DRY_RUN] = {.name = "dry-run", .help = "only say what would be done"},
};

// A generation that a replay of this graph made before; the newest, but a shadow rather than any other. 0: none.
static int find_own(struct hosting *h, const struct k_control *control, uint64_t *ret, struct k_error *err)
{
    bool shadow = false;
    *ret = 0;
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *g = &control->generations[i];
        bool same = strcmp(g->fingerprint, h->worker.plan->fingerprint) == 0;
        bool own = g->number > 1 && g->role != K_ROLE_RETIRED && (g->role == K_ROLE_SHADOW || !shadow);
        if (h->wanted ? g->number != (uint64_t)h->wanted : !(same && own)) continue;
        *ret = g->number;
        shadow = g->role == K_ROLE_SHADOW;
    }
    return h->wanted && !*ret ? k_fail(err, K_E_NOT_FOUND, "generation %lld does not exist", (long long)h->wanted)
                              : 0;
}

// As far as it can be known: the live graph lies beside its state, which may be on another machine.
static void show_change(struct hosting *h, const struct takeover *t)
{
    struct loaded live = {0};
    struct k_error err = {0};
    struct k_buf out = {0};
    const char *why_all = NULL;
    bool whole;
    if (change_load(h->worker.state_dir, h->worker.plan->name, "live", &live, &why_all, &err))
        printf("what changes is not known here: %s\n", err.text);
    else change_print(live.plan, h->worker.plan, why_all, t->why_not[0] ? t->why_not : NULL, false, &out, &whole);
    if (out.length) fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
    loaded_fini(&live);
}

// Where it begins and where outputs go belongs to a generation for its life.
static int check_start(const struct k_generation *g, const struct start_place *place, struct k_error *err)
{
    if (!place->given || strcmp(g->start, place->words) == 0) return 0;
    return k_fail(err, K_E_CONFIG, "generation %llu has this graph already, and begins %s%s; --new makes another",
                  (unsigned long long)g->number, g->start[0] ? "as said by " : "with the journal", g->start);
}

static int check_suffix(const struct k_control *control, uint64_t number, const char *suffix, struct k_error *err)
{
    for (uint32_t i = 0; i < control->generation_count && suffix; i++) {
        const struct k_generation *g = &control->generations[i];
        if (g->number != number || strcmp(g->suffix, suffix) == 0) continue;
        return k_fail(err, K_E_CONFIG, "generation %llu has this graph already, and %s%s%s; --new makes another",
                      (unsigned long long)number,
                      g->suffix[0] ? "writes its outputs with the suffix \"" : "makes no outputs", g->suffix,
                      g->suffix[0] ? "\"" : "");
    }
    return 0;
}

struct asking {
    bool new, dry_run, full;
    bool noted;          // where it begins is to be noted
    const char *suffix;  // NULL: not given
    uint64_t disk_bytes; // 0: not given
    struct start_place place;
    struct takeover takeover;
};

static bool is_whole(const struct takeover *t)
{
    return !t->why_not[0] && t->taking.whole;
}

static void show_topics(const struct k_buf *names)
{
    if (names->length) printf("topics for its outputs, until it leads:\n%.*s", (int)names->length, names->data);
}

static int show(struct hosting *h, struct k_log *log, const struct asking *asking, struct reading *reading,
                struct k_error *err)
{
    struct k_buf out = {0};
    const struct k_starts *starts = reading->starts;
    uint64_t own = reading->options.own;
    if (own) printf("generation %llu has this graph already: it would be hosted here\n", (unsigned long long)own);
    else
        printf("a new generation would follow the journals of \"%s\"%s\n", h->worker.plan->name,
               asking->place.given ? ", and leave out what lies before where it begins"
               : starts            ? ", with history before them"
                                   : " from their beginning");
    if (starts) start_place_print(h->worker.plan->name, starts, &out);
    fwrite(out.data, 1, out.length, stdout);
    k_buf_clear(&out);
    show_change(h, &asking->takeover);
    bool whole = is_whole(&asking->takeover);
    int code = whole ? 0 : reading_take(log, h->worker.plan, reading, err);
    if (!code && !whole) reading_print(reading, h->worker.plan, false, &out);
    if (out.length) fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
    if (code || whole) return code;
    reading_fini(reading);
    return k_cost_check(&reading->cost, &reading->options, err);
}

static int make(struct hosting *h, struct k_log *log, struct asking *asking, const char *live_fingerprint,
                uint64_t *ret, struct k_error *err)
{
    struct k_control control;
    struct k_new_shadow ask = {.fingerprint = h->worker.plan->fingerprint,
                               .suffix = asking->suffix,
                               .start = asking->place.given ? asking->place.words
                                        : asking->noted     ? K_START_FOUND
                                                            : NULL,
                               .live_fingerprint = live_fingerprint,
                               .now_us = log->ops->now_us(log)};
    int code = k_control_prepare(log, h->worker.plan->name, h->topics.replication, err);
    if (!code) code = k_control_change_now(log, h->worker.plan->name, k_new_shadow, &ask, 20000000, &control, err);
    if (!code && asking->noted)
        code =
            k_starts_write(log, h->worker.plan->name, ask.number, h->topics.replication, &asking->place.starts, err);
    *ret = ask.number;
    return code;
}

// Room on the disk, and a journal and sources that go back far enough.
static int check(struct hosting *h, struct k_log *log, struct reading *reading, struct k_error *err)
{
    // A state that is there says itself what it needs.
    bool here = takeover_is_placed(h->worker.state_dir, h->worker.plan, reading->options.own);
    int code = here ? 0 : k_preflight(log, h->worker.plan, reading->starts, &reading->found, err);
    if (!code) code = k_cost_disk(h->worker.plan, &reading->options, &reading->cost, err);
    if (!code) code = k_cost_check(&reading->cost, &reading->options, err);
    reading_fini(reading);
    return code;
}

// Of the generation that is there, or as it was asked for.
static int find_starts(struct hosting *h, struct k_log *log, struct asking *asking, struct k_generation *own,
                       struct reading *reading, struct k_error *err)
{
    int code = own ? check_start(own, &asking->place, err) : 0;
    struct k_starts *starts = &asking->place.starts;
    if (!code && own && own->start[0]) code = k_starts_read(log, h->worker.plan->name, own->number, starts, err);
    if (!code && !own && asking->place.given) code = start_place_resolve(log, h->worker.plan, &asking->place, err);
    asking->noted = !own && asking->place.given;
    if (own ? own->start[0] != 0 : asking->noted) reading->starts = starts;
    return code;
}

#define HISTORY "it begins with history before the journal"
// Of an added source that is another thing: nothing that was taken over is made of it.
static bool has_history(const struct k_starts *starts)
{
    bool has = false;
    for (uint32_t s = 0; starts->journal_from && s < starts->shards; s++) has |= starts->journal_from[s] > 0;
    return has;
}

// What the journals want besides, of a new generation that has to follow them.
static int find_beginning(struct hosting *h, struct k_log *log, struct asking *asking, struct reading *reading,
                          struct k_error *err)
{
    struct k_starts *starts = &asking->place.starts;
    bool needed = false;
    if (reading->options.own || starts->journal_from || (is_whole(&asking->takeover) && !asking->noted)) return 0;
    int code = k_beginning_choose(log, h->worker.plan, asking->place.given, starts, &needed, err);
    asking->noted |= needed;
    if (asking->noted) reading->starts = starts;
    if (has_history(starts)) k_join_cut(asking->takeover.why_not, sizeof asking->takeover.why_not, 0, HISTORY);
    return code;
}

// own: what is to be hosted, if it is there already.
static void decide_takeover(struct hosting *h, struct asking *asking, const struct k_control *control,
                            const struct k_generation *own)
{
    struct takeover *t = &asking->takeover;
    takeover_decide(t, h->worker.state_dir, h->worker.plan, control);
    const char *why = NULL;
    if (asking->full) why = "that was asked for";
    else if (asking->suffix || (own && own->suffix[0])) why = "the outputs of all records are wanted";
    else if (own && own->role == K_ROLE_LIVE) why = "this generation lives";
    else if (own && takeover_is_placed(h->worker.state_dir, h->worker.plan, own->number))
        why = "it was begun already";
    else if (own && has_history(&asking->place.starts)) why = HISTORY;
    if (why) snprintf(t->why_not, sizeof t->why_not, "%s", why);
}

static int choose(struct hosting *h, struct k_log *log, struct asking *asking, uint64_t *ret, struct k_error *err)
{
    struct k_control control;
    struct k_buf names = {0};
    struct reading reading = {.options = {.state_dir = h->worker.state_dir,
                                          .rate = h->worker.follow_rate,
                                          .disk_bytes = asking->disk_bytes}};
    int code = k_control_read(log, h->worker.plan->name, &control, err);
    if (!code && !asking->new) code = find_own(h, &control, ret, err);
    if (!code) code = find_starts(h, log, asking, *ret ? k_control_find(&control, *ret) : NULL, &reading, err);
    if (!code && *ret) code = check_suffix(&control, *ret, asking->suffix, err);
    if (!code && !*ret && asking->suffix) code = k_suffixed_check(log, h->worker.plan, asking->suffix, &names, err);
    if (!code && asking->dry_run) show_topics(&names);
    k_buf_fini(&names);
    if (code) return code;
    reading.options.live = control.live;
    reading.options.own = *ret;
    decide_takeover(h, asking, &control, *ret ? k_control_find(&control, *ret) : NULL);
    if ((code = find_beginning(h, log, asking, &reading, err))) return code;
    if (asking->dry_run) return show(h, log, asking, &reading, err);
    if (!takeover_is_placed(h->worker.state_dir, h->worker.plan, *ret)) {
        takeover_prepare(&asking->takeover, log, reading.starts);
        takeover_say(&asking->takeover, "replay start");
    }
    // A copy that could not be had is no reason to begin elsewhere.
    if ((code = find_beginning(h, log, asking, &reading, err))) return code;
    // Where nothing is read again, nothing need be there any more.
    const char *live_fingerprint = reading.found.fingerprint;
    if (is_whole(&asking->takeover)) live_fingerprint = asking->takeover.old.plan->fingerprint;
    else code = check(h, log, &reading, err);
    if (!code && *ret && h->wanted) code = hosting_choose(h, log, ret, err);
    else if (!code && !*ret) code = make(h, log, asking, live_fingerprint, ret, err);
    return code ? code : takeover_place(&asking->takeover, *ret, err);
}

static int start(struct call *call, struct hosting *h, struct asking *asking)
{
    struct k_error err = {0};
    struct k_log *log = NULL;
    sigset_t signals;
    uint64_t generation = 0;
    hosting_catch_signals(&signals);
    h->topics.create &= !asking->dry_run;
    h->topics.absent_is_fine = asking->dry_run;
    int code = k_log_kafka_open(&h->worker.kafka, &log, &err);
    if (!code) code = k_topics_prepare(log, h->worker.plan, &h->topics, &err);
    if (!code) code = hosting_count_readers(h, log, &err);
    if (!code) code = choose(h, log, asking, &generation, &err);
    if (!code && !asking->dry_run) {
        fprintf(stderr, "kappa replay start: generation %llu\n", (unsigned long long)generation);
        code = hosting_begin(h, log, generation, &err);
    }
    if (log) log->ops->close(log);
    if (code) return command_failed(call, code, &err);
    return asking->dry_run ? 0 : hosting_run(call, h, &signals);
}

static int run(struct call *call)
{
    struct hosting h = {0};
    struct k_error err = {0};
    int64_t rate = 0;
    struct asking asking = {0};
    int code = hosting_read(call, &h, &err);
    if (!code) code = start_place_read(call, PLACE, &asking.place, &err);
    if (!code) code = k_options_integer(&call->options, RATE, 1, INT64_MAX / 1000000, &rate, &err);
    h.worker.follow_rate = (uint64_t)rate;
    if (!code) code = k_options_size(&call->options, DISK, &asking.disk_bytes, &err);
    if (!code) code = k_options_flag(&call->options, NEW, &asking.new, &err);
    if (!code) code = k_options_flag(&call->options, FULL, &asking.full, &err);
    if (!code && asking.new &&h.wanted)
        code = k_fail(&err, K_E_USAGE, "--new and --generation contradict each other");
    if (!code) code = k_options_flag(&call->options, DRY_RUN, &asking.dry_run, &err);
    if (!code && k_options_given(&call->options, OUTPUT_SUFFIX)) {
        asking.suffix = k_options_text(&call->options, OUTPUT_SUFFIX);
        if (!k_suffix_is_good(asking.suffix))
            code = k_options_refuse(&call->options, OUTPUT_SUFFIX, K_SUFFIX_WORDS, &err);
    }
    struct loaded loaded = {0};
    int status = code ? command_misused(call, &err) : 0;
    if (!status) status = load_plan(call, call->options.operands[0], HOST_SET, (uint32_t)h.shards, &loaded);
    h.worker.plan = loaded.plan;
    if (!status) status = start(call, &h, &asking);
    hosting_fini(&h);
    loaded_fini(&loaded);
    start_place_fini(&asking.place);
    takeover_fini(&asking.takeover);
    return status;
}

const struct command command_replay_start = {
    .name = "replay start",
    .operands = "FILE",
    .doc = "build a generation from a changed graph, beside the pipeline of the same name",
    .more = "It follows the pipeline's journals with this graph, into a state of its own, and makes no outputs (or, "
            "with\n"
            "--output-suffix, such that nobody mistakes for the real ones) until kappa cutover lets it lead. Given "
            "again (on this machine or another) it hosts the same one. SIGTERM and\n"
            "Ctrl-C end this process; the generation stays, and goes on when it is hosted again.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
