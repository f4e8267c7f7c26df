// A store that is watched: which keys are read, which are written. For `kappa explain`.
#pragma once
#include "state/store.h"

struct k_watcher {
    void *context;
    void (*read)(void *context, struct k_str key);
    // value.data NULL: the key is removed. Ranges that are removed are not told.
    void (*write)(void *context, struct k_str key, struct k_str value);
};
// Takes the store: it is closed with the one returned. The watcher is copied.
struct k_store *k_watch_store(struct k_store *store, const struct k_watcher *watcher);
