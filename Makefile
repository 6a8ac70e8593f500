# Two commands: `make leaderboard` and `make test`. Each sets up its own environment first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results
SEEDS ?= 1

.PHONY: leaderboard test lint types bench-check clean

leaderboard: $(VENV)/.ready
	$(BIN)/backmapbench run --embedded --seeds $(SEEDS) --output $(RESULTS) --resume
	$(BIN)/backmapbench claims $(RESULTS)
	$(BIN)/backmapbench report $(RESULTS)

test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not see import hooks, so it reads a tree of links laid out as the package is.
types: $(VENV)/.ready
	rm -rf build/types && mkdir -p build/types/backmapbench
	ln -s $(addprefix $(CURDIR)/,$(filter-out benchmark/asv,$(wildcard benchmark/*)) datasets reference_models) build/types/backmapbench/
	MYPYPATH=build/types $(BIN)/mypy

bench-check: $(VENV)/.ready
	$(BIN)/asv check --python=same

clean:
	rm -rf $(VENV) build

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@
