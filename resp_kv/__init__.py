"""resp-kv: a Dynamo-style key-value store behind the Redis protocol."""

__version__ = "0.1.0"

# The Redis version whose behaviour is offered; clients choose features by it.
REDIS_VERSION = "7.2.5"
