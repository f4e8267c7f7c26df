// Planted bugs in the state: each breaks one rule on purpose, to prove that the tests catch it. Only in test builds
// (K_PLANTED); those of the engine are in engine/shard.h, those of operators in operators/plant.h.
#pragma once

// These are only about what a reader of a RocksDB sees, so the simulator looks for them there.
#define K_STATE_PLANTS(X) X(rows_of_another_look, "a reader takes the rows from a later look than the position")
#ifdef K_PLANTED
enum k_state_plant {
    K_STATE_PLANT_NONE,
#define X(name, text) K_STATE_PLANT_##name,
    K_STATE_PLANTS(X)
#undef X
};
extern enum k_state_plant k_state_planted; // chosen at run time
#define K_STATE_PLANT(name) (k_state_planted == K_STATE_PLANT_##name)
#else
#define K_STATE_PLANT(name) 0
#endif
