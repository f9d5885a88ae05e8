"""Commands, one a file; each is thin over what `sweeps` offers to Python."""

from sweeps.cli.commands.archive import archive
from sweeps.cli.commands.confirm import confirm
from sweeps.cli.commands.delete import delete
from sweeps.cli.commands.export import export
from sweeps.cli.commands.front import front
from sweeps.cli.commands.list import list_sweeps
from sweeps.cli.commands.rename import rename
from sweeps.cli.commands.replay import replay
from sweeps.cli.commands.resume import resume
from sweeps.cli.commands.run import run
from sweeps.cli.commands.score import score
from sweeps.cli.commands.status import status
from sweeps.cli.commands.ui import ui

__all__ = [
    "archive",
    "confirm",
    "delete",
    "export",
    "front",
    "list_sweeps",
    "rename",
    "replay",
    "resume",
    "run",
    "score",
    "status",
    "ui",
]
