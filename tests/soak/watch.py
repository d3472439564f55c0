"""What processes and logs tell: memory and descriptors at their greatest, words of a bug."""

import os
import threading

RSS_BYTES_MAX = 400 << 20          # 16 MB of memtable, 16 MB of cache, the process, and links that are full
DESCRIPTORS_MAX = 250
BAD_WORDS = ("Traceback", "internal error", "Assertion", "Fatal", "Segmentation", "failed, the connection")


class Watch(threading.Thread):
    """Looks at the nodes of a cluster once a second."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.stopping = cluster, threading.Event()
        self.rss_bytes = [0] * len(cluster)
        self.descriptors = [0] * len(cluster)

    def run(self):
        while not self.stopping.wait(1):
            for number, node in enumerate(self.cluster.nodes):
                try:
                    self.rss_bytes[number] = max(self.rss_bytes[number], node.rss_bytes)
                    self.descriptors[number] = max(self.descriptors[number], descriptors_of(node))
                except (OSError, ValueError, IndexError):
                    pass           # it has just been killed

    def faults(self):
        found = []
        for number, node in enumerate(self.cluster.nodes):
            if self.rss_bytes[number] > RSS_BYTES_MAX:
                found.append(f"node {number} took {self.rss_bytes[number] >> 20} MB")
            if self.descriptors[number] > DESCRIPTORS_MAX:
                found.append(f"node {number} had {self.descriptors[number]} file descriptors open")
            found += [f"node {number} logged: {line}" for line in node.log.splitlines()
                      if any(word in line for word in BAD_WORDS)]
        return found


def descriptors_of(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))
