SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GO ?= go
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
TESTFLAGS ?=
BENCH ?= .
BENCHTIME ?= 1s
FUZZTIME ?= 20s
SIZES ?= 10000,100000
LATENCY ?= 20s
GROWTH_DIR ?=
ARGS ?=
SOAK_RESOURCES ?= 5000
SOAK_QUERIES ?= 10000
SOAK_SEED ?= 7

# The race detector needs a C compiler. It watches all of our code and its libraries
# but what is C by origin (docs/adr/adr-2611-race-detector.md).
CC_FOUND := $(shell command -v gcc || command -v clang || command -v cc)
ifneq ($(CC_FOUND),)
RACE := CGO_ENABLED=1 $(GO) test -race -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc=-race=false'
else
RACE := CGO_ENABLED=0 $(GO) test
endif

# npm's own record of what it installed.
INSTALLED := conformance/clients/node_modules/.package-lock.json
SOAP_INSTALLED := conformance/clients/soap/node_modules/.package-lock.json
# Maven's last step writes it.
LOOKALIKE := conformance/lookalikes/target/classpath

.PHONY: build run test proofs mongo-proof bench latency growth bench-fhir fuzz vet lint bounds examples clients medplum hapi lookalikes crosscheck soak soak-search soak-proofs clean

build: ## bin/onward, one static binary
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/onward ./cmd/onward

run: build ## start it: make run ARGS='--listen 127.0.0.1:9090'
	bin/onward serve $(ARGS)

test: ## every test; skips and failures with their reasons, counts in the last line
	@$(if $(CC_FOUND),:,echo 'no C compiler found: the tests run WITHOUT the race detector')
	@mkdir -p bin && $(GO) build -buildvcs=false -o bin/testreport ./internal/testreport
	$(RACE) -json -timeout 10m $(TESTFLAGS) ./... | bin/testreport

proofs: ## linearizability, kill -9, full disk, lost database: what CI asks for; make test takes a taste
	ONWARD_PROOFS=full $(GO) test -count 1 -timeout 10m -run '^TestProof' -v ./cmd/onward | grep -v '^=== '

mongo-proof: ## the MongoDB engine against the server at ONWARD_TEST_MONGODB
	@.ci/mongo-proof

bench: ## Go benchmarks: make bench BENCH=Parse
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

bench-fhir: ## parse, validate and index a referral beside encoding/json on the same bytes, as ratios
	$(GO) test -run '^$$' -bench 'BesideUnmarshal|TakeIn' -benchtime $(BENCHTIME) -benchmem ./fhir/...

latency: ## how long full referrals take with 32 clients at once, against the built binary: make latency LATENCY=20s
	ONWARD_LATENCY='$(LATENCY)' $(GO) test ./cmd/onward -run '^TestLatency$$' -count 1 -v | grep -v '^=== '

growth: ## latency of the searches used most by size of the store: make growth SIZES=10000,100000,1000000
	ONWARD_GROWTH='$(SIZES)' ONWARD_GROWTH_DIR='$(GROWTH_DIR)' $(GO) test ./cmd/onward -run '^TestGrowth$$' -count 1 -v -timeout 2h

fuzz: ## every fuzz target for FUZZTIME each
	.ci/fuzz each $(FUZZTIME)

vet:
	$(GO) vet ./...

lint: vet ## vet, staticcheck, gofmt
	$(GO) tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi

bounds: ## what is tested without the race detector: time and memory of hostile input
	@mkdir -p bin && $(GO) build -buildvcs=false -o bin/testreport ./internal/testreport
	@$(GO) test -json -count=1 -timeout 5m -run 'Hostile|FewAllocations' ./fhir/... ./adapters/nhs111/roomtest | bin/testreport

# Tests with "Official" in their name read the official R4 examples.
examples: ## our tests on the 5,306 official R4 examples; needs npm on first use
	@mkdir -p bin && $(GO) build -buildvcs=false -o bin/testreport ./internal/testreport
	@folder=$$(.ci/examples) && ONWARD_R4_EXAMPLES="$$folder" $(GO) test -json -count=1 -timeout 10m -run Official $$(grep -rlF --include='*_test.go' 'fhirtest.Examples(' . | xargs dirname | sort -u) | bin/testreport

clients: build $(INSTALLED) $(SOAP_INSTALLED) ## FHIR and SOAP clients of others against the built binary; needs Node 20 or later and openssl
	cd conformance/clients && ONWARD_BINARY='$(CURDIR)/bin/onward' npm test
	cd conformance/clients/soap && ONWARD_BINARY='$(CURDIR)/bin/onward' npm test

medplum: $(INSTALLED) ## Medplum's validator beside ours on the official examples; needs Node 20 or later
	@folder=$$(.ci/examples) && node conformance/clients/medplum-verdicts.js "$$folder" | \
	$(GO) run ./conformance/crosscheck -examples "$$folder" -explained conformance/crosscheck/medplum.json

hapi: ## the HAPI validator beside ours on the official examples, 10 minutes; needs a JDK 17 and Maven
	@command -v mvn >/dev/null || { echo 'hapi needs a JDK 17 and Maven, and finds no mvn'; exit 1; }
	cd conformance/hapi && mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=target/classpath
	@folder=$$(.ci/examples) && java -Xmx6g -cp "conformance/hapi/target/classes:$$(cat conformance/hapi/target/classpath)" Verdicts "$$folder" >conformance/hapi/target/verdicts && \
	$(GO) run ./conformance/crosscheck -examples "$$folder" -explained conformance/crosscheck/hapi.json <conformance/hapi/target/verdicts

lookalikes: build $(LOOKALIKE) ## servers of others that only look like MongoDB are refused; needs a JDK 17 and Maven
	ONWARD_BINARY='$(CURDIR)/bin/onward' $(GO) test -count 1 -v ./conformance/lookalikes | grep -v '^=== '

crosscheck: clients medplum hapi ## all that others made

$(LOOKALIKE): conformance/lookalikes/pom.xml $(wildcard conformance/lookalikes/src/*)
	@command -v mvn >/dev/null && command -v java >/dev/null || { echo 'lookalikes needs a JDK 17 and Maven, and finds none'; exit 1; }
	cd conformance/lookalikes && mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=target/classpath

$(INSTALLED): conformance/clients/package.json conformance/clients/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo 'this needs Node 20 or later with npm, and finds none'; exit 1; }
	cd conformance/clients && npm ci --no-progress

$(SOAP_INSTALLED): conformance/clients/soap/package.json conformance/clients/soap/package-lock.json
	cd conformance/clients/soap && npm ci --no-progress

soak-search: ## 10,000 generated queries over 5,000 generated resources, the embedded store against the in-memory matcher
	$(GO) test ./store/storetest -count=1 -v -timeout 1h -run TestDifferFindsNoDifference \
	  -differ.resources $(SOAK_RESOURCES) -differ.queries $(SOAK_QUERIES) -differ.seed $(SOAK_SEED)

soak-proofs: ## 100,000 calls an engine, 200 kills, 20 cuts of the database
	ONWARD_SOAK=1 $(GO) test -count 1 -timeout 2h -run '^TestProof' -v ./cmd/onward | grep -v '^=== '

soak: soak-search soak-proofs ## what doesn't fit into CI: searches, proofs, long fuzzing, tests many times in random order
	.ci/fuzz each 10m
	$(RACE) -timeout 4h -shuffle on -count 10 $(TESTFLAGS) ./...

clean: ## what was built; data/ is kept, it holds the store
	rm -rf bin
