"""An upload beside the reference it seems to come from: alignment, and what was done."""
