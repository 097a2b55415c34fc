# emurace: everything from a bare clone. `make help` lists the targets.
#
# Each set-up step looks first whether its work is done, so that any target can
# be made again at once, without the network.

GO    ?= go
CC    ?= cc
BENCH ?= .
TIME  ?= 10m

# A user's flags or workspace must not change what is built here. An empty
# GOFLAGS would let the one of `go env -w` through; this is Go's own default.
export GOFLAGS     := -mod=readonly
export GOWORK      := off
export CGO_ENABLED := 1

# With TEST_THOROUGH=1 tests run all their cases: internal/thorough.
export TEST_THOROUGH

UNICORN := github.com/unicorn-engine/unicorn
SUITES  := bullseye bookworm trixie forky
# What tests want of a Debian beside libc: locales, libraries, time zones.
LIBRARIES := libc-bin zlib1g tzdata libgcc-s1 libstdc++6 libjack-jackd2-0 libdb5.3,libdb5.3t64

.PHONY: explore article test test-short test-unpatched setup build lint vuln bench bench-raw race fuzz nightly fuzz-proofs fuzz-host sanitize peers programs dist dist-test install install-test clean help packages packages-test unicorn sysroot-explore sysroots

# The demonstration: emurace exits with 1 when it has found a failing schedule,
# and here that is success.
explore: sysroot-explore ## find the getenv/setenv crash on a real arm64 glibc
	@code=0; bin/emurace explore || code=$$?; \
	case $$code in \
	1) ;; \
	0) echo "make: emurace explore found no failing schedule, but there is one" >&2; exit 1 ;; \
	*) exit $$code ;; \
	esac

# The crash itself: CPython with what Debian's package of it needs, in a cache of its own.
ARTICLE := python3.11-minimal libpython3.11-minimal libpython3.11-stdlib python3.11 zlib1g libexpat1 libffi8 libssl3 media-types libc-bin
article: build ## find the article's crash in CPython, in a few minutes; ARCH=amd64 for that architecture
	@EMURACE_CACHE=build/article bin/emurace sysroot pull debian:bookworm --arch $${ARCH:-arm64} $(ARTICLE)
	@code=0; EMURACE_CACHE=build/article examples/article/explore || code=$$?; \
	case $$code in 1) ;; *) echo "make: no crash was found" >&2; exit 1 ;; esac

test: setup ## set up, then run all tests
	$(GO) test -timeout 40m ./...

test-unpatched: setup ## run the engine's tests on Unicorn as it is, without our patches
	@build-aux/unicorn $$($(GO) list -m -f '{{.Dir}} {{.Version}}' $(UNICORN)) build/unicorn-unpatched unpatched
	$(GO) test -tags unpatched -timeout 40m ./emu/...

test-short: setup ## set up, then run the quick tests, in some two minutes
	$(GO) test -short ./...

setup: sysroots packages-test ## all that building and testing needs

build: unicorn ## build bin/emurace
	@build-aux/step build/emurace.log "building bin/emurace" $(GO) build -o bin/emurace ./cmd/emurace

lint: unicorn ## check form and common mistakes, of Go and C
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .) && if [ -n "$$unformatted" ]; then \
		echo "make: not formatted with gofmt:" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool errcheck -exclude build-aux/errcheck.txt ./...
	$(GO) tool go-errorlint ./...
	$(GO) tool unparam ./...
	$(GO) tool exhaustive -d -typeonly '^emurace/' ./...
	$(CC) -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -isystem build/unicorn -isystem build/unicorn/include emu/internal/shim/*.c

# The database of faults is on the network.
vuln: unicorn ## look for known faults in the modules and in Go that the program can come to
	$(GO) tool govulncheck ./...

bench: setup ## run the benchmarks whose names match: make bench BENCH=regexp
	$(GO) test -timeout 15m -run '^$$' -bench '$(BENCH)' ./...

# By turns in one run each, since the machine's speed changes: with our patches, without.
bench-raw: setup ## compare Unicorn's own speed with our patches and without them
	@build-aux/unicorn $$($(GO) list -m -f '{{.Dir}} {{.Version}}' $(UNICORN)) build/unicorn-unpatched unpatched
	@$(GO) test -c -o build/raw.test ./emu/internal/shim
	@$(GO) test -c -o build/raw-unpatched.test -tags unpatched ./emu/internal/shim
	@cd emu/internal/shim && for round in 1 2 3 4 5; do \
		echo "patched:"; ../../../build/raw.test -test.run '^$$' -test.bench UnicornRaw | grep Minstr; \
		echo "unpatched:"; ../../../build/raw-unpatched.test -test.run '^$$' -test.bench UnicornRaw | grep Minstr; done

# The tests of the command line run one at a time: urfave/cli has one flag --help for all
# command lines of a process, of which a program has but one.
race: setup ## run the quick tests with Go's race detector
	$(GO) test -race -short -timeout 60m $$($(GO) list ./... | grep -v /cmd/emurace)
	$(GO) test -race -short -timeout 60m -parallel 1 ./cmd/emurace

fuzz: setup ## run every fuzz target, each for a time: make fuzz TIME=1m
	@GO='$(GO)' build-aux/fuzz $(TIME)

# What takes longer than a change can wait for. All of it is run, and then what has failed is
# named.
nightly: setup ## run all tests and searches for faults there are, each for a time: make nightly TIME=30m
	@failed=; \
	for target in lint vuln "test TEST_THOROUGH=1" race test-unpatched "fuzz TIME=1m" \
		"fuzz-proofs TIME=$(TIME)" "fuzz-host TIME=$(TIME)" "sanitize TIME=$(TIME)" install-test dist-test; do \
		echo "==> make $$target"; $(MAKE) $$target || failed="$$failed, $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "make: nightly: failed:$${failed#,}" >&2; exit 1; fi

# TestProofs ends with the first difference, and says how to see it again.
fuzz-proofs: setup ## search random programs, and look for what a search has missed: make fuzz-proofs TIME=1h
	$(GO) test ./explore -count 1 -timeout 0 -v -run '^TestProofs$$' -proofs-for $(TIME)

# TestHostSurvives shows the code that ends, stops or bloats the process that runs it.
fuzz-host: setup ## run random code, and look for what harms the host: make fuzz-host TIME=1h
	$(GO) test ./emu/internal/shim -count 1 -timeout 0 -v -run '^TestHostSurvives$$' -host-for $(TIME) -seed $$(date +%s)

# Both C sources are checked as they run: the shim and Unicorn, whose assertions are on. What
# is left when a process ends is no leak.
sanitize: setup ## run the engine's tests and random code with AddressSanitizer and UBSan: make sanitize TIME=1h
	@build-aux/unicorn $$($(GO) list -m -f '{{.Dir}} {{.Version}}' $(UNICORN)) build/unicorn-sanitized sanitized
	ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16:detect_stack_use_after_return=0:handle_segv=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
		$(GO) test -tags sanitized -asan -timeout 0 -count 1 ./emu/internal/shim -host-for $(TIME)

# gcc brings ThreadSanitizer's runtime; qemu runs what is compiled for arm64. Emurace searches on
# all processors, and with it one program at a time is run: make peers TOOLS=emurace JOBS=1
JOBS  ?= 2
TOOLS ?=
peers: build packages-test ## run emurace and other tools on the bugs of testdata/programs, and write docs/peers.md; TOOLS=emurace,DRD for these alone
	@build-aux/packages valgrind:valgrind
	$(GO) run ./build-aux/peers -jobs $(JOBS) -tools '$(TOOLS)'

programs: setup ## search the bugs of testdata/programs and their repaired twins, and write docs/programs.md; ONLY=NAME,NAME for these alone
	$(GO) run ./build-aux/programs -only '$(ONLY)'

# The program is linked with libc.a and so on, whose licences come with Debian's packages.
dist: unicorn ## make the packages of this commit, the same bytes each time: build/dist/
	@build-aux/packages git:git tar:tar gzip:gzip
	@build-aux/dist build/dist

# What is not a Debian's, or is to be elsewhere: the program of this folder, as it is.
PREFIX  ?= /usr/local
DESTDIR ?=
install: build ## install the program, manual pages, completions, docs and licences: make install PREFIX=~/.local
	@rm -rf build/install && GO=$(GO) build-aux/lay build/install bin/emurace
	@install -d "$(DESTDIR)$(PREFIX)" && cp -R build/install/. "$(DESTDIR)$(PREFIX)"
	@echo "emurace is in $(DESTDIR)$(PREFIX)/bin"

install-test: build ## look whether make install puts everything where it belongs
	@build-aux/install-test

dist-test: packages-test sysroot-explore dist ## look whether the packages hold what they should, and run what is in them
	@build-aux/dist-test build/dist

clean: ## remove what was built; pulled sysroots stay in the cache
	rm -rf bin build

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

# The steps of the set-up, each after the one that it needs.

packages:
	@if ! command -v $(GO) >/dev/null; then \
		echo "make: there is no Go here ($(GO)); install Go 1.26 or newer" >&2; exit 1; fi
	@build-aux/packages $(CC):gcc cmake:cmake ninja:ninja-build pkg-config:pkg-config patch:patch

# Tests compile guest programs for both architectures; one of these compilers is
# the machine's own gcc. What emurace shows is looked at with the programs that its
# users have: gdb, readelf, a terminal, a browser, man, shells.
packages-test: packages
	@build-aux/packages aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu x86_64-linux-gnu-gcc:gcc-x86-64-linux-gnu \
		/usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross \
		aarch64-linux-gnu-g++:g++-aarch64-linux-gnu x86_64-linux-gnu-g++:g++-x86-64-linux-gnu \
		gdb-multiarch:gdb-multiarch qemu-aarch64:qemu-user readelf:binutils eu-readelf:elfutils tmux:tmux chromium:chromium \
		man:man-db mandoc:mandoc zsh:zsh fish:fish rustc:rustc

unicorn: packages
	@$(GO) mod download $(UNICORN)
	@build-aux/unicorn $$($(GO) list -m -f '{{.Dir}} {{.Version}}' $(UNICORN))

sysroot-explore: build
	@build-aux/sysroots arm64 bookworm

sysroots: build
	@build-aux/sysroots arm64,amd64 $(SUITES) -- $(LIBRARIES)
	@bin/emurace sysroot pull debian:bookworm/musl --arch arm64,amd64
