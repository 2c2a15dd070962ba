"""Reading and writing video: what a file holds, its frames in order, and new files.

The only room that imports a video library. Readers register themselves in
:data:`lightning_pose.contracts.registry.READERS`.
"""
