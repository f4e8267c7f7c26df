// Planted bugs in digests: each breaks one rule on purpose, to prove that the tests catch it (those of
// tests/replay/test_digest.c: the simulator compares states, and needs no digest). Only in test builds (K_PLANTED).
#pragma once

#define K_DIGEST_PLANTS(X)                                                                       \
    X(exclusive_or, "hashes are not added, but put together by exclusive or: equal ones cancel") \
    X(by_column, "each column is hashed alone: rows that change places cancel")
#ifdef K_PLANTED
enum k_digest_plant {
    K_DIGEST_PLANT_NONE,
#define X(name, text) K_DIGEST_PLANT_##name,
    K_DIGEST_PLANTS(X)
#undef X
};
extern enum k_digest_plant k_digest_planted; // chosen at run time
#define K_DIGEST_PLANT(name) (k_digest_planted == K_DIGEST_PLANT_##name)
#else
#define K_DIGEST_PLANT(name) 0
#endif
