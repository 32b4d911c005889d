# Thin: each target names one program. `make help` lists them.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv/bin
export PORT

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset ready ready-to-test test check search bench format lock vendor clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ready ## The portal over a real data tier on this machine; Ctrl-C stops all of it (PORT=8000)
	@exec $(VENV)/python manage.py demo

demo-reset: ready ## Forget the demo's data
	@exec $(VENV)/python manage.py demo --reset

test: ready-to-test ## Everything: `make check`, then all tests; ends with pytest's line
	@$(VENV)/python -m tools.check
	@exec $(VENV)/python -m pytest -n 3 --no-loadscope-reorder

check: ready-to-test ## Style, types, floors of the house, templates, migrations, playbook
	@exec $(VENV)/python -m tools.check

search: ready-to-test ## Thirty times as many examples, new ones each time, of the tests that draw examples
	@HYPOTHESIS_PROFILE=search exec $(VENV)/python -m pytest -n 2 -m hypothesis

bench: ready ## The benchmarks, each beside a peer and the floor
	@exec $(VENV)/python -m bench

format: ready ## Format and sort, and mend what ruff can mend
	@$(VENV)/ruff format --quiet
	@exec $(VENV)/ruff check --fix

lock: ready ## Write the lock files anew from pyproject.toml (UPGRADE=1 takes the newest versions)
	@exec $(VENV)/python -m tools.lock $(if $(UPGRADE),--upgrade)

vendor: ## Fetch the browser's libraries that tools/vendor.py names (needs npm)
	@exec $(PYTHON) -m tools.vendor

clean: ## Remove what can be made again; the demo's data stays
	@rm -rf .venv .bench-venv bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

ready:
	@exec $(PYTHON) -m tools.bootstrap demo

ready-to-test:
	@exec $(PYTHON) -m tools.bootstrap test
