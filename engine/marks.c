// Rules
// 1. Claimed before the mark is in the control record: so whoever comes to it in the journal sees the claim.
// 2. A copy that is finished when the claim has ended is removed by whoever made it; one that was finished before, by
//    whoever claimed it, since that looks after it has ended the claim.
#include "engine/marks.h"

#include "base/directory.h"
#include "base/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT ".kept"

static char *marks_of(const char *state_dir)
{
    return k_format("%s/.marks", state_dir);
}

static char *copies_of(const char *state_dir, const char *graph, uint64_t mark)
{
    return k_format("%s/.marks/%llu/%s", state_dir, (unsigned long long)mark, graph);
}

static int open_claims(const char *state_dir, const char *graph, int flags)
{
    char *path = k_format("%s/.marks/asked.%s", state_dir, graph);
    int file = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    int why = errno;
    free(path);
    errno = why;
    return file;
}

static struct flock lock_of(short type, uint64_t mark)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)mark, .l_len = 1};
}

// By another process. A process must not ask while it has a claim: closing the file would end that.
static bool is_claimed(const char *state_dir, const char *graph, uint64_t mark)
{
    int file = open_claims(state_dir, graph, 0);
    if (file < 0) return false;
    struct flock lock = lock_of(F_WRLCK, mark);
    bool claimed = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(file);
    return claimed;
}

int k_mark_claim(struct k_mark_claim *claim, uint64_t mark, struct k_error *err)
{
    struct flock lock = lock_of(F_RDLCK, mark);
    char *marks = marks_of(claim->state_dir);
    int code = claim->file < 0 ? k_directories_make(marks, 0700, err) : 0;
    if (!code && claim->file < 0) claim->file = open_claims(claim->state_dir, claim->graph, O_CREAT);
    if (!code && (claim->file < 0 || fcntl(claim->file, F_SETLK, &lock) != 0))
        code = k_fail(err, errno == EACCES || errno == EROFS ? K_E_DENIED : K_E_IO,
                      "a mark cannot be claimed in %s: %s", marks, strerror(errno));
    free(marks);
    return code;
}

// One mark's copies of the graph, if nobody waits for them and nobody wanted to keep them.
static void remove_copies(const char *state_dir, const char *graph, uint64_t mark)
{
    char *copies = copies_of(state_dir, graph, mark), *kept = k_format("%s/" KEPT, copies);
    if (access(kept, F_OK) != 0 && !is_claimed(state_dir, graph, mark)) {
        k_tree_remove(copies);
        *strrchr(copies, '/') = 0;
        rmdir(copies); // if it was the only graph
    }
    free(copies);
    free(kept);
}

void k_mark_leave(struct k_mark_claim *claim, uint64_t mark)
{
    if (claim->file < 0) return;
    char *marks = marks_of(claim->state_dir), *copies = copies_of(claim->state_dir, claim->graph, mark);
    char *kept = k_format("%s/" KEPT, copies);
    if (claim->keep) close(open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    close(claim->file);
    claim->file = -1;
    DIR *all = opendir(marks);
    const struct dirent *entry;
    while (all && (entry = readdir(all))) {
        char *end;
        uint64_t other = strtoull(entry->d_name, &end, 10);
        if (other && !*end) remove_copies(claim->state_dir, claim->graph, other);
    }
    if (all) closedir(all);
    free(marks);
    free(copies);
    free(kept);
}

static int make(const struct k_copy_place *place, struct k_store *store, const char *above, const char *directory,
                struct k_error *err)
{
    char *part = k_format("%s/%u.part.%lld", above, place->shard, (long long)getpid());
    int code = k_directories_make(above, 0700, err);
    k_tree_remove(part); // of a process that had this number
    if (!code) code = store->ops->export_to(store, part, err);
    if (!code) code = k_path_rename(part, directory, err);
    if (code) k_tree_remove(part);
    free(part);
    return code;
}

void k_mark_keep(const struct k_copy_place *place, struct k_store *store, uint64_t mark)
{
    if (!is_claimed(place->state_dir, place->graph, mark)) return;
    char *copies = copies_of(place->state_dir, place->graph, mark),
         *above = k_format("%s/%s", copies, place->generation);
    char *directory = k_format("%s/%u", above, place->shard);
    struct stat status;
    struct k_error err = {0};
    if (stat(directory, &status) != 0) { // else a crash came between the copy and the next record
        if (make(place, store, above, directory, &err))
            k_trace(K_TRACE_WARN, "marks", "mark %llu is not kept: %s", (unsigned long long)mark, err.text);
        remove_copies(place->state_dir, place->graph, mark); // if whoever asked has left meanwhile
    }
    free(copies);
    free(above);
    free(directory);
}
