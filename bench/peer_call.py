"""`python -m bench.peer_call MODULE FUNCTION [NUMBER ...]`: calls a function of a module that is imported by its own name."""

import importlib
import sys

if __name__ == "__main__":
    module, function, *numbers = sys.argv[1:]
    getattr(importlib.import_module(module), function)(
        *(float(number) if "." in number else int(number) for number in numbers)
    )
