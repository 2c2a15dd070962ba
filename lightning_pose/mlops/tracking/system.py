"""Load and memory of the machine."""

from __future__ import annotations

import psutil


def system_metrics() -> dict[str, float]:
    """Return processor load, memory in use, and memory of the GPU if there is one."""
    import torch  # late: commands that only read the store need not wait for it

    process = psutil.Process()
    values = {
        "system/cpu_percent": float(psutil.cpu_percent()),
        "system/memory_percent": float(psutil.virtual_memory().percent),
        "system/process_memory_gb": process.memory_info().rss / 1e9,
    }
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        values["system/gpu_memory_gb"] = (total - free) / 1e9
    return values
