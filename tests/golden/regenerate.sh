#!/usr/bin/env bash
# Makes every committed file below tests/golden/ again. Needs `tools/setup --oracles` once. See README.md.
#
#   tests/golden/regenerate.sh                      checkpoints, logits, tokenizer, demo_model, chat
#   LLAMA_CPP_LIB=DIR tests/golden/regenerate.sh    also llama_cpp (DIR: see bench/serve/llama_cpp/llama_cpp.py)
set -euo pipefail
cd "$(dirname "$0")"

python=${ORACLES_PYTHON:-../../.venv-oracles/bin/python}
if [[ ! -x $python ]]; then
  echo "regenerate: no $python; run tools/setup --oracles, or name a Python with requirements.txt in ORACLES_PYTHON" >&2
  exit 1
fi

export PYTHONDONTWRITEBYTECODE=1 TRANSFORMERS_VERBOSITY=error
"$python" make_checkpoints.py
"$python" make_goldens.py
"$python" make_demo_goldens.py
python3 make_chat_goldens.py  # with the system's jinja2
if [[ -n ${LLAMA_CPP_LIB:-} ]]; then
  "$python" make_llama_goldens.py
else
  echo "regenerate: LLAMA_CPP_LIB is not set, llama_cpp/ stays as it is"
fi
