"""KV.CONSISTENCY: how many replicas this connection waits for, until RESET or its end."""

from cluster import levels
from resp_kv.commands.table import arg, command
from resp_kv.commands.version_words import check_level, level_of, timeout_of
from resp_kv.consistency import STRICT, Consistency
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

CHOICES = ("READ", "WRITE", "SLOPPY", "TIMEOUT")


@command(
    "kv.consistency", arity=-1, flags="no_multi loading stale fast", group="versions",
    acl_categories=("@fast", "@connection"),
    args=[
        arg("read-level", "string", "READ", flags=["optional"]),
        arg("write-level", "string", "WRITE", flags=["optional"]),
        arg("sloppy", "oneof", "SLOPPY", flags=["optional"], args=[
            arg("yes", "pure-token", "YES"), arg("no", "pure-token", "NO")]),
        arg("timeout-ms", "integer", "TIMEOUT", flags=["optional"]),
    ],
    summary="Shows or sets the consistency levels of this connection.",
)
def consistency(client, args):
    if client.node.traffic.replicated and client.line is None:
        raise CommandError("CLUSTERDOWN the cluster is not formed yet: see CLUSTER INFO")
    if len(args) == 1:
        return described(of_client(client))
    chosen = choices(client, args[1:])
    if client.line is None and client.consistency is None:
        client.consistency = Consistency(client.node.config)
    asked = of_client(client)
    for name, value in chosen.items():
        setattr(asked, name, value)
    asked.chosen = True
    return OK


def of_client(client):
    if client.line is not None:
        return client.line
    return client.consistency or Consistency(client.node.config)


def described(asked):
    return {
        "READ": levels.text_of(asked.read_level), "WRITE": levels.text_of(asked.write_level),
        "SLOPPY": "no" if asked.flags & STRICT else "yes",
        "READ-TIMEOUT": asked.read_timeout_ms, "WRITE-TIMEOUT": asked.write_timeout_ms,
    }


def choices(client, words):
    """Field -> value. Raises CommandError, so that either all words hold or none."""
    if len(words) % 2:
        raise SyntaxFault()
    named = {}
    for word, text in zip(words[::2], words[1::2], strict=True):
        name = word.upper().decode("ascii", "replace")
        if name not in CHOICES or name in named:
            raise SyntaxFault()
        named[name] = text
    fields = {}
    if "READ" in named:
        fields["read_level"] = possible(client, level_of(named["READ"], False), False)
    if "WRITE" in named:
        fields["write_level"] = possible(client, level_of(named["WRITE"], True), True)
    if "SLOPPY" in named:
        fields["flags"] = flags_of(client, named["SLOPPY"].lower())
    if "TIMEOUT" in named:
        fields["read_timeout_ms"] = fields["write_timeout_ms"] = timeout_of(named["TIMEOUT"])
    return fields


def flags_of(client, text):
    if text not in (b"yes", b"no"):
        raise CommandError("ERR SLOPPY takes yes or no")
    return of_client(client).flags & ~STRICT | (STRICT if text == b"no" else 0)


def possible(client, code, writing):
    """The level; CommandError if no key has the replicas for it."""
    if client.line is None:
        dc = client.node.config.get("node-dc")
        check_level(code, (dc,), dc)
        return code
    refusal = None
    for plan in client.line.coordinator.plans:
        try:
            plan.need_of(code, writing)
            return code
        except levels.BadLevel as error:
            refusal = error
    raise CommandError(f"ERR {refusal}")


def follow_defaults(client):
    """RESET: what the configuration says holds again."""
    client.consistency = None
    if client.line is not None:
        client.node.follow_defaults(client.line)
