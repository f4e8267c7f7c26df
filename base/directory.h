// Directories of the file system, whole paths and trees at once.
#pragma once
#include "base/error.h"

// Makes a directory and those above it, for this user alone; those that are there stay as they are. what: names it in
// the text of an error ("state directory"). K_E_DISK_FULL, K_E_IO.
K_CHECKED int k_directories_make(const char *what, const char *path, struct k_error *err);

// Removes a file, or a directory with all that is in it, not following links. What cannot be removed stays, and nothing
// there is fine: for what is of no use any more.
void k_tree_remove(const char *path);
