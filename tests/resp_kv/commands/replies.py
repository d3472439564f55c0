"""Short ways to say what a reply should be."""

from tests.resp_kv.rig import ReplyError


def is_error(reply, text):
    """Whether a reply is an error of exactly this text."""
    return isinstance(reply, ReplyError) and str(reply) == text


def run_all(client, *lines):
    """The replies to whole lines, words divided by blanks."""
    return [client.run(*line.split()) for line in lines]


def fields(text):
    """name -> value of the lines of INFO or CLUSTER INFO."""
    pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return dict(pairs)
