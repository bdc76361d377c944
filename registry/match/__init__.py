"""Which registered assets an upload comes from, what was changed, and what that means in words.

It knows uploads, candidates, evidence and verdicts. It must not know HTTP, jobs or who is asking: callers
say whether numbers may be shown.
"""
