"""Many keys at once, through one node."""

from benchmarks.server.load import expect, value

VALUE_BYTES = 100
BATCH = 500


def fill(node, count, prefix=b"key", every=1, version=0):
    """SET prefix:000000000000 and so on, each `every`-th; another `version`, another value."""
    with node.socket() as sock:
        numbers = range(0, count, every)
        for at in range(0, len(numbers), BATCH):
            part = numbers[at:at + BATCH]
            sock.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
                % (len(name), name, VALUE_BYTES, value(number + version, VALUE_BYTES))
                for number in part for name in [name_of(prefix, number)]))
            expect(sock, b"+OK\r\n" * len(part))


def name_of(prefix, number):
    return b"%b:%012d" % (prefix, number)
