"""Place where a command is tried."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a bad command is tried: a folder with a good spec and a store of one sweep."""

    folder: Path

    def spec(self, **changes: Any) -> Path:
        raw = yaml.safe_load((self.folder / "good.yaml").read_text()) | changes
        return self.write("bad.yaml", yaml.safe_dump(raw))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def images(self, names: str, *, classes: int = 8, empty: bool = False) -> Path:
        for number in range(classes):
            folder = self.folder / names / f"class{number}"
            folder.mkdir(parents=True)
            for image in range(0 if empty else 2):
                Image.new("RGB", (9, 9), (number, image, 0)).save(folder / f"{image}.png")
        return self.folder / names

    def make(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def arrays(self, **arrays: Any) -> Path:
        path = self.folder / "embeddings.npz"
        np.savez(path, **arrays)
        return path
