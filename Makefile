# Every target works as the first command in a fresh clone: it makes .venv, installs what it needs, and runs.
# Another interpreter: make PYTHON=/path/to/python3.12 <target>

.PHONY: demo test lint format environment clean

# A short study of argon in its quick settings; the table of parameters and the path of the report come last.
# Its reference simulations come with the package; to run them again: make demo DEMO_ARGS=--fresh
demo:
	@scripts/environment core
	@.venv/bin/bayesff run argon_demo --quick --seed 1 --output demo --overwrite $(DEMO_ARGS)

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
