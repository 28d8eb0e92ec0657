"""Keeps the JSON of many jobs small: a third of its size, for some microseconds a job.

The states of jobs are alike in almost everything but a few values, which a preset dictionary tells the compressor
(RFC 1950, section 2.2). Nothing packed leaves the process, so that the dictionary may change with any release.
"""

import zlib
from typing import Final

_WINDOW_BITS: Final = -12
"""4 KiB and no header (zlib's manual, deflateInit2): as much as a state and the dictionary are."""
_LEVEL: Final = 6
_MEMORY_LEVEL: Final = 5

_DICTIONARY: Final = (
    b'"waiting":{"reason":"Queued","class":"misconfiguration","sentence":"asks  GPUs, the largest free node has ",'
    b'"next":"wait for other jobs to end, or ask for less","since":17,"stage":"schedule","evidence":["'
    b'"status":"Pending","phase":"Pending""status":"Running","phase":"Running""status":"Failed","phase":"Failed"'
    b'"exit":{"code":1,"reason":"Error","message":"Traceback (most recent call last):\\n  File \\"'
    b'{"at":17,"phase":"Deleted","reason":null}"phase":"Suspended","reason":"phase":"Starting","reason":'
    b'"type":"Interactive""deletedAt":17'
    b'{"id":"","submission":"","cluster":"default","project":"team-","name":"job-","namespace":"runai-team-","user":"",'
    b'"type":"Train","status":"Succeeded","phase":"Succeeded","waiting":null,"createdAt":17,"startedAt":17,'
    b'"finishedAt":17,"deletedAt":null,"images":["registry.example.com/"],"nodes":["node-"],"requestedGPUs":1.0,'
    b'"allocatedGPUs":0.0,"completions":1,"parallelism":1,"pods":{"pending":0,"running":0,"succeeded":1,"failed":0},'
    b'"restarts":0,"exit":null,"history":[{"at":17,"phase":"Pending","reason":null},'
    b'{"at":17,"phase":"Starting","reason":null},{"at":17,"phase":"Running","reason":null},'
    b'{"at":17,"phase":"Succeeded","reason":null}]}'
)


def pack(value: bytes) -> bytes:
    """Return a state's JSON in fewer bytes."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return packer.compress(value) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Return what was packed."""
    return zlib.decompressobj(_WINDOW_BITS, _DICTIONARY).decompress(packed)
