"""What the rooms hand to each other: batches, tables, records, registries and errors.

Nothing here knows Lightning, Hydra or any tracking tool.
"""
