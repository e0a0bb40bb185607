#!/usr/bin/env bash
# Everything that must hold before a change lands, on a fresh machine or an old one.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ci/test.sh [--help]

Sets the machine up, then:
  dev    builds everything with ASan and UBSan and runs every test: units, Lua scripts, fuzzer replays, tiny benchmarks,
         the programs, style and layers, and a 60 s smoke run of ci/nightly.sh (which builds bench and fuzz)
  bench  counts the instructions that the seam to the kernel adds; system calls, allocations and instructions of every
         path are those of results/baseline.json
  tsan   builds core, lua and stress with ThreadSanitizer and runs their tests, those of sockets with io_uring too, and a
         short stress run
  gcc    builds the same with g++ and runs the core tests; random programs leave the trace that they leave in dev

exit codes: 0 all passed; 2 usage; anything else: what failed is named above
TEXT
}

case "${1-}" in
  "") ;;
  --help | -h) usage; exit 0 ;;
  *) echo "test: unknown argument '$1'; see --help" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."

started=$SECONDS
step() { echo "== $1 (after $((SECONDS - started)) s)"; }
# Everything with threads, and what threads use.
threaded=(base_test sys_test net_test service_test sim_test step_trace_test stress_test stress_program_test
  direct_write_stress_test)
compiled_twice=(base_test sys_test net_test service_test sim_test step_trace_test)

step setup
./ci/setup.sh

step "dev: build"
cmake --preset dev >/dev/null
cmake --build --preset dev
step "bench, fuzz: build what the smoke run uses"
cmake --preset bench >/dev/null
cmake --build --preset bench --target skysock skysock-bench skysock-perf skysock-sim skysock-stress seam_calls counted_calls_test
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target skysock-fuzz
step "dev: test"
ctest --preset dev --parallel 3  # Many wait more than they compute.

step "bench: instructions of the seam"
bench/seam/check_instructions.sh build/bench
step "bench: counts of every path"
build/bench/bin/counted_calls_test --gtest_brief=1
build/bench/bin/skysock-bench --counts --instructions --check results/baseline.json

step "tsan: build"
cmake --preset tsan >/dev/null
cmake --build --preset tsan --target "${threaded[@]}" skysock skysock-stress
step "tsan: test"
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export SKYSOCK_STRESS_SECONDS=60  # Of direct_write_stress_test: 4 senders, 64 sockets.
for name in "${threaded[@]}"; do "build/tsan/bin/$name" --gtest_brief=1; done
ctest --preset tsan --parallel 2 --tests-regex '^lua\.|poller=io_uring$'
build/tsan/bin/skysock-stress --clients 2 --connections 16 --duration 10 --seed 1

step "gcc: build and test"
cmake --preset gcc >/dev/null
cmake --build --preset gcc --target "${compiled_twice[@]}" skysock skysock-sim
for name in "${compiled_twice[@]}"; do "build/gcc/bin/$name" --gtest_brief=1; done
step "gcc: random programs go as in dev"
traces=$(for preset in dev gcc; do "build/$preset/bin/skysock-sim" random --seed 1 --count 2000; done |
  grep -o 'trace [0-9a-f]*')
echo "$traces"
uniq -c <<<"$traces" | grep -q '^ *2 trace' || { echo 'test: the traces differ' >&2; exit 1; }
step "all passed"
