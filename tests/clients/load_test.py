"""aiperf, unmodified, against the service: every request that it sends is answered, in streams and whole, over three interfaces.

Runs where `tools/setup --load` has put it. It is told where the demo model's tokenizer is, to count tokens; it counts what it sends, so the
prompts are words of its own that the model makes nothing of.
"""

import glob
import json
import os
import subprocess
import tempfile
import unittest

import service

AIPERF = os.path.join(service.ROOT, ".venv-load", "bin", "aiperf")
TOKENIZER = os.environ.get("COTERIE_TOKENIZER", os.path.join(service.ROOT, "tools", "demo_model", "checkpoint"))
REQUESTS, CONCURRENCY, TOKENS_IN, TOKENS_OUT = 60, 12, 100, 24


@unittest.skipUnless(os.path.exists(AIPERF), "aiperf is not there: tools/setup --load")
class LoadTest(unittest.TestCase):
    def measure(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [AIPERF, "profile", f"--url={service.http_address()}", f"--model={service.model()}", f"--api-key={service.api_key()}",
                 f"--tokenizer={TOKENIZER}", f"--request-count={REQUESTS}", f"--concurrency={CONCURRENCY}", f"--isl={TOKENS_IN}",
                 f"--osl={TOKENS_OUT}", "--random-seed=1", "--ui=none", "--no-gpu-telemetry", "--no-server-metrics",
                 f"--output-artifact-dir={folder}/out", "--extra-inputs={\"temperature\": 0, \"ignore_eos\": true, \"rails\": false}",
                 "--request-timeout-seconds=120", *flags],
                cwd=folder, env={**os.environ, "HF_HOME": folder}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                timeout=900)
            found = glob.glob(f"{folder}/out/**/profile_export_aiperf.json", recursive=True)
            self.assertTrue(found, done.stdout[-3000:])
            with open(found[0], encoding="utf-8") as file:
                report = json.load(file)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])
        self.assertEqual(report["request_count"]["avg"], REQUESTS)
        self.assertFalse((report.get("error_request_count") or {"avg": 0})["avg"], report.get("error_summary"))
        self.assertFalse(report.get("error_summary"))
        print({name: round(report[name]["avg"], 1) for name in ("request_throughput", "output_token_throughput", "time_to_first_token",
                                                                "request_latency") if name in report})
        return report

    def test_chat_in_streams(self):
        report = self.measure("--endpoint-type=chat", "--streaming")
        self.assertGreater(report["time_to_first_token"]["avg"], 0)

    def test_chat(self):
        self.measure("--endpoint-type=chat")

    def test_completions_in_streams(self):
        self.measure("--endpoint-type=completions", "--streaming", "--use-legacy-max-tokens")

    def test_responses_in_streams(self):
        self.measure("--endpoint-type=responses", "--streaming")

    def test_conversations(self):
        report = self.measure("--endpoint-type=chat", "--streaming", "--session-turns-mean=3", "--session-turns-stddev=0",
                              f"--conversation-num={REQUESTS // 3}")
        self.assertGreater(report["request_throughput"]["avg"], 0)


if __name__ == "__main__":
    unittest.main()
