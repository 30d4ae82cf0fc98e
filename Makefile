# Windtunnel. `make` alone lists the targets; all it needs is Python 3.11+.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=
.PHONY: help environment setup up down ui bench test perf truth lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

environment:
	@for python in python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec $$python deploy/bootstrap.py; \
		fi; \
	done; \
	echo 'setup: no Python 3.11 or newer on PATH: sudo apt-get install python3 python3-venv' >&2; exit 3

setup: environment ## environment and server programs, into .venv/ and .run/
	@$(BIN)/windtunnel setup

up: environment ## start databases, Tornado processes and nginx (ARGS='--processes 2')
	@$(BIN)/windtunnel up $(ARGS)

down: environment ## stop all of it
	@$(BIN)/windtunnel down

ui: environment ## the stack, then Locust with its web UI
	@$(BIN)/windtunnel up
	@echo 'Locust: http://127.0.0.1:8089 (Ctrl-C ends it; the stack keeps running until make down)'
	@exec $(BIN)/locust -f locustfiles/crud.py $(ARGS)

bench: environment ## rank every engine (ARGS=--full: every mode and durability)
	@$(BIN)/windtunnel run crud $(ARGS)

test: environment ## the tests, with real servers (ARGS='-k sqlite')
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

perf: environment ## what a request costs; fails if it costs more than its limit
	@$(BIN)/python -m benchmarks $(ARGS)

truth: environment ## what is reported against the truth (ARGS='stall --quick')
	@$(BIN)/python -m validation $(ARGS)

lint: environment ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

lock: environment ## requirements.lock again from pyproject.toml
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --extra all --extra dev pyproject.toml -o requirements.lock

clean: ## stop the stack and remove what was made (not results/)
	@if [ -x $(BIN)/windtunnel ]; then $(BIN)/windtunnel down; fi
	@rm -rf .venv .run .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
