"""Puts tables and pictures of a directory of results where people read them: ``README.md`` and ``figures/``.

The README holds a pair of marks for every table, ``<!-- results: NAME.md -->`` and ``<!-- end -->``; what is between
them is replaced by that file of the results. A picture is copied if the README shows ``figures/NAME.png``.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

README = Path(__file__).with_name("README.md")
_TABLE = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PICTURE = re.compile(r"\(figures/(\S+\.png)\)")


def publish_results(results: Path, readme: Path = README) -> list[str]:
    """Renews what the results hold, leaves the rest as it is; returns the names of the files that were put in."""
    text, renewed = readme.read_text(encoding="utf-8"), []

    def renew(mark: re.Match[str]) -> str:
        path = results / mark[2]
        if not path.exists():
            return mark[0]
        renewed.append(mark[2])
        table = re.sub(r"^## .*\n\n", "", path.read_text(encoding="utf-8"))  # the README has headings of its own
        return f"{mark[1]}\n{table}\n{mark[3]}"

    readme.write_text(_TABLE.sub(renew, text), encoding="utf-8")
    for name in _PICTURE.findall(text):
        if (results / name).exists():
            shutil.copyfile(results / name, readme.parent / "figures" / name)
            renewed.append(name)
    return renewed
