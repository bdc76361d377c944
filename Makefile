# Everything runs in .venv, which the first target makes. `make demo` and `make test` need nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD_STAMP := $(VENV)/.installed-build
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
# The server has pins of its own and lives in an environment of its own.
MILVUS := .venv-milvus
MILVUS_STAMP := $(MILVUS)/.installed

# A set in the manner of the Image Similarity Challenge: refs/, queries/, truth.csv. Empty: a small one is made.
DISC ?= $(wildcard ../shared/data/disc-dev)
# Pairs of originals and what published systems made of them: pairs.csv, files/. Empty: generated edits only.
SWAPS ?= $(wildcard ../shared/data/swaps-dev)
# A tar of odd, old and damaged files.
DAMAGED ?= ../shared/data/damaged.tar
# Short clips to make edits of.
VIDEOS ?= $(wildcard ../shared/data/videos)

.PHONY: demo run test check lock sbom wheel milvus bench bench-damaged bench-faults bench-fuzz bench-gpu bench-load bench-quality train train-faces openapi clean

demo: $(STAMP)  ## register real photographs, match uploads, verify a receipt
	$(BIN)/trueprint demo

run: $(STAMP)  ## serve the page and the API of the demonstration's registry
	$(BIN)/trueprint serve --home .home/demo

test: $(DEV_STAMP)  ## all tests
	-@$(MAKE) --no-print-directory milvus  # its tests are skipped, and say so, where it cannot be installed
	$(BIN)/python -m pytest -n 2 --dist loadfile  # most of the time one test waits, for a process or a database

check: $(DEV_STAMP)  ## formatting, lint, types, import directions, migrations, OpenAPI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.checks

bench: $(DEV_STAMP)  ## speed, quality and false matches, as docs/performance.md and docs/quality.md quote them
	$(BIN)/python -m bench.speed
	$(BIN)/python -m bench.index $(DISC)
	$(BIN)/python -m bench.scale
	$(BIN)/python -m bench.gate
	$(BIN)/python -m bench.processes
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.quality $(DISC)
	$(BIN)/python -m bench.distractors $(DISC)
	$(BIN)/python -m bench.effort $(DISC)
	$(BIN)/python -m bench.layouts $(DISC)
	$(BIN)/python -m bench.features $(DISC)
	$(BIN)/python -m bench.hash_lists $(DISC)
	$(BIN)/python -m bench.changes $(SWAPS)
	$(if $(SWAPS),$(BIN)/python -m bench.filters $(SWAPS))
	$(BIN)/python -m bench.whole_filters
	$(BIN)/python -m bench.video_cost $(VIDEOS)
	$(if $(VIDEOS),$(BIN)/python -m bench.video $(VIDEOS))

milvus: $(MILVUS_STAMP)  ## a Milvus server, for tests and to try it: .venv-milvus/bin/milvus-server

bench-damaged: $(DEV_STAMP)  ## what a server answers to odd, old and damaged files
	$(BIN)/python -m bench.damaged $(DAMAGED)

bench-faults: $(DEV_STAMP)  ## kills, faults of disk and database: nothing that was answered is lost
	$(BIN)/python -m bench.faults

bench-fuzz: $(DEV_STAMP)  ## a fuzzer on every parser of ours, a minute each
	$(BIN)/python -m bench.fuzz

# Needs python3 and torch with CUDA, no more: PYTHON is whatever has them.
bench-gpu:  ## the index on a GPU: right, and how fast
	$(PYTHON) -m bench.gpu

bench-load: $(DEV_STAMP)  ## ten minutes of registering and matching over loopback
	$(BIN)/python -m bench.load

bench-quality: $(DEV_STAMP)  ## quality alone
	$(BIN)/python -m bench.quality $(DISC)

train: $(STAMP)  ## train a descriptor: make train PICTURES="folder set.tar" RUN=runs/first
	$(BIN)/python -m indexer.training.train $(PICTURES) --run $(RUN)

train-faces: $(STAMP)  ## train the model of changed faces: make train-faces SWAPS=folder
	$(BIN)/python -m indexer.training.face_model $(SWAPS)

openapi: $(DEV_STAMP)  ## write again what is written from the code: openapi.json, tables in docs/
	$(BIN)/python -m tests.checks --write

# Into .venv come only files whose digests stand in locks/, and nothing is resolved. What comes as source is built by what
# locks/build.txt names. torch for CPUs is taken where pip finds it; torch from PyPI wants NVIDIA's libraries on Linux.
LOCKED = $(BIN)/python -m pip install --quiet --require-hashes --no-deps
$(BUILD_STAMP): locks/build.txt
	$(PYTHON) -m venv $(VENV)
	$(LOCKED) --requirement locks/build.txt
	touch $@

$(STAMP): $(BUILD_STAMP) pyproject.toml locks/demo.txt locks/torch-cpu.txt locks/torch.txt locks/cuda.txt
	$(LOCKED) --no-build-isolation --requirement locks/demo.txt
	$(LOCKED) --requirement locks/torch-cpu.txt || { \
	  echo "torch for CPUs was not installed, for the reason above: torch from PyPI is taken" >&2; \
	  $(LOCKED) --requirement locks/torch.txt && \
	  { [ "$$(uname)" != Linux ] || $(LOCKED) --requirement locks/cuda.txt; }; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(DEV_STAMP): $(STAMP) locks/test.txt
	$(LOCKED) --no-build-isolation --requirement locks/test.txt
	touch $@

lock:  ## write locks/ anew, from pyproject.toml and constraints.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.9
	$(PYTHON) -m tests.locks .venv-lock/bin/uv

sbom: $(STAMP)  ## what is installed, as a CycloneDX document: dist/trueprint.cdx.json
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/python -m pip install --quiet cyclonedx-bom==7.5.0
	mkdir -p dist
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file dist/trueprint.cdx.json $(BIN)/python

wheel: $(DEV_STAMP)  ## dist/*.whl, twice: both must have one digest
	$(BIN)/python -m tests.wheel dist

$(MILVUS_STAMP):
	$(PYTHON) -m venv $(MILVUS)
	$(MILVUS)/bin/python -m pip install --quiet milvus==2.3.5
	touch $@

clean:
	rm -rf $(VENV) $(MILVUS) .venv-lock .venv-sbom .home
