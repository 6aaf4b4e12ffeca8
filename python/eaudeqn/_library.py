"""The C functions of eaudeqn/eaudeqn.h, opened with ctypes. What they mean is written there."""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int, c_size_t, c_void_p
from pathlib import Path

UINT8 = 0
OK, ARGUMENT, FILE, MEMORY = 0, 1, 2, 3


class Spec(Structure):
    _fields_ = [
        ("observation_type", c_int),
        ("observation_rank", c_size_t),
        ("observation_shape", c_size_t * 3),
        ("observation_bytes", c_size_t),
        ("frame_bytes", c_size_t),
        ("outputs", c_size_t),
        ("actions", c_size_t),
        ("action_names", POINTER(c_char_p)),
        ("action_dimensions", c_size_t),
        ("action_low", POINTER(c_float)),
        ("action_high", POINTER(c_float)),
        ("weights", c_size_t),
        ("active_weights", c_size_t),
        ("sparsity", c_double),
        ("metadata_count", c_size_t),
        ("metadata_keys", POINTER(c_char_p)),
        ("metadata_values", POINTER(c_char_p)),
    ]


_SIGNATURES = {
    "version": (c_char_p, []),
    "instruction_set": (c_char_p, []),
    "last_error": (c_char_p, []),
    "policy_load": (c_int, [c_char_p, POINTER(c_void_p)]),
    "policy_free": (None, [c_void_p]),
    "policy_spec": (POINTER(Spec), [c_void_p]),
    "session_create": (c_int, [c_void_p, POINTER(c_void_p)]),
    "session_free": (None, [c_void_p]),
    "forward": (c_int, [c_void_p, c_void_p, c_size_t, c_size_t, c_void_p]),
    "act": (c_int, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t)]),
    "act_continuous": (c_int, [c_void_p, c_void_p, c_size_t, c_void_p]),
    "reset": (c_int, [c_void_p]),
    "act_on_frame": (c_int, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t)]),
}

# Beside this file and nowhere else: never another version that happens to be installed.
_dll = ctypes.CDLL(str(Path(__file__).with_name("libeaudeqn.so")))


def _declare(name):
    function = getattr(_dll, f"eaudeqn_{name}")
    function.restype, function.argtypes = _SIGNATURES[name]
    return function


functions = {name: _declare(name) for name in _SIGNATURES}


def call(name: str, *arguments) -> None:
    """Calls a function that returns a status; the error, if there is one, as the exception that Python has for it."""
    status = functions[name](*arguments)
    if status == OK:
        return
    message = functions["last_error"]().decode(errors="replace")
    exceptions = {ARGUMENT: ValueError, FILE: OSError, MEMORY: MemoryError}
    raise exceptions.get(status, RuntimeError)(message)
