"""What a connection asks of replicas where a command does not say otherwise.

On a cluster the connection's Line has it in compiled fields of the same names, since every GET and
SET looks at it. A node without others keeps what KV.CONSISTENCY chose in one of these: one copy
meets every level that it allows, but clients may say the same things to it as to a cluster.
"""

from cluster import levels

STRICT = 32                    # as wire.pxd numbers the flag: sloppy-quorum no


class Consistency:
    """The configuration's, until something else is chosen."""

    def __init__(self, config):
        self.read_level = levels.code_of(config.get("read-consistency"), writing=False)
        self.write_level = levels.code_of(config.get("write-consistency"), writing=True)
        self.flags = usual_flags(config)
        self.read_timeout_ms = config.get("read-request-timeout")
        self.write_timeout_ms = config.get("write-request-timeout")
        self.chosen = False


def usual_flags(config):
    return 0 if config.get("sloppy-quorum") else STRICT
