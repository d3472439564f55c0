"""Takes the arguments of `resp-kv serve` and answers what `resp-kv local` asks; no data, no build.

The environment makes it misbehave, by the name of its folder: STAND_IN_EXITS=node-2 ends at once,
STAND_IN_NOT_OK=node-2 never says that the cluster is fine, STAND_IN_STUBBORN=node-2 ignores SIGTERM.
"""

import json
import os
import signal
import socketserver
import sys
import threading


def options():
    words = sys.argv[1:]
    return {words[i][2:]: words[i + 1] for i in range(0, len(words), 2)}


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2].decode().upper())
            self.wfile.write(answer(words))
            self.wfile.flush()


def answer(words):
    if words[0] == "PING":
        return b"+PONG\r\n"
    text = f"process_id:{os.getpid()}\r\n"
    if words[0] == "CLUSTER":
        text = f"cluster_state:{'fail' if misbehaves('NOT_OK') else 'ok'}\r\n"
    return f"${len(text)}\r\n{text}\r\n".encode()


def misbehaves(how):
    return os.path.basename(options()["dir"]) in os.environ.get(f"STAND_IN_{how}", "").split(",")


def main():
    if misbehaves("EXITS"):
        print("no luck today", file=sys.stderr)
        sys.exit(3)
    if misbehaves("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    with open(os.path.join(options()["dir"], "arguments.json"), "w") as file:
        json.dump(sys.argv[1:], file)
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(options()["port"])), Client) as server:
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
