// What a state holds, for comparisons of states that came to be in different ways.
#pragma once
#include "state/store.h"

// All of a checkpoint but the notes beside the state, by the names of families: their numbers differ. The caller frees.
char *entries_of(struct k_memory_disk *disk);
