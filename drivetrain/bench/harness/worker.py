"""Runs a peer in an interpreter of its own and answers over a pipe.

This file is run by its path in an environment that holds the peer but not drivetrain, so it uses
the standard library and numpy alone. It reads messages from standard input and writes replies to
a copy of standard output; whatever the peer prints goes to standard error.

A message is a JSON header in one line, then the bytes of the arrays it names, in ``.npy`` form.
"""

import importlib.util
import io
import json
import os
import sys
import time
import traceback
from typing import IO, Any

import numpy as np


def send(pipe: IO[bytes], header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write one message."""
    blobs = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        blobs[name] = buffer.getvalue()
    sizes = {name: len(blob) for name, blob in blobs.items()}
    pipe.write(json.dumps({**header, "arrays": sizes}).encode() + b"\n")
    for blob in blobs.values():
        pipe.write(blob)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read one message; None at the end of the stream."""
    line = pipe.readline()
    if not line:
        return None
    header = json.loads(line)
    arrays = {}
    for name, size in header.pop("arrays").items():
        arrays[name] = np.load(io.BytesIO(pipe.read(size)), allow_pickle=False)
    return header, arrays


def load(path: str) -> Any:
    """Import the adapter, a Python file with a function ``prepare(**arrays)``."""
    spec = importlib.util.spec_from_file_location("adapter", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serve(adapter: str, source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer messages until the stream ends: ``prepare`` with arrays, then ``run`` each time."""
    run = None
    while (message := receive(source)) is not None:
        header, arrays = message
        try:
            if header["do"] == "prepare":
                run = load(adapter).prepare(**arrays)
                send(sink, {"ok": True}, {})
                continue
            if run is None:
                raise RuntimeError("run before prepare")
            began = time.perf_counter()
            answer = run()
            elapsed = time.perf_counter() - began
            send(sink, {"ok": True, "seconds": elapsed}, {"answer": answer})
        except Exception as error:
            traceback.print_exc()
            send(sink, {"ok": False, "error": f"{type(error).__name__}: {error}"}, {})


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin.buffer, replies)
