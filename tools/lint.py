"""clang-tidy (.clang-tidy) over our sources, two at a time. Run `bazel build //...` first: it reads the generated headers.

  python3 tools/lint.py [files...]      without files: all that is shipped; tests and benches are read by two compilers

A file that passed is remembered by the hash of itself, of every header of ours and of the settings, in ~/.cache/coterie-lint, and
not read again until one of them changes.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "coterie-lint"


def common_digest():
    """Of what may change the verdict on any file."""
    digest = hashlib.sha256()
    headers = [
        path
        for folder in ("expert_worker", "kernels", "kv_store", "model", "ops", "proto", "router", "tools")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".h", ".proto")
    ]
    for path in [ROOT / ".clang-tidy", ROOT / ".bazelrc", *headers]:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.digest()


def tidy(source, passed_mark):
    """The complaints about one file; empty when it is clean."""
    run = subprocess.run(
        ["clang-tidy-14", "--quiet", "-p", str(ROOT), source],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    if run.returncode == 0:
        passed_mark.parent.mkdir(parents=True, exist_ok=True)
        passed_mark.touch()
        return ""
    return run.stdout + (run.stderr if "error:" not in run.stdout else "")


def main():
    subprocess.run([sys.executable, str(ROOT / "tools" / "compile_commands.py")], check=True)
    entries = json.loads((ROOT / "compile_commands.json").read_text())
    sources = sorted(e["file"] for e in entries if e["file"].endswith(".cc"))
    if sys.argv[1:]:
        sources = [s for s in sources if s in sys.argv[1:]]
    else:
        sources = [s for s in sources if not s.startswith(("tests/", "bench/"))]
    common = common_digest()
    work = []
    for source in sources:
        # By its place in the tree, not on the machine: another clone of the same commit knows it too.
        place = os.path.relpath(ROOT / source, ROOT).encode()
        name = hashlib.sha256(common + (ROOT / source).read_bytes() + place).hexdigest()
        if not (CACHE / name).exists():
            work.append((source, CACHE / name))
    num_failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for complaints in pool.map(lambda w: tidy(*w), work):
            if complaints:
                num_failed += 1
                print(complaints, flush=True)
    print(f"lint: {len(sources)} files, {len(sources) - len(work)} known to be clean, {num_failed} with complaints")
    sys.exit(1 if num_failed else 0)


if __name__ == "__main__":
    main()
