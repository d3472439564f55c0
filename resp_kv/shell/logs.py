"""Log lines in Redis's manner: process, time, level sign, text; to standard output or a file."""

import logging
import os
import sys
import time

LEVELS = {"debug": logging.DEBUG, "verbose": logging.INFO - 1, "notice": logging.INFO,
          "warning": logging.WARNING, "nothing": logging.CRITICAL + 1}
SIGNS = {logging.DEBUG: ".", logging.INFO - 1: "-", logging.INFO: "*"}


class LineFormat(logging.Formatter):
    def format(self, record):
        moment = time.strftime("%d %b %Y %H:%M:%S", time.localtime(record.created))
        sign = SIGNS.get(record.levelno, "#")
        line = (f"{os.getpid()} {moment}.{int(record.msecs):03d} {sign} {record.getMessage()}")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def start_logging(config):
    """Write the package's log as the directives loglevel and logfile say."""
    path = config.get("logfile")
    handler = logging.FileHandler(path) if path else logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormat())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(config.get("loglevel"))
    config.subscribe("loglevel", set_level)


def set_level(name):
    logging.getLogger().setLevel(LEVELS[name])
