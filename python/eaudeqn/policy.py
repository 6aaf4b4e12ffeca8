"""Policy: the weights, shared and never changed. Session: what one player of one episode needs."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eaudeqn import _library
from eaudeqn._library import call, functions

# The index of a discrete action, or a continuous one, float32 (dimensions).
Action = Union[int, NDArray[np.float32]]


def version() -> str:
    return functions["version"]().decode()


def instruction_set() -> str:
    """What the kernels use on this machine: "AVX3" (AVX-512), "AVX2", "NEON", ..."""
    return functions["instruction_set"]().decode()


class Policy:
    """A trained policy, from Policy.load. Threads may share it."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle = handle
        weakref.finalize(self, functions["policy_free"], handle)
        self._spec = functions["policy_spec"](handle).contents
        self._sessions = threading.local()
        spec = self._spec
        pairs = range(spec.metadata_count)
        self._metadata = MappingProxyType(
            {spec.metadata_keys[i].decode(): spec.metadata_values[i].decode() for i in pairs}
        )
        self._shape = tuple(spec.observation_shape[: spec.observation_rank])
        self._dtype = np.dtype(np.uint8 if spec.observation_type == _library.UINT8 else np.float32)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policy:
        """Raises OSError, saying what is wrong, for a file that is missing, damaged or no policy."""
        handle = ctypes.c_void_p()
        encoded = os.fsencode(path)
        if b"\0" in encoded:  # C would see what is before it
            raise ValueError("embedded null byte")  # as open() says it
        call("policy_load", encoded, ctypes.byref(handle))
        return cls(handle)

    def session(self) -> Session:
        """A new session, whose frame stack is black."""
        return Session(self)

    def act(self, observation: ArrayLike) -> Action:
        """The greedy action, or the mean one, for one raw observation of `observation_shape`."""
        return self._session().act(observation)

    def forward(self, observations: ArrayLike) -> NDArray[np.float32]:
        """The network's outputs, (batch, outputs), for raw observations (batch, *observation_shape)."""
        return self._session().forward(observations)

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """(rows, columns, frames), newest frame last, or (n,)."""
        return self._shape

    @property
    def observation_dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def outputs(self) -> int:
        return self._spec.outputs

    @property
    def continuous(self) -> bool:
        return self._spec.action_dimensions > 0

    @property
    def actions(self) -> int:
        """The number of discrete actions; 0 where they are continuous."""
        return self._spec.actions

    @property
    def action_names(self) -> tuple[str, ...]:
        """In order; empty where the file does not name them."""
        names = self._spec.action_names
        return tuple(names[i].decode() for i in range(self.actions)) if names else ()

    @property
    def action_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The lowest and the highest action, of length 0 where actions are discrete."""
        count = self._spec.action_dimensions
        bounds = (self._spec.action_low, self._spec.action_high)
        low, high = (np.array(bound[:count] if bound else [], np.float32) for bound in bounds)
        return low, high

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says in words; docs/policy_format.md lists the keys."""
        return self._metadata

    @property
    def environment(self) -> str:
        return self._metadata.get("environment", "")

    @property
    def algorithm(self) -> str:
        return self._metadata.get("algorithm", "")

    @property
    def step(self) -> int | None:
        """Environment steps of training, None where the file does not say."""
        text = self._metadata.get("step", "")
        return int(text) if text.isdecimal() else None

    @property
    def weights(self) -> int:
        """Without biases."""
        return self._spec.weights

    @property
    def active_weights(self) -> int:
        return self._spec.active_weights

    @property
    def sparsity(self) -> float:
        return self._spec.sparsity

    def __repr__(self) -> str:
        return f"<eaudeqn.Policy {self.environment} {self.algorithm} sparsity {self.sparsity:.4f}>"

    def _session(self) -> Session:
        """One for each thread, for calls that remember nothing."""
        if not hasattr(self._sessions, "session"):
            self._sessions.session = Session(self)
        return self._sessions.session


class Session:
    """Working memory and the frame stack of one episode. One thread at a time."""

    def __init__(self, policy: Policy) -> None:
        # Not the policy itself, which may own this session: what is needed of it.
        self._shape, self._dtype = policy.observation_shape, policy.observation_dtype
        self._outputs, self._dimensions = policy.outputs, policy._spec.action_dimensions
        self._handle = ctypes.c_void_p()
        call("session_create", policy._handle, ctypes.byref(self._handle))
        weakref.finalize(self, functions["session_free"], self._handle)
        self._action = ctypes.c_size_t()

    def act(self, observation: ArrayLike) -> Action:
        array = self._checked(observation, self._shape, "the observation")
        if self._dimensions:
            action = np.empty(self._dimensions, np.float32)
            call("act_continuous", self._handle, array.ctypes.data, array.nbytes, action.ctypes.data)
            return action
        call("act", self._handle, array.ctypes.data, array.nbytes, ctypes.byref(self._action))
        return self._action.value

    def reset(self) -> None:
        """An episode begins: all frames of the stack are black."""
        call("reset", self._handle)

    def act_on_frame(self, frame: ArrayLike) -> int:
        """Pushes the newest frame, (rows, columns) of uint8, and acts on the stack."""
        array = self._checked(frame, self._shape[:2], "the frame")
        call("act_on_frame", self._handle, array.ctypes.data, array.nbytes, ctypes.byref(self._action))
        return self._action.value

    def forward(self, observations: ArrayLike) -> NDArray[np.float32]:
        batch = np.shape(observations)[:1]
        array = self._checked(observations, batch + self._shape, "the observations")
        outputs = np.empty((len(array), self._outputs), np.float32)
        call("forward", self._handle, array.ctypes.data, array.nbytes, len(array), outputs.ctypes.data)
        return outputs

    def _checked(self, value: ArrayLike, shape: tuple[int, ...], what: str) -> NDArray[Any]:
        """As the library reads it. Floats of any precision are rounded to float32, as in training; images must be
        bytes: a float image is one that somebody has divided by 255 already."""
        array = np.asarray(value)
        rounded = self._dtype == np.float32 and array.dtype.kind in "fiu"
        if array.shape != shape or not (rounded or array.dtype == self._dtype):
            raise ValueError(f"{what}: got {array.dtype} {array.shape}, wants {self._dtype} {shape}")
        with np.errstate(over="ignore"):  # what is no float32 becomes infinite, which the library refuses
            return np.ascontiguousarray(array, self._dtype)
