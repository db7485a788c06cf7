"""What lies in a folder, without the ledger that says what made it."""

from pathlib import Path

from l2g_core.runs.ledger import PLACE


def visible(folder: Path) -> list[str]:
    """Names, sorted."""
    return sorted(path.name for path in folder.iterdir() if path.name != PLACE)
