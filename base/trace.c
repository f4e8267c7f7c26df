// Diagnostics of the running process, to stderr.
//
// Invariant: an event is one line and one write(2), so that lines of several threads (and of several
// processes on one pipe) never mix; the text is bounded to keep that true. errno survives a trace.
#include "base/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/json_out.h"
#include "base/units.h"

static const char *const names[] = {"error", "warn", "info", "debug"};
enum { LEVELS = sizeof names / sizeof names[0], TEXT_MAX = 2048 };

static atomic_int level_max = K_TRACE_WARN;
static atomic_bool as_json;

void k_trace_setup(enum k_trace_level level, bool json)
{
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
    atomic_store_explicit(&as_json, json, memory_order_relaxed);
}

bool k_trace_level_parse(const char *name, enum k_trace_level *ret_level)
{
    for (int i = 0; i < LEVELS; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *ret_level = (enum k_trace_level)i;
        return true;
    }
    return false;
}

bool k_trace_on(enum k_trace_level level)
{
    return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

// Always three digits of fraction, unlike k_time_print, so that lines align.
static void add_now(struct k_buf *line)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct k_civil civil = k_civil_of((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    k_buf_printf(line, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)civil.year, civil.month, civil.day,
                 civil.hour, civil.minute, civil.second, civil.microsecond / 1000);
}

// Control characters would break the one line, or speak to the terminal.
static void tame(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = ' ';
    }
}

static void write_whole(const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, data, length);
        if (written < 0 && errno == EINTR) continue;
        // Nobody is left to hear about a stderr that is gone.
        if (written <= 0) return;
        data += written;
        length -= (size_t)written;
    }
}

void k_trace(enum k_trace_level level, const char *component, const char *format, ...)
{
    if (!k_trace_on(level)) return;
    int errno_before = errno;
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    struct k_buf line = {0};
    if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
        k_buf_add_text(&line, "{\"time\":\"");
        add_now(&line);
        k_buf_printf(&line, "\",\"level\":\"%s\",\"component\":", names[level]);
        k_json_string(&line, k_str_of(component));
        k_buf_add_text(&line, ",\"text\":");
        k_json_string(&line, k_str_of(text));
        k_buf_add_text(&line, "}\n");
    } else {
        tame(text);
        add_now(&line);
        k_buf_printf(&line, " %s %s: %s\n", names[level], component, text);
    }
    write_whole(line.data, line.length);
    k_buf_fini(&line);
    errno = errno_before;
}
