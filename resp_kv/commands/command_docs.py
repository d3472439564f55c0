"""A row as COMMAND DOCS shows it: maps whose optional entries are left out when empty."""

from resp_kv.resp.values import SetOf, Simple


def documentation(row):
    docs = {"summary": row.summary, "since": row.since, "group": row.group}
    if row.complexity:
        docs["complexity"] = row.complexity
    doc_flags = row.doc_flags or (("deprecated",) if row.deprecated_since else ())
    if doc_flags:
        docs["doc_flags"] = SetOf([Simple(flag) for flag in doc_flags])
    if row.deprecated_since:
        docs["deprecated_since"] = row.deprecated_since
    if row.replaced_by:
        docs["replaced_by"] = row.replaced_by
    if row.history:
        docs["history"] = SetOf([list(entry) for entry in row.history])
    if row.arguments:
        docs["arguments"] = [argument(each) for each in row.arguments]
    if row.subcommands:
        docs["subcommands"] = {
            child.name: documentation(child) for child in row.subcommands.values()}
    return docs


def argument(described):
    """One argument, in the order of entries that Redis 7.2 has."""
    shown = {"name": described["name"], "type": described["type"]}
    if described["type"] not in ("oneof", "block"):
        shown["display_text"] = described["display_text"] or described["name"]
    if described["key_spec_index"] is not None:
        shown["key_spec_index"] = described["key_spec_index"]
    for entry in ("token", "since"):
        if described[entry]:
            shown[entry] = described[entry]
    if described["flags"]:
        shown["flags"] = SetOf([Simple(flag) for flag in described["flags"]])
    if described["arguments"]:
        shown["arguments"] = [argument(each) for each in described["arguments"]]
    return shown
