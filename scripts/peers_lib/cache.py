"""What a run has done already: folders of JSON facts, each with the key that it was made under.

SPDX-License-Identifier: MIT
"""
import json
import shutil


def say(text):
    print(text, flush=True)


def remove(path):
    """A saved index: a file or a folder, or nothing."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Cache:
    """A folder of JSON facts, emptied when its key changes."""

    def __init__(self, folder, key):
        self.folder, self.key = folder, json.dumps(key, sort_keys=True)
        stamp = folder / "key.json"
        if folder.exists() and (not stamp.exists() or stamp.read_text() != self.key):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        stamp.write_text(self.key)

    def get(self, name, make):
        path = self.folder / (name + ".json")
        if not path.exists():
            self.put(path, make())
        return json.loads(path.read_text())

    @staticmethod
    def put(path, value):
        part = path.with_suffix(".part")
        part.write_text(json.dumps(value))
        part.replace(path)
