"""The commands that make up most traffic, compiled: no Python object is made on their plain paths.

Each takes the connection with its words in argv and answers DONE (the reply is written),
MUST_WAIT (nothing is written or changed; a row has to come from disk first) or USE_HANDLER (an
option or a case of its general handler, which does the whole command). Their general handlers
stay complete, so this file is a shortcut and never the only home of a behaviour.
"""

from cluster.store cimport ABSENT, FOUND, PENDING, Row
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from resp_kv.commands.row cimport PLAIN_GET, PLAIN_SET, Command
from resp_kv.connection cimport DONE, MUST_WAIT, USE_HANDLER, Connection
from resp_kv.resp.numbers cimport parse_integer, relative_deadline, write_number
from resp_kv.resp.parser cimport Arg

from resp_kv.errors import CommandError, NotAnInteger


cdef int fast_ping(object connection) except -1:
    cdef Connection c = <Connection>connection
    if c.argc != 1:
        return USE_HANDLER
    c.reply.raw(b"+PONG\r\n", 7)
    return DONE


cdef int fast_get(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Row row
    cdef int answer = c.keyspace.find(c.argv[1].text, c.argv[1].size, &row)
    if answer == FOUND:
        c.keyspace.writer.hits += 1
        c.reply.bulk(row.value, row.value_bytes)
    elif answer == ABSENT:
        c.keyspace.writer.misses += 1
        c.reply.null()
    else:
        return MUST_WAIT
    return DONE


cdef int fast_set(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Arg* v = c.argv
    cdef int64_t deadline_ms = 0
    if c.argc != 3:
        if c.argc != 5:
            return USE_HANDLER
        deadline_ms = relative_deadline(v[3].text, v[3].size, v[4].text, v[4].size,
                                        <int64_t>c.keyspace.writer.clock.now_ms)
        if deadline_ms <= 0:
            return USE_HANDLER
    c.keyspace.blind(v[1].text, v[1].size, v[2].text, v[2].size, <uint64_t>deadline_ms)
    c.reply.ok()
    return DONE


cdef int fast_mget(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Row row
    cdef Py_ssize_t i, before = c.reply.size
    cdef int answer
    cdef bint pending = False
    c.reply.header(b'*', c.argc - 1)
    for i in range(1, c.argc):
        answer = c.keyspace.find(c.argv[i].text, c.argv[i].size, &row)
        if answer == FOUND:
            c.reply.bulk(row.value, row.value_bytes)
        elif answer == ABSENT:
            c.reply.null()
        else:
            pending = True
    if pending:
        c.reply.truncate(before)
        return MUST_WAIT
    return DONE


cdef int fast_mset(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Py_ssize_t i
    if c.argc % 2 == 0:
        return USE_HANDLER
    for i in range(1, c.argc, 2):
        c.keyspace.check_pair(c.argv[i].size, c.argv[i + 1].size)
    for i in range(1, c.argc, 2):
        c.keyspace.blind(c.argv[i].text, c.argv[i].size,
                         c.argv[i + 1].text, c.argv[i + 1].size, 0)
    c.reply.ok()
    return DONE


cdef int add(Connection c, int64_t amount) except -1:
    cdef Row row
    cdef int64_t number = 0
    cdef uint64_t deadline_ms = 0
    cdef char[24] text
    cdef int answer = c.keyspace.find(c.argv[1].text, c.argv[1].size, &row)
    if answer == PENDING:
        return MUST_WAIT
    if answer == FOUND:
        if not parse_integer(row.value, row.value_bytes, &number):
            raise NotAnInteger
        deadline_ms = row.deadline_ms
    if (amount > 0 and number > INT64_MAX - amount) or (amount < 0 and number < INT64_MIN - amount):
        raise CommandError("ERR increment or decrement would overflow")
    number += amount
    c.keyspace.blind(c.argv[1].text, c.argv[1].size, text, write_number(text, number),
                     deadline_ms)
    c.reply.integer(number)
    return DONE


cdef int fast_incr(object connection) except -1:
    return add(<Connection>connection, 1)


cdef int fast_decr(object connection) except -1:
    return add(<Connection>connection, -1)


cdef int fast_incrby(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef int64_t amount
    if not parse_integer(c.argv[2].text, c.argv[2].size, &amount):
        return USE_HANDLER
    return add(c, amount)


cdef int fast_decrby(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef int64_t amount
    if not parse_integer(c.argv[2].text, c.argv[2].size, &amount) or amount == INT64_MIN:
        return USE_HANDLER
    return add(c, -amount)


cdef Py_ssize_t count_live(Connection c, bint remove) except -2:
    """How many of the words from 1 on are live keys, removing them if wanted; -1: must wait."""
    cdef Row row
    cdef Py_ssize_t i, found = 0
    cdef int answer
    cdef bint pending = False
    for i in range(1, c.argc):
        answer = c.keyspace.find(c.argv[i].text, c.argv[i].size, &row)
        pending |= answer == PENDING
        found += answer == FOUND
    if pending:
        return -1
    if not remove or found == 0:
        return found
    found = 0
    for i in range(1, c.argc):
        if c.keyspace.find(c.argv[i].text, c.argv[i].size, &row) == FOUND:
            c.keyspace.bury(c.argv[i].text, c.argv[i].size)
            found += 1
    return found


cdef int fast_del(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Py_ssize_t found = count_live(c, True)
    if found < 0:
        return MUST_WAIT
    c.reply.integer(found)
    return DONE


cdef int fast_exists(object connection) except -1:
    cdef Connection c = <Connection>connection
    cdef Py_ssize_t found = count_live(c, False)
    if found < 0:
        return MUST_WAIT
    c.reply.integer(found)
    return DONE


cdef void attach(dict rows, bytes name, int (*handler)(object) except -1, bint deferrable=False):
    cdef Command row = rows[name]
    row.fast = handler
    row.deferrable = deferrable


def install(dict rows):
    """Give the rows of the command table their compiled handlers."""
    attach(rows, b"ping", fast_ping)
    attach(rows, b"get", fast_get, True)
    attach(rows, b"set", fast_set)
    attach(rows, b"mget", fast_mget, True)
    attach(rows, b"mset", fast_mset)
    attach(rows, b"incr", fast_incr)
    attach(rows, b"decr", fast_decr)
    attach(rows, b"incrby", fast_incrby)
    attach(rows, b"decrby", fast_decrby)
    attach(rows, b"del", fast_del)
    attach(rows, b"unlink", fast_del)
    attach(rows, b"exists", fast_exists, True)
    (<Command>rows[b"get"]).plain = PLAIN_GET
    (<Command>rows[b"set"]).plain = PLAIN_SET
