"""Template tags of measurements."""
