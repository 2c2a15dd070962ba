"""Models under names, and what they must show to be promoted."""
