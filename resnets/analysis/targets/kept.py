"""What compilers made, kept in files that several processes may read and write."""

import tempfile
from pathlib import Path

SETTINGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")
"""Variables of the environment that change what compilers make."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whoever else writes the same.

    Raises:
      OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
