// The container: a tar with zstd, by libarchive. Only plain files are taken out of one, and none leaves the directory.
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/capsule.h"

enum { BLOCK = 1 << 16 };

static int add_file(struct archive *a, const char *path, const char *name, struct k_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0) close(fd);
        return k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
    }
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, st.st_size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    int code = 0;
    if (archive_write_header(a, entry) != ARCHIVE_OK) code = k_fail(err, K_E_IO, "%s", archive_error_string(a));
    char *block = k_alloc(BLOCK);
    for (ssize_t n; !code && (n = read(fd, block, BLOCK)) != 0;)
        if (n < 0 || archive_write_data(a, block, (size_t)n) != n)
            code = k_fail(err, K_E_IO, "%s: %s", path, n < 0 ? strerror(errno) : archive_error_string(a));
    free(block);
    archive_entry_free(entry);
    close(fd);
    return code;
}

static int is_shown(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int add_tree(struct archive *a, const char *directory, const char *name, struct k_error *err)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_shown, alphasort), code = 0;
    if (count < 0) return k_fail(err, K_E_IO, "%s: %s", directory, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *path = k_format("%s/%s", directory, entries[i]->d_name);
        char *inside = *name ? k_format("%s/%s", name, entries[i]->d_name) : k_strdup(entries[i]->d_name);
        struct stat st;
        if (!code && stat(path, &st) == 0)
            code = S_ISDIR(st.st_mode) ? add_tree(a, path, inside, err) : add_file(a, path, inside, err);
        free(path);
        free(inside);
        free(entries[i]);
    }
    free(entries);
    return code;
}

int k_capsule_pack(const char *directory, const char *file, struct k_error *err)
{
    struct archive *a = archive_write_new();
    char *part = k_format("%s.part", file);
    int code = 0;
    if (archive_write_add_filter_zstd(a) != ARCHIVE_OK || archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_open_filename(a, part) != ARCHIVE_OK)
        code = k_fail(err, K_E_IO, "%s: %s", part, archive_error_string(a));
    if (!code) code = add_tree(a, directory, "", err);
    if (archive_write_close(a) != ARCHIVE_OK && !code)
        code = k_fail(err, K_E_IO, "%s: %s", part, archive_error_string(a));
    archive_write_free(a);
    if (!code && rename(part, file) != 0) code = k_fail(err, K_E_IO, "%s: %s", file, strerror(errno));
    if (code) unlink(part);
    free(part);
    return code;
}

static bool is_safe(const char *name)
{
    if (!name || !*name || *name == '/') return false;
    for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || !at[2])) return false;
    return true;
}

static int take_out(struct archive *a, struct archive_entry *entry, const char *directory, struct k_error *err)
{
    const char *name = archive_entry_pathname(entry);
    if (is_safe(name) && archive_entry_filetype(entry) == AE_IFDIR) return 0; // made when a file lies in it
    if (!is_safe(name) || archive_entry_filetype(entry) != AE_IFREG)
        return k_fail(err, K_E_CORRUPT, "it holds \"%.200s\", which no capsule does", name ? name : "");
    char *path = k_format("%s/%s", directory, name);
    for (char *c = path + strlen(directory) + 1; *c; c++) {
        if (*c != '/') continue;
        *c = 0;
        mkdir(path, 0700); // an error shows below
        *c = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), code = 0;
    if (fd < 0) code = k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
    else if (archive_read_data_into_fd(a, fd) != ARCHIVE_OK)
        code = k_fail(err, K_E_CORRUPT, "%s", archive_error_string(a));
    if (fd >= 0) close(fd);
    free(path);
    return code;
}

int k_capsule_unpack(const char *file, const char *directory, struct k_error *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    int code = 0, got = ARCHIVE_EOF;
    archive_read_support_filter_zstd(a);
    archive_read_support_format_tar(a);
    if (access(file, R_OK) != 0) code = k_fail(err, K_E_DATA, "%s", strerror(errno));
    else if (archive_read_open_filename(a, file, BLOCK) != ARCHIVE_OK)
        code = k_fail(err, K_E_CORRUPT, "it is no capsule: %s", archive_error_string(a));
    while (!code && (got = archive_read_next_header(a, &entry)) == ARCHIVE_OK)
        code = take_out(a, entry, directory, err);
    if (!code && got != ARCHIVE_EOF) code = k_fail(err, K_E_CORRUPT, "%s", archive_error_string(a));
    archive_read_free(a);
    return code ? k_wrap(err, code, "%s", file) : 0;
}
