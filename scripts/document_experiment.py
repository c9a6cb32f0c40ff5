"""Put what an experiment found into its page of the documentation.

    foveate experiment length --out length
    python scripts/document_experiment.py length

The first picture goes to docs/experiments/pictures/, or those that are named after the folder. The
part of docs/experiments/NAME.md between the two marks is written anew.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs" / "experiments"
BEGIN, END = "<!-- what came out -->", "<!-- end -->"
MOST_BYTES = 100_000  # of a picture


def describe(values: dict[str, Any], pictures: list[str]) -> str:
    """Return the part of the page that comes from a run."""
    run = values["run"]
    verdict = "held" if values["holds"] else "did **not** hold"
    titles = {one["name"]: one for one in values["pictures"]}
    parts = [
        f"The claim {verdict} in this run: *{values['claim']}*",
        *values["found"].split("\n\n"),
        *(
            f"![{titles[name]['title']}](pictures/{values['experiment']}-{name}.svg)\n\n"
            f"{titles[name]['title']} {titles[name]['caption']}"
            for name in pictures
        ),
        describe_run(run),
    ]
    return "\n\n".join(parts)


def describe_run(run: dict[str, Any]) -> str:
    """Say how a run was done; the minutes of one that was stopped and went on say nothing."""
    share = f", with {100 * run['scale']:g} % of the work" if run["scale"] < 1 else ""
    time = "" if run["is_resumed"] else f" It took {run['minutes']:.0f} minutes."
    return f"This is seed {run['seed']}{share}.{time}"


def main(folder: str, *pictures: str) -> None:
    """Copy the pictures of a folder, and write what was found into the page."""
    values = json.loads((Path(folder) / "numbers.json").read_text(encoding="utf-8"))
    name = values["experiment"]
    chosen = list(pictures) or [values["pictures"][0]["name"]]
    for picture in chosen:
        source = Path(folder) / f"{picture}.svg"
        if source.stat().st_size > MOST_BYTES:
            sys.exit(f"{source}: too large for the documentation")
        (DOCS / "pictures").mkdir(exist_ok=True)
        shutil.copyfile(source, DOCS / "pictures" / f"{name}-{picture}.svg")
    page = DOCS / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(
        f"{before}{BEGIN}\n\n{describe(values, chosen)}\n\n{END}{after}", encoding="utf-8"
    )
    print(f"{page}: written, with {', '.join(chosen)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
