"""One core and one thread for every benchmark, and the figures that a full run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import machine

# Before anything imports numpy: a pool of threads is made when its library is loaded.
machine.pin()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--performance", metavar="FILE", help="measure everything and write FILE and its .md page"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "performance: measures for minutes; make performance runs these")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> dict[str, int]:
    """Fails everything where a library has more than one thread."""
    from . import contenders, peers  # noqa: F401  (loads the libraries, so that their threads can be counted)

    return machine.threads()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    target = terminalreporter.config.getoption("--performance")
    if target is None or exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR):
        return
    from . import done_when, figures, page

    result = figures.everything([promise.row() for promise in done_when.PROMISES])
    path = Path(target)
    figures.write(path, result)
    page.draw(path)
    terminalreporter.write_line(f"\n{page.ratio_table(result)}\n")
    terminalreporter.write_line(f"written: {path}, {path.with_suffix('.md')}, {path.with_suffix('.svg')}")
