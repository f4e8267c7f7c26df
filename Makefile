# What people type. The build itself is meson's (meson.build); this file only says where and in which order.
BUILD ?= build
export KAPPA_BUILD := $(abspath $(BUILD))

.PHONY: build setup test prove demo bench clean

build: $(BUILD)/build.ninja ## the program: build/kappa
	ninja -C $(BUILD) cli/kappa
	ln -f $(BUILD)/cli/kappa $(BUILD)/kappa

# -O2 -g with assertions kept (the defaults in meson.build).
$(BUILD)/build.ninja:
	bash tests/setup.sh build
	meson setup $(BUILD)

setup: ## installs the Debian packages that build and tests need, if any are missing
	bash tests/setup.sh all

test: setup build ## everything that can be checked in half an hour; last line "N passed, N failed"
	tests/run

prove: setup build ## everything that there is to show, at full size: up to three hours; one line a point
	tests/prove $(POINTS)

bench: setup build ## what an event costs beside hand-written C: or QUERY=q5 PAIRS=9 EVENTS=5000000; POINT=latency
	ninja -C $(BUILD) tests/bench/nexmark tests/bench/bench_reader tests/tools/ktool
	tests/bench/run $(if $(QUERY),--query $(QUERY)) $(if $(POINT),--point $(POINT)) $(if $(PAIRS),--pairs $(PAIRS)) \
		$(if $(EVENTS),--events $(EVENTS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KEYS),--keys $(KEYS))

demo: setup build ## a guided tour on a real Kafka
	ninja -C $(BUILD) tests/tools/ktool
	demo/run

clean: ## what was built, and the state of brokers that were started for tests
	-for d in $(BUILD)/kafka/*/; do [ ! -f $$d/pid ] || tests/kafka/kafka down --dir $$d; done
	rm -rf $(BUILD)
