# Every target works as the first command in a fresh clone: it makes .venv, installs what it needs, and runs.
# Another interpreter: make PYTHON=/path/to/python3.12 <target>

.PHONY: demo test lint format environment clean

# The argon study in its quick settings; the table of parameters and the path of the report come last.
demo:
	@scripts/environment core
	@.venv/bin/bayesff run argon_gas --quick --seed 1 --output demo --overwrite

# All tests, in parallel: one thread of linear algebra a worker, because the workers already fill the cores.
test: environment
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: environment
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports
	@.venv/bin/pyright

# Put the code into the form that lint asks for.
format: environment
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

environment:
	@scripts/environment dev

clean:
	rm -rf .venv build dist demo .pytest_cache .ruff_cache .import_linter_cache
