#!/usr/bin/env bash
# The tables in README.md and paper/ are what the program and the committed results say now.
set -euo pipefail
scripts/docs --check
