"""What the runner of the tests says of a job that leaves processes behind."""

import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "runner"))
from jobs import Job, Runner  # noqa: E402


class Stragglers(unittest.TestCase):
    def outcome(self, seconds):
        """Of a job that leaves one behind which lives so long, beyond the job's own group."""
        directory = tempfile.mkdtemp(prefix="runner")
        self.addCleanup(shutil.rmtree, directory)
        command = (f"setsid sh -c 'touch $TMPDIR/begun; exec sleep {seconds}' &"
                   "while [ ! -e $TMPDIR/begun ]; do sleep 0.01; done")
        [outcome] = Runner(directory, dict(os.environ)).run(
            Job("job", ["sh", "-c", command], {"job": "job"}, 60))
        return outcome

    def test_one_that_is_about_to_end_is_none(self):
        self.assertTrue(self.outcome(0.5).passed)

    def test_one_that_stays_is_told(self):
        outcome = self.outcome(60)
        self.assertFalse(outcome.passed)
        self.assertIn("left 1 processes behind", outcome.output)


if __name__ == "__main__":
    unittest.main()
