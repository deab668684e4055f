"""Eight threads of an event loop share a tagger: with the thread sanitizer (preset tsan) no race is reported, and they
compute what one thread computes.

    check_threads.py --program EVENT_LOOP
"""

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def jets_of(task: str) -> str:
    """Jets of 1 to 40 massless constituents as the example event_loop reads them, with an empty one among them."""
    draw = random.Random(7)
    lines = ["0"]
    for count in range(1, 41):
        lines.append(str(count))
        for _ in range(count):
            p = [draw.gauss(0, 20) for _ in range(3)]
            words = [sum(x * x for x in p) ** 0.5, *p] + ([211] if task == "qg" else [])
            lines.append(" ".join(map(str, words)))
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True)
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as folder:
        for task in ("top", "qg"):
            jets = Path(folder) / task
            jets.write_text(jets_of(task))
            model = PROJECT / "logs" / task / "pretrained" / "best-val-model.pt"
            results = [subprocess.run([program, model, jets, str(threads), "3"], capture_output=True, text=True)
                       for threads in (1, 8)]  # fmt: skip
            for result in results:
                if result.returncode != 0 or "Sanitizer" in result.stderr or "1 not scored" not in result.stderr:
                    print(f"{result.args}: status {result.returncode}:\n{result.stderr}")
                    return 1
            if results[0].stdout != results[1].stdout or len(results[0].stdout.splitlines()) != 41:
                print(f"{task}: eight threads print something else than one")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
