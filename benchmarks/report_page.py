"""How long the report of a hundred runs takes, how large its page is, how soon it answers.

Command: PYTHONPATH=. python benchmarks/report_page.py
"""

import statistics
import tempfile
import time
from pathlib import Path

from resnets.cli import browser
from resnets.reports import write_report
from tests.reports.fake_study import whole_study

DEPTHS = (8, 14, 20, 26, 32, 38, 44, 50, 56, 110)
SEEDS, EPOCHS, REPEATS = 5, 164, 5


def main() -> None:
    """Print seconds and bytes; a page is ready when its last chart is drawn and switches work."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        study = whole_study(
            path, lambda _, d, s: d / 9 + s, depths=DEPTHS, seeds=SEEDS, epochs=EPOCHS
        )
        start, used = time.perf_counter(), time.process_time()
        write_report(study)
        print(f"report of {2 * len(DEPTHS) * SEEDS} runs, {EPOCHS} epochs each: ", end="")
        print(f"{time.perf_counter() - start:.1f} s, {time.process_time() - used:.1f} s of CPU")
        page = study / "report" / "report.html"
        print(f"page: {page.stat().st_size / 1e6:.2f} MB")
        browser.install()
        ready = []
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=str(browser.chromium()))
            for _ in range(REPEATS):
                window = chromium.new_page()
                window.goto(page.as_uri())
                window.wait_for_selector("html[data-ready]")
                ready.append(window.evaluate("Number(document.documentElement.dataset.ready)"))
                window.close()
            chromium.close()
        print(f"ready after {statistics.median(ready):.0f} ms (median of {REPEATS}; ", end="")
        print(f"{min(ready):.0f} to {max(ready):.0f})")


if __name__ == "__main__":
    main()
