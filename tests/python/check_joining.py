"""What ranks do that wait for others: who is missing is named by every rank that is there, in time."""

import time

import harness
import launchers

TIMEOUT = 1  # seconds; all ranks must have joined within five times as long
PATIENCE = 5 * TIMEOUT
SLOWEST = 60  # seconds until a rank of a busy machine has ended; it used to take 5 minutes or an hour


class JoiningTest(harness.ProgramTest):
    """Those that wait in vain are started together, so that they wait at the same time."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_qg(cls.folder / "data")
        cls.without_1 = cls.start_some(2, [0])
        cls.without_1_and_3 = cls.start_some(4, [0, 2])
        cls.without_0 = cls.start_some(3, [1, 2])
        cls.without_host = cls.start_some(2, [0, 1], MASTER_ADDR="no-such-host.invalid")

    @classmethod
    def start(cls, variables, logs="logs", timeout=TIMEOUT):
        processes = launchers.start_ranks(variables, "qg", *harness.SMALL, "--datadir", cls.data, "--logdir",
                                          cls.folder / logs, "--exp_name=run", f"--timeout={timeout}")  # fmt: skip
        for process in processes:
            cls.addClassCleanup(launchers.end, process)
        return processes

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

    @classmethod
    def start_some(cls, count, there, **changed):
        variables = launchers.variables_of_ranks(count)
        return dict(zip(there, cls.start([variables[rank] | changed for rank in there])))

    def test_ranks_that_never_start(self):
        self.assert_told(self.without_1, 1, "rank 1 of 2 never came", f"{PATIENCE} s", "--timeout")
        self.assert_told(self.without_1_and_3, 1, "ranks 1 and 3 of 4 never came")

    def test_rank_0_never_starts(self):
        self.assert_told(self.without_0, 1, "rank 0 never came: nothing answers at 127.0.0.1:",
                         f"{PATIENCE} s")  # fmt: skip

    def test_host_without_address(self):
        self.assert_told(self.without_host, 2, "'no-such-host.invalid' (MASTER_ADDR)", f"{PATIENCE} s")  # fmt: skip

    def test_late_rank(self):
        """Ranks that join within that time train; the last one starts when the first has found nobody."""
        variables = launchers.variables_of_ranks(2)
        first = self.start(variables[1:], "late", timeout=harness.HANG)
        launchers.wait_until_idle(first[0])
        results = launchers.wait_for([*self.start(variables[:1], "late", timeout=harness.HANG), *first])
        for result in results:
            self.assert_finished(result)


if __name__ == "__main__":
    harness.main()
