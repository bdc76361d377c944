"""Two videos against one another in time: which seconds are which, at what speed, in which order."""
