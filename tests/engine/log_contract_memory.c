// The contract of the log seam, run on the in-memory log: in a perfect cloud.
#include "tests/engine/log_contract.h"

#include <stdio.h>

#include "engine/log_memory.h"

struct memory_contract {
    struct log_contract contract;
    struct k_cloud *cloud;
};

static struct k_log *connect_worker(struct log_contract *contract, const char *worker)
{
    return k_cloud_connect(((struct memory_contract *)contract)->cloud, worker);
}

static void pass(struct log_contract *contract, int64_t us)
{
    k_cloud_advance(((struct memory_contract *)contract)->cloud, us);
}

static int run(const char *unique, const char *only)
{
    struct memory_contract m = {
        .contract = {.connect = connect_worker, .pass = pass, .unique = unique, .patience_us = 30000000,
                     .session_timeout_us = 6000000, .only = only},
        .cloud = k_cloud_create(1, NULL, 1700000000000000)};
    int failed = log_contract_run(&m.contract);
    k_cloud_destroy(m.cloud);
    return failed;
}

int main(int argc, char **argv)
{
    return run("memory", argc > 1 ? argv[1] : NULL) ? 1 : 0;
}
