"""What ranks do that wait for others: who is missing is named by every rank that is there, in time."""

import time

import harness
import launchers

TIMEOUT = 1  # seconds; all ranks must have joined within five times as long
PATIENCE = 5 * TIMEOUT
SLOWEST = 60  # seconds until a rank of a busy machine has ended; it used to take 5 minutes or an hour


class JoiningTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_qg(cls.folder / "data")

    def start(self, variables, logs="logs"):
        return launchers.start_ranks(variables, "qg", *harness.SMALL, "--datadir", self.data, "--logdir",
                                     self.folder / logs, "--exp_name=run", f"--timeout={TIMEOUT}")  # fmt: skip

    def assert_told(self, ranks, status, *expected):
        """Each of these processes ends in time, with one line that has its rank and these texts."""
        start = time.monotonic()
        results = launchers.wait_for(list(ranks.values()), timeout=SLOWEST)
        self.assertLess(time.monotonic() - start, SLOWEST)
        for rank, result in zip(ranks, results):
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertRegex(result.stderr, rf"\Aqg_tagging: rank {rank}: [^\n]+\n\Z")
            for text in expected:
                self.assertIn(text, result.stderr)
        self.assertFalse((self.folder / "logs").exists())

    def start_some(self, count, there, **changed):
        variables = launchers.variables_of_ranks(count)
        return dict(zip(there, self.start([variables[rank] | changed for rank in there])))

    def test_ranks_that_never_start(self):
        self.assert_told(self.start_some(2, [0]), 1, "rank 1 of 2 never came", f"{PATIENCE} s", "--timeout")
        self.assert_told(self.start_some(4, [0, 2]), 1, "ranks 1 and 3 of 4 never came")

    def test_rank_0_never_starts(self):
        self.assert_told(self.start_some(3, [1, 2]), 1, "rank 0 never came: nothing answers at 127.0.0.1:",
                         f"{PATIENCE} s")  # fmt: skip

    def test_host_without_address(self):
        self.assert_told(self.start_some(2, [0, 1], MASTER_ADDR="no-such-host.invalid"), 2,
                         "'no-such-host.invalid' (MASTER_ADDR)", f"{PATIENCE} s")  # fmt: skip

    def test_late_rank(self):
        """Ranks that join within that time train; the last one is much later than the first."""
        variables = launchers.variables_of_ranks(2)
        first = self.start(variables[1:], "late")
        time.sleep(2 * TIMEOUT)
        results = launchers.wait_for([*self.start(variables[:1], "late"), *first])
        for result in results:
            self.assert_finished(result)


if __name__ == "__main__":
    harness.main()
