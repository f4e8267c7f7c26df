// What the machine, or the container around us, lets a process have.
#pragma once
#include "base/bytes.h"

// The memory that a process may use: the least of the machine's and of every control group around this process
// (version 1 and 2), and the file that says so. root: "" or, in tests, a directory that stands for /.
uint64_t limits_memory_bytes(const char *root, char *ret_where, size_t where_size);
// How many files a process may open, after it raised its soft limit as far as it may.
uint64_t limits_files(void);
