"""Counts test cases in the results of the last `bazel test` and prints `N passed, N failed, N skipped`.

GoogleTest writes one test.xml a target (also kept for cached ones); a target without cases in its file, or that died before
writing one, counts as one case. Exits with 1 when a case failed or a target has no result.
"""

import argparse
import pathlib
import subprocess
import sys
import xml.etree.ElementTree


def bazel(*arguments):
    return subprocess.run(
        ["bazel", *arguments], check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout.strip()


def test_targets(pattern):
    """The labels behind `pattern` that `bazel test` runs: those tagged manual only run by name."""
    query = f'tests({pattern}) except attr("tags", "\\bmanual\\b", {pattern})'
    return sorted(bazel("query", "--noshow_progress", query).split())


def result_files(testlogs, label):
    folder = testlogs / label.lstrip("/").replace(":", "/")
    # Folders of an earlier --runs_per_test stay behind.
    return sorted(path for path in folder.glob("**/test.xml") if not any("run_" in part for part in path.relative_to(folder).parts))


def count(path):
    """(passed, failed, skipped, names of the failed) of one test.xml."""
    passed, failed, skipped, names = 0, 0, 0, []
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except xml.etree.ElementTree.ParseError:
        return 0, 1, 0, ["(unreadable result)"]
    for case in root.iter("testcase"):
        name = f'{case.get("classname", "")}.{case.get("name", "")}'
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            names.append(name)
        elif case.get("result") == "skipped" or case.find("skipped") is not None:
            skipped += 1
        elif case.get("status") != "notrun":
            passed += 1
    return passed, failed, skipped, names


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pattern", default="//...")
    # What the caller gave to `bazel test` besides (--config=…) decides which folder bazel-testlogs is.
    arguments, bazel_flags = parser.parse_known_args()
    testlogs = pathlib.Path(bazel("info", *bazel_flags, "bazel-testlogs"))

    totals = [0, 0, 0]
    for label in test_targets(arguments.pattern):
        files = result_files(testlogs, label)
        counts = [count(path) for path in files]
        if not files or sum(sum(c[:3]) for c in counts) == 0:
            totals[1 if not files else 0] += 1
            if not files:
                print(f"no result: {label}")
            continue
        for passed, failed, skipped, names in counts:
            totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
            for name in names:
                print(f"failed: {label} {name}")
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    sys.exit(1 if totals[1] else 0)


if __name__ == "__main__":
    main()
