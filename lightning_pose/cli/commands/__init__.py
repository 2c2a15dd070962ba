"""One module a command: its name is the command's, its first docstring line the help text.

A command module has ``configure(parser)`` and ``run(args) -> int``. It imports nothing heavy at
its top, because ``litpose --help`` looks at all of them.
"""
