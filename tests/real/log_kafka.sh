#!/bin/bash
# timeout: 240
# The log seam on Kafka (tests/real/log_kafka.c): most of it on the broker that all share, what needs SASL or stops the
# broker on one of its own.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$KAPPA_BUILD/tests/real/log_kafka
kafka=$root/tests/kafka/kafka
state=$TEST_TMP/kafka
failed=0

"$program" || failed=1

if own=$("$kafka" up --dir "$state" --sasl --owner $$ | tail -n 1); then
    chmod 600 "$state"/*.properties
    TEST_SASL=$state/sasl.properties TEST_GUEST=$state/guest.properties \
        TEST_KAFKA="'$kafka' VERB --dir '$state'" KAPPA_BROKERS=$own "$program" security doubt || failed=1
    "$kafka" down --dir "$state"
else
    echo "FAIL own-broker: it did not start"
    failed=1
fi
exit $failed
