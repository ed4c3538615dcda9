"""Writes compile_commands.json for clang-tidy and editors, from what Bazel would run.

  python3 tools/compile_commands.py [bazel flags, such as --config=clang]

The generated headers that it names exist once `bazel build //...` has run.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Of gcc alone; clang would complain.
GCC_ONLY = {"-Wno-free-nonheap-object", "-Wunused-but-set-parameter", "-fno-canonical-system-headers"}


def bazel(*arguments):
    return subprocess.run(
        ["bazel", *arguments], check=True, text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout


def absolute(argument, execution_root):
    """Bazel's paths to what it made, so that the commands run in the source tree.

    The execution root itself will not do as the directory: it holds only the folders that the last build needed.
    """
    return f"{execution_root}/{argument}" if argument.startswith(("bazel-out/", "external/")) else argument


def main():
    flags = sys.argv[1:]
    execution_root = bazel("info", *flags, "execution_root").strip()
    actions = json.loads(bazel("aquery", *flags, "--output=jsonproto", 'mnemonic("CppCompile", //...)'))
    entries = {}
    for action in actions["actions"]:
        command = [absolute(a, execution_root) for a in action["arguments"] if a not in GCC_ONLY]
        source = command[command.index("-c") + 1]
        if source.endswith((".cc", ".cu")) and not source.startswith("/"):
            entries[source] = {"directory": str(ROOT), "file": source, "arguments": command}
    output = ROOT / "compile_commands.json"
    output.write_text(json.dumps([entries[s] for s in sorted(entries)], indent=1) + "\n")
    print(f"compile_commands.json: {len(entries)} sources")


if __name__ == "__main__":
    main()
