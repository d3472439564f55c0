"""Who this node is: a file beside the data, read and renewed at every start.

    node.json   {"format": 1, "node_id": 40 hex, "generation": n, "databases": [physical, ...]}

The node id is drawn once. The generation grows at every start, before the first write, so that a
node that lost an unsynced tail never gives two different writes the same dot. `databases` says
which physical number each logical database has (SWAPDB exchanges two).
"""

import json
import os
import secrets

FORMAT = 1
GENERATION_BITS = 31


class IdentityError(Exception):
    """node.json is not usable; the message says why and what to do."""


class Identity:
    def __init__(self, directory, databases):
        self.directory = directory
        self.path = os.path.join(directory, "node.json")
        self.node_id = secrets.token_hex(20)
        self.generation = 0
        self.databases = list(range(databases))
        self.read(databases)
        self.generation += 1
        self.write()

    def read(self, databases):
        try:
            with open(self.path, encoding="utf-8") as file:
                stored = json.load(file)
            if stored["format"] != FORMAT:
                raise IdentityError(f"{self.path} has format {stored['format']}, this version of "
                                    f"resp-kv reads format {FORMAT}: use a newer one")
            self.node_id, self.generation = str(stored["node_id"]), int(stored["generation"])
            numbers = [int(number) for number in stored["databases"]]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise IdentityError(f"{self.path} is damaged ({error}): put back a copy of it, or "
                                "remove it to start as a new node with the same data") from None
        unused = [number for number in range(256) if number not in numbers]
        self.databases = (numbers + unused)[:max(databases, len(numbers))]

    def write(self):
        """Replace the file, durably."""
        text = json.dumps({"format": FORMAT, "node_id": self.node_id,
                           "generation": self.generation, "databases": self.databases})
        temporary = self.path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        folder = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def adopt(self, node_id, generation):
        """Be this member from now on: the data that this node had as such was lost."""
        self.node_id, self.generation = node_id, generation
        self.write()

    @property
    def actor(self):
        """The 64-bit actor of blind writes: node (32) | generation (31) | 0."""
        generation = self.generation & (1 << GENERATION_BITS) - 1
        return int(self.node_id[:8], 16) << 32 | generation << 1
