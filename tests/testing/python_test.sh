#!/usr/bin/env bash
# Runs a Python test with the system's Python, which has the packages of tools/setup: python_test.sh TEST.py FOLDER, where FOLDER (from
# the root of the tree) is where the modules under test lie. Our programs are found among the test's data.
set -euo pipefail
export PYTHONPATH=$2 PYTHONDONTWRITEBYTECODE=1 COTERIE_BINARIES=$PWD
exec /usr/bin/python3 "$1" -v
