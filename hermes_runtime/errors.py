"""What is raised when a call never reached its tool.

RuntimeError
├── ToolDenied        a policy or a person said no; the message is the reason
│   └── ToolExpired   nobody answered in time
└── NoServer          there is no server to ask, or it does not know this kernel
"""


class ToolDenied(RuntimeError):
    """A policy or a person refused the call."""


class ToolExpired(ToolDenied):
    """Nobody answered the request for approval in time."""


class NoServer(RuntimeError):
    """No hermes_lab server can be asked; the message says what to do."""
