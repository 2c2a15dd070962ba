"""What makes one session look unlike another: the coat, the light and the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Look:
    """The appearance of one session. Shades are grey levels before light and noise.

    Attributes:
        size: of the animal, 1 = a body of 83 pixels.
        fur: of the body.
        skin: of legs, snout and tail.
        pads: of the paws' pads and the tip of the nose.
        backdrop: behind the animal in the side view.
        floor: of the mesh in the view from below.
        wheel: of the wheel's rim, the bar and the post.
        brightness: of the light.
        light_slope: change of light across the image, as a share, in x and in y.
        noise: shot noise: its standard deviation at grey level 100.
    """

    size: float
    fur: float
    skin: float
    pads: float
    backdrop: float
    floor: float
    wheel: float
    brightness: float
    light_slope: tuple[float, float]
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Look:
        """Return a session of the kind that models train on: a dark animal on black."""
        return cls(
            size=rng.uniform(0.95, 1.05),
            fur=rng.uniform(50, 66),
            skin=rng.uniform(150, 180),
            pads=rng.uniform(190, 210),
            backdrop=rng.uniform(10, 14),
            floor=rng.uniform(30, 40),
            wheel=rng.uniform(78, 100),
            brightness=rng.uniform(0.92, 1.08),
            light_slope=(rng.uniform(-0.2, 0.2), rng.uniform(-0.1, 0.1)),
            noise=rng.uniform(1.0, 1.3),
        )

    @classmethod
    def draw_new(cls, rng: np.random.Generator) -> Look:
        """Return a session unlike those: a pale, bigger animal by a lit wall, lit from a side."""
        return cls(
            size=rng.uniform(1.14, 1.18),
            fur=rng.uniform(104, 116),
            skin=rng.uniform(185, 195),
            pads=rng.uniform(210, 220),
            backdrop=rng.uniform(38, 46),
            floor=rng.uniform(50, 58),
            wheel=rng.uniform(60, 70),
            brightness=rng.uniform(0.95, 1.05),
            light_slope=(0.4, 0.15),
            noise=rng.uniform(1.3, 1.5),
        )
