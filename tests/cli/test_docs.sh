#!/usr/bin/env bash
# The tables in README.md and paper/ are what the program and the committed results say now.
# SPDX-License-Identifier: MIT
set -euo pipefail
scripts/docs --check
