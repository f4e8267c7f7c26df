#!/bin/bash
# Installs the Debian 12 packages that are missing: "tests/setup.sh build" those that `make build` needs,
# "tests/setup.sh all" (the default) also those of the tests, the demo and the benchmarks.
# Nothing is touched when nothing is missing. Needs root only when something is.
set -euo pipefail

build=(gcc g++ make meson ninja-build pkg-config python3 librdkafka-dev librocksdb-dev libprotobuf-c-dev
    protobuf-c-compiler libpg-query-dev libsimdjson-dev libpcre2-dev libxxhash-dev libutf8proc-dev libssl-dev
    libarchive-dev libjemalloc-dev libcmocka-dev)
tests=(protobuf-compiler python3-protobuf clang libclang-rt-14-dev llvm-14 libjansson-dev
    valgrind libc6-dbg kcat postgresql-15)

case ${1:-all} in
    build) wanted=("${build[@]}") ;;
    all)
        wanted=("${build[@]}" "${tests[@]}")
        # Kafka 4 needs Java 17; a Java or Maven from elsewhere serves as well as Debian's.
        java_major=0
        if command -v java >/dev/null; then
            java_major=$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1)
        fi
        [ "${java_major:-0}" -ge 17 ] || wanted+=(openjdk-17-jre-headless)
        command -v mvn >/dev/null || wanted+=(maven)
        ;;
    *) echo "usage: tests/setup.sh [build|all]" >&2; exit 64 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is not Debian, so nothing was checked or installed. Kappa is built and tested on Debian 12" >&2
    echo "setup: with these packages; elsewhere, install what corresponds to them: ${wanted[*]}" >&2
    exit 0 # the build itself says what it lacks
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "setup: missing Debian packages: ${missing[*]}" >&2
version=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-unknown}")
[ "$version" = "debian 12" ] || echo "setup: this is $version; Kappa is built and tested on Debian 12 only" >&2
install=(apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
if [ "$(id -u)" != 0 ]; then
    echo "setup: only root can install them. Type, as root:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 77
fi

export DEBIAN_FRONTEND=noninteractive
mkdir -p /usr/share/man/man1 # slim systems lack it, and then Java's post-install script fails
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent or too old to name files that still exist: renew them only then.
if ! "${install[@]}" "${missing[@]}" >"$log" 2>&1; then
    echo "setup: renewing the package lists" >&2
    if ! apt-get update -q >"$log" 2>&1 || ! "${install[@]}" "${missing[@]}" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "setup: apt-get could not install: ${missing[*]}" >&2
        exit 69
    fi
fi
echo "setup: installed ${#missing[@]} packages and what they need" >&2
