"""The answering side of anti-entropy: one question at a time, nothing kept in between.

What a question changes here: a higher line is followed, records of PUSH are stored, MARK is written
down.
"""

from cluster.merkle import Gather
from cluster.repair_format import (
    ALL,
    DIFFERENT,
    DONE,
    EQUAL,
    EXCHANGE,
    HELD,
    LEAVES,
    MARK,
    PUSH,
    REFILLING,
    REFUSED,
    ROOT,
    STOPPED,
    decode_exchange,
    decode_mark,
    decode_numbers,
    decode_root,
    encode_records,
    encode_stopped,
)

PARCEL_BYTES = 64 << 10
DIGESTS_MAX = 1 << 16
IS_REFILLED = "is being refilled"


class Answers:
    def __init__(self, repairer):
        self.repairer = repairer
        self.steps = {ROOT: self.root, LEAVES: self.leaves, EXCHANGE: self.exchange,
                      PUSH: self.push, MARK: self.mark}

    def receive(self, member, link, fields, body):
        """Raises BadRepair, ValueError: close the connection."""
        part = self.repairer.parts.get(fields["timeout_ms"])
        step = self.steps.get(fields["level"])
        question = Question(self.repairer, member, link, part, fields, body)
        if part is None or member not in part.others:
            question.refuse("does not hold this partition as it should")
        elif step is None:
            question.refuse("does not know this question")
        elif part.refilling and fields["status"] != REFILLING:
            # It runs its own rounds; two at once would send everything twice.
            question.refuse(IS_REFILLED)
        else:
            step(question)

    # -- comparing ----------------------------------------------------------------------------

    def root(self, question):
        self.repairer.meet_line(question.part, question.fields["hlc"])
        self.repairer.refresh(question.part, lambda error: self.root_is_new(question, error))

    def root_is_new(self, question, error):
        tree = question.part.tree
        if error is not None:
            question.refuse(error)
        elif tree.root == decode_root(question.body):
            question.answer(EQUAL)
        else:
            question.answer(DIFFERENT, tree.slot_texts())

    def leaves(self, question):
        question.answer(DONE, question.part.tree.leaf_texts(decode_numbers(question.body)))

    # -- records ------------------------------------------------------------------------------

    def exchange(self, question):
        full, ranges, digests = decode_exchange(question.body)
        gather = Gather(ranges, question.part.line_hlc, known=digests, holds_back=not full,
                        parcel_bytes_max=PARCEL_BYTES, digests_max=DIGESTS_MAX)
        self.repairer.walk(question.part, gather, lambda _: self.gathered(question, gather))

    def gathered(self, question, gather):
        if gather.error is not None:
            question.refuse(str(gather.error))
            return
        self.repairer.records_out += gather.packed
        if gather.stopped_at is not None:
            question.answer(STOPPED, encode_stopped(gather.stopped_at, gather.parcel))
        elif not gather.digests:
            question.answer(ALL, encode_records(b"", b""))
        else:
            question.answer(HELD if gather.held else DONE,
                            encode_records(gather.missing(), gather.parcel))

    def push(self, question):
        part, theirs = question.part, question.fields
        trusted = theirs["annotation"] >= part.line_hlc
        self.repairer.absorb(part, question.body, 0, trusted,
                             lambda *result: self.pushed(question, *result))

    def pushed(self, question, error, records, late, _):
        self.repairer.records_in += records
        if error is not None:
            question.refuse(error)
        else:
            question.answer(DONE, late)

    # -- the end of a round -------------------------------------------------------------------

    def mark(self, question):
        part = question.part
        if part.refilling:
            question.refuse(IS_REFILLED)
            return
        self.repairer.verify(part, *decode_mark(question.body))
        question.answer(DONE)


class Question:
    def __init__(self, repairer, member, link, part, fields, body):
        self.repairer, self.member, self.link = repairer, member, link
        self.part, self.fields, self.body = part, fields, body

    def answer(self, status, body=b""):
        self.repairer.answer(self.link, self.part, self.fields, status, body)

    def refuse(self, sentence):
        self.answer(REFUSED, sentence.encode())
