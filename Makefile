# make check   what must be clean before a commit: build, vet, format, lint, the import rules
# make test    the tests; they need nothing but Go
# make race    the tests under the race detector, the long ones shortened
# make fuzz    every fuzz target for FUZZTIME
# make crash   the tests of crashes, long: CRASH_ROUNDS real processes that are killed or lose power, CRASH_SEEDS simulated histories,
#              and of the dearer kinds of these a quarter to a two-hundredth
# make bench   the load scenarios, with ratios; they need what bench/ says

SHELL     := bash
FUZZTIME  ?= 20s
PKGS      ?= ./...
TESTFLAGS ?= -timeout 15m

CRASH_ROUNDS ?= 5000
CRASH_SEEDS  ?= 20000
CRASH_TIME   ?= 60m

.PHONY: check test race fuzz crash bench

check:
	go build ./...
	go vet ./...
	@tools=$$(.tools/build) && set -e; \
	unformatted=$$("$$tools/gofumpt" -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then \
		echo "gofumpt would change these (run: $$tools/gofumpt -w FILE):"; echo "$$unformatted"; exit 1; \
	fi; \
	"$$tools/golangci-lint" run ./...
	go test -count=1 ./docs

test:
	go test $(TESTFLAGS) $(PKGS)

race:
	go test -race -short $(TESTFLAGS) $(PKGS)

# Go runs one fuzz target of one package at a time. Without a bound its minimiser can spend a minute on one input and count
# that as fuzzing.
fuzz:
	@set -o pipefail; failed=; \
	for dir in $$(find . -name '*_test.go' -not -path '*/.*/*' -exec grep -lE '^func Fuzz[A-Za-z0-9_]+\(' {} + | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+\(' "$$dir"/*_test.go | sed -E 's/^func ([A-Za-z0-9_]+)\(/\1/'); do \
			echo "== $$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$dir" || failed="$$failed $$dir:$$target"; \
		done; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

# Each test prints its seed; -crash.seed=N and -seed N repeat one.
crash:
	go test -count=1 -timeout $(CRASH_TIME) -v -run 'TestPowerCutsOfProcesses|TestKillsOfTheProgram|TestFailingDisksOfProcesses' ./cmd/everloop -crash.rounds $(CRASH_ROUNDS)
	go test -count=1 -timeout $(CRASH_TIME) ./wal ./wal/waltest
	@set -e; \
	simulate() { (set -x; go test -count=1 -timeout $(CRASH_TIME) -v -run "$$1" ./engine/enginetest -seeds "$$2"); }; \
	simulate 'TestSimulation$$' $(CRASH_SEEDS); \
	simulate 'TestSimulatorFindsRecordsAppliedTwice$$' 20000; \
	simulate 'TestPowerCuts$$' $$((($(CRASH_SEEDS) + 3) / 4)); \
	simulate 'TestLinearizabilityOverPowerCuts$$' $$((($(CRASH_SEEDS) + 65) / 66)); \
	simulate 'TestSettingsDoNotChangeAnswers$$' $$((($(CRASH_SEEDS) + 199) / 200))

bench:
	@if [ -x bench/run ]; then bench/run; else go run ./bench/...; fi
