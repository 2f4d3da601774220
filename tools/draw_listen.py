"""Draw what ``asc-edge listen`` shows on the demonstration scene; ``make picture`` runs this."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMAND = ["asc-edge", "listen", "--demo", "--speed", "max"]
LINES = 24


def main() -> None:
    target = Path(sys.argv[1])
    runner = str(Path(sys.executable).with_name(COMMAND[0]))
    result = subprocess.run(
        [runner, *COMMAND[1:]], capture_output=True, text=True, check=True, env={"FORCE_COLOR": "1"}
    )
    lines = result.stdout.rstrip().splitlines()
    # The beginning says what it listens to; the rest shows one activity after the other.
    shown = lines if len(lines) <= LINES else [*lines[:2], *lines[2 :: max(1, len(lines) // LINES)]]
    width = max(len(Text.from_ansi(line).plain) for line in shown)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in shown:
        console.print(Text.from_ansi(line))
    svg = console.export_svg(title=" ".join(COMMAND))
    # A picture of a program that sends nothing should fetch nothing either: any monospace font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, ", "")
    target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
