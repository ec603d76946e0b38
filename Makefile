SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GO ?= go
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
TESTFLAGS ?=
BENCH ?= .
BENCHTIME ?= 1s
FUZZTIME ?= 20s
ARGS ?=

# The race detector needs a C compiler.
CC_FOUND := $(shell command -v gcc || command -v clang || command -v cc)
ifneq ($(CC_FOUND),)
RACE := CGO_ENABLED=1 $(GO) test -race
else
RACE := CGO_ENABLED=0 $(GO) test
endif

.PHONY: build run test bench fuzz vet lint crosscheck soak clean

build: ## bin/onward, one static binary
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/onward ./cmd/onward

run: build ## start it: make run ARGS='--listen 127.0.0.1:9090'
	bin/onward serve $(ARGS)

test: ## every test; skips and failures with their reasons, counts in the last line
	@$(if $(CC_FOUND),:,echo 'no C compiler found: the tests run WITHOUT the race detector')
	@mkdir -p bin && $(GO) build -buildvcs=false -o bin/testreport ./internal/testreport
	$(RACE) -json -timeout 10m $(TESTFLAGS) ./... | bin/testreport

bench: ## Go benchmarks: make bench BENCH=Parse
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME each
	.ci/fuzz each $(FUZZTIME)

vet:
	$(GO) vet ./...

lint: vet ## vet, staticcheck, gofmt
	$(GO) tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi

crosscheck: build ## FHIR clients of others against the built binary; needs Node 20 or later
	@command -v node >/dev/null && command -v npm >/dev/null || { echo 'crosscheck needs Node 20 or later with npm, and finds none'; exit 1; }
	cd conformance/clients && npm ci --no-progress && ONWARD_BINARY='$(CURDIR)/bin/onward' npm test

soak: ## what doesn't fit into CI: long fuzzing, tests many times in random order
	.ci/fuzz each 10m
	$(RACE) -timeout 4h -shuffle on -count 10 $(TESTFLAGS) ./...

clean: ## what was built; data/ is kept, it holds the store
	rm -rf bin
