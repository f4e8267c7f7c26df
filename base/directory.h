// Directories of the file system, whole paths and trees at once.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

// Makes a directory and those above it, with this mode (0700: for this user alone); those that are there stay as they
// are. K_E_DENIED, K_E_DISK_FULL, K_E_IO.
K_CHECKED int k_directories_make(const char *path, mode_t mode, struct k_error *err);
// Only those above it.
K_CHECKED int k_directories_make_above(const char *path, mode_t mode, struct k_error *err);

// Gives a file or directory another name, on the same disk. K_E_IO.
K_CHECKED int k_path_rename(const char *from, const char *to, struct k_error *err);

// Removes a file, or a directory with all that is in it, not following links. False, with errno: something stays. That
// nothing was there is fine.
bool k_tree_remove(const char *path);
