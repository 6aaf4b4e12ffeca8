"""Runs the sparse policies of Eau De Q-Network: NumPy in, actions and network outputs out. No trainer, no environment.

    policy = eaudeqn.Policy.load("policy.safetensors")
    action = policy.act(observation)            # one raw observation
    outputs = policy.forward(observations)      # a batch of them

Atari, frame by frame (84x84, uint8), with a session of its own for each episode that is being played:

    session = policy.session()
    session.reset()
    action = session.act_on_frame(frame)

How the numbers are defined, and what threads may do, is in the C header eaudeqn/eaudeqn.h and in docs/deploy.md.
"""

from eaudeqn.policy import Action, Policy, Session, instruction_set, version

__all__ = ["Action", "Policy", "Session", "instruction_set", "version"]
__version__ = version()
