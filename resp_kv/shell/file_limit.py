"""How many clients the limit of open files allows, beside the files of the engine.

Every client is a descriptor, and so is every open table. Were clients let in until none is left, no
flush could open its file and writes would stop. So the soft limit is raised as far as the
hard one permits, and what still lacks is taken from the clients.
"""

import logging
import resource

log = logging.getLogger("resp_kv.server")

RESERVED = 512          # for tables, logs, listening sockets; half of it all where there is less


def clients_allowed(maxclients):
    """Raise the limit of open files for `maxclients`; how many may really come."""
    wanted = maxclients + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = raised(soft, hard, wanted)
    if soft == resource.RLIM_INFINITY:
        return maxclients
    allowed = min(maxclients, soft - min(RESERVED, soft // 2))
    if allowed < maxclients:
        log.warning("maxclients %d would need %d open files, the limit is %d: no more than %d "
                    "clients are let in (raise it with ulimit -n or LimitNOFILE)",
                    maxclients, wanted, soft, allowed)
    return allowed


def raised(soft, hard, wanted):
    """The soft limit after an attempt to raise it to `wanted`."""
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return soft
    return most
